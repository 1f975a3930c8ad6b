// What the page knows, kept current by one event stream. A record carries the number of the event that made it; whatever
// arrives, by stream or by answer to a request and in whatever order, an older one never replaces a newer one.

import { get } from "./api.js";
import { Stream } from "./stream.js";

const FRAME_MS_MAX = 250; // a hidden page has no animation frames, and still counts its alerts in the title
const REMEMBERED_MAX = 5_000;
const WHOLE_MAX = 5_000;
const LIMIT_MAX = 500; // the server gives no more at once

class Live extends EventTarget {
  constructor() {
    super();
    this.me = null;
    this.state = "connecting";
    this.newest = new Map(); // alert id or call id -> newest record seen on the stream
    this.current = true;
  }

  start(after) {
    this.stream = new Stream("/api/events", after, {
      event: (kind, record, number) => this.take(kind, record, number),
      state: (state, detail) => this.tellState(state, detail),
      reset: () => this.dispatchEvent(new Event("reset")),
    });
  }

  tellState(state, detail) {
    this.state = state;
    if (state === "live") this.current = true; // until the server says otherwise
    this.dispatchEvent(new CustomEvent("state", { detail: { state, detail } }));
  }

  take(kind, record, number) {
    if (kind === "alert" || kind === "call") {
      const id = kind === "alert" ? record.alert_id : record.call_id;
      // A record is told before it knows its own number.
      const seen = { ...record, changed: number ?? record.changed };
      this.newest.delete(kind + id);
      this.newest.set(kind + id, seen);
      if (this.newest.size > REMEMBERED_MAX) this.newest.delete(this.newest.keys().next().value);
      record = seen;
    }
    if (kind === "health") this.current = record.current;
    if (kind === "forgotten") for (const [key, seen] of this.newest) if (seen.call_id === record.call_id) this.newest.delete(key);
    this.dispatchEvent(new CustomEvent(kind, { detail: record }));
  }

  /** The newer of a record that a request brought and what the stream has told since. */
  freshest(kind, record) {
    const seen = this.newest.get(kind + (kind === "alert" ? record.alert_id : record.call_id));
    return seen && (seen.changed ?? 0) > (record.changed ?? 0) ? { ...record, ...seen } : record;
  }

  /** What the stream has told of a kind after event `number`. */
  since(kind, number) {
    return [...this.newest].filter(([key, record]) => key.startsWith(kind) && (record.changed ?? 0) > number).map(([, record]) => record);
  }

  /** An answer to an action of one's own is news like any other. */
  tellAlert(alert) {
    this.take("alert", alert, alert.changed);
  }
}

export const live = new Live();

/** Runs `draw` at most once a frame, and at most once every `every_ms`, however often it is asked. */
export function batched(draw, every_ms = 0) {
  let asked = false;
  let last = 0;
  const run = () => {
    if (!asked) return;
    asked = false;
    last = performance.now();
    draw();
  };
  return () => {
    if (asked) return;
    asked = true;
    const wait = Math.max(0, last + every_ms - performance.now());
    if (document.hidden) setTimeout(run, Math.max(wait, FRAME_MS_MAX));
    else if (wait) setTimeout(() => requestAnimationFrame(run), wait);
    else requestAnimationFrame(run);
  };
}

/** Somebody has had it in hand: where a list is not loaded to its end, it stands further down, and is no news. */
const touched = ({ feedback }) => Boolean(feedback && (feedback.notes?.length || feedback.assigned_by || feedback.acknowledged_by || feedback.snoozed_until_at));

/** A filtered list of the server's, kept current: loaded once, then events put in, change and take out. */
export class Collection {
  /** `whole`: `matches` asks for more than the server filters by, so that all it has is looked through. `kind` alert or call; `matches(record)` says whether it belongs; `change()` is called after every change. */
  constructor({ path, kind, query, matches, change, added, limit = 200, whole = false }) {
    Object.assign(this, { path, kind, query, matches, change, added, limit, whole });
    this.id = kind === "alert" ? "alert_id" : "call_id";
    this.items = new Map();
    this.early = [];
    this.loaded = false;
    this.closed = false;
    this.next = null;
    this.total = 0;
    this.counted = 0;
    this.listener = (event) => this.take(event.detail);
    live.addEventListener(kind, this.listener);
    this.calls = (event) => this.takeCall(event.detail);
    if (kind === "alert") live.addEventListener("call", this.calls);
    this.gone = (event) => this.drop(event.detail.call_id);
    live.addEventListener("forgotten", this.gone);
  }

