// One call: its picture, its words, its alerts, what it lost health by, and what of it nobody watched.

import { alertRow } from "./alert_row.js";
import { legend } from "./alert_panel.js";
import { callFacts, failure, figure } from "./app_parts.js";
import { CallModel } from "./call_model.js";
import { bdi, h, keepingFocus, replace } from "./dom.js";
import { healthBadge, newestFirst } from "./describe.js";
import { batched } from "./live.js";
import { clock, duration, inLanguage, language, named, number, percent, t } from "./i18n.js";
import { href } from "./router.js";
import { fitted, timeline } from "./timeline.js";
import { Words } from "./words.js";

const REDRAW_MS = 1_000;

export class CallView {
  title = "nav.call";

  mount(main, params) {
    this.main = h("div", { class: "page call-view" });
    replace(main, this.main);
    this.update(params);
  }

  update(params) {
    const id = params.get("call");
    if (id === this.id) return;
    this.id = id;
    this.stop();
    if (!id) return replace(this.main, h("p", { class: "empty" }, t("call.none")));
    replace(this.main, h("p", { class: "soft loading" }, t("loading")));
    this.model = new CallModel(id);
    const load = () => this.model.load().then((call) => call && this.keepingFocus(() => this.draw()));
    const loaded = () => load().catch((error) => this.keepingFocus(() => failure(this.main, error, load)));
    // Asked for again, an erased call says so itself.
    this.model.addEventListener("gone", loaded);
    loaded();
  }

  keepingFocus(change) {
    keepingFocus(this.main, change, () => this.main.querySelector("#view-title, .failure button"));
  }

  draw() {
    const { call } = this.model;
    this.boxes = Object.fromEntries(["head", "picture", "figures", "alerts", "lost", "coverage"].map((box) => [box, h("div", { class: `box-${box}` })]));
    this.words = new Words();
    const section = (title, ...content) => h("section", { class: "panel" }, h("h3", null, t(title)), content);
    replace(this.main, this.boxes.head, section("alert.timeline", this.boxes.picture, legend(), this.boxes.figures),
      h("div", { class: "columns" }, h("div", null, section("call.alerts", this.boxes.alerts), this.boxes.lost, this.boxes.coverage), section("alert.words", this.words.element)));
    this.picture = fitted(this.boxes.picture, (width) => timeline(this.model.call, { width, alerts: this.model.call.alerts_raised }));
    this.words.show(call.utterances || [], null);
    this.paint();
    const redraw = batched(() => this.keepingFocus(() => (this.picture.redraw(), this.paint())), REDRAW_MS);
    this.model.addEventListener("words", (event) => this.words.take(event.detail));
    for (const kind of ["timeline", "alerts", "call"]) this.model.addEventListener(kind, redraw);
    this.model.addEventListener("all", () => (this.words.show(this.model.call.utterances, null), redraw()));
  }

  paint() {
    const { call } = this.model;
    const head = JSON.stringify([call.health, call.live, call.coverage, call.cause, call.ended_at]);
    if (head !== this.headShown) {
      this.headShown = head;
      replace(this.boxes.head, h("header", { class: "view-head call-head" }, healthBadge(call.health), h("h2", { id: "view-title", tabindex: "-1" }, bdi(call.call_id)), h("span", { class: `chip ${call.live ? "live" : "ended"}` }, t(call.live ? "call.live" : "call.ended"))), callFacts(call));
    }
    replace(this.boxes.figures, figures(call));
    this.paintAlerts(call);
    replace(this.boxes.lost, lost(call.summary));
    replace(this.boxes.coverage, uncovered(call.coverage_intervals));
  }

  paintAlerts(call) {
    const shown = call.alerts_raised.map((alert) => `${alert.alert_id}/${alert.changed}`).join();
    if (shown === this.alertsShown) return;
    this.alertsShown = shown;
    const rows = [...call.alerts_raised].sort(newestFirst).map((alert) => {
      const { row, focus } = alertRow(alert, { address: ({ alert_id }) => href("alerts", { alert: alert_id }) });
      focus.removeAttribute("tabindex");
      return row;
    });
    replace(this.boxes.alerts, rows.length ? h("ol", { class: "rows compact" }, rows) : h("p", { class: "soft" }, t("call.no_alerts")));
  }

  stop() {
    this.model?.close();
    this.picture?.close();
    this.headShown = this.alertsShown = null;
  }

  close() {
    this.stop();
  }
}

function figures({ summary }) {
  if (!summary) return h("p", { class: "soft" }, t("call.running"));
  const time = (ms) => (ms === null || ms === undefined ? "–" : duration(ms));
  const count = (value) => (value === null || value === undefined ? "–" : number(value));
  return h("dl", { class: "figures" }, figure(t("figure.ratio"), summary.talk_ratio === null ? "–" : percent(summary.talk_ratio)), figure(t("figure.agent"), time(summary.agent_talk_ms)), figure(t("figure.customer"), time(summary.customer_talk_ms)),
    figure(t("figure.overlap"), time(summary.overlap_ms)), figure(t("figure.silence"), time(summary.silence_ms)), figure(t("figure.hold"), time(summary.hold_ms)), figure(t("figure.interruptions_agent"), count(summary.interruptions_agent)), figure(t("figure.interruptions_customer"), count(summary.interruptions_customer)));
}

function lost(summary) {
  if (!summary?.health_lost?.length) return null;
  const items = [...summary.health_lost].sort((a, b) => Math.abs(b.points) - Math.abs(a.points));
  return h("section", { class: "panel" }, h("h3", null, t("call.lost")), h("ul", { class: "lost" }, items.map((item) => {
    const why = inLanguage(item.why);
    return h("li", null, h("b", { dir: "ltr" }, `−${number(Math.abs(Math.round(item.points)))}`), h("span", { lang: why.lang === language() ? null : why.lang, dir: "auto" }, why.text));
  })));
}

export function uncovered(intervals) {
  if (!intervals?.length) return null;
  return h("section", { class: "panel" }, h("h3", null, t("call.uncovered")), intervalList(intervals));
}

export function intervalList(intervals) {
  return h("ul", { class: "intervals" }, intervals.slice(0, 40).map((item) => h("li", null, h("span", { class: "n" }, `${clock(item.from_ms)}–${clock(item.to_ms)}`), h("span", null, t(`party.${item.party || "both"}`)), h("span", null, named("reason_watch", item.reason)))), intervals.length > 40 ? h("li", { class: "soft" }, t("list.and_more", { n: intervals.length - 40 })) : null);
}
