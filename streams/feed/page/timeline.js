// A call as a picture: two voices as their levels, what they did together or not at all, how the words felt, and where the
// alerts stand. Time runs in the reading direction of the page.

import { svg } from "./dom.js";
import { clock, duration, named, rtl, t } from "./i18n.js";
import { gaps, merged, overlaps, share, ticks } from "./spans.js";

const LANE = 34;
const GAP = 4;
const MOOD = 34;
const MARKS = 18;
const SIDE = 12;
const LABEL = 74;
const LABEL_NARROW = 14; // on a phone the legend names the lanes
const BAR_PX = 3;
const DOTS_MAX = 300;
const FLOOR_DBOV = -62;
let patterns = 0;

/** Draws `call` (CallView with timeline) into an SVG `width` wide. `onseek(ms)` is called where it is clicked. */
export function timeline(call, { width, alerts = [], evidence = null, onseek = null } = {}) {
  const picture = new Picture(call, width, alerts, evidence);
  const root = picture.draw();
  if (onseek) root.addEventListener("click", (event) => {
    const x = event.clientX - root.getBoundingClientRect().left;
    onseek(picture.timeAt(x));
  });
  return { root, cursor: (ms) => picture.moveCursor(ms), picture };
}

class Picture {
  constructor(call, width, alerts, evidence) {
    Object.assign(this, { call, width, alerts, evidence });
    const { agent = {}, customer = {}, hold = [] } = call.timeline || {};
    this.spans = { agent: merged(agent.speech || []), customer: merged(customer.speech || []) };
    this.levels = { agent: agent.level_dbov || [], customer: customer.level_dbov || [] };
    this.hold = hold;
    this.duration = Math.max(1_000, call.duration_ms || 0, ...Object.values(this.spans).map((spans) => spans.at(-1)?.[1] ?? 0));
    this.label = width < 560 ? LABEL_NARROW : LABEL;
    this.top = alerts.length ? MARKS + 4 : 4;
    this.y = { agent: this.top, customer: this.top + LANE + GAP };
    this.bottom = this.y.customer + LANE;
    const sentiment = call.timeline?.sentiment || {};
    this.sentiment = { agent: sentiment.agent || [], customer: sentiment.customer || [] };
    this.moody = this.sentiment.agent.length + this.sentiment.customer.length > 0;
    this.moodTop = this.bottom + 8;
    this.axis = this.moody ? this.moodTop + MOOD + 4 : this.bottom + 4;
    this.height = this.axis + 18;
    this.pattern = `hatch-${(patterns += 1)}`;
  }

  x(ms) {
    const along = (Math.max(0, Math.min(this.duration, ms)) / this.duration) * (this.width - this.label - SIDE);
    return rtl() ? this.width - this.label - along : this.label + along;
  }

  timeAt(x) {
    const along = rtl() ? this.width - this.label - x : x - this.label;
    return Math.max(0, Math.min(this.duration, (along / (this.width - this.label - SIDE)) * this.duration));
  }

  draw() {
    const root = svg("svg", { class: "timeline", viewBox: `0 0 ${this.width} ${this.height}`, width: this.width, height: this.height, role: "img", "aria-label": this.told() });
    const both = LANE * 2 + GAP;
    const silences = gaps([...this.spans.agent, ...this.spans.customer, ...this.hold], this.duration);
    root.append(this.hatch());
    if (this.evidence) root.append(this.rect("evidence", [this.evidence.from_ms, this.evidence.to_ms], this.top - 2, this.axis - this.top + 2, t("timeline.evidence")));
    root.append(...this.grid());
    root.append(...silences.map((span) => this.rect("silence", span, this.top, both, t("timeline.silence"))));
    root.append(...this.hold.map((span) => this.rect("hold", span, this.top, both, t("timeline.hold"))));
    for (const party of ["agent", "customer"]) root.append(...this.lane(party));
    root.append(...overlaps(this.spans.agent, this.spans.customer).map((span) => this.rect("overlap", span, this.top, both, t("timeline.overlap"))));
    root.append(...this.missed());
    if (this.moody) root.append(...this.mood());
    root.append(...this.marks());
    this.cursor = svg("line", { class: "cursor", y1: this.top - 4, y2: this.axis, x1: -9, x2: -9 });
    root.append(this.cursor);
    return root;
  }

  moveCursor(ms) {
    const x = ms === null ? -9 : this.x(ms);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }

  /** The picture in words, for those who do not see it. */
  told() {
    const talk = (party) => duration(this.spans[party].reduce((sum, [from, to]) => sum + to - from, 0));
    const both = overlaps(this.spans.agent, this.spans.customer);
    const silences = gaps([...this.spans.agent, ...this.spans.customer, ...this.hold], this.duration);
    return t("timeline.told", { duration: duration(this.duration), agent: talk("agent"), customer: talk("customer"), overlaps: both.length, silences: silences.length, alerts: this.alerts.length });
  }

  rect(kind, [from, to], y, height, title) {
    const [first, second] = [this.x(from), this.x(to)];
    const place = { class: kind, x: Math.min(first, second), y, width: Math.max(1, Math.abs(second - first)), height };
    if (kind === "missed") place.fill = `url(#${this.pattern})`;
    return svg("rect", place, title ? svg("title", null, `${title}, ${clock(from)}–${clock(to)}`) : null);
  }

  hatch() {
    return svg("defs", null, svg("pattern", { id: this.pattern, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { class: "hatch-ground", width: 6, height: 6 }), svg("line", { class: "hatch-line", x1: 0, y1: 0, x2: 0, y2: 6 })));
  }

