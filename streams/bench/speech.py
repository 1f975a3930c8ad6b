"""The speech that a benchmark transcribes: the utterances of the bundled calls, with the moment at which each came out."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audio.chunk import WIDE_RATE_HZ, Float32Array

CALLS = Path(__file__).resolve().parents[2] / "audio" / "synth" / "calls"
FULL_SCALE = 32_768.0


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One utterance of a call.

    Attributes:
        samples: float32 `(n,)` at 16 kHz in [-1, 1).
        end_ms: media time at which its speech ends.
        emitted_ms: media time at which the endpoint was found, and it was ready to be heard.
    """

    call: str
    party: str
    language: str
    end_ms: int
    emitted_ms: int
    samples: Float32Array

    @property
    def seconds(self) -> float:
        return float(self.samples.size / WIDE_RATE_HZ)


@dataclass(frozen=True, slots=True)
class Speech:
    """Utterances in the order in which they came, how long each call is, and what was said on each side."""

    utterances: Sequence[Utterance]
    duration_ms: dict[str, int]
    said: dict[tuple[str, str], str]

    @property
    def seconds(self) -> float:
        return sum(utterance.seconds for utterance in self.utterances)

    @property
    def share(self) -> float:
        """Seconds to transcribe for a second of call: both parties, with the air around their utterances."""
        return self.seconds * 1000 / sum(self.duration_ms.values())


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """An utterance of a live call: when its speech ended and when it is ready to be heard, in seconds."""

    end_s: float
    at_s: float
    utterance: Utterance


def bundled_speech() -> Speech:
    """The nine bundled calls, through the engine's own voice activity and endpointing."""
    from audio.vad import load_silero
    from streams.alerts.rules import load_rules
    from streams.monitor import CallMonitor
    from streams.replay.manifest import read_manifest
    from streams.replay.playback import play

    silero, rules = load_silero(), load_rules(None)

    class Ears:
        def monitor(self, call: Any) -> CallMonitor:
            return CallMonitor(call, rules, silero)

        def words(self, call: Any) -> None:  # noqa: ARG002  (nobody transcribes here)
            return None

    found: list[Utterance] = []
    durations: dict[str, int] = {}
    said: dict[tuple[str, str], str] = {}
    for source in read_manifest(CALLS / "manifest.csv")[0]:
        name = source.call.call_id
        for step in play(source, Ears()):
            durations[name] = step.now_ms
            for piece in step.outputs.speech:
                language = source.call.language or "en"
                found.append(
                    Utterance(
                        name, piece.party.value, language, piece.end_ms, max(step.now_ms, piece.end_ms), piece.samples
                    )
                )
        labels = json.loads((CALLS / f"{name}.labels.json").read_text(encoding="utf-8"))
        for turn in labels["turns"]:
            key = (name, turn["party"])
            said[key] = " ".join(filter(None, (said.get(key), turn["text"])))
    return Speech(found, durations, said)


def save_speech(speech: Speech, path: Path) -> None:
    """Write speech for a machine that has no engine on it."""
    samples = [np.rint(u.samples * FULL_SCALE).astype(np.int16) for u in speech.utterances]
    about = [
        [u.call, u.party, u.language, u.end_ms, u.emitted_ms, len(s)]
        for u, s in zip(speech.utterances, samples, strict=True)
    ]
    said = [[*key, text] for key, text in speech.said.items()]
    text = json.dumps({"utterances": about, "duration_ms": speech.duration_ms, "said": said})
    np.savez_compressed(path, samples=np.concatenate(samples), about=np.array(text))


def load_speech(path: Path) -> Speech:
    """What `save_speech` wrote."""
    with np.load(path) as stored:
        about, samples = json.loads(str(stored["about"])), stored["samples"].astype(np.float32) / np.float32(FULL_SCALE)
    utterances, at = [], 0
    for call, party, language, end_ms, emitted_ms, count in about["utterances"]:
        utterances.append(Utterance(call, party, language, end_ms, emitted_ms, samples[at : at + count]))
        at += count
    return Speech(utterances, about["duration_ms"], {(call, party): text for call, party, text in about["said"]})


def live_arrivals(speech: Speech, calls: int, seconds: float, rng: random.Random) -> list[Arrival]:
    """So many calls at the same time: each plays bundled calls one after another, from somewhere in the first one."""
    by_call: dict[str, list[Utterance]] = {}
    for utterance in speech.utterances:
        by_call.setdefault(utterance.call, []).append(utterance)
    arrivals = [arrival for _ in range(calls) for arrival in _one_line(speech, by_call, seconds, rng)]
    return sorted(arrivals, key=lambda arrival: arrival.at_s)


def _one_line(
    speech: Speech, by_call: dict[str, list[Utterance]], seconds: float, rng: random.Random
) -> Iterator[Arrival]:
    names = sorted(by_call)
    name = rng.choice(names)
    start_s = -rng.random() * speech.duration_ms[name] / 1000
    while start_s < seconds:
        for utterance in by_call[name]:
            at_s = start_s + utterance.emitted_ms / 1000
            if 0 <= at_s < seconds:
                yield Arrival(start_s + utterance.end_ms / 1000, at_s, utterance)
        start_s += speech.duration_ms[name] / 1000
        name = rng.choice(names)
