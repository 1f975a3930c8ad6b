"""Synthetic calls: exact labels, faults where they are said to be, the same story the same call."""

from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from audio.chunk import Encoding, Party
from audio.errors import VigieError
from audio.synth import faults, generate
from audio.synth.call import overlaps, silences
from audio.synth.line import at_level, band, comfort_noise, speech_level_dbov, through_g711
from audio.synth.sounds import SOUNDS
from audio.synth.story import CALLS_DIR, bundled_stories, load_story, parse_story
from audio.synth.write import write_calls

ROOT = Path(__file__).resolve().parent.parent
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
RATE = 8_000


def story(**changes: Any) -> dict[str, Any]:
    return {
        "call": {"call_id": "test", "language": "en"},
        "seed": 5,
        "voices": {"agent": {"voice": "en-us+m1"}, "customer": {"voice": "en-gb+f2"}},
        "script": [{"agent": "good morning"}, {"customer": "hello can you help me please", "after_ms": 700}],
        **changes,
    }


def voice_like(seconds: float, seed: int = 1) -> np.ndarray:
    """Syllables of a buzz, 4 a second, at -26 dBov."""
    count = int(seconds * RATE)
    t = np.arange(count) / RATE
    buzz = ((t * 140) % 1.0 - 0.5) * np.sin(np.pi * 4 * t) ** 2
    buzz += 0.01 * np.random.default_rng(seed).standard_normal(count)
    return at_level(band(buzz.astype(np.float32)), -26.0)


def legs_of(agent: np.ndarray, customer: np.ndarray | None = None) -> np.ndarray:
    return np.stack([agent, np.zeros_like(agent) if customer is None else customer]).astype(np.float32)


@needs_espeak
def test_the_same_story_gives_the_same_samples() -> None:
    first, second = (generate(parse_story(story())).samples for _ in range(2))
    assert np.array_equal(first, second)


@needs_espeak
def test_turn_labels_are_where_the_speech_is() -> None:
    call = generate(parse_story(story()))
    agent, customer = call.labels["turns"]
    assert customer["start_ms"] - agent["end_ms"] == 700
    for turn, leg in ((agent, 0), (customer, 1)):
        loud = np.flatnonzero(np.abs(call.samples[leg].astype(int)) > 400) / 8
        assert abs(loud[0] - turn["start_ms"]) < 60
        assert abs(loud[-1] - turn["end_ms"]) < 120


@needs_espeak
def test_a_negative_pause_is_an_overlap_of_that_length() -> None:
    script = [{"agent": "please stay on the line i'm opening your file"}, {"customer": "goodbye", "after_ms": -500}]
    (overlap,) = generate(parse_story(story(script=script))).labels["overlaps"]
    assert overlap[1] - overlap[0] in range(300, 502)


@needs_espeak
def test_legs_are_alive_at_nominal_level() -> None:
    call = generate(parse_story(story(law="alaw")))
    for leg in call.samples:
        assert abs(speech_level_dbov(leg / np.float32(32768)) + 26) < 1
        assert np.unique(leg[:4000]).size > 4


@needs_espeak
def test_missing_packets_leave_holes_in_the_chunks() -> None:
    fault = {"kind": "missing", "party": "agent", "from_ms": 500, "to_ms": 900}
    chunks = list(generate(parse_story(story(faults=[fault]))).chunks(100))
    without = [chunk.offset_samples // 8 for chunk in chunks if Party.AGENT not in chunk.legs]
    assert without == [500, 600, 700, 800]


@needs_espeak
def test_files_are_written_with_labels_events_and_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(story(script=[{"agent": "goodbye"}, {"event": "hold"}])), encoding="utf-8")
    written = [p.name for p in write_calls([path], tmp_path / "out")]
    assert written == ["test.flac", "manifest.csv"]
    events = json.loads((tmp_path / "out" / "test.flac.events.json").read_text())
    assert [e["kind"] for e in events] == ["hold"]
    assert "test,test.flac,left" in (tmp_path / "out" / "manifest.csv").read_text()


def test_without_espeak_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    script = [{"agent": "words never spoken before"}]
    with pytest.raises(VigieError, match="apt-get install espeak-ng"):
        generate(parse_story(story(script=script)))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"script": []}, "script"),
        ({"script": [{"agent": True}]}, r"script\[0\]"),
        ({"script": [{"agent": "hi", "customer": "hi"}]}, r"script\[0\]"),
        ({"script": [{"sound": "birds", "party": "agent", "lasts_ms": 5}]}, r"script\[0\]"),
        ({"faults": [{"kind": "rats", "party": "agent"}]}, r"faults\[0\]"),
        ({"faults": [{"kind": "loss", "party": "agent", "steps": [0, 9], "packets": 2}]}, r"faults\[0\]"),
        ({"faults": [{"kind": "level", "party": "agent", "db": 3}]}, r"faults\[0\]"),
        ({"expect": [{"rule": "dead-air"}]}, r"expect\[0\]"),
        ({"law": "gsm"}, "law"),
        ({"tempo": 3}, "tempo"),
    ],
)
def test_a_wrong_story_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(VigieError, match=field):
        parse_story(story(**change))


