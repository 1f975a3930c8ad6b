"""One test piece through the engine: built from its name and seed alone, so that any result can be made again."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from audio.chunk import NARROW_RATE_HZ
from audio.synth.call import chunks_of
from audio.vad import SileroModel, load_silero
from streams.alerts.model import RuleSet
from streams.alerts.rules import load_rules
from streams.evaluation.matching import Matching, match
from streams.evaluation.negatives import NEGATIVES
from streams.evaluation.positives import POSITIVES, STRENGTHS
from streams.evaluation.scenes import PER_MS, Piece, Scene
from streams.evaluation.voices import Bank, real_bank, spoken_bank
from streams.events import CallInfo, Outputs, Record
from streams.listen import ListenSettings
from streams.monitor import CallMonitor, MonitorSettings
from streams.supervise import SuperviseSettings

CLEAN_PIECE_S = 300
_WORDLESS = MonitorSettings(ListenSettings(words=False), SuperviseSettings(words=False))


@dataclass(frozen=True, slots=True)
class Job:
    """Which piece: `name` is a rule (positive), a kind of hard negative, or "clean-hours"."""

    kind: str
    name: str
    number: int
    seed: int
    half: str
    data: Path | None = None
    rules: str | None = None
    strength: int = 0

    @property
    def id(self) -> str:
        suite = "synthetic" if self.data is None else "hybrid"
        strength = f":{STRENGTHS[self.strength]}" if self.kind == "positive" else ""
        return f"{suite}:{self.half}:{self.seed}:{self.kind}:{self.name}{strength}:{self.number}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`matching` is of the detector under test (of every rule in negatives); `others` are alerts of other rules."""

    job: Job
    matching: Matching
    others: tuple[Record, ...]
    duration_ms: int

    @property
    def wrong(self) -> bool:
        return bool(self.matching.missed or self.matching.false)


def build(job: Job) -> Piece:
    """Make the piece. Raises VigieError: no voices."""
    bank = spoken_bank(job.half) if job.data is None else real_bank(job.data, job.half)
    return _built(job, bank)


def _built(job: Job, bank: Bank) -> Piece:
    rng = np.random.default_rng([job.seed, zlib.crc32(job.id.encode())])
    scene = Scene(bank, rng, bank.hops[job.number % len(bank.hops)])
    if job.kind == "positive":
        return POSITIVES[job.name](scene, job.strength)
    if job.kind == "negative":
        return NEGATIVES[job.name](scene)
    scene.chat(CLEAN_PIECE_S)
    return scene.piece()


def listen(piece: Piece, call_id: str, rules: RuleSet, silero: SileroModel) -> list[Record]:
    """Every alert record that the engine leaves for this piece, without words."""
    monitor = CallMonitor(CallInfo(call_id), rules, silero, _WORDLESS)
    out = Outputs()
    for event in piece.events:
        monitor.event(event)
    for chunk in chunks_of(piece.samples, piece.missing):
        out.extend(monitor.add(chunk))
    out.extend(monitor.end(piece.samples.shape[1] // PER_MS))
    return out.alerts


def run_job(job: Job) -> Outcome:
    """Build, listen, match; in a process of its own."""
    piece = build(job)
    alerts = listen(piece, job.id, _rules(job.rules), load_silero())
    duration_ms = piece.samples.shape[1] // PER_MS
    if piece.expected is None:
        return Outcome(job, match((), alerts), (), duration_ms)
    mine = [alert for alert in alerts if alert["rule_id"] == job.name]
    others = [a for a in alerts if a["rule_id"] != job.name and a["state"] == "raised"]
    return Outcome(job, match((piece.expected,), mine), tuple(others), duration_ms)


def keep(job: Job, folder: Path) -> Path:
    """Write the piece as FLAC, for the ear."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job.id.replace(':', '_')}.flac"
    soundfile.write(path, build(job).samples.T, NARROW_RATE_HZ, subtype="PCM_16", format="FLAC")
    return path


@lru_cache(maxsize=2)
def _rules(path: str | None) -> RuleSet:
    return load_rules(path)
