// Coverage: who is not being watched, and why. No call goes unwatched in silence.

import { get } from "./api.js";
import { callTable, failure, figure, pageHead } from "./app_parts.js";
import { h, keepingFocus, replace } from "./dom.js";
import { placeBar, query } from "./filters.js";
import { batched, live } from "./live.js";
import { duration, named, number, percent, t } from "./i18n.js";
import { intervalList } from "./view_call.js";

const NAMES = ["site", "queue", "agent", "coverage"];
const STATES = ["live", "monitored", "partial", "unmonitored"];
const RELOAD_MS = 5_000;

export class CoverageView {
  title = "nav.coverage";

  mount(main, params) {
    this.bar = h("div", { class: "bar-slot" });
    this.body = h("div", { class: "coverage-body" }, h("p", { class: "soft" }, t("loading")));
    replace(main, h("div", { class: "page" }, pageHead(t("nav.coverage"), h("p", { class: "soft" }, t("coverage.about"))), this.bar, this.body));
    this.reload = batched(() => this.load().catch(() => {}), RELOAD_MS);
    this.listener = (event) => event.detail.live || this.reload();
    live.addEventListener("call", this.listener);
    live.addEventListener("forgotten", this.reload);
    this.update(params);
  }

  update(params) {
    this.params = params;
    placeBar(this.bar, NAMES, params);
    this.load().catch((error) => failure(this.body, error, () => this.load()));
  }

  async load() {
    const answer = await get("/api/coverage", { ...query(this.params, NAMES), limit: 100 });
    if (this.closed) return;
    const total = STATES.reduce((sum, state) => sum + (answer.counts[state] || 0), 0);
    const ended = total - (answer.counts.live || 0);
    keepingFocus(this.body, () => replace(this.body,
      h("dl", { class: "figures large" }, STATES.map((state) => figure(named("coverage", state), number(answer.counts[state] || 0), state !== "live" && ended ? percent((answer.counts[state] || 0) / ended) : null))),
      bar(answer.counts, ended), reasons(answer.reasons),
      h("section", null, h("h3", null, t("coverage.calls")), answer.items.length ? callTable(answer.items, { caption: t("coverage.calls"), extra: intervals }) : h("p", { class: "empty" }, t("coverage.none")))), () => document.getElementById("view-title"));
  }

  close() {
    this.closed = true;
    live.removeEventListener("call", this.listener);
    live.removeEventListener("forgotten", this.reload);
  }
}

function intervals(call) {
  if (!call.coverage_intervals?.length) return null;
  return h("tr", { class: "under" }, h("td", null), h("td", { colspan: 9 }, intervalList(call.coverage_intervals.slice(0, 6))));
}

function bar(counts, ended) {
  if (!ended) return null;
  return h("div", { class: "stack", "aria-hidden": "true" }, STATES.slice(1).map((state) => {
    const part = h("i", { class: state });
    part.style.flexGrow = counts[state] || 0;
    return counts[state] ? part : null;
  }));
}

function reasons(items) {
  if (!items?.length) return null;
  return h("section", { class: "panel" }, h("h3", null, t("coverage.reasons")), h("div", { class: "table-scroll" }, h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, t("coverage.reason")), h("th", { scope: "col", class: "n" }, t("coverage.n_calls")), h("th", { scope: "col", class: "n" }, t("coverage.time")), h("th", { scope: "col" }, t("coverage.remedy")))),
    h("tbody", null, items.map((item) => h("tr", null, h("td", null, named("reason_watch", item.reason)), h("td", { class: "n" }, number(item.calls)), h("td", { class: "n" }, duration(item.ms || 0)), h("td", { class: "soft" }, named("remedy_watch", item.reason))))))));
}
