"""G.711 and PCM16 as bytes, and back to samples.

A-law and µ-law decode by a table of 256 entries and encode by a table over every 16-bit value, both derived from the
segment arithmetic of ITU-T G.711 (decoded values scaled to 16 bits: A-law 13 bits << 3, µ-law 14 bits << 2, as every
telephony stack does). Decoding and encoding again gives back the same byte, except that µ-law's two zeros become one.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from audio.chunk import Encoding, Float32Array, Int16Array
from audio.errors import VigieError

_MULAW_BIAS = 33 << 2
_MULAW_CLIP = 32635


def _alaw_decode_table() -> Int16Array:
    """int16 (256,): ITU-T G.711 table 1a, even bits inverted on the line."""
    code = np.arange(256) ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _mulaw_decode_table() -> Int16Array:
    """int16 (256,): ITU-T G.711 table 2a, all bits inverted on the line."""
    code = ~np.arange(256) & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((step << 3) + _MULAW_BIAS) << segment) - _MULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_encode_table() -> npt.NDArray[np.uint8]:
    """uint8 (65536,), indexed by the sample's bits as uint16."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32) >> 3
    negative = sample < 0
    magnitude = np.where(negative, -sample - 1, sample)
    segment = np.zeros_like(magnitude)
    for limit in (0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF):
        segment += magnitude > limit
    step = np.where(segment < 2, magnitude >> 1, magnitude >> segment) & 15
    code: npt.NDArray[np.uint8] = (((segment << 4) | step) ^ np.where(negative, 0x55, 0xD5)).astype(np.uint8)
    return code


def _mulaw_encode_table() -> npt.NDArray[np.uint8]:
    """uint8 (65536,), indexed by the sample's bits as uint16."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    negative = sample < 0
    magnitude = np.minimum(np.abs(sample), _MULAW_CLIP) + _MULAW_BIAS
    segment = np.zeros_like(magnitude)
    for bit in range(8, 15):
        segment += magnitude >= 1 << bit
    step = (magnitude >> (segment + 3)) & 15
    code: npt.NDArray[np.uint8] = (~((segment << 4) | step | np.where(negative, 0x80, 0)) & 0xFF).astype(np.uint8)
    return code


_DECODE = {Encoding.ALAW: _alaw_decode_table(), Encoding.MULAW: _mulaw_decode_table()}
_ENCODE = {Encoding.ALAW: _alaw_encode_table(), Encoding.MULAW: _mulaw_encode_table()}


def bytes_per_sample(encoding: Encoding) -> int:
    return 2 if encoding is Encoding.PCM16 else 1


def known_encoding(encoding: Encoding | str) -> Encoding:
    """The encoding of that name.

    Raises:
        VigieError: it names none of `pcm16`, `mulaw`, `alaw`.
    """
    if type(encoding) is Encoding:
        return encoding
    try:
        return Encoding(encoding)
    except ValueError:
        names = ", ".join(Encoding)
        raise VigieError(
            f"unknown encoding {str(encoding)[:40]!r}", remedy=f"Send one of {names}", field="encoding"
        ) from None


def decode(data: bytes, encoding: Encoding) -> Int16Array:
    """Samples of one leg.

    Args:
        data: PCM16 little-endian, or one byte a sample for G.711.
        encoding: how `data` is written.

    Returns:
        int16 `(samples,)`; a read-only view of `data` for PCM16.

    Raises:
        VigieError: unknown encoding, or an odd number of PCM16 bytes.
    """
    encoding = known_encoding(encoding)
    if encoding is not Encoding.PCM16:
        return _DECODE[encoding][np.frombuffer(data, dtype=np.uint8)]
    if len(data) % 2:
        raise VigieError(
            f"{len(data)} bytes are no whole number of 16-bit samples",
            remedy="Send two bytes a sample, little-endian, and cut chunks between samples",
            field="legs",
        )
    samples = np.frombuffer(data, dtype="<i2")
    return samples if sys.byteorder == "little" else samples.astype(np.int16)


def encode(samples: npt.NDArray[Any], encoding: Encoding) -> bytes:
    """Bytes of one leg, exact to ITU-T G.711 for A-law and µ-law.

    Args:
        samples: int16 `(samples,)`.
        encoding: how to write them.

    Raises:
        VigieError: unknown encoding.
    """
    encoding = known_encoding(encoding)
    whole = np.ascontiguousarray(samples, dtype=np.int16)
    if encoding is Encoding.PCM16:
        return whole.astype("<i2").tobytes()
    return _ENCODE[encoding][whole.view(np.uint16)].tobytes()


def as_sent(samples: Float32Array) -> Int16Array:
    """float32 `(n,)` in [-1, 1) as int16 `(n,)`: how an utterance crosses a topic."""
    whole: Int16Array = np.clip(np.rint(samples * np.float32(32_768)), -32_768, 32_767).astype(np.int16)
    return whole


def as_heard(samples: Int16Array) -> Float32Array:
    """int16 `(n,)` as float32 `(n,)` in [-1, 1): how a transcriber hears it. `as_sent` gives the same int16 back."""
    heard: Float32Array = samples.astype(np.float32) / np.float32(32_768)
    return heard
