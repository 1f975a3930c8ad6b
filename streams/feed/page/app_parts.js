// What every view shows in the same way: failures with a remedy, figures, calls as tiles and lines.

import { bdi, h, hidden, replace, severityIcon } from "./dom.js";
import { ago, band, causeChip, coverageChip, healthBadge, languageName, name, SEVERITIES } from "./describe.js";
import { clock, dateTime, named, t, when } from "./i18n.js";
import { href } from "./router.js";

/** In place of what could not be loaded: what went wrong, what helps, and to try again. */
export function failure(box, error, retry) {
  if (error.name === "AbortError") return;
  const again = h("button", { type: "button", onclick: () => {
    replace(box, h("p", { class: "soft" }, t("loading")));
    Promise.resolve(retry()).catch((next) => failure(box, next, retry));
  } }, t("action.retry"));
  box.hidden = false;
  replace(box, h("div", { class: "failure", role: "alert" }, h("h2", null, error.status === undefined ? t("error.other") : error.message), h("p", null, error.detail || "", " ", error.remedy || ""), again));
  if (error.status === undefined) throw error; // a mistake of the page itself belongs in the console too
}

export function alertCounts(counts, { empty = true } = {}) {
  const some = SEVERITIES.filter((severity) => counts?.[severity]);
  if (!some.length) return empty ? h("span", { class: "soft" }, t("count.none")) : null;
  return h("span", { class: "counts" }, some.map((severity) => h("span", { class: `count-of ${severity}`, title: named("severity", severity) }, severityIcon(severity), hidden(named("severity", severity)), String(counts[severity]))));
}

/** A call as a small tile: its health, marked where nobody watches all of it. */
export function tile(call) {
  const shown = call.health === null || call.health === undefined ? "–" : String(Math.round(call.health));
  const blind = call.coverage === "partial" || call.coverage === "unmonitored";
  const alerts = SEVERITIES.find((severity) => call.alerts?.[severity]);
  const label = t("tile.label", { agent: call.agent || t("none.value"), health: shown, alerts: SEVERITIES.reduce((sum, severity) => sum + (call.alerts?.[severity] || 0), 0), coverage: named("coverage", call.coverage) });
  return h("a", { class: `tile ${band(call.health ?? 100)} ${blind ? "blind" : ""}`, href: href("call", { call: call.call_id }), title: `${call.call_id}, ${label}` }, h("span", { "aria-hidden": "true" }, shown), hidden(`${call.call_id}, ${label}`), alerts ? h("i", { class: `dot ${alerts}`, "aria-hidden": "true" }) : null);
}

/** Calls as lines of a table. */
export function callTable(calls, { caption, extra } = {}) {
  const heads = ["health", "call", "agent", "queue", "site", "started", "length", "alerts", "cause", "coverage"];
  return h("div", { class: "table-scroll" }, h("table", { class: "calls" }, h("caption", { class: "sr" }, caption),
    h("thead", null, h("tr", null, heads.map((head) => h("th", { scope: "col", class: head === "started" || head === "length" ? "n" : null }, t(`label.${head}`))))), h("tbody", null, calls.map((call) => callRow(call, extra)))));
}

function callRow(call, extra) {
  return [h("tr", null, h("td", null, healthBadge(call.health)), h("td", { class: "call", title: call.call_id }, h("a", { href: href("call", { call: call.call_id }) }, bdi(call.call_id))),
    ["agent", "queue", "site"].map((field) => h("td", { class: "name", title: call[field] }, name(call[field]))),
    h("td", { class: "n" }, startedAt(call) ? h("span", { title: dateTime(startedAt(call)) }, when(startedAt(call))) : "–"), h("td", { class: "n" }, clock(call.duration_ms || 0)),
    h("td", null, alertCounts(call.alerts)), h("td", null, call.cause && call.cause !== "none" ? causeChip(call.cause.verdict ?? call.cause) : h("span", { class: "soft" }, "–")), h("td", null, coverageChip(call.coverage))), extra?.(call)];
}

export const startedAt = (call) => call.started_at ?? call.first_at ?? null;

export function figure(label, value, note) {
  return h("div", { class: "figure" }, h("dt", null, label), h("dd", null, value, note ? h("small", null, note) : null));
}

export function callFacts(call) {
  const item = (key, node) => h("div", null, h("dt", null, t(key)), h("dd", null, node));
  const at = startedAt(call);
  return h("dl", { class: "facts-line" }, item("label.agent", name(call.agent)), item("label.queue", name(call.queue)), item("label.site", name(call.site)), call.trunk ? item("label.trunk", bdi(call.trunk)) : null,
    call.language ? item("label.language", languageName(call.language)) : null, at ? item("label.started", [when(at), " · ", call.live ? ago(at) : clock(call.duration_ms || 0)]) : null, item("label.coverage", coverageChip(call.coverage)),
    call.cause && call.cause !== "none" ? item("label.cause", causeChip(call.cause.verdict ?? call.cause)) : null, Object.entries(call.attributes || {}).map(([key, value]) => h("div", null, h("dt", null, bdi(key)), h("dd", null, bdi(value)))));
}

export function pageHead(title, ...rest) {
  return h("header", { class: "view-head" }, h("h2", { tabindex: "-1", id: "view-title" }, title), rest);
}
