// Arithmetic of spans of media time: [[from_ms, to_ms], ...], sorted.

export const SILENCE_SHOWN_MS_MIN = 3_000; // from here on mutual silence is dead air in the field's counting

/** Joins what touches. */
export function merged(spans, gap_ms = 0) {
  const out = [];
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && from - last[1] <= gap_ms) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

export function overlaps(first, second) {
  const out = [];
  for (let i = 0, j = 0; i < first.length && j < second.length; ) {
    const from = Math.max(first[i][0], second[j][0]);
    const to = Math.min(first[i][1], second[j][1]);
    if (to > from) out.push([from, to]);
    if (first[i][1] < second[j][1]) i += 1;
    else j += 1;
  }
  return out;
}

/** Where none of `spans` is, for at least `least_ms`. */
export function gaps(spans, end_ms, least_ms = SILENCE_SHOWN_MS_MIN) {
  const out = [];
  let from = 0;
  for (const [start, end] of [...merged(spans), [end_ms, end_ms]]) {
    if (start - from >= least_ms) out.push([from, start]);
    from = Math.max(from, end);
  }
  return out;
}

/** How much of [from, to) the spans cover, 0 to 1. */
export function share(spans, from, to) {
  let covered = 0;
  for (const [start, end] of spans) {
    if (start >= to) break;
    covered += Math.max(0, Math.min(end, to) - Math.max(start, from));
  }
  return covered / (to - from);
}

/** How long the span around `at` has lasted by then; 0 outside of any. */
export function runLength(spans, at) {
  const span = spans.find(([from, to]) => from <= at && at <= to);
  return span ? at - span[0] : 0;
}

const STEPS_MS = [1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000, 3_600_000];

/** Positions of an axis's ticks: round, and at most `most` of them. */
export function ticks(from, to, most) {
  const step = STEPS_MS.find((candidate) => (to - from) / candidate <= most) ?? STEPS_MS.at(-1);
  const out = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) out.push(at);
  return out;
}