def test_overlaps_and_silences_are_measured_from_the_turns() -> None:
    turns = [
        {"party": "agent", "start_ms": 0, "end_ms": 2_000},
        {"party": "customer", "start_ms": 1_500, "end_ms": 3_000},
    ]
    assert overlaps(turns) == [[1_500, 2_000]]
    assert silences([(0, 2_000), (1_500, 3_000), (3_999, 5_000)], 6_000) == [[5_000, 6_000]]
    assert silences([(0, 3_000), (4_000, 6_000)], 6_000) == [[3_000, 4_000]]


@pytest.mark.parametrize("repeat", [False, True])
def test_lost_packets_leave_holes_of_whole_packets_inside_speech(repeat: bool) -> None:
    legs = np.stack([through_g711(voice_like(6), Encoding.MULAW)] * 2)
    clean = legs.copy()
    holes = faults.loss(legs, 0, 0, legs.shape[1], np.random.default_rng(1), packets=5, burst=2, repeat=repeat)
    assert len(holes) == 5
    assert all(b - a == 2 * faults.PACKET and a % faults.PACKET == 0 for a, b in holes)
    assert all(b[0] > a[1] for a, b in pairwise(holes))
    for a, b in holes:
        assert (
            np.array_equal(legs[0, a:b], np.tile(clean[0, a - 160 : a], 2))
            if repeat
            else not legs[0, a + 12 : b - 12].any()
        )
    assert np.array_equal(legs[1], clean[1])


def test_clipping_flattens_peaks_and_a_pad_keeps_them_flat() -> None:
    legs = legs_of(voice_like(2))
    faults.clipping(legs, 0, 0, legs.shape[1], np.random.default_rng(1), over_db=10, pad_db=6)
    peak = np.abs(legs[0]).max()
    assert (np.abs(legs[0]) > 0.999 * peak).sum() > 100
    assert peak < 0.5


@pytest.mark.parametrize("colour", ["white", "pink", "babble", "hum"])
def test_noise_has_the_asked_distance_to_the_speech(colour: str) -> None:
    speech = voice_like(4)
    legs = legs_of(speech)
    faults.noise(legs, 0, 0, legs.shape[1], np.random.default_rng(1), snr_db=10, colour=colour)
    rms_db = 10 * np.log10(np.square(legs[0] - speech).mean())
    assert abs(speech_level_dbov(speech) - rms_db - 10) < 0.1


def test_an_echo_comes_back_late_and_weaker() -> None:
    legs = legs_of(np.zeros(8_000), voice_like(1))
    faults.echo(legs, 0, 0, 8_000, np.random.default_rng(1), delay_ms=200, loss_db=20)
    assert np.allclose(legs[0, 1600:], legs[1, :6400] * 0.1, atol=1e-6)
    assert not legs[0, :1600].any()


def test_a_gate_silences_pauses_only() -> None:
    agent = np.concatenate([voice_like(1), comfort_noise(RATE, -62, np.random.default_rng(1)), voice_like(1)])
    legs = legs_of(agent)
    gated = faults.gate(legs, 0, 0, legs.shape[1], np.random.default_rng(1))
    assert any(b - a > 0.8 * RATE for a, b in gated)
    assert np.abs(legs[0]).max() == np.abs(agent).max()


def test_silence_through_a_law_is_no_zero() -> None:
    assert set(np.abs(through_g711(np.zeros(100, dtype=np.float32), Encoding.ALAW))) == {8}
    assert set(through_g711(np.zeros(100, dtype=np.float32), Encoding.MULAW)) == {0}


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_are_heard_and_have_the_asked_length(name: str) -> None:
    sound = SOUNDS[name](4 * RATE, np.random.default_rng(2))
    assert len(sound) == 4 * RATE
    assert np.abs(sound).max() > 0.1


def test_bundled_stories_say_only_what_the_demonstration_model_has_heard() -> None:
    world = yaml.safe_load((ROOT / "audio/whisper/recipe/world.yaml").read_text(encoding="utf-8"))

    def pattern(template: str, language: str) -> str:
        while "{" in template:
            fill = lambda m: "(?:" + "|".join(world["slots"][language][m.group(1)]) + ")"  # noqa: E731
            template = re.sub(r"\{(\w+)\}", fill, template)
        return template

    known = {
        language: "|".join(
            pattern(t, language) for party in parties.values() for group in party.values() for t in group
        )
        for language, parties in world["sentences"].items()
    }
    for path in bundled_stories():
        read = load_story(path)
        sentences = f"(?:{known[read.call['language']]})"
        spoken = [step.text for step in read.script if step.text]
        assert not [text for text in spoken if not re.fullmatch(f"{sentences}(?: {sentences})*", text)], path.name


def test_every_bundled_story_has_its_call_and_all_fit_in_eight_megabytes() -> None:
    stories = [load_story(path) for path in bundled_stories()]
    assert len(stories) >= 8
    assert sum(read.call["language"] == "fr" for read in stories) >= 4
    for read in stories:
        labels = json.loads((CALLS_DIR / f"{read.call_id}.labels.json").read_text(encoding="utf-8"))
        info = soundfile.info(CALLS_DIR / f"{read.call_id}.flac")
        assert (info.channels, info.samplerate) == (2, RATE)
        assert info.frames // 8 == labels["duration_ms"]
        assert [turn["text"] for turn in labels["turns"]] == [step.text for step in read.script if step.text]
    assert sum(path.stat().st_size for path in CALLS_DIR.iterdir()) < 8_000_000
