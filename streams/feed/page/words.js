// The words of a call as they come: who, when, what; triggers highlighted, redactions as bars.

import { h, hidden, keepingFocus } from "./dom.js";
import { clock, named, t } from "./i18n.js";

const UNSURE_BELOW = 0.5; // words that the transcriber itself gives less than this are shown paler
const NEAR_END_PX = 60;
const FRAME_MS = 16;
/** What a supervisor looks for; greetings and thanks are marked too, but quietly. */
const GRAVE = new Set(["escalation", "cancellation", "legal_threat", "regulator_press", "abuse", "repeated_contact", "hearing_trouble"]);

export class Words {
  /** `onseek(ms)` when a time is chosen. */
  constructor({ onseek } = {}) {
    this.onseek = onseek;
    this.turns = new Map();
    this.triggers = new Map();
    this.list = h("ol", { class: "transcript", tabindex: "0", "aria-label": t("words.title") });
    this.empty = h("p", { class: "soft" }, t("words.none"));
    this.element = h("div", null, this.empty, this.list);
    this.list.hidden = true;
  }

  /** The alert whose words are to stand out, and all utterances. */
  show(utterances, alert) {
    this.triggers.clear();
    for (const word of alert?.evidence?.words || []) {
      if (!word.utterance_id) continue;
      this.triggers.set(word.utterance_id, [...(this.triggers.get(word.utterance_id) || []), word.text]);
    }
    this.alert = alert;
    this.turns.clear();
    for (const utterance of utterances) this.keep(utterance);
    // All at once: a call of hours has thousands of turns, and each one placed by itself would lay them all out anew.
    keepingFocus(this.list, () => this.list.replaceChildren(...[...this.turns.values()].sort((a, b) => a.start_ms - b.start_ms).map(({ node }) => node)), () => this.list);
    this.list.hidden = !this.turns.size;
    this.empty.hidden = !this.list.hidden;
    if (!this.triggers.size && !alert) this.list.scrollTop = this.list.scrollHeight;
    this.toTrigger();
  }

  take(utterance) {
    // Where the reader is, is asked once a frame: asked for each turn, it would lay out the whole list for each.
    if (!this.placing) {
      this.atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_END_PX;
      this.placing = setTimeout(() => {
        this.placing = null;
        if (this.atEnd && !this.triggers.size) this.list.scrollTop = this.list.scrollHeight;
      }, FRAME_MS);
    }
    keepingFocus(this.list, () => this.put(utterance), () => this.list);
  }

  put(utterance) {
    const node = this.keep(utterance);
    if (!node) return;
    let after = this.list.lastElementChild;
    while (after && Number(after.dataset.at) > utterance.start_ms) after = after.previousElementSibling;
    if (after) after.after(node);
    else this.list.prepend(node);
    this.list.hidden = false;
    this.empty.hidden = true;
  }

  /** The turn of an utterance, not yet in its place; null where it changes nothing. */
  keep(utterance) {
    const known = this.turns.get(utterance.utterance_id);
    if (known?.final && known.state !== "interim") return null; // the first terminal record counts
    known?.node.remove();
    this.turns.delete(utterance.utterance_id);
    if (utterance.state === "empty") return null;
    const node = this.turn(utterance);
    this.turns.set(utterance.utterance_id, { ...utterance, node });
    return node;
  }

  turn(utterance) {
    const { party, start_ms, confidence, language, state } = utterance;
    const unsure = typeof confidence === "number" && confidence < UNSURE_BELOW;
    const trigger = this.triggers.has(utterance.utterance_id);
    const text = state === "final" || state === "interim" || state === undefined
      ? h("p", { dir: "auto", lang: language || null }, marked(utterance, this.triggers.get(utterance.utterance_id)))
      : h("p", { class: "soft" }, t("words.not_transcribed", { reason: named("reason_watch", utterance.reason || state) }));
    const at = h("button", { type: "button", class: "at", "data-turn": utterance.utterance_id, "aria-label": t("words.go", { at: clock(start_ms) }), onclick: () => this.onseek?.(start_ms) }, clock(start_ms));
    return h("li", { class: `turn ${party || "both"} ${unsure ? "unsure" : ""} ${state === "interim" ? "interim" : ""} ${trigger ? "trigger" : ""}`, "data-at": start_ms }, at,
      h("div", { class: "said" }, h("span", { class: "speaker" }, t(`party.${party || "both"}`), this.feeling(utterance.sentiment), unsure ? h("span", { class: "soft" }, ` · ${t("words.unsure")}`) : null, trigger ? h("span", { class: "trigger-name" }, t("words.trigger")) : null), text));
  }

  feeling(sentiment) {
    const score = sentiment?.score;
    if (typeof score !== "number" || Math.abs(score) < 0.25) return null;
    const kind = score < 0 ? "negative" : "positive";
    return h("span", { class: `feeling ${kind}` }, h("span", { "aria-hidden": "true" }, score < 0 ? "▼" : "▲"), hidden(t(`words.${kind}`)));
  }

  /** Scrolls its own box, never the page, to what triggered. */
  toTrigger() {
    const at = this.alert?.raised_ms ?? 0;
    const turn = this.list.querySelector(".trigger") || [...this.list.children].findLast((node) => Number(node.dataset.at) <= at);
    if (turn) requestAnimationFrame(() => (this.list.scrollTop = turn.offsetTop - this.list.clientHeight / 3));
  }
}

/** Redacted text as nodes; an offset counts code points, as Python does, so the text is taken apart by them. */
export function marked(utterance, triggers = []) {
  const text = Array.from(utterance.text || "");
  const spans = [
    ...(utterance.redactions || []).map((item) => [item.start, item.end, "redacted", named("redaction", item.kind || "other")]),
    ...(utterance.phrases || []).map((item) => [item.start, item.end, GRAVE.has(item.category) ? "phrase" : "aside", named("phrase", item.category)]),
    // Words that stood apart are joined by dots: each piece is found by itself.
    ...triggers.flatMap((words) => words.split(/\s*…\s*|,\s+/)).map((words) => found(text, words)),
  ].filter((span) => span && Number.isInteger(span[0]) && span[1] > span[0] && span[1] <= text.length);
  spans.sort((a, b) => a[0] - b[0] || (b[2] === "trigger") - (a[2] === "trigger"));
  const out = [];
  let at = 0;
  for (const [start, end, kind, label] of spans) {
    if (start < at) continue;
    out.push(text.slice(at, start).join(""));
    const inside = text.slice(start, end).join("");
    out.push(kind === "redacted" ? h("span", { class: "redacted", title: label }, hidden(label), h("span", { "aria-hidden": "true" }, label)) : h("mark", { class: kind, title: label || null }, inside));
    at = end;
  }
  out.push(text.slice(at).join(""));
  return out;
}

function found(text, words) {
  const whole = text.join("").toLowerCase();
  const at = whole.indexOf(words.toLowerCase());
  if (at < 0) return null;
  const start = Array.from(whole.slice(0, at)).length;
  return [start, start + Array.from(words).length, "trigger", ""];
}
