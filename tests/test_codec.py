from __future__ import annotations

import hashlib

import numpy as np
import pytest

from audio.chunk import Encoding
from audio.codec import decode, encode, known_encoding
from audio.errors import VigieError

EVERY_BYTE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


@pytest.mark.parametrize(
    ("encoding", "byte", "value"),
    [
        (Encoding.MULAW, 0xFF, 0),
        (Encoding.MULAW, 0x7F, 0),
        (Encoding.MULAW, 0x80, 32124),
        (Encoding.MULAW, 0x00, -32124),
        (Encoding.MULAW, 0xFE, 8),
        (Encoding.ALAW, 0xD5, 8),
        (Encoding.ALAW, 0x55, -8),
        (Encoding.ALAW, 0xAA, 32256),
        (Encoding.ALAW, 0x2A, -32256),
        (Encoding.ALAW, 0x80, 5504),
    ],
)
def test_known_code_words_decode_to_their_g711_values(encoding: Encoding, byte: int, value: int) -> None:
    assert decode(bytes([byte]), encoding).tolist() == [value]


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_every_code_word_survives_decoding_and_encoding(encoding: Encoding) -> None:
    again = encode(decode(EVERY_BYTE, encoding), encoding)
    expected = EVERY_BYTE.replace(b"\x7f", b"\xff") if encoding is Encoding.MULAW else EVERY_BYTE
    assert again == expected


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_encoding_is_within_half_a_step_and_monotonic(encoding: Encoding) -> None:
    heard = decode(encode(EVERY_SAMPLE, encoding), encoding).astype(np.int64)
    assert np.all(np.diff(heard) >= 0)
    error = np.abs(heard - EVERY_SAMPLE)
    assert np.all(error <= np.maximum(np.abs(EVERY_SAMPLE.astype(np.int64)) / 24, 16))


def test_the_decoder_agrees_with_ffmpeg() -> None:
    import av

    for encoding, name in ((Encoding.MULAW, "pcm_mulaw"), (Encoding.ALAW, "pcm_alaw")):
        coder = av.CodecContext.create(name, "r")
        coder.sample_rate, coder.layout, coder.format = 8_000, "mono", "s16"
        frames = coder.decode(av.Packet(EVERY_BYTE))
        assert np.array_equal(frames[0].to_ndarray().reshape(-1), decode(EVERY_BYTE, encoding)), name


def test_pcm16_goes_through_unchanged() -> None:
    data = encode(EVERY_SAMPLE, Encoding.PCM16)
    assert np.array_equal(decode(data, Encoding.PCM16), EVERY_SAMPLE)
    assert hashlib.sha256(data).digest() == hashlib.sha256(EVERY_SAMPLE.astype("<i2").tobytes()).digest()


def test_nothing_decodes_to_nothing() -> None:
    for encoding in Encoding:
        assert decode(b"", encoding).shape == (0,)
        assert encode(np.zeros(0, dtype=np.int16), encoding) == b""


def test_an_odd_number_of_pcm16_bytes_is_refused_with_a_remedy() -> None:
    with pytest.raises(VigieError, match="3 bytes") as told:
        decode(b"abc", Encoding.PCM16)
    assert told.value.remedy


def test_an_unknown_encoding_is_refused_by_name() -> None:
    assert known_encoding("alaw") is Encoding.ALAW
    with pytest.raises(VigieError, match="'opus'"):
        known_encoding("opus")
    with pytest.raises(VigieError, match="unknown encoding"):
        decode(b"ab", "g722")  # type: ignore[arg-type]
