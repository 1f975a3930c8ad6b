from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.chunk import BLOCK_MS, AudioChunk, Block, Encoding, Int16Array, Party
from audio.codec import encode
from audio.errors import VigieError
from audio.framing import Framer, FramingSettings
from audio.state import pack, unpack

A, C = Party.AGENT, Party.CUSTOMER
BLOCK = 2_048


def noise(samples: int, seed: int) -> Int16Array:
    return np.random.default_rng(seed).integers(1, 20_000, samples).astype(np.int16)


def chunk(offset: int, rate: int = 8_000, **legs: Int16Array) -> AudioChunk:
    encoded = {Party(name): encode(samples, Encoding.PCM16) for name, samples in legs.items()}
    return AudioChunk(offset, rate, Encoding.PCM16, encoded)


def both(offset: int, samples: Int16Array) -> AudioChunk:
    return chunk(offset, agent=samples, customer=samples)


def key(blocks: list[Block]) -> list[object]:
    """Everything in the blocks, down to the bits."""
    return [
        (
            block.index,
            block.frames,
            block.rate_hz,
            block.gaps,
            block.attached,
            *(array.tobytes() for array in (*block.native, block.present, block.wide, block.narrow)),
        )
        for block in blocks
    ]


def run(chunks: list[AudioChunk], end_ms: int | None = None) -> list[Block]:
    framer = Framer()
    return [block for item in chunks for block in framer.add(item)] + framer.end(end_ms)


