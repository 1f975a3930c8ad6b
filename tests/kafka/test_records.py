"""Speech in parts: what goes in comes out, sample for sample."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audio.chunk import Party
from audio.errors import VigieError
from streams.events import SpeechPiece
from streams.kafka.records import parts_of, piece_of


def piece(samples: int) -> SpeechPiece:
    steps = np.random.default_rng(samples).integers(-32_768, 32_768, samples)
    audio = (steps / 32_768).astype(np.float32)
    return SpeechPiece("c", "c:a1", Party.AGENT, 100, 900, audio, 40, "fr")


@pytest.mark.parametrize(("samples", "parts"), [(0, 1), (1, 1), (9, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_an_utterance_is_cut_at_the_size_and_comes_back_whole(samples: int, parts: int) -> None:
    whole = piece(samples)
    cut = parts_of(whole, 4, bytes_max=20)
    assert [(part.part, part.parts) for part in cut] == [(n, parts) for n in range(parts)]
    assert max(len(part.samples) for part in cut) <= 10
    back = piece_of(cut)
    assert back.samples.dtype == np.float32
    np.testing.assert_array_equal(back.samples, whole.samples)
    assert dataclasses.replace(back, samples=whole.samples) == whole


def test_a_sample_past_full_scale_is_held_there() -> None:
    loud = dataclasses.replace(piece(2), samples=np.array([1.5, -1.5], dtype=np.float32))
    assert parts_of(loud, 0)[0].samples.tolist() == [32_767, -32_768]


def test_parts_that_are_missing_doubled_or_mixed_are_refused() -> None:
    cut = parts_of(piece(30), 0, bytes_max=20)
    other = dataclasses.replace(cut[1], utterance_id="c:a2")
    for parts in (cut[:2], cut[1:], [cut[0], cut[1], cut[1]], cut[::-1], [cut[0], other, cut[2]], [*cut, cut[0]]):
        with pytest.raises(VigieError):
            piece_of(parts)
