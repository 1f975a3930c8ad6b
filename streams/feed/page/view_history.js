// History: what was said in past calls (redacted words), and the calls themselves.

import { get } from "./api.js";
import { callTable, failure, pageHead } from "./app_parts.js";
import { bdi, h, keepingFocus, replace } from "./dom.js";
import { name } from "./describe.js";
import { placeBar, query } from "./filters.js";
import { live } from "./live.js";
import { clock, dateTime, t, when } from "./i18n.js";
import { changed, go, href } from "./router.js";

const CALL_NAMES = ["site", "queue", "agent", "language", "coverage", "cause"];
const WORD_NAMES = ["site", "queue", "agent", "party", "language"];
const DAYS = ["from", "to"];
const LIMIT = 50;

export class HistoryView {
  title = "nav.history";

  mount(main, params) {
    this.bar = h("div", { class: "bar-slot" });
    this.body = h("div", { class: "history-body", "aria-live": "polite" });
    replace(main, h("div", { class: "page" }, pageHead(t("nav.history"), h("p", { class: "soft" }, t("history.about"))), this.bar, this.body));
    this.gone = (event) => {
      this.items = this.items.filter((item) => item.call_id !== event.detail.call_id);
      keepingFocus(this.body, () => this.paint(), () => document.getElementById("view-title"));
    };
    live.addEventListener("forgotten", this.gone);
    this.update(params);
  }

  update(params) {
    const words = params.get("q");
    const names = words ? WORD_NAMES : CALL_NAMES;
    // The days are not drawn again as they change: one types in them, and each digit of a year is a change.
    const shape = JSON.stringify([...names, "q"].map((filter) => params.getAll(filter)));
    if (shape !== this.shape) placeBar(this.bar, names, params, { search: "history.search", extra: [this.days(params)] });
    else this.setDays(params);
    this.shape = shape;
    this.abort?.abort();
    this.abort = new AbortController();
    this.items = [];
    this.loaded = false;
    this.ask = { path: words ? "/api/search" : "/api/calls", query: { ...query(params, names), ...span(params), ...(words ? {} : { live: false, sort: "newest" }), limit: LIMIT }, words: Boolean(words) };
    this.load().catch((error) => failure(this.body, error, () => this.load()));
  }

  days(params) {
    const field = (which) => h("label", { class: "day" }, h("span", null, t(`filter.${which}`)), h("input", { type: "date", max: "9999-12-31", id: `day-${which}`, value: params.get(which) || "", onchange: (event) => go(changed({ [which]: event.target.value }), { replace: true }) }));
    return DAYS.map(field);
  }

  /** As the address has them. One that is half typed is none yet: set to none, it would lose what was typed. */
  setDays(params) {
    for (const which of DAYS) {
      const field = this.bar.querySelector(`#day-${which}`);
      const day = params.get(which) || "";
      if (field.value !== day) field.value = day;
    }
  }

  async load(cursor) {
    const answer = await get(this.ask.path, { ...this.ask.query, cursor }, { signal: this.abort.signal });
    const had = this.items.length;
    this.items.push(...answer.items);
    this.next = answer.next;
    this.loaded = true;
    keepingFocus(this.body, () => this.paint(), () => this.body.querySelectorAll("a")[had]); // where what was asked for begins
  }

  paint() {
    if (!this.loaded) return;
    const more = this.next ? h("button", { type: "button", class: "more", onclick: () => this.load(this.next).catch((error) => failure(this.body, error, () => this.load(this.next))) }, t("history.more")) : null;
    if (!this.items.length) replace(this.body, h("div", { class: "empty" }, h("p", null, t(this.ask.words ? "history.nothing" : "history.none"))));
    else if (this.ask.words) replace(this.body, h("ol", { class: "hits" }, this.items.map(hit)), more);
    else replace(this.body, callTable(this.items, { caption: t("history.calls") }), more);
  }

  close() {
    this.abort?.abort();
    live.removeEventListener("forgotten", this.gone);
  }
}

/** Days are the viewer's: from the first's midnight to the end of the last. */
function span(params) {
  const at = (day, plus) => {
    if (!/^\d{4}-\d\d-\d\d$/.test(day || "")) return null;
    const [year, month, date] = day.split("-").map(Number);
    return new Date(year, month - 1, date + plus).getTime();
  };
  return { from: at(params.get("from"), 0), to: at(params.get("to"), 1) };
}

function hit(item) {
  const words = item.snippet.map((part) => (part.hit ? h("mark", { class: "phrase" }, part.text) : part.text));
  return h("li", { class: "panel hit" }, h("p", { class: "hit-words", dir: "auto", lang: item.language || null }, words),
    h("p", { class: "soft" }, t(`party.${item.party || "both"}`), " · ", clock(item.start_ms), " · ", h("a", { href: href("call", { call: item.call_id }) }, bdi(item.call_id)), " · ", name(item.agent), " · ", name(item.queue), " · ", name(item.site), item.started_at ? [" · ", h("span", { title: dateTime(item.started_at) }, when(item.started_at))] : null));
}
