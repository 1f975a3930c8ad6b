// The audio evidence of an alert: one sound a party or both, with what is muted marked on it.

import { get, search } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { clock, t } from "./i18n.js";

export class Player {
  /** `onmove(call_ms | null)` follows the sound on the timeline. */
  constructor(alert, onmove) {
    this.alert = alert;
    this.onmove = onmove;
    this.element = h("div", { class: "player" });
    this.draw();
  }

  update(alert) {
    const same = JSON.stringify(alert.clip) === JSON.stringify(this.alert.clip);
    this.alert = alert;
    if (!same) this.draw();
  }

  draw() {
    const clip = this.alert.clip || { state: "none" };
    if (clip.state !== "ready") {
      this.audio?.pause();
      this.audio = null;
      replace(this.element, h("p", { class: "soft" }, t(`clip.${clip.state}`)));
      return;
    }
    this.clip = clip;
    this.party = clip.parties.length > 1 ? "both" : clip.parties[0];
    this.length = Math.max(1, clip.to_ms - clip.from_ms);
    this.audio = h("audio", { preload: "metadata" });
    this.button = h("button", { type: "button", class: "play", "aria-label": t("player.play"), onclick: () => this.toggle() }, icon("play"));
    this.seek = h("input", { type: "range", min: 0, max: this.length, step: 100, value: 0, "aria-label": t("player.position"), oninput: () => this.seekTo(Number(this.seek.value)) });
    this.place = h("output", { class: "place" });
    const parties = [...(clip.parties.length > 1 ? ["both"] : []), ...clip.parties];
    const choice = h("div", { class: "segments", role: "radiogroup", "aria-label": t("player.party") }, parties.map((party) =>
      h("label", null, h("input", { type: "radio", name: `party-${this.alert.alert_id}`, checked: party === this.party, onchange: () => this.choose(party) }), h("span", null, t(`party.${party}`)))));
    replace(this.element, this.audio, h("div", { class: "player-row" }, this.button, h("div", { class: "seek-box" }, (this.marks = h("div", null, this.mutedStrip())), this.seek), this.place), h("div", { class: "player-row" }, choice, (this.told = h("span", null, this.mutedNote()))), this.problem = h("p", { class: "problem", role: "alert", hidden: true }));
    for (const kind of ["timeupdate", "play", "pause", "ended", "loadedmetadata"]) this.audio.addEventListener(kind, () => this.follow());
    this.audio.addEventListener("error", () => this.failed());
    this.source();
  }

  source() {
    this.audio.src = `/api/alerts/${encodeURIComponent(this.alert.alert_id)}/audio${search({ party: this.party })}`;
    this.follow();
  }

  choose(party) {
    const { currentTime, paused } = this.audio;
    this.party = party;
    replace(this.marks, this.mutedStrip());
    replace(this.told, this.mutedNote());
    this.source();
    this.audio.currentTime = currentTime;
    if (!paused) this.play();
  }

  mutedStrip() {
    const strip = h("div", { class: "muted-strip", "aria-hidden": "true" });
    for (const [from, to] of this.muted()) {
      const mark = h("i");
      mark.style.insetInlineStart = `${(100 * from) / this.length}%`;
      mark.style.width = `${(100 * (to - from)) / this.length}%`;
      strip.append(mark);
    }
    return strip;
  }

  /** Muted spans within the clip, from its start. */
  muted() {
    const heard = (this.clip.muted || []).filter(([, , party]) => !party || this.party === "both" || party === this.party);
    return heard.map(([from, to]) => [Math.max(0, from - this.clip.from_ms), Math.min(this.length, to - this.clip.from_ms)]).filter(([from, to]) => to > from);
  }

  mutedNote() {
    const muted = this.muted();
    if (!muted.length) return null;
    const spans = muted.map(([from, to]) => `${clock(this.clip.from_ms + from)}–${clock(this.clip.from_ms + to)}`).join(", ");
    return h("span", { class: "soft muted-note" }, icon("mute"), t("player.muted", { spans }));
  }

  toggle() {
    if (!this.audio) return;
    if (this.audio.paused) this.play();
    else this.audio.pause();
  }

  play() {
    this.audio.play().catch((error) => error.name === "AbortError" || this.failed());
  }

  seekTo(ms) {
    if (!this.audio) return;
    this.audio.currentTime = ms / 1000;
    this.follow();
  }

  /** To a position of the call, if the clip has it. */
  seekCall(ms) {
    if (this.audio && ms >= this.clip.from_ms && ms <= this.clip.to_ms) this.seekTo(ms - this.clip.from_ms);
  }

  follow() {
    const at = Math.round(this.audio.currentTime * 1000);
    this.seek.value = at;
    this.seek.setAttribute("aria-valuetext", clock(this.clip.from_ms + at));
    this.place.textContent = `${clock(this.clip.from_ms + at)} / ${clock(this.clip.to_ms)}`;
    const paused = this.audio.paused;
    if (this.button.dataset.paused !== String(paused)) {
      this.button.dataset.paused = String(paused);
      replace(this.button, icon(paused ? "play" : "pause"));
      this.button.setAttribute("aria-label", t(paused ? "player.play" : "player.pause"));
    }
    this.onmove?.(paused && at === 0 ? null : this.clip.from_ms + at);
  }

  /** The element says only that it failed; the server says why. */
  async failed() {
    this.problem.hidden = false;
    this.problem.textContent = t("player.failed");
    try {
      await get(`/api/alerts/${encodeURIComponent(this.alert.alert_id)}/audio`, { party: this.party });
    } catch (error) {
      this.problem.textContent = [error.message, error.detail, error.remedy].filter(Boolean).join(" ");
    }
  }

  close() {
    this.audio?.pause();
    this.audio?.removeAttribute("src");
  }
}
