// The page: who is looking, what is open, and the connection that keeps it true.

import { offerDraft, runUndo } from "./actions.js";
import { ApiError, get, goToLogin, useSession } from "./api.js";
import { failure } from "./app_parts.js";
import { chime, onTouched, setSound, soundBlocked, soundOn } from "./chime.js";
import { isOpen, SEVERITIES, sentence, tick } from "./describe.js";
import { bdi, brand, giveBack, h, icon, replace, setText } from "./dom.js";
import { forgetDrafts } from "./drafts.js";
import { LANGUAGES, language, preferredLanguage, read, t, useLanguage, write } from "./i18n.js";
import { listen, showHelp } from "./keyboard.js";
import { batched, Collection, live } from "./live.js";
import { go, href, onRoute, route, settle } from "./router.js";
import { AlertsView } from "./view_alerts.js";
import { CallView } from "./view_call.js";
import { CoverageView } from "./view_coverage.js";
import { FloorView } from "./view_floor.js";
import { HistoryView } from "./view_history.js";
import { IncidentsView } from "./view_incidents.js";

const VIEWS = { alerts: AlertsView, floor: FloorView, incidents: IncidentsView, coverage: CoverageView, history: HistoryView, call: CallView };
const NAV = ["alerts", "floor", "incidents", "coverage", "history"];
const THEMES = ["auto", "light", "dark"];
const TICK_MS = 5_000;
const ANNOUNCE_MS = 5_000; // a screen reader must get to the end of a sentence

const page = { view: null, name: null, waiting: null, fresh: [] };

async function start() {
  settle();
  applyTheme(read("vigie.theme") || "auto");
  await useLanguage(preferredLanguage());
  shell();
  try {
    live.me = await get("/api/me");
    useSession(live.me);
    account();
    await watch();
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) failure(document.getElementById("main"), error, () => location.reload());
    return;
  }
  onRoute(show);
  show(route());
  listen(key);
  offerDraft();
  setInterval(tick, TICK_MS);
}

/** What is open and nobody's yet: the figure on the page's tab, and what is announced. */
async function watch() {
  page.waiting = new Collection({
    path: "/api/alerts", kind: "alert", query: { state: "open", acknowledged: false }, limit: 500,
    matches: (alert) => isOpen(alert) && !alert.feedback?.acknowledged_by, change: batched(badge, 500), added: heard,
  });
  const { event } = await page.waiting.load();
  live.addEventListener("state", (told) => connection(told.detail.state));
  live.addEventListener("health", () => connection(live.state));
  live.addEventListener("reset", () => (page.waiting.load().catch(() => {}), show(route(), true)));
  live.start(event);
  setInterval(() => page.waiting.load().catch(() => {}), 60_000);
}

function badge() {
  const n = page.waiting.total;
  const worst = SEVERITIES.find((severity) => [...page.waiting.items.values()].some((alert) => alert.severity === severity));
  document.title = `${n ? `(${n}) ` : ""}${t(page.view?.title || "nav.alerts")} – Vigie`;
  const mark = document.getElementById("nav-count");
  if (!mark) return;
  mark.hidden = n === 0;
  mark.className = `nav-count ${worst || ""}`;
  setText(mark, String(n));
}

function heard(alert) {
  page.fresh.push(alert);
  if (soundOn()) chime(alert.severity);
  page.announcing ??= setTimeout(announce, Math.max(300, ANNOUNCE_MS - (Date.now() - (page.announced || 0))));
}

function announce() {
  const fresh = page.fresh.splice(0);
  page.announcing = null;
  page.announced = Date.now();
  const worst = SEVERITIES.flatMap((severity) => fresh.filter((alert) => alert.severity === severity))[0];
  if (worst) document.getElementById("live").textContent = t("live.new", { n: fresh.length, severity: t(`severity.${worst.severity}`), what: sentence(worst).text, who: worst.agent || t("none.value") });
}

