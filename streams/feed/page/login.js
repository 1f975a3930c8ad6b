// The door. The server says whether there is one more way in (OpenID Connect), and why the last attempt failed.

import { get } from "./api.js";
import { brand, h, replace } from "./dom.js";
import { LANGUAGES, language, preferredLanguage, read, t, useLanguage } from "./i18n.js";

const REFUSALS = ["credentials", "cookies", "csrf", "rate", "oidc", "disabled"];
const params = new URLSearchParams(location.search);

async function start() {
  const theme = read("vigie.theme");
  if (theme && theme !== "auto") document.documentElement.dataset.theme = theme;
  await useLanguage(preferredLanguage());
  let data = { csrf: "", oidc: null };
  let problem = refusal();
  try {
    data = await get("/api/login");
  } catch (error) {
    problem = [error.message, error.remedy].join(" ");
  }
  draw(data, problem);
}

function refusal() {
  const error = params.get("error");
  if (!error) return "";
  return t(`login.error.${REFUSALS.includes(error) ? error : "credentials"}`, { seconds: Number(params.get("retry_after")) || 60 });
}

/** Only a path of this site's own: a login page must not send anybody elsewhere. */
function next() {
  const asked = params.get("next") || "/";
  return asked.startsWith("/") && !asked.startsWith("//") && !asked.includes("\\") ? asked : "/";
}

function draw({ csrf, oidc }, problem) {
  const field = (label, props) => h("label", { class: "field" }, h("span", null, t(label)), h("input", { required: true, ...props }));
  const name = field("login.name", { name: "name", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  const form = h("form", { method: "post", action: "/login" }, name, field("login.password", { name: "password", type: "password", autocomplete: "current-password" }),
    h("input", { type: "hidden", name: "csrf", value: csrf || "" }), h("input", { type: "hidden", name: "next", value: next() }), h("button", { type: "submit", class: "primary" }, t("login.enter")));
  const other = oidc ? [h("p", { class: "or" }, h("span", null, t("login.or"))), h("a", { class: "button", href: withNext(oidc.url) }, t("login.oidc", { name: oidc.name }))] : null;
  const languages = h("nav", { class: "languages", "aria-label": t("account.language") }, Object.entries(LANGUAGES).map(([code, { name: own }]) => h("button", { type: "button", class: "quiet", lang: code, "aria-pressed": String(code === language()), onclick: () => change(code, csrf, oidc) }, own)));
  replace(document.body, h("main", { class: "card" }, h("div", { class: "brand" }, brand(), h("h1", null, "Vigie")), h("p", { class: "soft" }, t("login.about")), problem ? h("p", { class: "problem", role: "alert" }, problem) : null, form, other), languages);
  document.title = `${t("login.enter")} – Vigie`;
  name.querySelector("input").focus();
}

const withNext = (url) => `${url}${url.includes("?") ? "&" : "?"}next=${encodeURIComponent(next())}`;

async function change(code, csrf, oidc) {
  await useLanguage(code, { remember: true });
  draw({ csrf, oidc }, refusal());
}

start();
