// The sound of a new alert, made here: two soft notes for a critical one, one for a warning. Off until it is asked for.

import { read, write } from "./i18n.js";

const STORED = "vigie.sound";
const NOTES = { critical: [[880, 0], [659, 0.16]], warning: [[587, 0]] };
const APART_MS_MIN = 3_000; // many at once are one sound
let context = null;
const LATE_MS_MAX = 1_000; // a sound that the browser kept back tells of nothing new any more
let last = -Infinity;

export const soundOn = () => read(STORED) === "on";

export function setSound(on) {
  write(STORED, on ? "on" : "off");
  last = -Infinity;
  if (on) chime("warning");
}

export function chime(severity) {
  const notes = NOTES[severity];
  if (!notes || performance.now() - last < APART_MS_MIN) return;
  const asked = (last = performance.now());
  const play = () => {
    if (performance.now() - asked > LATE_MS_MAX) return;
    for (const [frequency, after] of notes) note(frequency, context.currentTime + after);
  };
  try {
    context ??= new AudioContext();
    if (context.state === "running") play();
    else context.resume().then(play, () => {});
  } catch {
    // no sound device: the page shows what it would have told
  }
}

/** A browser makes no sound for a page that nobody has touched since it was loaded. */
export const soundBlocked = () => soundOn() && navigator.userActivation?.hasBeenActive === false;

/** Runs `change` once the page has been touched. */
export function onTouched(change) {
  if (!soundBlocked()) return;
  const touched = () => {
    for (const kind of ["pointerup", "keyup"]) removeEventListener(kind, touched, true);
    change();
  };
  for (const kind of ["pointerup", "keyup"]) addEventListener(kind, touched, true);
}

function note(frequency, at) {
  const tone = context.createOscillator();
  const gain = context.createGain();
  tone.frequency.value = frequency;
  tone.type = "sine";
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(0.16, at + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.001, at + 0.45);
  tone.connect(gain).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.5);
}
