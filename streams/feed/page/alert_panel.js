// An opened alert: why, when, what was said, how it sounded, what came before, who or what is behind it, and what to do.

import { act } from "./actions.js";
import { get } from "./api.js";
import { CallModel } from "./call_model.js";
import { now } from "./clock.js";
import { bdi, h, icon, keepingFocus, replace, severityIcon } from "./dom.js";
import { ago, causeChip, fact, healthBadge, name, newestFirst, ruleTitle, sentenceNode, sinceOf } from "./describe.js";
import { batched, live } from "./live.js";
import { clock, dateTime, language, named, t, when } from "./i18n.js";
import { Player } from "./player.js";
import { changed, href } from "./router.js";
import { fitted, key, timeline } from "./timeline.js";
import { quotes, reading, whyPlot } from "./why.js";
import { Words } from "./words.js";

const CLIP_WAIT_MS = 3_000; // a clip is cut once its words are known; nothing tells of it but the alert itself
const REDRAW_MS = 1_000; // a live call's picture grows by the second

export class AlertPanel {
  constructor(alert_id, onclose) {
    this.alert_id = alert_id;
    this.element = h("article", { class: "panel alert-panel", "aria-busy": "true", "aria-labelledby": "alert-title" });
    this.onclose = onclose;
    this.onalert = (event) => event.detail.alert_id === alert_id && this.take(event.detail);
    live.addEventListener("alert", this.onalert);
    this.head = h("header", { class: "alert-head" });
    this.boxes = {};
    this.loading = h("p", { class: "soft loading", tabindex: "-1" }, t("loading"));
    replace(this.element, this.head, this.loading);
  }

  async open(known) {
    this.failed = false;
    if (known) this.drawHead((this.alert = known));
    else this.loading.id = "alert-title"; // what there is to be read, until the alert is here
    try {
      const alert = await get(`/api/alerts/${encodeURIComponent(this.alert_id)}`);
      if (this.closed) return;
      this.alert = live.freshest("alert", alert);
      this.model = new CallModel(this.alert.call_id);
      this.model.addEventListener("gone", () => (this.release(), this.open())); // asked for again, an erased call says so itself
      await this.model.load();
    } catch (error) {
      if (!this.closed) this.keepingFocus(() => this.drawError(error));
      return;
    }
    if (this.closed) return this.model?.close();
    this.keepingFocus(() => this.draw());
    this.follow();
  }

  /** Who reads here with the keyboard or a screen reader goes on from where they were, whatever is drawn again. */
  keepingFocus(change) {
    const nearest = (held) => (held.closest(".actions") && this.element.querySelector(".actions button")) || this.element.querySelector("#alert-title");
    keepingFocus(this.element, change, nearest);
  }

  drawError(error) {
    this.failed = true;
    replace(this.element, h("header", { class: "alert-head alone" }, this.closeButton()), h("div", { class: "failure", role: "alert" }, h("h2", { id: "alert-title", tabindex: "-1" }, error.message || t("error.other")), h("p", null, error.detail, " ", error.remedy || "")));
    this.element.removeAttribute("aria-busy");
  }

  take(alert) {
    // A link may be faster than what it leads to: the alert that was not there comes now.
    if (this.failed) return this.open(alert);
    if (!this.alert || (alert.changed ?? 0) <= (this.alert.changed ?? 0)) return;
    this.alert = { ...this.alert, ...alert };
    this.keepingFocus(() => this.redraw());
  }

  redraw() {
    this.drawHead(this.alert);
    if (!this.player) return;
    this.player.update(this.alert);
    this.drawCause();
    this.drawLog();
    this.why.redraw();
    replace(this.boxes.reading, reading(this.alert));
  }

  closeButton() {
    return h("button", { type: "button", class: "icon-button close", "aria-label": t("action.close_alert"), onclick: () => this.onclose() }, icon("close"));
  }

