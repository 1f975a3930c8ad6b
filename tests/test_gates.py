"""Silence, noise and loops never become words: each gate just below, at and above its limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audio.whisper.gates import Decoded, GateSettings, sound_fault, text_fault

SETTINGS = GateSettings()


def noise(level_dbov: float, samples: int = 16_000) -> np.ndarray:
    sound = np.random.default_rng(7).standard_normal(samples)
    return (sound / np.sqrt(np.mean(sound**2)) * 10 ** (level_dbov / 20)).astype(np.float32)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.full(16_000, np.nan, np.float32), "bad_audio"),
        (np.array([0.1] * 9_000 + [np.inf], np.float32), "bad_audio"),
        (np.zeros((2, 16_000), np.float32), "bad_audio"),
        (noise(-20, 1_535), "too_short"),
        (noise(-20, 1_536), None),
        (np.zeros(16_000, np.float32), "too_quiet"),
        (noise(-63), "too_quiet"),
        (noise(-57), "not_voiced"),
        (noise(-30), None),
        (np.concatenate([noise(-20, 1_536), np.zeros(160_000, np.float32)]), "not_voiced"),
    ],
)
def test_sound_gates(samples: np.ndarray, reason: str | None) -> None:
    assert sound_fault(samples, SETTINGS) == reason


@pytest.mark.parametrize(
    ("doubt", "belief", "reason"),
    [
        (0.1, -0.3, None),
        (0.61, -0.49, None),
        (0.6, -0.51, None),
        (0.61, -0.51, "no_speech"),
        (0.96, -0.26, "no_speech"),
        (0.96, -0.24, None),
        (0.1, -1.0, None),
        (0.1, -1.01, "low_confidence"),
        (0.1, float("nan"), "low_confidence"),
    ],
)
def test_no_speech_and_log_probability_are_judged_together(doubt: float, belief: float, reason: str | None) -> None:
    decoded = Decoded("i want to cancel my contract", 3.0, belief, doubt)
    assert text_fault(decoded, "en", SETTINGS) == reason


@pytest.mark.parametrize(
    ("text", "belief", "reason"),
    [
        ("yes", -0.11, "low_confidence"),
        ("yes", -0.1, None),
        ("Allô !", -0.11, "low_confidence"),
        ("yes please", -0.11, None),
        ("yes please", -1.01, "low_confidence"),
    ],
)
def test_more_may_be_asked_of_a_single_word(text: str, belief: float, reason: str | None) -> None:
    assert text_fault(Decoded(text, 3.0, belief, 0.1), "en", replace(SETTINGS, word_log_prob_min=-0.1)) == reason
    expected = "low_confidence" if belief < -1 else None
    assert text_fault(Decoded(text, 3.0, belief, 0.1), "en", SETTINGS) == expected


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("en", "Thanks for watching!", "invented_phrase"),
        ("fr", "Sous-titres réalisés par la communauté d'Amara.org", "invented_phrase"),
        (None, "sous-titrage société radio-canada", "invented_phrase"),
        ("ar", "اشتركوا في القناة", "invented_phrase"),
        ("en", "thanks for calling", None),
        ("en", " ... ", "no_words"),
        ("fr", "non non non non non non", None),
        ("fr", "je veux je veux je veux", None),
        ("fr", "je veux je veux je veux je veux", "repetition"),
        ("en", "and so on " * 6, "repetition"),
        ("en", "hello hello hello can you hear me", None),
        ("en", "no no no no no no no no", "repetition"),
    ],
)
def test_text_gates(language: str | None, text: str, reason: str | None) -> None:
    assert text_fault(Decoded(text, 20.0, -0.2, 0.05), language, SETTINGS) == reason


@pytest.mark.parametrize(("doubt", "reason"), [(0.24, None), (0.25, "invented_phrase")])
def test_a_polite_phrase_is_dropped_only_in_doubt(doubt: float, reason: str | None) -> None:
    assert text_fault(Decoded("Thank you.", 1.0, -0.2, doubt), "en", SETTINGS) == reason


@pytest.mark.parametrize(("seconds", "reason"), [(1.0, None), (0.99, "impossible_rate")])
def test_nobody_speaks_faster_than_eight_words_a_second(seconds: float, reason: str | None) -> None:
    assert text_fault(Decoded("i have never said that to your team", seconds, -0.2, 0.0), "en", SETTINGS) == reason


def test_one_short_word_is_no_impossible_rate() -> None:
    assert text_fault(Decoded("oui", 0.1, -0.2, 0.0), "fr", SETTINGS) is None