  grid() {
    const out = [];
    for (const at of ticks(0, this.duration, Math.max(3, this.width / 90))) {
      const x = this.x(at);
      out.push(svg("line", { class: "grid", x1: x, x2: x, y1: this.top, y2: this.axis }));
      const half = clock(at).length * 3.2; // the last of a call of hours would be cut off
      out.push(svg("text", { class: "tick", x: Math.max(half, Math.min(this.width - half, x)), y: this.axis + 14 }, clock(at)));
    }
    return out;
  }

  lane(party) {
    const y = this.y[party];
    const middle = y + LANE / 2;
    const out = [];
    if (this.label === LABEL) out.push(svg("text", { class: `lane-name ${party}`, x: rtl() ? this.width - this.label + 10 : this.label - 10, y: middle + 4 }, t(`party.${party}`)));
    out.push(svg("line", { class: "lane-line", x1: this.x(0), x2: this.x(this.duration), y1: middle, y2: middle }));
    const { voice, rest } = this.bars(party, middle);
    if (rest) out.push(svg("path", { class: `level ${party} rest`, d: rest }));
    if (voice) out.push(svg("path", { class: `level ${party}`, d: voice }));
    return out;
  }

  /** One thin bar every three pixels, as long as the level; full where that party speaks. */
  bars(party, middle) {
    const count = Math.max(1, Math.floor((this.width - this.label - SIDE) / BAR_PX));
    const step = this.duration / count;
    const level_step = this.call.timeline?.step_ms || 1_000;
    let voice = "";
    let rest = "";
    for (let i = 0; i < count; i += 1) {
      const from = i * step;
      const spoken = share(this.spans[party], from, from + step);
      const level = this.levelOf(party, from, from + step, level_step);
      const loud = level === null ? (spoken ? 0.55 : 0) : Math.max(0, Math.min(1, (level - FLOOR_DBOV) / -FLOOR_DBOV));
      const half = Math.max(spoken > 0.3 ? 3 : 0, (loud ** 1.4 * LANE) / 2 * (spoken > 0.3 ? 1 : 0.7));
      if (half < 0.6) continue;
      const x = this.x(from + step / 2).toFixed(1);
      const bar = `M${x} ${(middle - half).toFixed(1)}V${(middle + half).toFixed(1)}`;
      if (spoken > 0.3) voice += bar;
      else rest += bar;
    }
    return { voice, rest };
  }

  levelOf(party, from, to, step) {
    const values = this.levels[party].slice(Math.floor(from / step), Math.max(Math.floor(from / step) + 1, Math.ceil(to / step)));
    const known = values.filter((value) => value !== null && value !== undefined);
    return known.length ? Math.max(...known) : null;
  }

  missed() {
    const out = [];
    for (const item of this.call.coverage_intervals || []) {
      for (const party of ["agent", "customer"]) {
        if (item.party && item.party !== "both" && item.party !== party) continue;
        out.push(this.rect("missed", [item.from_ms, item.to_ms], this.y[party], LANE, `${t("timeline.missed")}: ${named("reason_watch", item.reason)}`));
      }
    }
    return out;
  }

  mood() {
    const middle = this.moodTop + MOOD / 2;
    const out = [svg("line", { class: "zero", x1: this.x(0), x2: this.x(this.duration), y1: middle, y2: middle })];
    if (this.label === LABEL) out.push(svg("text", { class: "lane-name", x: rtl() ? this.width - this.label + 10 : this.label - 10, y: middle + 4 }, t("timeline.mood")));
    for (const party of ["agent", "customer"]) {
      const points = this.sentiment[party].map(({ at_ms, score }) => [this.x(at_ms), middle - Math.max(-1, Math.min(1, score)) * (MOOD / 2 - 3)]);
      if (!points.length) continue;
      out.push(svg("polyline", { class: `mood ${party}`, points: points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ") }));
      if (points.length > DOTS_MAX) continue; // a call of hours: the line alone is clearer, and drawn every second
      out.push(...points.map(([x, y]) => party === "agent"
        ? svg("circle", { class: `mood ${party}`, cx: x, cy: y, r: 2.2 })
        : svg("rect", { class: `mood ${party}`, x: x - 2.2, y: y - 2.2, width: 4.4, height: 4.4 })));
    }
    return out;
  }

  marks() {
    return this.alerts.map((alert) => {
      const x = this.x(alert.raised_ms);
      const shape = { critical: `M${x - 3} 3h6l3 3v6l-3 3h-6l-3-3v-6z`, warning: `M${x} 3l7 12h-14z` }[alert.severity] || `M${x} 3a6 6 0 1 0 .01 0z`;
      return svg("g", { class: `mark ${alert.severity}` }, svg("title", null, `${alert.rule_id}, ${clock(alert.raised_ms)}`),
        svg("line", { class: "drop", x1: x, x2: x, y1: 15, y2: this.bottom }), svg("path", { d: shape }));
    });
  }
}

/** Redraws with the width of its box; returns `{redraw, cursor, close}`. */
export function fitted(box, make) {
  let drawn = null;
  let width = 0;
  const redraw = () => {
    if (!width) return;
    drawn = make(width);
    box.replaceChildren(drawn.root);
  };
  const observer = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (Math.abs(now - width) < 2 || !now) return;
    width = now;
    redraw();
  });
  observer.observe(box);
  return { redraw, cursor: (ms) => drawn?.cursor?.(ms), close: () => observer.disconnect() };
}

export function key() {
  return ["overlap", "silence", "hold", "missed"].map((kind) => [kind, t(`timeline.${kind}`)]);
}
