"""From a story to samples: turns are spoken and placed, the line applied, faults injected, labels measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audio.chunk import NARROW_RATE_HZ, PARTIES, AudioChunk, Encoding, Float32Array, Int16Array, Party
from audio.synth.faults import LINE_FAULTS, SOURCE_FAULTS, Spans
from audio.synth.line import at_level, band, comfort_noise, through_g711
from audio.synth.sounds import SOUNDS
from audio.synth.story import LEAD_IN_MS, Story
from audio.synth.voices import speak

_PER_MS = NARROW_RATE_HZ // 1000
SILENCE_LABELLED_FROM_MS = 1_000


@dataclass(frozen=True, slots=True)
class SyntheticCall:
    """A call as its two legs were received.

    Attributes:
        samples: int16 `(2, n)` at 8 kHz, agent and customer.
        labels: what truly happened, in the form of `<call_id>.labels.json`.
        events: telephony events, in the form of `<file>.events.json`.
        missing: per party, the sample intervals whose packets never came.
    """

    samples: Int16Array
    rate_hz: int
    labels: dict[str, Any]
    events: list[dict[str, Any]]
    missing: tuple[Spans, Spans] = field(default_factory=lambda: ([], []))

    def chunks(self, chunk_ms: int = 100) -> Iterator[AudioChunk]:
        """The call as chunks of both parties, in order; a chunk that touches a missing interval lacks that leg."""
        return chunks_of(self.samples, self.missing, chunk_ms)


def chunks_of(
    samples: Int16Array, missing: tuple[Spans, Spans] = ([], []), chunk_ms: int = 100
) -> Iterator[AudioChunk]:
    """Int16 `(2, n)` at 8 kHz as PCM16 chunks; a leg is left out of a chunk that touches one of its `missing` spans."""
    step = chunk_ms * _PER_MS
    for offset in range(0, samples.shape[1], step):
        stop = offset + step
        legs = {
            party: samples[i, offset:stop].astype("<i2").tobytes()
            for i, party in enumerate(PARTIES)
            if not any(a < stop and offset < b for a, b in missing[i])
        }
        if legs:
            yield AudioChunk(offset, NARROW_RATE_HZ, Encoding.PCM16, legs)


def generate(story: Story) -> SyntheticCall:
    """Speak a story.

    Raises:
        VigieError: espeak-ng is absent or lacks a voice.
    """
    rng = np.random.default_rng(story.seed)
    placed, events, audio = _place(story, rng)
    length = (max(step["end_ms"] for step in placed) + story.tail_ms) * _PER_MS
    legs = np.zeros((2, length), dtype=np.float32)
    for i in (0, 1):
        legs[i] += comfort_noise(length, story.noise_dbov, rng)
    for step, samples in zip(placed, audio, strict=True):
        if samples is not None:
            start = step["start_ms"] * _PER_MS
            legs[PARTIES.index(step["party"]), start : start + len(samples)] += samples
    faults: list[dict[str, Any]] = []
    _inject(story, SOURCE_FAULTS, legs, placed, rng, faults)
    received = np.stack([through_g711(leg, story.law) for leg in legs])
    _inject(story, LINE_FAULTS, received, placed, rng, faults)
    gone: tuple[Spans, Spans] = ([], [])
    for fault in faults:
        if fault["kind"] == "missing":
            gone[PARTIES.index(fault["party"])].extend((a * _PER_MS, b * _PER_MS) for a, b in fault["spans_ms"])
    return SyntheticCall(received, NARROW_RATE_HZ, _labels(story, placed, faults, length // _PER_MS), events, gone)


def _place(
    story: Story, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Float32Array | None]]:
    """When every step starts and ends, the telephony events, and each step's own samples."""
    placed: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    audio: list[Float32Array | None] = []
    now_ms = LEAD_IN_MS
    for number, step in enumerate(story.script):
        after_ms = step.after_ms if number else 0
        start_ms = max(0, now_ms + after_ms if step.at_ms is None else step.at_ms)
        samples: Float32Array | None = None
        if step.text is not None:
            assert step.party is not None
            spoken = band(speak(step.text, story.voices[step.party]))
            samples = at_level(spoken, story.level_dbov + step.level_db)
        elif step.sound is not None:
            samples = at_level(band(SOUNDS[step.sound](step.lasts_ms * _PER_MS, rng)), story.level_dbov + step.level_db)
        else:
            event = {"kind": step.event, "at_ms": start_ms, "party": step.party.value if step.party else None}
            events.append(event)
        end_ms = start_ms + (-(-len(samples) // _PER_MS) if samples is not None else 0)
        placed.append(
            {
                "step": number,
                "party": step.party,
                "text": step.text,
                "sound": step.sound,
                "start_ms": start_ms,
                "end_ms": end_ms,
            }
        )
        audio.append(samples)
        now_ms = end_ms if step.event is None else max(now_ms, start_ms)
    return placed, events, audio


def _inject(
    story: Story,
    kinds: dict[str, Any],
    legs: Float32Array | Int16Array,
    placed: list[dict[str, Any]],
    rng: np.random.Generator,
    faults: list[dict[str, Any]],
) -> None:
    for fault in story.faults:
        if fault.kind not in kinds:
            continue
        if fault.steps:
            from_ms, to_ms = placed[fault.steps[0]]["start_ms"], placed[fault.steps[1]]["end_ms"]
        else:
            from_ms, to_ms = fault.from_ms or 0, fault.to_ms or 0
        start, stop = from_ms * _PER_MS, min(legs.shape[1], to_ms * _PER_MS)
        spans = kinds[fault.kind](legs, PARTIES.index(fault.party), start, stop, rng, **fault.options)
        faults.append(
            {
                "kind": fault.kind,
                "party": fault.party,
                "from_ms": from_ms,
                "to_ms": stop // _PER_MS,
                **fault.options,
                "spans_ms": [[a // _PER_MS, -(-b // _PER_MS)] for a, b in spans],
            }
        )


def _labels(
    story: Story, placed: list[dict[str, Any]], faults: list[dict[str, Any]], duration_ms: int
) -> dict[str, Any]:
    turns = [
        {"party": step["party"].value, "text": step["text"], "start_ms": step["start_ms"], "end_ms": step["end_ms"]}
        for step in placed
        if step["text"] is not None
    ]
    sounds = [
        {"party": step["party"].value, "sound": step["sound"], "from_ms": step["start_ms"], "to_ms": step["end_ms"]}
        for step in placed
        if step["sound"] is not None
    ]
    busy = [(t["start_ms"], t["end_ms"]) for t in turns] + [(s["from_ms"], s["to_ms"]) for s in sounds]
    expected = []
    for e in story.expect:
        about_ms = e.about_ms if e.step is None else placed[e.step][f"{e.edge}_ms"]
        expected.append({"rule": e.rule, "party": e.party, "about_ms": about_ms, "tolerance_ms": e.tolerance_ms})
    return {
        "call_id": story.call_id,
        "duration_ms": duration_ms,
        "turns": turns,
        "sounds": sounds,
        "overlaps": overlaps(turns),
        "silences": silences(busy, duration_ms),
        "faults": [{**fault, "party": fault["party"].value} for fault in faults],
        "expect": expected,
        "allow": list(story.allow),
    }


def overlaps(turns: list[dict[str, Any]]) -> list[list[int]]:
    """Stretches `[from_ms, to_ms]` in which a turn of each party runs."""
    mine, other = ([t for t in turns if t["party"] == party.value] for party in Party)
    pairs = ((max(a["start_ms"], b["start_ms"]), min(a["end_ms"], b["end_ms"])) for a in mine for b in other)
    return sorted([start, end] for start, end in pairs if start < end)


def silences(busy: list[tuple[int, int]], duration_ms: int) -> list[list[int]]:
    """Stretches `[from_ms, to_ms]` of at least a second with no turn and no sound."""
    found, now_ms = [], 0
    for start, end in [*sorted(busy), (duration_ms, duration_ms)]:
        if start - now_ms >= SILENCE_LABELLED_FROM_MS:
            found.append([now_ms, start])
        now_ms = max(now_ms, end)
    return found
