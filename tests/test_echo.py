"""Echo, crosstalk and one voice on both legs: made from real speech, and found in the real call."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from audio.chunk import Encoding, FrameFacts, Int16Array, LineState, Measure, Party
from audio.codec import decode, encode
from audio.echo import EchoDetector
from audio.facts import FactsMaker, frame_levels
from audio.state import pack, unpack
from audio.vad import SileroModel
from tests.conftest import blocks_of, whole_recording

RATE_HZ = 8_000
SPEECH_DBOV = -45.0


def facts_of(agent: Int16Array, customer: Int16Array) -> list[FrameFacts]:
    """Facts with speech by level alone, which an echo often passes, as it does with the real model."""
    facts = []
    for block in blocks_of(agent, customer):
        levels = np.stack([frame_levels(native, block.frames)[0] for native in block.native])
        speech = levels > SPEECH_DBOV
        facts.append(FrameFacts(block, speech.astype(np.float32), levels, np.full(2, -80, dtype=np.float32), speech))
    return facts


def watch(agent: Int16Array, customer: Int16Array) -> tuple[list[Measure], npt.NDArray[np.bool_]]:
    """Every measure, and which frames were explained."""
    detector, measures, explained = EchoDetector(), [], []
    for facts in facts_of(agent, customer):
        measures += detector.push(facts, LineState())
        explained.append(detector.explained)
    return measures, np.concatenate(explained, axis=1)


def g711(samples: npt.NDArray[np.floating]) -> Int16Array:
    whole = np.rint(np.clip(samples, -32768, 32767)).astype(np.int16)
    return decode(encode(whole, Encoding.MULAW), Encoding.MULAW)


def returned(samples: Int16Array, lag_ms: float, gain_db: float) -> npt.NDArray[np.float64]:
    """What comes back of a leg over a noisy line."""
    shift = round(lag_ms * RATE_HZ / 1000)
    late = np.concatenate((np.zeros(shift), samples[: len(samples) - shift])) * 10 ** (gain_db / 20)
    return late + np.random.default_rng(0).normal(0, 6, len(late))


def worst(metric: str, measures: list[Measure]) -> dict[Party | None, float]:
    values: dict[Party | None, float] = {}
    for measure in measures:
        if measure.metric == metric:
            values[measure.party] = max(values.get(measure.party, 0.0), measure.value)
    return values


@pytest.fixture(scope="module")
def speech(shared_data: Path) -> Int16Array:
    return whole_recording(shared_data / "speech" / "osr_8k_en" / "speech_audio" / "OSR_us_000_0034_8k.wav")


@pytest.mark.parametrize(("lag_ms", "gain_db"), [(60, -12), (412, -21), (150, -35), (950, -30), (-50, -20)])
def test_an_echo_is_found_with_its_lag_and_return(speech: Int16Array, lag_ms: float, gain_db: float) -> None:
    source = np.concatenate((np.zeros(800, dtype=np.int16), speech))
    if lag_ms < 0:
        leads = round(-lag_ms * RATE_HZ / 1000)
        echo = g711(np.append(returned(source, 0, gain_db)[leads:], np.zeros(leads)))
    else:
        echo = g711(returned(source, lag_ms, gain_db))
    measures, _ = watch(echo, source)
    assert set(worst("echo_ms", measures)) == {Party.AGENT}
    assert worst("echo_ms", measures)[Party.AGENT] > 12_000  # the weakest lies in the line's noise
    assert not worst("crosstalk_ms", measures)
    detail = [measure for measure in measures if measure.value][-1].detail
    assert detail is not None
    assert detail["lag_ms"] == pytest.approx(lag_ms, abs=1)
    assert detail["return_db"] == pytest.approx(gain_db, abs=3)


def test_an_echo_under_minus_45_db_is_none(speech: Int16Array) -> None:
    measures, _ = watch(g711(returned(speech, 200, -46)), speech)
    assert measures == []


def test_what_comes_at_once_is_crosstalk(speech: Int16Array) -> None:
    measures, _ = watch(speech, g711(returned(speech, 3, -28)))
    assert worst("crosstalk_ms", measures).keys() == {Party.CUSTOMER}
    assert worst("crosstalk_ms", measures)[Party.CUSTOMER] > 20_000
    assert not worst("echo_ms", measures)


@pytest.mark.parametrize(("gain_db", "same"), [(-6.0, True), (-8.5, True), (-12.0, False)])
def test_same_audio_may_be_a_pad_apart_and_crosstalk_is_weaker(
    speech: Int16Array, gain_db: float, *, same: bool
) -> None:
    measures, _ = watch(speech, g711(speech * 10 ** (gain_db / 20)))
    assert ("same_audio_ms" in {m.metric for m in measures if m.value > 5_000}) is same


def test_one_voice_on_both_legs_is_same_audio(speech: Int16Array) -> None:
    measures, _ = watch(speech, g711(returned(speech, 20, -1)))
    assert worst("same_audio_ms", measures).keys() == {None}
    assert worst("same_audio_ms", measures)[None] > 20_000
    assert not worst("echo_ms", measures)
    assert not worst("crosstalk_ms", measures)


def test_legs_that_have_nothing_in_common_stay_quiet(speech: Int16Array, lca40: tuple[Int16Array, Int16Array]) -> None:
    for shift_s, gain in ((31, 1.0), (63, 1.0), (150, 0.1)):
        shifted = (np.roll(lca40[1], shift_s * RATE_HZ) * gain).astype(np.int16)
        values = worst("echo_ms", watch(lca40[0], shifted)[0])
        assert max(values.values(), default=0) < 3_000
    assert watch(speech, np.roll(speech, 17 * RATE_HZ))[0] == []
    assert watch(speech, np.zeros_like(speech))[0] == []


def test_a_tone_on_both_legs_is_no_echo(speech: Int16Array) -> None:
    tone = 3_000 * np.sin(2 * np.pi * 440 * np.arange(len(speech)) / RATE_HZ)
    measures, _ = watch(tone.astype(np.int16), g711(returned(tone.astype(np.int16), 200, -20)))
    assert measures == []


def test_echo_goes_once_the_far_party_is_heard_without_it(speech: Int16Array) -> None:
    half = len(speech) // 2
    echo = returned(speech, 300, -20)
    echo[half:] = np.random.default_rng(1).normal(0, 6, len(echo) - half)
    measures, _ = watch(g711(echo), speech)
    values = [measure for measure in measures if measure.metric == "echo_ms"]
    assert values[-1].value == 0
    assert values[-1].until_ms == pytest.approx(half / 8, abs=1_500)


def test_echo_explains_its_frames_and_not_a_voice_over_it(
    speech: Int16Array, lca40: tuple[Int16Array, Int16Array]
) -> None:
    own = np.zeros(len(speech))
    own[15 * RATE_HZ : 20 * RATE_HZ] = lca40[0][RATE_HZ : 6 * RATE_HZ]
    near = g711(returned(speech, 412, -15) + own)
    explained = watch(near, speech)[1]
    levels = np.concatenate([facts.speech for facts in facts_of(near, speech)], axis=1)[0]
    frames = np.arange(len(levels)) * 32
    alone = levels & (frames > 4_000) & ((frames < 15_000) | (frames > 21_000))
    voiced = levels & (frames > 15_100) & (frames < 19_900)
    assert explained[0][alone].mean() > 0.9
    assert explained[0][voiced].mean() < 0.35
    assert not explained[1].any()


def test_an_echo_that_a_vocoder_distorted_is_found_by_its_envelope(speech: Int16Array) -> None:
    """The echo keeps the envelopes of the bands; the waveform in them is noise."""
    late = returned(speech, 320, -18)
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(late, 160)[::80] * np.hanning(160))
    phases = np.exp(2j * np.pi * np.random.default_rng(2).random(spectrum.shape))
    pieces = np.fft.irfft(spectrum * phases)
    distorted = np.zeros(len(late))
    for place, piece in enumerate(pieces):
        distorted[80 * place : 80 * place + 160] += piece
    measures, _ = watch(g711(distorted), speech)
    found = [measure for measure in measures if measure.metric == "echo_ms" and measure.value]
    assert found[-1].value > 5_000
    detail = found[-1].detail
    assert detail is not None
    assert detail["kind"] == "distorted"
    assert detail["lag_ms"] == pytest.approx(320, abs=24)


def test_the_real_call_has_the_echo_of_its_first_seconds_and_nothing_else(
    lca40: tuple[Int16Array, Int16Array], silero: SileroModel
) -> None:
    facts, detector = FactsMaker(silero), EchoDetector()
    measures = [each for block in blocks_of(*lca40) for each in detector.push(facts.push(block), LineState())]
    assert {(measure.metric, measure.party) for measure in measures} == {("echo_ms", Party.CUSTOMER)}
    detail = measures[0].detail
    assert detail is not None
    assert detail["lag_ms"] == pytest.approx(412, abs=2)
    assert detail["return_db"] == pytest.approx(-21, abs=4)
    assert 1_500 <= max(measure.value for measure in measures) <= 3_000
    assert max(measure.until_ms for measure in measures) < 4_000
    assert measures[-1].value == 0


def test_a_restart_between_any_two_blocks_changes_nothing(speech: Int16Array) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    facts = facts_of(g711(returned(speech, 412, -21)), speech)
    whole = EchoDetector()
    expected = [(whole.push(each, LineState()), whole.explained.tolist()) for each in facts]
    assert any(measures for measures, _ in expected)
    cuts = set(random.Random(seed).sample(range(len(facts)), 8))
    resumed, answers = EchoDetector(), []
    for index, each in enumerate(facts):
        if index in cuts:
            saved = pack(resumed.state())
            resumed = EchoDetector()
            resumed.load_state(unpack(saved))
        answers.append((resumed.push(each, LineState()), resumed.explained.tolist()))
    assert answers == expected
    assert pack(resumed.state()) == pack(whole.state())
