// The floor: every live call by its health, grouped by site and queue, the worst queue first.

import { alertCounts, callTable, failure, pageHead, tile } from "./app_parts.js";
import { bdi, h, keepingFocus, replace } from "./dom.js";
import { healthBadge, name } from "./describe.js";
import { placeBar, matcher } from "./filters.js";
import { get } from "./api.js";
import { batched, live } from "./live.js";
import { t } from "./i18n.js";

const NAMES = ["site", "queue", "agent", "language", "coverage", "cause"];
const REDRAW_MS = 2_000; // health moves slowly; a floor that flickers is read by nobody
const TABLE_MAX = 25;
const RECOUNT_MS = 60_000;

export class FloorView {
  title = "nav.floor";

  mount(main, params) {
    this.calls = new Map();
    this.early = [];
    this.bar = h("div", { class: "bar-slot" });
    this.head = h("p", { class: "soft" });
    this.body = h("div", { class: "floor" });
    replace(main, h("div", { class: "page floor-view" }, pageHead(t("nav.floor"), this.head), this.bar, this.body));
    this.draw = batched(() => this.paint(), REDRAW_MS);
    this.listener = (event) => this.take(event.detail);
    live.addEventListener("call", this.listener);
    this.gone = (event) => this.calls.delete(event.detail.call_id) && this.draw();
    live.addEventListener("forgotten", this.gone);
    this.timer = setInterval(() => document.hidden || this.load().catch(() => {}), RECOUNT_MS);
    this.update(params);
    this.load().catch((error) => failure(this.body, error, () => this.load()));
  }

  async load() {
    const answer = await get("/api/floor");
    if (this.closed) return;
    this.calls = new Map(answer.calls.map((call) => [call.call_id, live.freshest("call", call)]));
    this.loaded = true;
    this.paint();
  }

  take(call) {
    const known = this.calls.get(call.call_id);
    if (known && (known.changed ?? 0) >= (call.changed ?? 0)) return;
    if (call.live) this.calls.set(call.call_id, { ...known, ...call });
    else if (!this.calls.delete(call.call_id)) return;
    this.draw();
  }

  update(params) {
    this.matches = matcher(params, NAMES);
    placeBar(this.bar, NAMES, params);
    if (this.loaded) this.paint();
  }

  paint() {
    if (this.closed || !this.loaded) return;
    const calls = [...this.calls.values()].filter((call) => call.live && this.matches(call)).sort(worst);
    this.head.textContent = t("floor.count", { n: calls.length });
    keepingFocus(this.body, () => {
      if (!calls.length) replace(this.body, h("div", { class: "empty" }, h("p", null, t("floor.none"))));
      else this.paintSites(calls);
    }, () => document.getElementById("view-title"));
  }

  /** Only the sites that changed are drawn again: 200 tiles every other second would keep a machine busy all day. */
  paintSites(calls) {
    const parts = new Map(grouped(calls, "site").map(([site, mine]) => [`site ${site}`, [mine, () => siteBox(site, mine)]]));
    const worstOnes = calls.slice(0, TABLE_MAX);
    parts.set("table", [worstOnes, () => h("section", null, h("h3", null, t("floor.worst")), callTable(worstOnes, { caption: t("floor.worst") }))]);
    const nodes = [];
    const drawn = new Map();
    for (const [key, [shown, draw]] of parts) {
      const shape = JSON.stringify(shown.map((call) => [call.call_id, Math.round(call.health ?? -1), call.coverage, call.alerts, call.agent, call.queue]));
      const known = this.drawn?.get(key);
      const node = known?.shape === shape ? known.node : draw();
      drawn.set(key, { shape, node });
      nodes.push(node);
    }
    this.drawn = drawn;
    const table = nodes.pop();
    this.sites ??= h("div", { class: "sites" });
    settled(this.sites, nodes);
    settled(this.body, [this.sites, table]);
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    live.removeEventListener("call", this.listener);
    live.removeEventListener("forgotten", this.gone);
  }
}

const worst = (a, b) => (a.health ?? 101) - (b.health ?? 101) || (a.call_id < b.call_id ? -1 : 1);
const mean = (calls) => median(calls.map((call) => call.health).filter((health) => typeof health === "number"));

function median(values) {
  if (!values.length) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function grouped(calls, field) {
  const groups = Map.groupBy(calls, (call) => call[field] ?? "");
  return [...groups].sort(([first, mine], [second, theirs]) => first.localeCompare(second) || mine.length - theirs.length);
}

const summed = (calls) => calls.reduce((sum, { alerts }) => ({ critical: sum.critical + (alerts?.critical || 0), warning: sum.warning + (alerts?.warning || 0), info: sum.info + (alerts?.info || 0) }), { critical: 0, warning: 0, info: 0 });

/** The children of `parent` become `nodes`; what is in its place already is left alone. */
function settled(parent, nodes) {
  nodes.forEach((node, at) => parent.children[at] === node || parent.insertBefore(node, parent.children[at] ?? null));
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}

/** Sites keep their place by name: a wall that rearranges itself cannot be read at a glance. */
function siteBox(site, mine) {
  return h("section", { class: "site", "aria-label": site || t("none.site") },
    h("header", null, h("h3", { title: site || null }, site ? bdi(site) : t("none.site")), h("span", { class: "soft" }, t("floor.count", { n: mine.length })), alertCounts(summed(mine), { empty: false })),
    grouped(mine, "queue").map(([queue, calls]) => queueRow(queue, calls)));
}

function queueRow(queue, calls) {
  const blind = calls.filter((call) => call.coverage === "partial" || call.coverage === "unmonitored").length;
  return h("div", { class: "queue" }, h("div", { class: "queue-name" }, h("b", { title: queue || null }, name(queue, "none.queue")), h("span", { class: "soft" }, t("floor.count", { n: calls.length }), blind ? ` · ${t("floor.blind", { n: blind })}` : "")),
    h("div", { class: "queue-health", title: t("floor.median") }, healthBadge(mean(calls))), h("div", { class: "tiles" }, calls.map(tile)));
}
