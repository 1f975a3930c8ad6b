"""What a careless world sends: names, sidecars, snapshots, ends and losses that no specification foresees."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from audio.chunk import AudioChunk, Encoding, Party
from audio.errors import VigieError
from audio.vad import SileroModel
from streams.alerts.rules import load_rules, parse_rules
from streams.cli import main
from streams.events import CallEvent, CallInfo, EventKind, Outputs
from streams.listen import ListenSettings
from streams.monitor import CallMonitor, MonitorSettings
from streams.replay.manifest import read_manifest
from streams.replay.media import read_events
from streams.replay.results import call_fingerprint
from streams.replay.sources import find_calls
from streams.supervise import SuperviseSettings
from tests.replay_fakes import write_wav

RATE_HZ = 8000


def monitor_of(silero: SileroModel) -> CallMonitor:
    settings = MonitorSettings(ListenSettings(words=False), SuperviseSettings(words=False))
    return CallMonitor(CallInfo("hostile"), load_rules(None), silero, settings)


def feed(monitor: CallMonitor, from_s: int, to_s: int) -> Outputs:
    out = Outputs()
    legs = dict.fromkeys(Party, b"\x01\x00" * RATE_HZ)
    for second in range(from_s, to_s):
        out.extend(monitor.add(AudioChunk(second * RATE_HZ, RATE_HZ, Encoding.PCM16, legs)))
    return out


def test_a_file_name_that_is_no_utf8_is_spelled_out(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    try:
        write_wav(tmp_path / name)
    except OSError:
        pytest.skip("this file system refuses such names")
    (call,) = find_calls([tmp_path]).calls
    assert call.call.call_id == r"caf\xe9"
    assert call.paths[0].is_file()
    assert call_fingerprint(call, "run")
    json.dumps([call.file, call.call.call_id], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"kind": "lost", "at_ms": 2000, "until_ms": 1000}, "[0].until_ms"),
        ({"kind": "lost", "at_ms": 2000, "until_ms": 3000, "reason": ["x"]}, "[0].reason"),
        ("hold", "[0]"),
    ],
)
def test_events_that_make_no_sense_are_refused(tmp_path: Path, item: Mapping[str, Any], field: str) -> None:
    path = tmp_path / "x.events.json"
    path.write_text(json.dumps([item]))
    with pytest.raises(VigieError) as caught:
        read_events(path)
    assert caught.value.field == field


def test_events_too_deep_to_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.events.json"
    path.write_text("[" * 200_000)
    with pytest.raises(VigieError, match="JSON"):
        read_events(path)


def test_events_saved_by_a_windows_editor_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.events.json"
    path.write_text('[{"kind": "hold", "at_ms": 100}]', encoding="utf-8-sig")
    assert read_events(path) == [CallEvent("hold", 100)]


def test_a_manifest_with_a_zero_byte_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"call_id,file\na,x\0y.wav\n")
    with pytest.raises(VigieError) as caught:
        read_manifest(path)
    assert str(caught.value.where).endswith("line 2")


def test_a_manifest_s_name_that_no_file_can_bear_is_a_missing_file(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav")
    path = tmp_path / "m.csv"
    path.write_text(f"call_id,file\na,a.wav\nb,{'x' * 5000}.wav\n")
    calls, failures = read_manifest(path)
    assert [call.call.call_id for call in calls] == ["a"]
    assert [failure.call_id for failure in failures] == ["b"]


def test_a_default_rule_given_again_and_not_enabled_is_off() -> None:
    text = """
version: 1
extends: default
rules:
  - id: dead-air
    enabled: false
    condition: {metric: mutual_silence_ms, party: call, at_least: 7000, clear: 0}
    severity: warning
    message: {en: "x", fr: "y"}
"""
    assert "dead-air" in [rule.id for rule in load_rules(None).rules]
    assert "dead-air" not in [rule.id for rule in parse_rules(text.encode(), "x.yaml").rules]


def test_a_loss_told_after_its_time_is_still_covered(silero: SileroModel) -> None:
    monitor = monitor_of(silero)
    feed(monitor, 0, 6)
    monitor.event(CallEvent(EventKind.LOST.value, 2000, Party.AGENT, 3500, "audio_late"))
    feed(monitor, 6, 8)
    summary = monitor.end(8000).summary
    assert summary is not None
    assert summary["coverage"] == {
        "state": "partial",
        "intervals": [{"from_ms": 2000, "to_ms": 3500, "party": "agent", "reason": "audio_late"}],
    }


def test_a_loss_told_in_its_midst_is_covered_once(silero: SileroModel) -> None:
    monitor = monitor_of(silero)
    feed(monitor, 0, 6)
    monitor.event(CallEvent(EventKind.LOST.value, 2000, None, 7500))
    feed(monitor, 6, 9)
    summary = monitor.end(9000).summary
    assert summary is not None
    wanted = [{"from_ms": 2000, "to_ms": 7500, "party": "both", "reason": "audio_lost"}]
    assert summary["coverage"]["intervals"] == wanted


def test_a_call_ends_once(silero: SileroModel) -> None:
    monitor = monitor_of(silero)
    out = feed(monitor, 0, 3)
    out.extend(monitor.end(3000))
    assert out.summary is not None
    after = feed(monitor, 3, 6)
    after.extend(monitor.end(6000))
    assert (after.summary, after.measurements, after.alerts) == (None, [], [])
    assert [record["last"] for record in out.measurements].count(True) == 1


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "longer", "ones"])
def test_a_damaged_snapshot_is_refused(silero: SileroModel, kind: str) -> None:
    monitor = monitor_of(silero)
    good = monitor.snapshot()
    bad = {"empty": b"", "text": b"xx", "cut": good[:50], "longer": good + b"z", "ones": b"\xff" * 100}[kind]
    with pytest.raises(VigieError):
        monitor_of(silero).restore(bad)


def test_what_is_no_recording_ends_with_a_line_each_and_exit_code_1(tmp_path: Path) -> None:
    write_wav(tmp_path / "three.wav", channels=3)
    write_wav(tmp_path / "header.wav", seconds=0)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no sound at all " * 20)
    os.mkfifo(tmp_path / "pipe.wav")
    out = tmp_path / "out"
    assert main(["replay", str(tmp_path), "--out", str(out), "--model", "none", "--workers", "1"]) == 1
    lines = [json.loads(line) for line in (out / "failures.ndjson").read_text().splitlines()]
    assert [line["call_id"] for line in lines] == ["empty", "header", "pipe", "text", "three"]
    assert all(line["reason"] and line["remedy"] for line in lines)