def shuffled_pieces(rng: random.Random, agent: Int16Array, customer: Int16Array, slack: int) -> list[AudioChunk]:
    """Both legs cut at random, legs together or apart, out of order by up to `slack` samples, some doubled."""
    pieces: list[tuple[float, AudioChunk]] = []
    for name, samples in (("agent", agent), ("customer", customer)):
        at = 0
        while at < len(samples):
            taken = rng.choice((1, 80, 160, 333, 800, 1_600, 2_048))
            piece = chunk(at, **{name: samples[at : at + taken]})
            for _ in range(rng.choice((1, 1, 1, 2))):
                pieces.append((at + rng.uniform(0, slack), piece))
            at += taken
    pieces.sort(key=lambda pair: pair[0])
    return [piece for _, piece in pieces]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_cutting_reordering_within_the_bound_and_doubling_change_no_bit(seed: int) -> None:
    rng = random.Random(seed)
    agent, customer = noise(16_500, 1), noise(14_000, 2)
    whole = run([chunk(0, agent=agent, customer=customer[:14_000])])
    assert key(run(shuffled_pieces(rng, agent, customer, 3_000))) == key(whole)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_leg_that_starts_late_and_has_holes_is_the_same_however_it_comes(seed: int) -> None:
    rng = random.Random(seed)
    agent, customer = noise(20_000, 3), noise(20_000, 4)

    def holed(pieces: list[AudioChunk]) -> list[AudioChunk]:
        """The customer's leg lacks its start and more than a block in the middle, whatever the cut."""
        trimmed = []
        for piece in pieces:
            if C in piece.legs:
                samples = np.frombuffer(piece.legs[C], dtype="<i2")
                for start, stop in ((6_000, 9_000), (13_000, 20_000)):
                    first, last = max(start, piece.offset_samples), min(stop, piece.offset_samples + len(samples))
                    if first < last:
                        trimmed.append(chunk(first, customer=customer[first:last]))
            else:
                trimmed.append(piece)
        return trimmed

    plain = [chunk(0, agent=agent[:8_000]), chunk(6_000, customer=customer[6_000:9_000])]
    plain += [chunk(8_000, agent=agent[8_000:]), chunk(13_000, customer=customer[13_000:])]
    whole = run(plain)
    assert key(run(holed(shuffled_pieces(rng, agent, customer, 3_000)))) == key(whole)
    assert [block.attached for block in whole][:3] == [(True, False), (True, False), (True, True)]
    assert whole[2].gaps[1] == ((0, 6_000 - 2 * BLOCK),)
    assert whole[5].gaps[1] == ((0, BLOCK),)
    assert not whole[5].present[1].any()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_snapshot_between_any_two_chunks_changes_no_bit(seed: int) -> None:
    rng = random.Random(seed)
    chunks = shuffled_pieces(rng, noise(9_000, 5), noise(9_000, 6), 3_000)
    where = rng.randrange(len(chunks))
    framer, blocks = Framer(), []
    for index, item in enumerate(chunks):
        if index == where:
            restored = Framer()
            restored.load_state(unpack(pack(framer.state())))
            assert pack(restored.state()) == pack(framer.state())
            framer = restored
        blocks += framer.add(item)
    assert key(blocks + framer.end()) == key(run(chunks))


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_every_native_rate_fills_the_same_grid(rate: int) -> None:
    blocks = run([chunk(0, rate, agent=noise(rate, 7), customer=noise(rate, 8))])
    assert [block.frames for block in blocks] == [8, 8, 8, 8]
    for block in blocks:
        assert block.native[0].shape == (rate * BLOCK_MS // 1000,)
        assert block.wide.shape == (2, 4_096)
        assert block.narrow.shape == (2, 2_048)
        assert block.wide.dtype == block.narrow.dtype == np.float32


def test_native_samples_come_out_as_they_went_in() -> None:
    agent = noise(5_000, 9)
    blocks = run([both(0, agent)])
    assert np.array_equal(np.concatenate([block.native[0] for block in blocks])[:5_000], agent)


def test_legs_may_have_different_rates() -> None:
    framer = Framer()
    framer.add(chunk(0, 8_000, agent=noise(8_000, 1)))
    blocks = framer.add(chunk(0, 16_000, customer=noise(16_000, 2)))
    assert [block.rate_hz for block in blocks] == [(8_000, 16_000)] * 3


@pytest.mark.parametrize(("newest_ms", "left"), [(655, 0), (656, 1), (657, 1), (911, 1), (912, 2)])
def test_a_missing_leg_holds_a_block_for_400_ms_and_no_longer(newest_ms: int, left: int) -> None:
    framer = Framer()
    assert framer.add(chunk(0, agent=noise(newest_ms * 8, 1))) == []
    blocks = framer.add(chunk(newest_ms * 8, agent=noise(8, 2)))
    assert len(blocks) == left
    assert all(block.attached == (True, False) and block.gaps == ((), ((0, BLOCK),)) for block in blocks)


def test_what_comes_within_the_bound_is_used_and_later_it_is_counted_late() -> None:
    framer = Framer()
    agent, customer = noise(16_000, 1), noise(16_000, 2)
    framer.add(chunk(0, agent=agent[:5_247]))
    framer.add(chunk(5_247, agent=agent[5_247:5_250]))
    blocks = framer.add(chunk(0, customer=customer[:BLOCK]))
    assert np.array_equal(blocks[0].native[1], customer[:BLOCK])
    assert len(framer.add(chunk(7_296, agent=agent[7_296:8_000]))) == 1
    assert framer.add(chunk(BLOCK, customer=customer[BLOCK : BLOCK + 100])) == []
    assert framer.late_samples == (0, 100)
    framer.add(chunk(0, agent=agent[:BLOCK]))
    assert framer.late_samples == (0, 100), "a copy of what was used is no late audio"


def test_the_first_copy_of_a_sample_wins() -> None:
    first, second = noise(BLOCK, 1), noise(BLOCK, 2)
    blocks = run([chunk(100, agent=first[100:200]), chunk(0, agent=second), chunk(0, customer=first)])
    assert np.array_equal(blocks[0].native[0], np.concatenate((second[:100], first[100:200], second[200:])))


def test_legs_apart_in_chunks_longer_than_the_wait_lose_nothing() -> None:
    agent, customer = noise(24_000, 1), noise(24_000, 2)
    chunks = []
    for start in range(0, 24_000, 8_000):
        chunks += [
            chunk(start, agent=agent[start : start + 8_000]),
            chunk(start, customer=customer[start : start + 8_000]),
        ]
    assert key(run(chunks)) == key(run([chunk(0, agent=agent, customer=customer)]))


def test_a_hole_is_told_to_the_sample() -> None:
    samples = noise(BLOCK, 1)
    blocks = run([both(0, samples[:300]), both(460, samples[460:])])
    assert blocks[0].gaps == (((300, 460),), ((300, 460),))
    assert blocks[0].present[0].tolist() == [True, False, True, True, True, True, True, True]
    assert not blocks[0].native[0][300:460].any()


def test_the_last_block_holds_whole_frames_and_its_padding_is_no_gap() -> None:
    blocks = run([both(0, noise(BLOCK + 300, 1))])
    assert [block.frames for block in blocks] == [8, 2]
    assert blocks[1].gaps == ((), ())
    assert blocks[1].present.all()
    assert blocks[1].wide.shape == (2, 1_024)
    assert not blocks[1].native[0][300:].any()


def test_the_shorter_leg_ends_in_a_gap() -> None:
    blocks = run([chunk(0, agent=noise(BLOCK, 1), customer=noise(1_000, 1))])
    assert blocks[0].gaps == ((), ((1_000, BLOCK),))


def test_an_end_after_the_audio_is_filled_with_gaps_and_one_before_it_cuts_nothing() -> None:
    assert [block.frames for block in run([both(0, noise(BLOCK, 1))], 512 + 10)] == [8, 8, 1]
    assert [block.frames for block in run([both(0, noise(BLOCK, 1))], 100)] == [8]


def test_a_call_without_audio_ends_without_blocks() -> None:
    assert run([]) == []
    assert run([both(0, noise(0, 1))]) == []


def test_after_the_end_nothing_comes_any_more() -> None:
    framer = Framer()
    framer.end(1_000)
    assert framer.add(both(0, noise(800, 1))) == []
    assert framer.end() == []


def test_an_hour_without_audio_is_passed_over_in_small_memory() -> None:
    framer = Framer()
    framer.add(both(0, noise(BLOCK, 1)))
    blocks = framer.advance(3_600_000)
    assert len(blocks) == (3_600_000 - 400) // BLOCK_MS - 1
    assert blocks[-1].wide is blocks[-2].wide
    assert len(framer.add(both(3_600_000 * 8, noise(BLOCK, 1)))) == 0
    with pytest.raises(VigieError):
        framer.end(3_600_000 * 3)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (chunk(-1, agent=noise(80, 1)), "offset_samples"),
        (chunk(0, 11_025, agent=noise(80, 1)), "sample_rate_hz"),
        (chunk(0, 16_000, customer=noise(80, 1), agent=noise(80, 1)), "sample_rate_hz"),
        (chunk(8_000 * 30, agent=noise(8_000, 1)), "offset_samples"),
        (AudioChunk(0, 8_000, Encoding.PCM16, {A: b"\0\0", C: b"\0"}), "legs"),
    ],
)
def test_a_bad_chunk_is_refused_whole_and_the_call_goes_on(bad: AudioChunk, field: str) -> None:
    framer = Framer()
    framer.add(chunk(80, agent=noise(80, 1)))
    before = pack(framer.state())
    with pytest.raises(VigieError) as told:
        framer.add(bad)
    assert told.value.field == field
    assert told.value.remedy
    assert pack(framer.state()) == before


def test_what_is_held_is_bounded() -> None:
    framer = Framer(FramingSettings(wait_ms=60_000))
    for start in range(0, 8_000 * 30, 1_600):
        framer.add(chunk(start, agent=noise(1_600, 1)))
    with pytest.raises(VigieError):
        framer.add(chunk(8_000 * 30, agent=noise(1, 1)))
    assert len(pack(framer.state())) < 8_000 * 31 * 3
