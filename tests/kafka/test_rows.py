"""Rows of state across releases and holes: what cannot be read or was deleted is told in the call's coverage."""

from __future__ import annotations

import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from audio.state import Stateful, layout, pack, unpack
from audio.vad import SileroModel
from streams import monitor
from streams.alerts.rules import load_rules
from streams.events import Record
from streams.kafka import rows, serde
from streams.kafka.processors import Setup
from streams.kafka.records import CallAudio, CallStarted
from streams.listen import ListenSettings
from tests.kafka.calls import SOURCES, records_of
from tests.kafka.simulated import Broker, run

NAME = "en-good"
SOME = 200
"""Records after which the workers are gone, about 20 s of the call."""
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def log() -> list[tuple[bytes, bytes, None]]:
    return [(NAME.encode(), serde.encode_audio(record), None) for record in records_of(SOURCES[NAME])]


@pytest.fixture(scope="module")
def setup(silero: SileroModel) -> Setup:
    rules = load_rules(None)
    return Setup(lambda _: rules, rules.fingerprint, silero, listen=ListenSettings(words=False))


def start_ms(log: list[tuple[bytes, bytes, None]], number: int) -> int:
    """Media time of the first chunk at or after that record."""
    for _, value, _ in log[number:]:
        record = serde.decode_audio(value)
        if isinstance(record, CallAudio):
            return record.chunk.offset_samples * 1000 // record.chunk.sample_rate_hz
    raise AssertionError("no audio follows")


def summary_of(broker: Broker) -> Record:
    [(_, value, _)] = broker.log("calls.summaries")
    return serde.decode_json("summary", value or b"")


def raised(broker: Broker) -> set[str]:
    return {serde.decode_json("alert", value or b"")["rule_id"] for _, value, _ in broker.log("calls.alerts")}


def test_the_layout_is_the_same_whatever_else_a_process_has_imported() -> None:
    code = "from streams.kafka.rows import state_layout; import streams.monitor; print(state_layout())"
    alone = "from streams import monitor; print(monitor.snapshot_version())"
    for command, wanted in ((code, rows.state_layout()), (alone, monitor.snapshot_version())):
        told = subprocess.run(
            [sys.executable, "-c", command], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
        )
        assert told.stdout.strip() == wanted


def test_another_field_is_another_layout() -> None:
    class Part(Stateful):
        STATE = ("a",)

    Part.__module__ = "made.up"
    before = layout("made")
    assert before == layout("made")
    assert before != layout("elsewhere")
    Part.STATE = ("a", "b")
    assert layout("made") != before


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("damage", ["layout", "format", "garbage", "state"])
def test_a_row_of_another_release_is_refused_and_its_call_starts_anew_visibly(
    log: list[tuple[bytes, bytes, None]], setup: Setup, damage: str, seed: int
) -> None:
    broker, rng = Broker(), random.Random(seed)
    broker.log("calls.audio").extend(log[:SOME])
    run(broker, setup, rng, crashes=0)

    def damaged(value: bytes | None) -> bytes:
        row: list[Any] = unpack(zlib.decompress(value or b""))
        if damage == "garbage":
            return b"garbage"
        if damage == "layout":
            row[8] = "1:000000000000"
        elif damage == "state":
            del row[9][sorted(row[9])[0]]
        else:
            row[0] = 1
        return zlib.compress(pack(row))

    for role, kept in broker.rows.items():
        broker.rows[role] = [(key, damaged(value)) for key, value in kept]
    assert broker.rows["listen"]
    assert broker.rows["supervise"]
    broker.log("calls.audio").extend(log[SOME:])
    run(broker, setup, rng, crashes=4)
    summary = summary_of(broker)
    lost = {"from_ms": 0, "to_ms": start_ms(log, SOME), "party": "both", "reason": "restarted"}
    assert lost in summary["coverage"]["intervals"]
    assert summary["coverage"]["state"] == "partial"
    assert not [span for span in summary["coverage"]["intervals"] if span["reason"] == "audio_gap"]
    started = serde.decode_audio(log[0][1])
    assert isinstance(started, CallStarted)
    assert summary["agent"] == (started.call.agent if damage in ("layout", "state") else None)
    assert not broker.log("calls.dead-letters")


@pytest.mark.parametrize("seed", SEEDS)
def test_audio_that_retention_deleted_is_lost_and_no_fault_of_the_line(
    log: list[tuple[bytes, bytes, None]], setup: Setup, seed: int
) -> None:
    broker, rng = Broker(), random.Random(seed)
    broker.log("calls.audio").extend(log[:SOME])
    run(broker, setup, rng, crashes=2)
    broker.log("calls.audio").extend(log[SOME:])
    broker.first["calls.audio"] = SOME + 60
    run(broker, setup, rng, crashes=6)
    lost = {"from_ms": start_ms(log, SOME), "to_ms": start_ms(log, SOME + 60), "party": "both", "reason": "audio_lost"}
    assert summary_of(broker)["coverage"] == {"state": "partial", "intervals": [lost]}
    assert not raised(broker) & {"dropouts", "one-way-audio", "missing-leg", "dead-air"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_whose_beginning_was_deleted_says_so(
    log: list[tuple[bytes, bytes, None]], setup: Setup, seed: int
) -> None:
    broker, rng = Broker(), random.Random(seed)
    broker.log("calls.audio").extend(log)
    broker.first["calls.audio"] = 80
    run(broker, setup, rng, crashes=3)
    lost = {"from_ms": 0, "to_ms": start_ms(log, 80), "party": "both", "reason": "audio_lost"}
    assert summary_of(broker)["coverage"] == {"state": "partial", "intervals": [lost]}
