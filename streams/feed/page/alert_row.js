// One alert as one line: what, who, where, which call, why, since when, and who has it in hand.

import { now } from "./clock.js";
import { bdi, h, hidden, icon, replace, severityIcon } from "./dom.js";
import { ago, causeChip, name, sentenceNode, sinceOf } from "./describe.js";
import { named, t, when } from "./i18n.js";
import { changed } from "./router.js";

export function alertRow(alert, { onack, address } = {}) {
  const link = h("a", { class: "row-link", tabindex: "-1", href: (address || openAddress)(alert), "data-alert": alert.alert_id });
  const ack = onack ? h("button", { type: "button", class: "row-ack icon-button", tabindex: "-1", onclick: () => onack(entry.item) }, icon("check")) : null;
  const row = h("li", { class: "row" }, link, ack);
  const entry = { row, focus: link, item: alert, update: (next) => fill(row, link, ack, next) };
  entry.update(alert);
  return entry;
}

const openAddress = (alert) => changed({ alert: alert.alert_id });

function fill(row, link, ack, alert) {
  const acknowledged = Boolean(alert.feedback?.acknowledged_by);
  row.className = `row ${alert.severity} ${acknowledged ? "taken" : ""} ${alert.state} ${alert.live ? "" : "ended"}`;
  replace(link, h("span", { class: "cell severity" }, severityIcon(alert.severity), h("span", { class: "severity-name" }, named("severity", alert.severity))),
    h("span", { class: "cell what" }, sentenceNode(alert), alert.state === "escalated" ? h("span", { class: "chip escalated" }, t("state.escalated")) : null),
    h("span", { class: "meta" }, h("span", { class: "cell who" }, hidden(t("label.agent")), name(alert.agent)),
      h("span", { class: "cell where" }, hidden(t("label.where")), name(alert.queue), h("span", { class: "sep", "aria-hidden": "true" }, "·"), name(alert.site)),
      h("span", { class: "cell call" }, hidden(t("label.call")), bdi(alert.call_id)),
      h("span", { class: "cell cause" }, hidden(t("label.cause")), causeChip(alert.cause.verdict)),
      h("span", { class: "cell hands" }, hands(alert))),
    h("span", { class: "cell since" }, hidden(t("label.since")), since(alert)));
  if (ack) {
    ack.setAttribute("aria-label", t(acknowledged ? "action.unacknowledge" : "action.acknowledge"));
    ack.title = ack.getAttribute("aria-label");
    ack.classList.toggle("on", acknowledged);
  }
}

function since(alert) {
  const at = sinceOf(alert);
  if (!at) return h("span", { class: "soft" }, "–");
  return [h("span", { class: "clock" }, when(at)), ago(at, { ended: alert.state === "cleared" })];
}

/** Who has it in hand. */
export function hands(alert) {
  const { acknowledged_by, assigned_to, notes, dismissed, snoozed_until_at } = alert.feedback || {};
  const out = [];
  if (dismissed) out.push(h("span", { class: "hand" }, icon("dismiss"), t("hand.dismissed")));
  else if (snoozed_until_at > now()) out.push(h("span", { class: "hand" }, icon("clock"), when(snoozed_until_at)));
  if (assigned_to) out.push(h("span", { class: "hand", title: t("hand.assigned") }, icon("user"), hidden(t("hand.assigned")), bdi(assigned_to)));
  else if (acknowledged_by) out.push(h("span", { class: "hand", title: t("hand.acknowledged") }, icon("check"), hidden(t("hand.acknowledged")), bdi(acknowledged_by)));
  if (notes?.length) out.push(h("span", { class: "hand", title: t("hand.notes", { n: notes.length }) }, icon("note"), hidden(t("hand.notes", { n: notes.length })), h("span", { "aria-hidden": "true" }, notes.length)));
  if (!alert.live) out.push(h("span", { class: "hand soft" }, t("hand.ended")));
  return out;
}
