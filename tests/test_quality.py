"""The DNSMOS estimate: an extra, named as an estimate, that tells a good line from a bad one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import schemas
from audio.chunk import WIDE_RATE_HZ
from audio.errors import VigieError
from audio.quality import SCORES, QualityEstimator
from streams.cli import main
from streams.replay.manifest import read_manifest
from streams.replay.quality import estimated_quality, told

CALLS = Path(__file__).resolve().parent.parent / "audio" / "synth" / "calls"
SOURCES = {source.call.call_id: source for source in read_manifest(CALLS / "manifest.csv")[0]}


@pytest.fixture(scope="module")
def estimator() -> QualityEstimator:
    pytest.importorskip("speechmos", reason="the extra dnsmos is not installed")
    return QualityEstimator()


def turns_of(call_id: str) -> dict[str, list[tuple[int, int]]]:
    turns = json.loads((CALLS / f"{call_id}.labels.json").read_text(encoding="utf-8"))["turns"]
    return {
        party: [(turn["start_ms"], turn["end_ms"]) for turn in turns if turn["party"] == party]
        for party in ("agent", "customer")
    }


def test_noise_on_a_line_lowers_the_background_score(estimator: QualityEstimator) -> None:
    time_s = np.arange(6 * WIDE_RATE_HZ) / WIDE_RATE_HZ
    pitch = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * time_s)) / WIDE_RATE_HZ
    voice = np.sum([np.sin(k * pitch) / k for k in range(1, 20)], axis=0) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))
    clean = (0.1 * voice).astype(np.float32)
    noisy = clean + np.random.default_rng(3).normal(0, 0.05, len(clean)).astype(np.float32)
    good, bad = estimator.estimate(clean), estimator.estimate(noisy)
    assert good is not None
    assert bad is not None
    assert good["bak_mos"] > bad["bak_mos"]
    assert all(1.0 <= scores[name] <= 5.0 for scores in (good, bad) for name in SCORES)


def test_a_bad_line_is_rated_under_a_good_one(estimator: QualityEstimator) -> None:
    good = estimated_quality(SOURCES["fr-good"], turns_of("fr-good"), estimator)
    bad = estimated_quality(SOURCES["fr-bad-line"], turns_of("fr-bad-line"), estimator)
    assert good["customer"] is not None
    assert bad["customer"] is not None
    assert bad["customer"]["ovrl_mos"] < good["customer"]["ovrl_mos"]


@pytest.mark.parametrize(("seconds", "known"), [(2.9, False), (3.0, True)])
def test_under_three_seconds_of_speech_nothing_is_said(
    estimator: QualityEstimator, seconds: float, known: bool
) -> None:
    speech = np.random.default_rng(1).normal(0, 0.1, int(seconds * WIDE_RATE_HZ)).astype(np.float32)
    assert (estimator.estimate(speech) is not None) is known


def test_without_the_package_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechmos.dnsmos", None)
    with pytest.raises(VigieError, match="speechmos") as caught:
        QualityEstimator()
    assert ".venv/bin/pip install -c constraints.txt '.[dnsmos]'" in str(caught.value)


def test_a_replay_writes_the_estimate_where_it_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("speechmos", reason="the extra dnsmos is not installed")
    call = str(CALLS / "en-one-way.flac")
    assert main(["replay", call, "--out", str(tmp_path), "--model", "none", "--workers", "1", "--dnsmos"]) == 0
    [stored] = (tmp_path / ".vigie" / "calls").glob("*.json")
    summary = json.loads(stored.read_text(encoding="utf-8").split("\n", 1)[1])["summary"]
    assert set(summary["dnsmos"]) == {"agent", "customer"}
    assert not list(schemas.validator("summary").iter_errors(summary))
    assert "DNSMOS estimate" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_unknown_voice_is_told_as_unknown() -> None:
    assert told({"agent": {"ovrl_mos": 3.1}, "customer": None}) == "agent 3.1, customer unknown"
