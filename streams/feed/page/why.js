// Why an alert fired: the measure against its threshold. Where the call's timeline carries the measure it is drawn over the
// time around the alert; else the value stands beside its limit on a bar.

import { h, svg } from "./dom.js";
import { clock, percent, rtl, t } from "./i18n.js";
import { metricName, quantity } from "./describe.js";
import { gaps, merged, overlaps, runLength, ticks } from "./spans.js";

const HEIGHT = 110;
const PAD = { top: 14, bottom: 20, side: 18 };
const BEFORE_MS = 20_000;
const AFTER_MS = 10_000;
const POINTS = 160;

/** The course of the alert's metric around it as [[ms, value], ...], or null where the timeline does not carry it. */
export function course(alert, call) {
  const line = call?.timeline;
  if (!line) return null;
  const from = Math.max(0, Math.min(alert.onset_ms, alert.raised_ms) - BEFORE_MS);
  const end = Math.min(call.duration_ms, Math.max(alert.raised_ms, alert.cleared_ms ?? 0) + AFTER_MS);
  const agent = merged(line.agent?.speech || []);
  const customer = merged(line.customer?.speech || []);
  const sampled = (value) => Array.from({ length: POINTS + 1 }, (_, i) => {
    const at = from + ((end - from) * i) / POINTS;
    return [at, value(at)];
  });
  const { metric } = alert.evidence;
  if (end - from < 1_000) return null;
  if (metric === "mutual_silence_ms") {
    const silent = gaps([...agent, ...customer, ...(line.hold || [])], call.duration_ms, 1);
    return sampled((at) => runLength(silent, at));
  }
  if (metric === "overlap_run_ms") return sampled((at) => runLength(overlaps(agent, customer), at));
  if (metric === "hold_ms") return sampled((at) => runLength(line.hold || [], at));
  const party = alert.party === "agent" || alert.party === "customer" ? alert.party : null;
  if (metric === "level_dbov" && party) return levels(line[party]?.level_dbov || [], line.step_ms, from, end);
  if (metric === "sentiment" && party) {
    const points = (line.sentiment?.[party] || []).map(({ at_ms, score }) => [at_ms, score]);
    return points.length > 1 ? points : null;
  }
  if (metric === "talk_ratio") return sampled((at) => ratio(agent, customer, at));
  return null;
}

function levels(values, step, from, end) {
  const points = values.map((value, i) => [i * step, value]).filter(([at, value]) => value !== null && at >= from && at <= end);
  return points.length > 1 ? points : null;
}

function ratio(agent, customer, at) {
  const talk = (spans) => spans.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, at) - Math.min(from, at)), 0);
  const [first, second] = [talk(agent), talk(customer)];
  return first + second ? first / (first + second) : 0;
}

/** Something that was said is no curve: the words themselves, and how sure the transcriber is of them. */
export function quotes(alert) {
  const { metric, words } = alert.evidence;
  if (!metric.startsWith("phrase.") || !words.length) return null;
  return h("div", { class: "quotes" }, words.map((word) => h("figure", { class: "quote" }, h("blockquote", { dir: "auto", lang: alert.language }, word.text),
    h("p", { class: "soft" }, [t(`party.${word.party || "both"}`), word.start_ms === undefined ? null : clock(word.start_ms), typeof word.confidence === "number" ? t("why.sure", { share: percent(word.confidence) }) : null].filter(Boolean).join(" · ")))));
}

export function whyPlot(alert, call, width) {
  const points = course(alert, call);
  const root = points ? curve(alert, points, width) : bar(alert, width);
  return { root };
}

/** A limit of a millisecond means "any at all". */
const limitOf = (threshold, unit) => (unit === "ms" && threshold <= 1 ? t("why.any") : quantity(threshold, unit));

function told(alert) {
  const { metric, unit, value, threshold } = alert.evidence;
  return t("why.told", { metric: metricName(metric), value: quantity(value, unit), threshold: limitOf(threshold, unit) });
}

