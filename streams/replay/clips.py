"""The sound of an alert, cut from its recording: both parties, 8 kHz, redacted words muted, as a data URI.

The agent stands a little to the left and the customer to the right, so that they can be told apart by ear and yet are
both heard on one loudspeaker. Opus in Ogg where the libraries have it (20 s are some 40 kB), else 16-bit WAV.
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import av
import numpy as np

from audio.chunk import NARROW_RATE_HZ, Float32Array, Int16Array, Party
from audio.errors import VigieError
from audio.resample import FirResampler
from streams.events import Record
from streams.replay.media import CHUNK_MS, open_media
from streams.replay.muting import clip_span, muted_spans
from streams.replay.sources import CallSource
from streams.replay.spectrogram import picture_of

RESAMPLER_DELAY_MS = 2
NEAR_SHARE, FAR_SHARE = 0.8, 0.2
"""How much of a party is heard on its own side and on the other."""
OPUS_BIT_RATE = 16_000


class Clip(NamedTuple):
    """An alert's evidence to hear and to see, each as a data URI."""

    sound: str
    picture: str


@dataclass(frozen=True, slots=True)
class ClipOrder:
    """The clips to cut from one call: the call, `(alert_id, from_ms, to_ms)`, and muted spans of each party."""

    source: CallSource
    spans: tuple[tuple[str, int, int], ...]
    muted: tuple[tuple[str, int, int], ...]


def order_for(source: CallSource, record: Record) -> ClipOrder:
    """What to cut for a call's alerts, in their last state."""
    duration_ms = record["summary"]["duration_ms"]
    latest = {alert["alert_id"]: alert for alert in record["alerts"]}
    spans = []
    for alert_id, alert in latest.items():
        audio = alert["evidence"].get("audio")
        if not audio:
            continue
        from_ms, to_ms = clip_span(audio["from_ms"], audio["to_ms"], duration_ms)
        if to_ms > from_ms:
            spans.append((alert_id, from_ms, to_ms))
    return ClipOrder(source, tuple(spans), tuple(muted_spans(record["utterances"], mono=record["summary"]["mono"])))


def cut_clips(order: ClipOrder) -> dict[str, Clip]:
    """The clips of one call by `alert_id`, in one pass over its recording.

    Raises:
        VigieError: the recording is gone or cannot be read any more.
    """
    joined = cut_legs(order)
    return {alert_id: Clip(data_uri(mixed(legs)), picture_of(legs)) for alert_id, legs in joined.items()}


def cut_legs(order: ClipOrder) -> dict[str, dict[Party, Float32Array]]:
    """Each party's sound at 8 kHz by `alert_id`, muted; what is not on the recording is left out.

    Raises:
        VigieError: the recording is gone or cannot be read any more.
    """
    if not order.spans:
        return {}
    wanted_until_ms = max(span[2] for span in order.spans)
    heard: dict[str, dict[Party, list[Float32Array]]] = {span[0]: {} for span in order.spans}
    resamplers: dict[Party, FirResampler] = {}
    try:
        for now_ms, step in open_media(order.source).steps():
            if now_ms >= wanted_until_ms:
                break
            for party, piece in step.items():
                resampler = resamplers.setdefault(party, FirResampler(piece.rate_hz, NARROW_RATE_HZ))
                narrow = _muted(resampler.push(piece.samples), now_ms, party, order.muted)
                for alert_id, from_ms, to_ms in order.spans:
                    if now_ms + CHUNK_MS > from_ms and now_ms < to_ms:
                        heard[alert_id].setdefault(party, []).append(narrow)
    except VigieError:
        if not any(heard.values()):
            raise
    return {
        alert_id: {party: np.concatenate(pieces) for party, pieces in legs.items()}
        for alert_id, legs in heard.items()
        if legs
    }


def _muted(samples: Float32Array, now_ms: int, party: Party, muted: Sequence[tuple[str, int, int]]) -> Float32Array:
    for name, from_ms, to_ms in muted:
        if name == party.value and from_ms < now_ms + CHUNK_MS and to_ms > now_ms:
            # The resampler's delay is under 2 ms; chunks of an odd rate may be a sample long or short.
            start = max(0, from_ms - now_ms) * NARROW_RATE_HZ // 1000
            stop = max(0, to_ms - now_ms + RESAMPLER_DELAY_MS) * NARROW_RATE_HZ // 1000
            samples = samples.copy()
            samples[start:stop] = 0
    return samples


def mixed(legs: Mapping[Party, Float32Array]) -> Int16Array:
    """Both parties as int16 `(n, 2)`, left and right."""
    n = max(len(samples) for samples in legs.values())
    out = np.zeros((n, 2), dtype=np.float32)
    for party, samples in legs.items():
        near = 0 if party is Party.AGENT else 1
        alone = len(legs) == 1
        out[: len(samples), near] += samples * (0.5 if alone else NEAR_SHARE)
        out[: len(samples), 1 - near] += samples * (0.5 if alone else FAR_SHARE)
    pcm: Int16Array = np.clip(np.rint(out * 32767), -32768, 32767).astype(np.int16)
    return pcm


def data_uri(stereo: Int16Array) -> str:
    """int16 `(n, 2)` at 8 kHz as the `src` of an audio element."""
    data, kind = encoded(stereo)
    return f"data:audio/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def encoded(stereo: Int16Array) -> tuple[bytes, str]:
    """int16 `(n, 2)` at 8 kHz as a file, and which kind it is: `ogg` or `wav`."""
    try:
        return _opus(stereo), "ogg"
    except (av.error.FFmpegError, ValueError):
        return _wav(stereo), "wav"


def _opus(stereo: Int16Array) -> bytes:
    buffer = io.BytesIO()
    # Bit-exact: no random stream number, so that equal calls give equal reports.
    with av.open(buffer, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=NARROW_RATE_HZ)
        stream.layout = "stereo"
        stream.bit_rate = OPUS_BIT_RATE
        stream.options = {"application": "voip"}
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(stereo).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = NARROW_RATE_HZ
        for packet in stream.encode(frame):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return buffer.getvalue()


def _wav(stereo: Int16Array) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(NARROW_RATE_HZ)
        file.writeframes(stereo.astype("<i2").tobytes())
    return buffer.getvalue()