  /** A call was erased: nothing of it stays on the screen. */
  drop(call_id) {
    const before = this.items.size;
    this.early = this.early.filter((record) => record.call_id !== call_id);
    for (const [id, record] of this.items) if (record.call_id === call_id) this.items.delete(id);
    if (this.items.size === before) return;
    this.total -= before - this.items.size;
    this.change();
  }

  /** An alert tells of its call whether it is live and how it fares; the call's own events are the newer word. */
  takeCall(call) {
    for (const [id, alert] of this.items) {
      if (alert.call_id !== call.call_id || (alert.live === call.live && alert.health === call.health)) continue;
      const next = { ...alert, live: call.live, health: call.health };
      if (this.matches(next)) this.items.set(id, next);
      else {
        this.items.delete(id);
        this.total -= 1;
      }
      this.change();
    }
  }

  /** One question after the other: an answer to what was asked before another came would undo that one. */
  inTurn(ask) {
    const before = this.turn ?? Promise.resolve();
    this.turn = before.catch(() => {}).then(() => (this.closed ? null : ask()));
    return this.turn;
  }

  /** Asked for again while it waits for its turn, it is asked for once. */
  load() {
    this.waiting ??= this.inTurn(() => ((this.waiting = null), this.askAgain()));
    return this.waiting;
  }

  more() {
    return this.inTurn(() => this.askMore());
  }

  /** As much of it as is loaded. What the stream tells meanwhile is newer than the answer. */
  async askAgain() {
    const had = this.whole ? WHOLE_MAX : this.items.size;
    const query = { ...this.query, limit: Math.min(LIMIT_MAX, Math.max(this.limit, had)) };
    const answers = [await get(this.path, query)];
    for (let size = query.limit; size < had && answers.at(-1).next; size += query.limit) answers.push(await get(this.path, { ...query, cursor: answers.at(-1).next }));
    if (this.closed) return null;
    const known = this.items;
    this.items = new Map();
    for (const answer of answers) this.put(answer);
    this.counted = answers[0].event ?? 0;
    this.loaded = true;
    for (const record of this.early.splice(0)) this.take(record);
    for (const record of live.since(this.kind, this.counted)) this.take(record, known.has(record[this.id]));
    if (this.kind === "alert") for (const call of live.since("call", this.counted)) this.takeCall(call);
    this.change();
    return answers[0];
  }

  /** How many there are, loaded or not. */
  get count() {
    return this.whole ? this.items.size : Math.max(this.items.size, this.total);
  }

  async askMore() {
    if (!this.next) return;
    const answer = await get(this.path, { ...this.query, limit: this.limit, cursor: this.next });
    if (this.closed) return;
    this.put(answer);
    this.change();
  }

  put(answer) {
    this.next = answer.next ?? null;
    this.total = answer.total ?? answer.items.length;
    this.counted = answer.event ?? 0;
    for (const item of answer.items) {
      const record = live.freshest(this.kind, item);
      if (this.matches(record)) this.items.set(record[this.id], record);
    }
  }

  take(record, heard = false) {
    if (!this.loaded) {
      this.early.push(record);
      return;
    }
    const id = record[this.id];
    const known = this.items.get(id);
    if (known && (known.changed ?? 0) >= (record.changed ?? 0)) return;
    if (this.matches(record)) {
      this.items.set(id, known ? { ...known, ...record } : record);
      if (!known && !(this.next && touched(record))) {
        // What happened before the answer is in its total, though it may stand on a page that is not loaded.
        if ((record.changed ?? 0) > this.counted) this.total += 1;
        if (!heard) this.added?.(record);
      }
    } else if (known) {
      this.items.delete(id);
      this.total -= 1;
    } else return;
    this.change();
  }

  close() {
    this.closed = true;
    live.removeEventListener(this.kind, this.listener);
    live.removeEventListener("call", this.calls);
    live.removeEventListener("forgotten", this.gone);
  }
}
