"""Silence never becomes words: ten minutes of each of what is on a line when nobody speaks, through the whole chain."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from audio.resample import FirResampler
from audio.vad import SileroModel
from audio.whisper.transcriber import Request, WhisperTranscriber, load_transcriber
from tests.no_speech import MADE, RECORDED, recorded, utterances

MINUTES = 10
SAMPLES = MINUTES * 60 * 8_000


@pytest.fixture(scope="module")
def demo() -> WhisperTranscriber:
    loaded = load_transcriber("demo")
    assert isinstance(loaded, WhisperTranscriber)
    return loaded


def words_of(samples: np.ndarray, silero: SileroModel, demo: WhisperTranscriber) -> list[str]:
    """The words that come of 8 kHz audio, in the languages of the demonstration model."""
    spans = list(utterances(samples, silero))
    requests = [Request(span.samples, ("en", "fr", None)[at % 3]) for at, span in enumerate(spans)]
    before = Counter(demo.dropped)
    answers = demo.hear(requests)
    print(f"{len(spans)} taken for utterances, held back: {dict(demo.dropped - before)}")
    return [answer.text for answer in answers if not isinstance(answer, Exception) and answer.text]


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_ten_minutes_without_a_voice_give_no_words(name: str, silero: SileroModel, demo: WhisperTranscriber) -> None:
    assert words_of(MADE[name](SAMPLES, np.random.default_rng(11)), silero, demo) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_ten_minutes_of_a_recording_without_a_voice_give_no_words(
    name: str, shared_data: Path, silero: SileroModel, demo: WhisperTranscriber
) -> None:
    assert words_of(recorded(shared_data / RECORDED[name], SAMPLES), silero, demo) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_even_past_the_voice_activity_the_gates_hold(name: str, demo: WhisperTranscriber) -> None:
    """Stretches of 4 s given to the transcriber as if they were utterances: what the model makes of them is held back."""
    narrow = MADE[name](15 * 4 * 8_000, np.random.default_rng(12))
    wide = FirResampler(8_000, 16_000).push(narrow)
    answers = demo.hear([Request(wide[at * 64_000 : (at + 1) * 64_000], "en" if at % 2 else "fr") for at in range(15)])
    print(f"held back: {dict(Counter(getattr(answer, 'dropped', None) for answer in answers))}")
    assert [answer.text for answer in answers if not isinstance(answer, Exception) and answer.text] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_a_bump_in_a_recording_is_hardly_ever_a_word(name: str, shared_data: Path, demo: WhisperTranscriber) -> None:
    """120 stretches of 0.3 to 1.2 s, as long as a "yes", past the voice activity: one may get through, of several seeds."""
    rng = np.random.default_rng(13)
    wide = FirResampler(8_000, 16_000).push(recorded(shared_data / RECORDED[name], SAMPLES))
    lengths = rng.integers(4_800, 19_200, 120)
    starts = rng.integers(0, len(wide) - 19_200, 120)
    stretches = [wide[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    answers = demo.hear([Request(stretch, ("en", "fr")[at % 2]) for at, stretch in enumerate(stretches)])
    print(f"held back: {dict(Counter(getattr(answer, 'dropped', None) for answer in answers))}")
    assert len([answer.text for answer in answers if not isinstance(answer, Exception) and answer.text]) <= 1


def test_speech_does_give_words(demo: WhisperTranscriber) -> None:
    """Or the tests above would hold of a chain that hears nothing."""
    from streams.bench.speech import bundled_speech

    heard = demo.hear([Request(u.samples, u.language) for u in list(bundled_speech().utterances)[:10]])
    assert sum(bool(getattr(answer, "text", "")) for answer in heard) >= 8
