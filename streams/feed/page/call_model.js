// One call in full, kept current by an event stream of its own while it is open: seconds, words, alerts.

import { callPath, get } from "./api.js";
import { live } from "./live.js";
import { merged } from "./spans.js";
import { Stream } from "./stream.js";

export class CallModel extends EventTarget {
  constructor(call_id) {
    super();
    this.call_id = call_id;
    this.closed = false;
    this.onalert = (event) => event.detail.call_id === call_id && this.takeAlert(event.detail);
    this.ongone = (event) => event.detail.call_id === call_id && this.tell("gone");
    live.addEventListener("alert", this.onalert);
    live.addEventListener("forgotten", this.ongone);
  }

  async load() {
    const call = await get(callPath(this.call_id));
    if (this.closed) return null;
    this.call = call;
    call.alerts_raised = Array.isArray(call.alerts) ? call.alerts.map((alert) => live.freshest("alert", alert)) : [];
    call.timeline ??= { step_ms: 1000 };
    if (call.live && !this.stream) this.follow(call);
    return call;
  }

  follow(call) {
    // Seconds carry no number of an event: the stream is told which of them are here.
    const url = () => `/api/events?call=${encodeURIComponent(this.call_id)}&seq=${this.call.last_seq}`;
    this.stream = new Stream(url, call.event ?? call.changed, {
      event: (kind, record) => this.take(kind, record),
      state: (state) => this.again(state),
      reset: () => this.load().then(() => this.tell("all")),
    });
  }

  /** A stream that comes back finds the call loaded anew. */
  again(state) {
    if (state !== "live") return;
    if (this.lived) this.load().then(() => this.tell("all")).catch(() => {});
    this.lived = true;
  }

  take(kind, record) {
    if (kind === "utterance") this.takeWords(record);
    else if (kind === "measurement") this.takeSecond(record);
    else if (kind === "alert") this.takeAlert(record);
    else if (kind === "call") this.takeCall(record);
  }

  takeCall(record) {
    const ended = this.call.live && !record.live;
    const { alerts: _counts, ...rest } = record;
    Object.assign(this.call, rest);
    if (!ended) return this.tell("call");
    this.stream?.close();
    this.load().then(() => this.tell("all")); // the summary has come
  }

  takeWords(utterance) {
    const known = this.call.utterances.findIndex((other) => other.utterance_id === utterance.utterance_id);
    if (known >= 0 && this.call.utterances[known].final) return;
    if (known >= 0) this.call.utterances.splice(known, 1);
    this.call.utterances.push(utterance);
    this.call.utterances.sort((a, b) => a.start_ms - b.start_ms);
    const score = utterance.sentiment?.score;
    if (utterance.final && typeof score === "number" && utterance.party) {
      const course = (this.call.timeline.sentiment ??= {});
      (course[utterance.party] ??= []).push({ at_ms: utterance.end_ms, score });
    }
    this.dispatchEvent(new CustomEvent("words", { detail: utterance }));
    this.tell("timeline");
  }

  takeSecond(second) {
    if (second.seq <= this.call.last_seq) return;
    this.call.last_seq = second.seq;
    const line = this.call.timeline;
    const index = Math.round(second.start_ms / (line.step_ms || 1000));
    for (const party of ["agent", "customer"]) {
      const lane = (line[party] ??= {});
      lane.level_dbov ??= [];
      while (lane.level_dbov.length < index) lane.level_dbov.push(null);
      lane.level_dbov[index] = second.parties?.[party]?.level_dbov ?? null;
      lane.speech = merged([...(lane.speech || []), ...(second.speech?.[party] || [])]);
    }
    if (second.hold) line.hold = merged([...(line.hold || []), [second.start_ms, second.end_ms]]);
    for (const gap of second.gaps || []) (this.call.coverage_intervals ??= []).push(gap);
    this.call.duration_ms = Math.max(this.call.duration_ms || 0, second.end_ms);
    this.tell("timeline");
  }

  takeAlert(alert) {
    if (!this.call) return;
    const raised = this.call.alerts_raised;
    const known = raised.findIndex((other) => other.alert_id === alert.alert_id);
    if (known < 0) raised.push(alert);
    else if ((raised[known].changed ?? 0) < (alert.changed ?? 0)) raised[known] = { ...raised[known], ...alert };
    else return;
    this.tell("alerts");
  }

  tell(what) {
    if (!this.closed) this.dispatchEvent(new Event(what));
  }

  close() {
    this.closed = true;
    this.stream?.close();
    live.removeEventListener("alert", this.onalert);
    live.removeEventListener("forgotten", this.ongone);
  }
}