function shell() {
  const nav = h("nav", { class: "nav", "aria-label": t("nav.label") }, NAV.map((view) => h("a", { href: href(view), "data-view": view, title: t(`nav.${view}`) }, icon(view), h("span", null, t(`nav.${view}`)), view === "alerts" ? h("b", { id: "nav-count", class: "nav-count", hidden: true }) : null)));
  replace(document.body, h("a", { class: "skip", href: "#main", onclick: skip }, t("nav.skip")),
    h("header", { class: "top" }, h("a", { class: "brand", href: "/", "aria-label": `Vigie, ${t("nav.alerts")}` }, brand(), h("h1", null, "Vigie")), nav,
      h("div", { class: "tools" }, h("span", { id: "connection", role: "status", class: "connection connecting" }, h("i", { "aria-hidden": "true" }), h("span", null, t("connection.connecting"))), soundButton(),
        h("button", { type: "button", class: "icon-button help", "aria-label": t("keys.help"), title: `${t("keys.help")} (?)`, onclick: showHelp }, icon("help")), h("div", { id: "account" }))),
    h("main", { id: "main", tabindex: "-1" }, h("p", { class: "soft loading" }, t("loading"))),
    h("div", { id: "toasts", class: "toasts", role: "status", "aria-live": "polite" }), h("div", { id: "live", class: "sr", role: "log", "aria-live": "polite" }));
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function soundButton() {
  const button = h("button", { type: "button", class: "icon-button sound", onclick: () => (setSound(!soundOn()), draw()) });
  const draw = () => {
    replace(button, icon(soundOn() ? "sound" : "mute"));
    button.classList.toggle("blocked", soundBlocked());
    button.setAttribute("aria-pressed", String(soundOn()));
    button.setAttribute("aria-label", t("sound.label"));
    button.title = t(soundBlocked() ? "sound.blocked" : soundOn() ? "sound.on" : "sound.off");
  };
  draw();
  onTouched(draw);
  return button;
}

function connection(line) {
  const state = line === "live" && !live.current ? "behind" : line;
  const mark = document.getElementById("connection");
  mark.className = `connection ${state}`;
  setText(mark.lastElementChild, t(`connection.${state}`));
  mark.title = t(`connection.${state}.about`);
  document.body.classList.toggle("stale", ["waiting", "refused", "behind"].includes(state));
  if (state === "refused") goToLogin();
}

function account() {
  const me = live.me;
  const select = (label, values, chosen, change) => h("label", { class: "field" }, h("span", null, t(label)), h("select", { onchange: (event) => change(event.target.value) }, values.map(([value, text, lang]) => h("option", { value, selected: value === chosen, lang }, text))));
  const scope = (values) => (values === null || values === undefined ? t("account.all") : values.join(", ") || t("account.no"));
  const panel = h("div", { class: "menu account-menu", hidden: true },
    h("p", null, h("b", null, bdi(me.name || me.user)), h("span", { class: "soft" }, ` · ${t(`role.${me.role}`)}`)), h("p", { class: "soft" }, t("account.sites"), ": ", bdi(scope(me.sites)), h("br"), t("account.queues"), ": ", bdi(scope(me.queues))), me.loopback ? h("p", { class: "soft" }, t("account.loopback")) : null,
    select("account.language", Object.entries(LANGUAGES).map(([code, { name }]) => [code, name, code]), language(), changeLanguage), select("account.theme", THEMES.map((theme) => [theme, t(`theme.${theme}`)]), read("vigie.theme") || "auto", changeTheme),
    me.loopback ? null : h("form", { method: "post", action: "/logout", onsubmit: forgetDrafts }, h("input", { type: "hidden", name: "csrf", value: me.csrf || "" }), h("button", { type: "submit" }, t("account.logout"))));
  const button = h("button", { type: "button", class: "account-button", "aria-expanded": "false", "aria-haspopup": "true", title: t("account.label"), "aria-label": `${t("account.label")}: ${me.name || me.user}` }, h("span", { "aria-hidden": "true" }, initials(me.name || me.user)));
  const set = (open) => {
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) panel.querySelector("select").focus();
  };
  button.addEventListener("click", () => set(panel.hidden));
  const box = h("div", { class: "menu-box" }, button, panel);
  box.addEventListener("keydown", (event) => event.key === "Escape" && !panel.hidden && (event.stopPropagation(), set(false), button.focus()));
  document.addEventListener("pointerdown", (event) => box.contains(event.target) || set(false));
  replace(document.getElementById("account"), box);
}

const initials = (name) => String(name).split(/[\s._-]+/).slice(0, 2).map((part) => part[0] || "").join("").toUpperCase();

async function changeLanguage(code) {
  await useLanguage(code, { remember: true });
  shell();
  account();
  connection(live.state);
  badge();
  show(route(), true);
  document.querySelector(".account-button").focus();
}

function changeTheme(theme) {
  write("vigie.theme", theme);
  applyTheme(theme);
}

function applyTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function show({ view, params }, again = false) {
  if (view !== page.name || again) {
    const held = again ? document.querySelector("#main :focus") : null;
    page.view?.close();
    page.name = view;
    page.view = new VIEWS[view]();
    const main = document.getElementById("main");
    main.className = `main-${view}`;
    const first = !page.shown;
    page.shown = true;
    page.view.mount(main, params);
    if (held) giveBack(held, main);
    else if (!first && !again && !main.querySelector(":focus")) (document.getElementById("view-title") || main).focus({ preventScroll: true });
    scrollTo(0, 0);
  } else page.view.update(params);
  for (const link of document.querySelectorAll(".nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.setAttribute("href", href(link.dataset.view));
  }
  badge();
}

function key(name) {
  if (page.view?.key?.(name)) return true;
  if (name === "?") showHelp();
  else if (name === "u") runUndo();
  else if (name === "/") return focusSearch();
  else if (name >= "1" && name <= String(NAV.length)) go(href(NAV[Number(name) - 1]));
  else if ((name === "j" || name === "k") && page.name !== "alerts") return step(name === "j" ? 1 : -1);
  else return false;
  return true;
}

function focusSearch() {
  const field = document.getElementById("search");
  if (!field) go(href("history"));
  (field || document.getElementById("search"))?.focus();
  return true;
}

/** In the views without a live list, j and k go through what can be opened. */
function step(by) {
  const links = [...document.querySelectorAll("main a[href^='?']:not([tabindex='-1']), main summary")].filter((link) => link.offsetParent);
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + by))];
  next?.focus();
  return Boolean(next);
}

start().catch((error) => {
  const box = h("div", { class: "failure", role: "alert" }, h("p", null, String(error.message || error)));
  document.body.replaceChildren(box);
  throw error;
});
