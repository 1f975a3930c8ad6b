"""Keypad digits, ringback and hold music: found on real recordings through G.711, and not found in speech."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from audio.chunk import Encoding, FrameFacts, Int16Array, LineState, Measure, Party
from audio.codec import decode, encode
from audio.recordings import open_recording
from audio.resample import FirResampler
from audio.state import pack, unpack
from audio.tones import TonesDetector, _stretches
from tests.conftest import blocks_of, whole_recording

RATE_HZ = 8_000
KEY_HZ = {"1": (697, 1209), "5": (770, 1336), "9": (852, 1477), "0": (941, 1336), "D": (941, 1633)}


def facts_of(agent: Int16Array, customer: Int16Array | None = None) -> list[FrameFacts]:
    other = np.zeros_like(agent) if customer is None else customer
    facts = []
    for block in blocks_of(agent, other):
        nothing = np.zeros((2, block.frames), dtype=np.float32)
        facts.append(FrameFacts(block, nothing, nothing, nothing[:, 0], nothing > 0))
    return facts


def watch(agent: Int16Array, customer: Int16Array | None = None) -> list[Measure]:
    detector = TonesDetector()
    return [measure for facts in facts_of(agent, customer) for measure in detector.push(facts, LineState())]


def of(metric: str, measures: list[Measure]) -> list[Measure]:
    return [measure for measure in measures if measure.metric == metric]


def narrow(path: Path) -> Int16Array:
    """A recording as a telephone carries it: 8 kHz A-law."""
    samples = whole_recording(path)
    rate = open_recording(path).sample_rate_hz
    if rate != RATE_HZ:
        samples = np.rint(np.clip(FirResampler(rate, RATE_HZ).push(samples) * 32767, -32768, 32767)).astype(np.int16)
    return decode(encode(samples, Encoding.ALAW), Encoding.ALAW)


def tone(hertz: tuple[float, ...], ms: float, amplitude: float = 0.1) -> Int16Array:
    time = np.arange(round(ms * RATE_HZ / 1000)) / RATE_HZ
    return np.rint(32767 * amplitude * sum(np.sin(2 * np.pi * f * time) for f in hertz)).astype(np.int16)


def silence(ms: float) -> Int16Array:
    return np.zeros(round(ms * RATE_HZ / 1000), dtype=np.int16)


def song(seed: int, seconds: float = 10.0) -> Int16Array:
    """Chords and a melody with five harmonics and struck envelopes."""
    rng = np.random.default_rng(seed)
    out = np.zeros(round(seconds * RATE_HZ))
    beat, root, scale = rng.uniform(0.3, 0.6), int(rng.integers(45, 57)), (0, 2, 4, 5, 7, 9, 11)

    def play(at: float, note: int, length: float, loud: float) -> None:
        start = round(at * RATE_HZ)
        time = np.arange(len(out[start : start + round(length * RATE_HZ)])) / RATE_HZ
        base = 440 * 2 ** ((note - 69) / 12)
        envelope = np.minimum(time / 0.01, 1) * np.exp(-1.5 * time)
        for harmonic in range(1, 6):
            if base * harmonic < 3_500:
                phase = 2 * np.pi * base * harmonic * time + rng.uniform(0, 6)
                out[start : start + len(time)] += loud / harmonic * envelope * np.sin(phase)

    for count in range(int(seconds / beat)):
        chord = root + (0, 5, 7, 9)[count // 4 % 4]
        if count % 4 == 0:
            for interval in (0, 4, 7):
                play(count * beat, chord + interval, 4 * beat, 0.06)
        play(count * beat, chord + 12 + scale[rng.integers(7)], beat * int(rng.integers(1, 3)), 0.12)
    samples = np.rint(32767 * np.clip(out, -1, 1)).astype(np.int16)
    return decode(encode(samples, Encoding.MULAW), Encoding.MULAW)


def digits(measures: list[Measure]) -> str:
    return "".join(str((measure.detail or {})["digit"]) for measure in of("dtmf_digits", measures))


def test_each_recorded_key_is_found_once(shared_data: Path) -> None:
    names = [*"0123456789", "pound", "star"]
    recorded = [narrow(shared_data / "telephony" / "tones_dtmf" / "dtmf" / f"dtmf-{name}.wav") for name in names]
    assert digits(watch(np.concatenate(recorded))) == "0123456789#*"


@pytest.mark.parametrize("key", KEY_HZ)
def test_a_key_of_40_ms_is_found_wherever_it_falls_and_one_of_20_ms_is_not(key: str) -> None:
    for offset_ms in (1.0, 3.5, 6.0, 250.0, 255.5):
        found = watch(np.concatenate((silence(offset_ms), tone(KEY_HZ[key], 40), silence(300))))
        assert digits(found) == key
        assert of("dtmf_digits", found)[0].party is Party.AGENT
        assert not watch(np.concatenate((silence(offset_ms), tone(KEY_HZ[key], 20), silence(300))))


def test_the_same_key_counts_again_only_after_a_pause() -> None:
    press = tone(KEY_HZ["5"], 80)
    assert digits(watch(np.concatenate((press, silence(60), press, silence(60), press, silence(200))))) == "555"
    assert digits(watch(np.concatenate((tone(KEY_HZ["5"], 700), silence(200))))) == "5"


@pytest.mark.parametrize(("off_share", "found"), [(0.0, "5"), (0.015, "5"), (-0.015, "5"), (0.035, ""), (-0.035, "")])
def test_a_key_may_be_1_and_a_half_percent_off_frequency(off_share: float, found: str) -> None:
    shifted = (770 * (1 + off_share), 1336 * (1 + off_share))
    assert digits(watch(np.concatenate((silence(30), tone(shifted, 100), silence(300))))) == found


def test_speech_holds_no_tone(shared_data: Path, lca40: tuple[Int16Array, Int16Array]) -> None:
    assert watch(*lca40) == []
    assert watch(narrow(shared_data / "speech" / "osr_8k_en" / "speech_audio" / "OSR_us_000_0034_8k.wav")) == []
    for path in sorted((shared_data / "impairments" / "hold_music").glob("*-0000.ogg")):
        assert watch(narrow(path)) == []


def test_noise_and_bird_song_are_no_music(shared_data: Path) -> None:
    assert watch(narrow(shared_data / "telephony" / "tones_dtmf" / "office-ambience-24000-mono.mp3")) == []
    bird = next((shared_data / "impairments" / "hold_music").glob("456440*.ogg"))
    assert watch(np.tile(narrow(bird), 5)) == []


@pytest.mark.parametrize("name", ["442789", "147793"])
def test_every_10_s_of_music_are_hold_music_and_no_keys(shared_data: Path, name: str) -> None:
    samples = narrow(next((shared_data / "impairments" / "hold_music").glob(f"{name}*.ogg")))
    pieces = [samples[start : start + 10 * RATE_HZ] for start in range(0, len(samples) - 10 * RATE_HZ, 4 * RATE_HZ)]
    watched = [watch(piece) for piece in pieces]
    assert not any(of("dtmf_digits", measures) for measures in watched)
    found = sum(any(measure.value >= 5_000 for measure in of("hold_music_ms", measures)) for measures in watched)
    assert found >= 0.95 * len(pieces)


def test_made_music_is_hold_music() -> None:
    for seed in range(6):
        measures = watch(silence(80_000), np.concatenate((silence(3_000), song(seed))))
        found = of("hold_music_ms", measures)
        assert found, f"seed {seed}"
        assert {measure.party for measure in found} == {Party.CUSTOMER}
        assert found[0].since_ms == pytest.approx(3_000, abs=1_300)
        assert not of("dtmf_digits", measures)


def test_music_mixed_of_music_noise_and_speech_is_found_where_it_is(shared_data: Path) -> None:
    samples = narrow(shared_data / "impairments" / "music_noise_speech" / "musanmix.wav")
    found = of("hold_music_ms", watch(samples))
    assert found[0].since_ms < 1_000
    assert max(measure.value for measure in found) == pytest.approx(22_480, abs=1_500)
    assert found[-1].value == 0


def test_music_goes_on_over_an_announcement_and_ends_without_one(lca40: tuple[Int16Array, Int16Array]) -> None:
    announcement = lca40[0][: 10 * RATE_HZ]
    measures = watch(np.concatenate((song(1), announcement, song(2), silence(20_000))))
    values = [measure.value for measure in of("hold_music_ms", measures)]
    assert values[:-1] == sorted(values[:-1])
    assert values[-2] >= 28_000
    assert values[-1] == 0


def test_a_dial_tone_is_no_music() -> None:
    assert watch(tone((425,), 20_000)) == []
    assert watch(tone((350, 440), 20_000)) == []


@pytest.mark.parametrize(
    ("hertz", "on_ms", "off_ms"),
    [((440.0, 480.0), 2_000, 4_000), ((425.0,), 1_000, 4_000), ((440.0,), 1_500, 3_500), ((425.0,), 400, 1_000)],
)
def test_ringback_shows_from_its_second_ring(hertz: tuple[float, ...], on_ms: int, off_ms: int) -> None:
    ring = np.concatenate((tone(hertz, on_ms), silence(off_ms)))
    found = of("ringback_ms", watch(np.concatenate((silence(500), ring, ring, ring, silence(6_000)))))
    assert found[0].since_ms == pytest.approx(500, abs=130)
    assert max(measure.value for measure in found) == pytest.approx(3 * on_ms + 2 * off_ms, abs=200)
    assert found[-1].value == 0


def test_a_double_ring_is_one() -> None:
    ring = np.concatenate((tone((400, 450), 400), silence(200), tone((400, 450), 400), silence(2_000)))
    assert of("ringback_ms", watch(np.concatenate((ring, ring, ring))))


def test_one_ring_long_rings_and_short_pauses_are_no_ringback() -> None:
    assert not watch(np.concatenate((tone((440, 480), 2_000), silence(10_000))))
    assert not watch(np.concatenate([np.concatenate((tone((440,), 3_500), silence(2_000)))] * 3))
    assert not watch(np.concatenate([np.concatenate((tone((440,), 500), silence(500)))] * 6))  # a busy tone


def test_a_restart_between_any_two_blocks_changes_nothing() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    ring = np.concatenate((tone((440, 480), 2_000), silence(4_000)))
    agent = np.concatenate((ring, ring, tone(KEY_HZ["5"], 80), silence(50), tone(KEY_HZ["9"], 80), silence(9_000)))
    facts = facts_of(agent, np.concatenate((silence(1_000), song(3, 20.0))))
    whole = TonesDetector()
    expected = [whole.push(each, LineState()) for each in facts]
    assert {measure.metric for each in expected for measure in each} == {"dtmf_digits", "ringback_ms", "hold_music_ms"}
    cuts = set(random.Random(seed).sample(range(len(facts)), 8))
    resumed, answers = TonesDetector(), []
    for index, each in enumerate(facts):
        if index in cuts:
            saved = pack(resumed.state())
            resumed = TonesDetector()
            resumed.load_state(unpack(saved))
        answers.append(resumed.push(each, LineState()))
    assert answers == expected
    assert pack(resumed.state()) == pack(whole.state())


@pytest.mark.parametrize("legs", [1, 2])
def test_what_is_done_to_one_stretch_is_not_done_to_the_next(legs: int) -> None:
    rows = np.arange(legs * 2560, dtype=np.float32).reshape(legs, 2560)
    whole = rows.copy()
    frames = _stretches(rows, 0, 4, 1024, 512)
    frames *= np.float32(0.5)
    assert np.array_equal(rows, whole)
    for leg in range(legs):
        for number in range(4):
            cut = whole[leg, 512 * number : 512 * number + 1024]
            assert np.array_equal(frames[4 * leg + number], cut / 2)
