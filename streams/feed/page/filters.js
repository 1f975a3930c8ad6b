// The filters of a view: what they offer comes from the server, what is chosen is in the address.

import { get } from "./api.js";
import { bdi, h, icon, keepingFocus, replace } from "./dom.js";
import { named, t } from "./i18n.js";
import { changed, go } from "./router.js";
import { languageName } from "./describe.js";

const FIXED = {
  severity: ["critical", "warning", "info"],
  cause: ["technology", "human", "process", "unknown"],
  party: ["agent", "customer", "both"],
  coverage: ["live", "monitored", "partial", "unmonitored"],
};
const OFFERED = { site: "sites", queue: "queues", agent: "agents", rule: "rules", language: "languages", trunk: "trunks" };
const SEARCH_PAUSE_MS = 250;
let offered = null;

/** What there is to filter by; asked for once. */
export async function offers() {
  offered ??= get("/api/rules").catch(() => {
    offered = null;
    return {};
  });
  return offered;
}

export function optionName(filter, value) {
  if (filter === "language") return languageName(value);
  return filter === "rule" || filter in FIXED ? named(filter, value) : value;
}

/** What the address has chosen. A value that a fixed filter does not have, or no longer, chooses nothing. */
const chosenOf = (params, filter) => params.getAll(filter).filter((value) => !(filter in FIXED) || FIXED[filter].includes(value));

/** A bar of menus, one a name of `names`; `search` adds the field of words, `extra` what else stands in it. */
function filterBar(names, params, { search = false, extra = [] } = {}) {
  const menus = names.map((filter) => menu(filter, chosenOf(params, filter)));
  const clear = h("button", { type: "button", class: "quiet clear", id: "filter-clear", onclick: () => {
    go(changed(Object.fromEntries([...names, "q"].map((filter) => [filter, null]))));
  } }, t("filter.clear"));
  clear.hidden = ![...names, "q"].some((filter) => params.get(filter));
  const field = search ? searchField(params.get("q") || "", search) : null;
  return h("div", { class: "filters", role: "search", "aria-label": t("filter.label") }, field, menus, extra, clear);
}

/** Puts the bar in its place; what one was typing or choosing in the one before stays under the fingers. */
export function placeBar(slot, names, params, options) {
  const old = slot.querySelector("#search");
  const typing = old && document.activeElement === old ? { value: old.value, at: old.selectionStart } : null;
  keepingFocus(slot, () => replace(slot, filterBar(names, params, options)), () => slot.querySelector("button"));
  if (typing) {
    const field = slot.querySelector("#search");
    field.value = typing.value;
    field.setSelectionRange(typing.at, typing.at);
  }
  restoreMenu(slot, names);
}

function searchField(value, placeholder) {
  let timer;
  const field = h("input", { type: "search", class: "search", id: "search", placeholder: t(placeholder), "aria-label": t(placeholder), value, autocomplete: "off", spellcheck: "false", maxlength: 200,
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => go(changed({ q: field.value.trim(), alert: null }), { replace: true }), SEARCH_PAUSE_MS);
    } });
  return h("div", { class: "search-box" }, icon("history"), field);
}

function menu(filter, chosen) {
  const label = t(`filter.${filter}`);
  const count = chosen.length === 1 ? optionName(filter, chosen[0]) : chosen.length;
  const button = h("button", { type: "button", class: `filter ${chosen.length ? "on" : ""}`, "aria-expanded": "false", "aria-haspopup": "true" },
    h("span", { class: "filter-name" }, label), chosen.length ? h("b", null, chosen.length === 1 ? bdi(count) : `${count}`) : null, icon("down"));
  const panel = h("div", { class: "menu", role: "group", "aria-label": label, hidden: true });
  const box = h("div", { class: "menu-box" }, button, panel);
  const close = (refocus) => {
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    if (refocus) button.focus();
  };
  const outside = (event) => box.contains(event.target) || close(false);
  button.addEventListener("click", async () => {
    if (!panel.hidden) return close(false);
    const values = filter in FIXED ? FIXED[filter] : valuesOf((await offers())[OFFERED[filter]], chosen);
    replace(panel, values.length ? values.map((value) => option(filter, value, chosen)) : h("p", { class: "soft" }, t("filter.nothing")));
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside, true);
    panel.querySelector("input")?.focus();
  });
  box.addEventListener("keydown", (event) => menuKey(event, panel, close));
  box.addEventListener("focusout", (event) => panel.hidden || box.contains(event.relatedTarget) || !event.relatedTarget || close(false));
  return box;
}

function valuesOf(items, chosen) {
  const values = (items || []).map((item) => (typeof item === "string" ? item : item.rule_id ?? item.id ?? item.name));
  return [...new Set([...values, ...chosen])].filter(Boolean).sort((a, b) => a.localeCompare(b));
}

function option(filter, value, chosen) {
  const box = h("input", { type: "checkbox", checked: chosen.includes(value), onchange: () => {
    const now = new URLSearchParams(location.search).getAll(filter);
    const next = box.checked ? [...now, value] : now.filter((other) => other !== value);
    reopen = { filter, value };
    go(changed({ [filter]: next, alert: null }));
  } });
  return h("label", { class: "option" }, box, h("span", { dir: "auto" }, optionName(filter, value)));
}

let reopen = null;

/** A choice redraws the bar; the menu it was made in opens again, the focus where it was. */
async function restoreMenu(bar, names) {
  if (!reopen) return;
  const { filter, value } = reopen;
  reopen = null;
  const box = bar.querySelectorAll(".menu-box")[names.indexOf(filter)];
  box?.querySelector("button").click();
  await offers();
  await null;
  const label = optionName(filter, value);
  for (const item of box?.querySelectorAll("label") ?? []) if (item.textContent === label) item.querySelector("input").focus();
}

function menuKey(event, panel, close) {
  if (panel.hidden) return;
  if (event.key === "Escape") {
    event.stopPropagation();
    close(true);
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const boxes = [...panel.querySelectorAll("input")];
    const at = boxes.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    boxes[(at + boxes.length) % boxes.length]?.focus();
  }
}

/** The predicate of the present filters over records that carry the same names. */
export function matcher(params, names) {
  const wanted = names.map((filter) => [filter, new Set(chosenOf(params, filter))]).filter(([, values]) => values.size);
  const words = (params.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
  return (record) =>
    wanted.every(([filter, values]) => values.has(valueOf(record, filter))) &&
    (!words.length || words.every((word) => haystack(record).includes(word)));
}

function valueOf(record, filter) {
  if (filter === "rule") return record.rule_id;
  if (filter === "cause") return record.cause?.verdict ?? record.cause;
  return record[filter];
}

function haystack(record) {
  const words = (record.evidence?.words || []).map((word) => word.text);
  return [record.call_id, record.agent, record.queue, record.site, record.trunk, record.rule_id, record.title, ...Object.values(record.message || {}), ...words].join(" ").toLowerCase();
}

export const query = (params, names) => Object.fromEntries([...names, "q"].map((filter) => [filter, filter === "q" ? params.getAll(filter) : chosenOf(params, filter)]));