  drawHead(alert) {
    const at = sinceOf(alert);
    const item = (label, node) => h("div", null, h("dt", null, t(label)), h("dd", null, node));
    replace(this.head, h("div", { class: "alert-line" }, severityIcon(alert.severity),
      h("div", { class: "alert-titles" }, h("h2", { id: "alert-title", tabindex: "-1" }, sentenceNode(alert)),
        h("p", { class: "soft" }, named("severity", alert.severity), " · ", ruleTitle(alert), " · ", t("rule.version", { version: alert.rule_version }), alert.state === "raised" ? null : [" · ", named("state", alert.state)])), this.closeButton()),
    h("dl", { class: "facts-line" }, item("label.call", h("a", { href: href("call", { call: alert.call_id }) }, bdi(alert.call_id))), item("label.agent", name(alert.agent)), item("label.queue", name(alert.queue)), item("label.site", name(alert.site)),
      alert.trunk ? item("label.trunk", bdi(alert.trunk)) : null, at ? item("label.since", [h("span", { title: dateTime(at) }, when(at)), " · ", ago(at)]) : null, item("label.health", healthBadge(alert.health)), item("label.cause", causeChip(alert.cause.verdict))),
    this.actions(alert));
  }

  actions(alert) {
    const { acknowledged_by, dismissed } = alert.feedback || {};
    const acts = live.me?.role !== "analyst";
    const button = (action, glyph, key_, primary) => h("button", { type: "button", class: primary ? "primary" : "", "data-action": action, disabled: !acts, title: `${t(`action.${action}`)} (${key_})`, "aria-keyshortcuts": key_, onclick: () => act(action, this.alert) }, icon(glyph), h("span", null, t(`action.${action}`)));
    const asleep = this.asleep();
    return h("div", { class: "actions", role: "group", "aria-label": t("actions.label") },
      asleep ? button("reopen", "undo", "u", true) : acknowledged_by ? button("unacknowledge", "undo", "a") : button("acknowledge", "check", "a", true),
      button("assign", "user", "m"), asleep ? null : button("snooze", "clock", "s"), dismissed ? null : button("dismiss", "dismiss", "d"), button("note", "note", "n"),
      acts ? null : h("p", { class: "soft" }, t("actions.not_yours")));
  }

  /** Put away by somebody, for good or for a while. */
  asleep() {
    const { dismissed, snoozed_until_at } = this.alert?.feedback || {};
    return Boolean(dismissed) || snoozed_until_at > now();
  }

  draw() {
    this.drawHead(this.alert);
    this.player = new Player(this.alert, (ms) => this.picture?.cursor(ms));
    this.words = new Words({ onseek: (ms) => this.player.seekCall(ms) });
    for (const box of ["why", "reading", "picture", "cause", "earlier", "log"]) this.boxes[box] = h("div", { class: `box-${box}` });
    const section = (title, ...content) => h("section", null, h("h3", null, t(title)), content);
    replace(this.element, this.head, h("div", { class: "alert-body" },
      section("alert.why", this.boxes.why, this.boxes.reading), section("alert.audio", this.player.element),
      section("alert.timeline", this.boxes.picture, legend()),
      h("div", { class: "columns" }, section("alert.words", this.words.element), h("div", null, section("alert.cause", this.boxes.cause), section("alert.log", this.boxes.log), section("alert.earlier", this.boxes.earlier)))));
    this.element.removeAttribute("aria-busy");
    replace(this.boxes.reading, reading(this.alert));
    this.why = fitted(this.boxes.why, (width) => (quotes(this.alert) ? { root: quotes(this.alert) } : whyPlot(this.alert, this.model.call, width)));
    this.picture = fitted(this.boxes.picture, (width) => timeline(this.model.call, { width, alerts: this.model.call.alerts_raised.filter((alert) => alert.alert_id === this.alert_id || width > 700), evidence: this.alert.evidence.audio, onseek: (ms) => this.player.seekCall(ms) }));
    this.words.show(this.model.call.utterances || [], this.alert);
    this.drawCause();
    this.drawLog();
    this.drawEarlier();
  }

  awaitClip() {
    if (this.alert.clip?.state !== "pending") return;
    this.clipTimer = setTimeout(async () => {
      const alert = await get(`/api/alerts/${encodeURIComponent(this.alert_id)}`).catch(() => this.alert);
      if (this.closed) return;
      this.alert = { ...this.alert, clip: alert.clip };
      this.player.update(this.alert);
      this.awaitClip();
    }, CLIP_WAIT_MS);
  }

