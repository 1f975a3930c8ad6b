"""What a clip looks like: both parties' sound over time and pitch, for an eye that knows a bad line when it sees one.

Lost packets are gaps with sharp edges, clipping is a fence of harmonics up to the top of the band, an echo is the other
party's picture again a little later and fainter, noise is a fog. The agent is above, the customer below.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import av
import librosa
import numpy as np
import numpy.typing as npt

from audio.chunk import NARROW_RATE_HZ, PARTIES, Float32Array, Party

MEL_BANDS = 40
COLUMNS_MAX = 300
"""About what the page is wide: a longer clip takes longer steps, and a picture stays under 20 kB."""
HOP_MIN = 64
FFT = 256
FLOOR_DB, TOP_DB = -75.0, -15.0
"""Of full scale, per band: from the noise of a quiet line to loud speech."""
GAP_ROWS = 2

Grey = npt.NDArray[np.uint8]


def picture_of(legs: Mapping[Party, Float32Array]) -> str:
    """The picture of a clip as the `src` of an image; see `png_of`."""
    return f"data:image/png;base64,{base64.b64encode(png_of(legs)).decode('ascii')}"


def png_of(legs: Mapping[Party, Float32Array]) -> bytes:
    """The picture of a clip as a PNG.

    Args:
        legs: float32 `(n,)` at 8 kHz of each party that is heard; a party that is absent stays dark.
    """
    n = max(len(samples) for samples in legs.values())
    hop = max(HOP_MIN, -(-n // COLUMNS_MAX))
    rows = [_bands(legs.get(party), n, hop) for party in PARTIES]
    gap = np.full((GAP_ROWS, rows[0].shape[1]), 255, dtype=np.uint8)
    return _png(np.vstack((rows[0], gap, rows[1])))


def _bands(samples: Float32Array | None, n: int, hop: int) -> Grey:
    """uint8 `(40, columns)`, low pitch at the bottom, 255 the loudest."""
    filled = np.zeros(n, dtype=np.float32)
    if samples is not None:
        filled[: len(samples)] = samples
    power = librosa.feature.melspectrogram(
        y=filled,
        sr=NARROW_RATE_HZ,
        n_fft=max(FFT, 1 << (hop - 1).bit_length()),
        hop_length=hop,
        win_length=max(FFT, hop),
        n_mels=MEL_BANDS,
        fmin=100.0,
        fmax=3_900.0,
    )
    level_db = librosa.power_to_db(power / (FFT * FFT / 16), ref=1.0, top_db=None)
    share = np.clip((level_db - FLOOR_DB) / (TOP_DB - FLOOR_DB), 0.0, 1.0)
    return np.ascontiguousarray((255 * share[::-1]).astype(np.uint8))


def _png(grey: Grey) -> bytes:
    codec = av.CodecContext.create("png", "w")
    codec.height, codec.width = grey.shape
    codec.pix_fmt = "gray"
    codec.time_base = 1  # type: ignore[assignment]
    frame = av.VideoFrame.from_ndarray(grey, format="gray")
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
