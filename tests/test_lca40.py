"""The real call of the shared data: what a listener would confirm, and nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from audio.chunk import AudioChunk, Encoding, Party
from audio.recordings import open_recording
from audio.vad import SileroModel
from streams.alerts.rules import load_rules
from streams.events import CallInfo, Outputs
from streams.listen import ListenSettings
from streams.monitor import CallMonitor, MonitorSettings
from streams.supervise import SuperviseSettings

SEGMENTS = Path(__file__).parent / "scenarios" / "lca40_segments.csv"
SILENT = MonitorSettings(ListenSettings(words=False), SuperviseSettings(words=False))


@pytest.fixture(scope="module")
def watched(shared_data: Path, silero: SileroModel) -> Outputs:
    folder = shared_data / "calls" / "lca40"
    legs = {}
    for party, name in ((Party.AGENT, "agent"), (Party.CUSTOMER, "caller")):
        recording = open_recording(folder / f"Auto_Repairs_40_UTC_{name}.wav")
        legs[party] = b"".join(block[0].astype("<i2").tobytes() for block in recording.blocks())
    monitor = CallMonitor(CallInfo("lca40"), load_rules(None), silero, SILENT)
    out = Outputs()
    for at in range(0, max(len(leg) for leg in legs.values()), 3200):
        pieces = {party: leg[at : at + 3200] for party, leg in legs.items() if at < len(leg)}
        out.extend(monitor.add(AudioChunk(at // 2, 8000, Encoding.PCM16, pieces)))
    out.extend(monitor.end())
    return out


def test_dropouts_fire_for_the_customer_and_not_for_the_agent(watched: Outputs) -> None:
    parties = {alert["party"] for alert in watched.alerts if alert["rule_id"] == "dropouts"}
    assert parties == {"customer"}


def test_nothing_else_fires(watched: Outputs) -> None:
    assert {alert["rule_id"] for alert in watched.alerts} <= {"dropouts", "call-degrading"}


def test_the_listening_agent_is_not_one_way(watched: Outputs) -> None:
    assert not [alert for alert in watched.alerts if alert["rule_id"] in ("one-way-audio", "missing-leg")]


def test_talk_ratio_and_overlap_are_those_of_the_segmentation_made_apart(watched: Outputs) -> None:
    rows = csv.DictReader(line for line in SEGMENTS.read_text().splitlines() if not line.startswith("#"))
    spans: dict[str, list[tuple[int, int]]] = {"agent": [], "customer": []}
    for row in rows:
        spans[row["party"]].append((int(row["start_ms"]), int(row["end_ms"])))
    talk_ms = {party: sum(end - start for start, end in mine) for party, mine in spans.items()}
    overlap_ms = sum(max(0, min(b, d) - max(a, c)) for a, b in spans["agent"] for c, d in spans["customer"])
    assert watched.summary is not None
    assert watched.summary["talk_ratio"] == pytest.approx(talk_ms["agent"] / sum(talk_ms.values()), abs=0.02)
    assert watched.summary["overlap_ms"] == pytest.approx(overlap_ms, abs=500)


def test_the_call_is_wholly_monitored(watched: Outputs) -> None:
    assert watched.summary is not None
    assert watched.summary["coverage"] == {"state": "monitored", "intervals": []}