function curve(alert, points, width) {
  const { threshold, value, unit } = alert.evidence;
  const all = [...points.map(([, y]) => y), threshold, value];
  const low = Math.min(...all, unit === "score" ? -1 : unit === "dBov" ? -60 : 0);
  const high = Math.max(...all, unit === "score" ? 1 : threshold) + (unit === "score" ? 0 : (Math.max(...all) - low) * 0.08);
  const [from, to] = [points[0][0], points.at(-1)[0]];
  const x = (ms) => {
    const along = ((ms - from) / (to - from || 1)) * (width - 2 * PAD.side);
    return rtl() ? width - PAD.side - along : PAD.side + along;
  };
  const y = (amount) => PAD.top + (1 - (amount - low) / (high - low || 1)) * (HEIGHT - PAD.top - PAD.bottom);
  const path = points.map(([ms, amount], i) => `${i ? "L" : "M"}${x(ms).toFixed(1)} ${y(amount).toFixed(1)}`).join("");
  const base = y(Math.max(low, Math.min(high, 0)));
  const area = unit === "dBov" || unit === "score" ? "" : `${path}L${x(to).toFixed(1)} ${base}L${x(from).toFixed(1)} ${base}Z`;
  const root = frame(alert, width, HEIGHT);
  for (const at of ticks(from, to, Math.max(3, width / 90))) root.append(svg("text", { class: "tick", x: x(at), y: HEIGHT - 4 }, clock(at)));
  if (area) root.append(svg("path", { class: "area", d: area }));
  root.append(svg("path", { class: "course", d: path }));
  const limit = y(threshold);
  root.append(svg("line", { class: "limit", x1: PAD.side, x2: width - PAD.side, y1: limit, y2: limit }));
  const label = svg("text", { class: "limit-name", x: rtl() ? width - PAD.side : PAD.side, y: limit - 4 }, `${t("why.limit")} ${limitOf(threshold, unit)}`);
  root.append(label);
  const raised = x(Math.min(to, Math.max(from, alert.raised_ms)));
  root.append(svg("line", { class: `raised ${alert.severity}`, x1: raised, x2: raised, y1: PAD.top - 6, y2: HEIGHT - PAD.bottom }));
  root.append(svg("circle", { class: `raised ${alert.severity}`, cx: raised, cy: y(Math.max(low, Math.min(high, value))), r: 4 }));
  return root;
}

function bar(alert, width) {
  const { threshold, value, unit } = alert.evidence;
  const low = Math.min(0, value, threshold);
  const high = Math.max(0, value, threshold) || 1;
  const spread = (high - low) * 1.12 || 1;
  const along = (amount) => ((amount - low) / spread) * (width - 2 * PAD.side);
  const x = (amount) => (rtl() ? width - PAD.side - along(amount) : PAD.side + along(amount));
  const root = frame(alert, width, 56);
  const [zero, end] = [x(0), x(value)];
  root.append(svg("rect", { class: "track", x: PAD.side, y: 24, width: width - 2 * PAD.side, height: 14, rx: 3 }));
  root.append(svg("rect", { class: `value ${alert.severity}`, x: Math.min(zero, end), y: 24, width: Math.max(2, Math.abs(end - zero)), height: 14, rx: 3 }));
  root.append(svg("line", { class: "limit", x1: x(threshold), x2: x(threshold), y1: 18, y2: 44 }));
  const near = along(threshold) > width / 2;
  root.append(svg("text", { class: `limit-name ${near ? "end" : ""}`, x: x(threshold), y: 13 }, `${t("why.limit")} ${limitOf(threshold, unit)}`));
  return root;
}

function frame(alert, width, height) {
  return svg("svg", { class: "why-plot", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": told(alert) });
}

/** The figures under the plot, and every condition of a rule that has several. */
export function reading(alert) {
  const { metric, unit, value, threshold, window_ms, conditions } = alert.evidence;
  const item = (name, text) => h("div", null, h("dt", null, name), h("dd", null, text));
  const figures = h("dl", { class: "figures" },
    item(metricName(metric), quantity(value, unit)), item(t("why.limit"), limitOf(threshold, unit)),
    window_ms ? item(t("why.window"), quantity(window_ms, "ms")) : null,
    item(t("why.party"), t(`party.${alert.party || "call"}`)), item(t("why.onset"), clock(alert.onset_ms)), item(t("why.raised"), clock(alert.raised_ms)),
    alert.cleared_ms === null || alert.cleared_ms === undefined ? null : item(t("why.cleared"), clock(alert.cleared_ms)));
  if (!conditions?.length) return figures;
  const rows = conditions.map((condition) => h("tr", null, h("td", null, metricName(condition.metric)), h("td", null, t(`party.${condition.party || "call"}`)),
    h("td", { class: "n" }, quantity(condition.value, condition.unit)), h("td", { class: "n" }, quantity(condition.threshold, condition.unit)), h("td", null, t(condition.met ? "why.met" : "why.not_met"))));
  return [figures, h("table", { class: "conditions" }, h("caption", null, t("why.conditions")),
    h("thead", null, h("tr", null, ["why.metric", "why.party", "why.value", "why.limit", "why.held"].map((key) => h("th", { scope: "col" }, t(key))))), h("tbody", null, rows))];
}