  follow() {
    this.awaitClip();
    const redraw = batched(() => {
      this.picture.redraw();
      this.why.redraw();
    }, REDRAW_MS);
    this.model.addEventListener("words", (event) => this.words.take(event.detail));
    this.model.addEventListener("timeline", redraw);
    this.model.addEventListener("alerts", () => (this.keepingFocus(() => this.drawEarlier()), redraw()));
    this.model.addEventListener("all", () => (this.words.show(this.model.call.utterances, this.alert), redraw()));
  }

  drawCause() {
    const { cause } = this.alert;
    const facts = (kind, items) => items.length ? h("div", { class: kind }, h("h4", null, t(`cause.${kind}`)), h("ul", null, items.map((item) => this.fact(item, cause.verdict)))) : null;
    replace(this.boxes.cause, h("p", { class: "verdict" }, causeChip(cause.verdict), h("span", { class: "soft" }, t(`cause.about.${cause.verdict}`))), facts("for", cause.for), facts("against", cause.against));
  }

  fact(item, verdict) {
    const { text, lang } = fact(item, verdict);
    const at = item.from_ms ? h("span", { class: "soft" }, ` ${clock(item.from_ms)}`) : null;
    const said = h("span", { lang: lang === language() ? null : lang }, text);
    return h("li", null, item.alert_id && item.alert_id !== this.alert_id ? h("a", { href: changed({ alert: item.alert_id }), "data-alert": item.alert_id }, said) : said, at);
  }

  drawEarlier() {
    const others = this.model.call.alerts_raised.filter((alert) => alert.alert_id !== this.alert_id).sort(newestFirst);
    replace(this.boxes.earlier, others.length ? h("ul", { class: "earlier" }, others.map((alert) => h("li", { class: alert.severity }, severityIcon(alert.severity), h("a", { href: changed({ alert: alert.alert_id }), "data-alert": alert.alert_id }, sentenceNode(alert)), h("span", { class: "soft" }, clock(alert.raised_ms))))) : h("p", { class: "soft" }, t("alert.earlier.none")));
  }

  /** What people did about it. */
  drawLog() {
    const { acknowledged_by, acknowledged_at, assigned_to, assigned_by, assigned_at, dismissed, notes = [], snoozed_until_at } = this.alert.feedback || {};
    const line = (text, at, body) => h("li", null, h("span", null, text), at ? h("span", { class: "soft" }, ` ${when(at)}`) : null, body ? h("p", { dir: "auto" }, body) : null);
    const lines = [
      acknowledged_by && line(t("log.acknowledged", { who: acknowledged_by }), acknowledged_at),
      assigned_to ? line(t("log.assigned", { who: assigned_to }), assigned_at) : assigned_by && line(t("log.unassigned", { who: assigned_by }), assigned_at),
      snoozed_until_at && line(t("log.snoozed", { until: when(snoozed_until_at) })), dismissed && line(t("log.dismissed", { who: dismissed.by }), dismissed.at, reasonText(dismissed.reason)),
      ...notes.map((note) => line(t("log.noted", { who: note.by }), note.at, note.text)),
    ].filter(Boolean);
    replace(this.boxes.log, lines.length ? h("ul", { class: "log" }, lines) : h("p", { class: "soft" }, t("log.none")));
  }

  focus() {
    this.element.querySelector("#alert-title")?.focus();
  }

  release() {
    clearTimeout(this.clipTimer);
    for (const part of ["model", "player", "why", "picture"]) this[part]?.close();
    this.player = null;
  }

  close() {
    this.closed = true;
    live.removeEventListener("alert", this.onalert);
    this.release();
    this.element.remove();
  }
}

function reasonText(reason) {
  const [code, ...rest] = String(reason).split(": ");
  return [named("reason", code), ...rest].join(": ");
}

export function legend() {
  return h("ul", { class: "legend" }, ["agent", "customer"].map((party) => h("li", null, h("i", { class: `swatch ${party}` }), t(`party.${party}`))), key().map(([kind, text]) => h("li", null, h("i", { class: `swatch ${kind}` }), text)));
}
