from __future__ import annotations

import random

import numpy as np
import pytest

from audio.runs import constant_runs, likely_copies


def telephone_noise(size: int, seed: int) -> np.ndarray:
    """int16 `(size,)` of few values, many of them quiet, with constant stretches of any length and value."""
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    samples = (rng.integers(-3, 4, size) * chance.choice([1, 4, 40])).astype(np.int16)
    for _ in range(12):
        start, length = chance.randrange(size), chance.choice([5, 40, 95, 96, 97, 150, 800])
        samples[start : start + length] = chance.choice([0, 0, 8, -8, 9, -32_768])
    return samples


def naive(audio: np.ndarray, size_min: int, lsb_max: int, end_min: int) -> list[tuple[int, int]]:
    found, start = [], 0
    for at in range(1, len(audio) + 1):
        if at == len(audio) or audio[at] != audio[start]:
            if at - start >= size_min and abs(int(audio[start])) <= lsb_max and at >= end_min:
                found.append((start, at))
            start = at
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_grid_misses_no_run_and_invents_none(seed: int) -> None:
    audio = telephone_noise(3_000, seed)
    for end_min in (0, 1_500):
        assert constant_runs(audio, 96, 8, end_min) == naive(audio, 96, 8, end_min), seed


def test_a_run_of_one_sample_less_is_none() -> None:
    audio = np.arange(1_000, dtype=np.int16) % 50 + 20
    for offset in range(30):
        holed = audio.copy()
        holed[300 + offset : 396 + offset] = 3
        assert constant_runs(holed, 96, 8, 0) == [(300 + offset, 396 + offset)]
        holed[395 + offset] = 20
        assert constant_runs(holed, 96, 8, 0) == []


@pytest.mark.parametrize("lag", [80, 160, 240, 320])
@pytest.mark.parametrize("place", [0, 7, 300, 1_700])
def test_every_copy_of_a_packet_among_the_newest_is_likely(lag: int, place: int) -> None:
    lags, fresh = [80, 160, 240, 320], 2_048
    audio = np.random.default_rng(lag).integers(-3_000, 3_000, 5_408).astype(np.int16)
    assert likely_copies(audio, lags, fresh) == []
    end = len(audio) - 1 - place
    audio[end - lag : end] = audio[end - 2 * lag : end - lag]
    assert lag in likely_copies(audio, lags, fresh)
    audio[end - 2 * lag : end] = 8
    assert likely_copies(audio, lags, fresh) == [], "one constant value is no packet"
