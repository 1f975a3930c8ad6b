// Records in the viewer's words: an alert's sentence, a metric's value, a cause, a call's health.

import { now as serverNow } from "./clock.js";
import { bdi, h, hidden } from "./dom.js";
import { age, duration, has, inLanguage, language, named, number, percent, t, when } from "./i18n.js";

export const SEVERITIES = ["critical", "warning", "info"];
const RANK = { critical: 0, warning: 1, info: 2 };
const BARE_UNITS = new Set(["count", "0 or 1", "score", "points"]);

/** What is wrong, in one sentence; a rule of this product has one in every language, another's speaks as its file does. */
export function sentence(alert) {
  const own = alert.message?.[language()];
  // Once the words have expired, the title stands for every sentence that quoted them.
  const kept = own && own !== (alert.title || alert.rule_id);
  if (kept) return { text: own, lang: language() };
  const key = `say.${alert.rule_id}`;
  if (!has(key)) return inLanguage(alert.message);
  const { value, threshold, words } = alert.evidence;
  const values = {
    value: number(value),
    threshold: number(threshold),
    party: t(`party.the.${alert.party || "call"}`),
    duration: duration(alert.evidence.unit === "ms" ? value : Math.max(0, alert.raised_ms - alert.onset_ms)),
    // Isolated: a French quotation must not turn an Arabic sentence around.
    words: `\u2068${(words || []).map((word) => word.text).join(" … ") || "…"}\u2069`,
  };
  return { text: t(key, values), lang: language() };
}

export const sentenceNode = (alert, props) => {
  const { text, lang } = sentence(alert);
  return h("span", { ...props, lang: lang === language() ? null : lang, dir: lang === language() ? null : "auto" }, text);
};

export const ruleTitle = (alert) => (has(`rule.${alert.rule_id}`) ? t(`rule.${alert.rule_id}`) : alert.title || alert.rule_id);

export function metricName(metric) {
  if (has(`metric.${metric}`)) return t(`metric.${metric}`);
  const [kind, topic] = metric.split(".");
  if (topic && has(`metric.${kind}`)) return t(`metric.${kind}`, { topic: named("phrase", topic) });
  return metric.replaceAll("_", " ");
}

export function quantity(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "ms") return duration(value);
  if (unit === "share") return percent(value);
  const digits = Math.abs(value) < 10 ? 2 : 1;
  const text = number(value, { maximumFractionDigits: digits });
  return unit && !BARE_UNITS.has(unit) ? `${text} ${named("unit", unit)}` : text;
}

/** A fact that speaks for or against a cause. */
export function fact(item, verdict) {
  if (item.text?.[language()]) return { text: item.text[language()], lang: language() };
  if (item.kind === "alert" && has(`rule.${item.name}`)) return { text: t("fact.alert", { rule: t(`rule.${item.name}`) }), lang: language() };
  if (item.kind === "turn" && has(`fact.turn.${item.party}`)) return { text: t(`fact.turn.${item.party}`), lang: language() };
  if (has(`fact.${item.name}`)) return { text: t(`fact.${item.name}`), lang: language() };
  if (item.kind === "measure" && has(`fact.own.${verdict}`)) return { text: t(`fact.own.${verdict}`), lang: language() };
  return inLanguage(item.text);
}

export const sinceOf = (alert) => alert.onset_at ?? alert.raised_at;

const FRESH_MS = 15 * 60_000; // an alert of an ended call that nobody took is still somebody's business for a while

/** Open as the server counts it: lasting, not dismissed, not asleep; of a live call, or not yet acknowledged. */
export function isOpen(alert, now = serverNow()) {
  const { dismissed, snoozed_until_at, acknowledged_by } = alert.feedback || {};
  if (dismissed || alert.state === "cleared" || (snoozed_until_at && snoozed_until_at > now)) return false;
  return alert.live || (!acknowledged_by && alert.raised_at > now - FRESH_MS);
}

/** Worst first: severity, nobody on it before somebody on it, newest. */
export function worstFirst(first, second) {
  return (
    RANK[first.severity] - RANK[second.severity] ||
    Boolean(first.feedback?.acknowledged_by) - Boolean(second.feedback?.acknowledged_by) ||
    (second.raised_at ?? 0) - (first.raised_at ?? 0) ||
    (first.alert_id < second.alert_id ? -1 : 1)
  );
}

export const newestFirst = (first, second) =>
  (second.raised_at ?? 0) - (first.raised_at ?? 0) || (first.alert_id < second.alert_id ? -1 : 1);

export const band = (health) => (health >= 80 ? "good" : health >= 50 ? "warning" : "critical");

export function healthBadge(health) {
  if (health === null || health === undefined) return h("span", { class: "health none" }, "–", hidden(t("health.unknown")));
  return h("span", { class: `health ${band(health)}`, title: t("health.title") }, hidden(t("health.label")), String(Math.round(health)));
}

export const chip = (kind, text) => h("span", { class: `chip ${kind}` }, text);
export const causeChip = (verdict) => chip(`cause ${verdict}`, named("cause", verdict));
export const coverageChip = (state) => chip(`coverage ${state}`, named("coverage", state));

/** A name, or the word for there being none. */
export const name = (value, missing = "none.value") => (value ? bdi(value) : h("span", { class: "soft" }, t(missing)));

const ticking = new Set();

/** How long ago, kept current while it is on the page. */
export function ago(at, { ended = false } = {}) {
  const node = h("time", { datetime: new Date(at).toISOString(), title: when(at) });
  node.at = at;
  node.textContent = age(serverNow() - at);
  if (!ended) ticking.add(new WeakRef(node));
  return node;
}

export function tick() {
  for (const reference of ticking) {
    const node = reference.deref();
    if (!node || (!node.isConnected && node.seen)) ticking.delete(reference);
    else {
      node.seen = node.isConnected;
      const text = age(serverNow() - node.at);
      if (node.isConnected && node.textContent !== text) node.textContent = text;
    }
  }
}

export function languageName(code) {
  try {
    return new Intl.DisplayNames([language()], { type: "language" }).of(code);
  } catch {
    return code;
  }
}
