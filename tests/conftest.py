"""Fixtures that every test may use: the shared recordings, the voice model, and blocks made of arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.chunk import AudioChunk, Block, Encoding, Int16Array, Party
from audio.codec import encode
from audio.framing import Framer
from audio.recordings import open_recording
from audio.vad import SileroModel, load_silero
from tests.feed import postgres


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings, from VIGIE_SHARED or beside the checkout; skips where there is none."""
    path = Path(os.environ.get("VIGIE_SHARED") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not (path / "calls").is_dir():
        pytest.skip(f"no shared recordings at {path}: set VIGIE_SHARED")
    return path


@pytest.fixture(scope="session")
def silero() -> SileroModel:
    return load_silero()


@pytest.fixture(scope="session")
def lca40(shared_data: Path) -> tuple[Int16Array, Int16Array]:
    """The real call at 8 kHz: int16 samples of the agent and of the customer."""
    folder = shared_data / "calls" / "lca40"
    agent = whole_recording(folder / "Auto_Repairs_40_UTC_agent.wav")
    customer = whole_recording(folder / "Auto_Repairs_40_UTC_caller.wav")
    return agent, customer


def whole_recording(path: Path, channel: int = 0) -> Int16Array:
    """int16 `(samples,)`: one channel of a short recording at its native rate."""
    return np.concatenate([block[channel] for block in open_recording(path).blocks()])


def blocks_of(native_agent: Int16Array, native_customer: Int16Array, rate: int = 8_000) -> list[Block]:
    """The blocks of a whole call, from one int16 array a party."""
    framer = Framer()
    blocks: list[Block] = []
    for start in range(0, max(len(native_agent), len(native_customer)), rate):
        pieces = ((Party.AGENT, native_agent), (Party.CUSTOMER, native_customer))
        legs = {
            party: encode(samples[start : start + rate], Encoding.PCM16)
            for party, samples in pieces
            if start < len(samples)
        }
        blocks += framer.add(AudioChunk(start, rate, Encoding.PCM16, legs))
    return blocks + framer.end(None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL database."""
    with postgres.cluster() as url:
        yield url
