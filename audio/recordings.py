"""Recordings from files: whatever a call recorder writes, as int16 at a native rate, a block at a time.

PyAV reads them (WAV with PCM of 8 to 32 bits, float, µ-law or A-law, FLAC, MP3, Ogg/Opus, M4A, …); nothing of it leaves
this module, least of all its exceptions. 16-bit PCM and G.711 at a native rate come out exactly as recorded; anything
else goes through ffmpeg's converter to 16 bits and the next native rate. What a damaged file still holds is read, and
`truncated` tells that it is not all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from audio.chunk import NATIVE_RATES_HZ, Encoding, Int16Array
from audio.errors import VigieError

RATE_HZ_MIN = 4_000
"""Below, half of what tells one sound of speech from another is gone, or the header is wrong."""
CHANNELS_MAX = 2
_UNKNOWN_LENGTHS = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""Lengths that recorders write when they stream and cannot come back to the header."""
_LENGTH_SLACK_BYTES = 4
"""A pad byte, or a recorder that counts it, is no loss."""
_ENCODINGS = {"pcm_mulaw": Encoding.MULAW, "pcm_alaw": Encoding.ALAW}


@dataclass(slots=True)
class Recording:
    """An audio file that can be read.

    Attributes:
        path: the file.
        sample_rate_hz: rate of `blocks()`, one of NATIVE_RATES_HZ.
        source_rate_hz: rate in the file.
        channels: 1 or 2.
        codec: ffmpeg's name of the codec in the file.
        encoding: µ-law or A-law where the file is G.711, else PCM16.
        duration_ms: length by the header, which may be wrong; None where it says nothing.
        truncated: whether the file is known to hold less than it promises; final once `blocks()` is exhausted.
    """

    path: Path
    sample_rate_hz: int
    source_rate_hz: int
    channels: int
    codec: str
    encoding: Encoding
    duration_ms: int | None
    truncated: bool = False

    def blocks(self, seconds: float = 1.0) -> Iterator[Int16Array]:
        """Read the file from its start, in bounded memory.

        Args:
            seconds: length of a block; the last one may be shorter.

        Yields:
            int16 `(channels, n)` at `sample_rate_hz`.
        """
        size = max(1, round(seconds * self.sample_rate_hz))
        held: list[Int16Array] = []
        count = 0
        for piece in self._pieces():
            held.append(piece)
            count += piece.shape[1]
            if count < size:
                continue
            whole = np.concatenate(held, axis=1)
            used = count - count % size
            for start in range(0, used, size):
                yield whole[:, start : start + size].copy()
            held, count = [whole[:, used:].copy()], count - used
        if count:
            yield np.concatenate(held, axis=1)

    def _pieces(self) -> Iterator[Int16Array]:
        """int16 `(channels, n)` as the decoder gives them; damage ends or skips, and is told in `truncated`."""
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError):
            self.truncated = True
            return
        with container:
            stream = container.streams.audio[0]
            convert = None
            if stream.format.name not in ("s16", "s16p") or self.source_rate_hz != self.sample_rate_hz:
                convert = av.AudioResampler(format="s16", rate=self.sample_rate_hz)
            for frame in self._frames(container, stream):
                if frame.layout.nb_channels != self.channels or frame.sample_rate != self.source_rate_hz:
                    self.truncated = True  # the stream changes its shape half-way; what follows cannot be joined
                    break
                for part in [frame] if convert is None else convert.resample(frame):
                    yield self._samples_of(part)
            if convert is not None:
                for part in convert.resample(None):
                    yield self._samples_of(part)

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.truncated = True
                packet = None
            try:
                yield from stream.decode(packet)
            except av.EOFError:
                return
            except av.FFmpegError:
                self.truncated = True
            if packet is None or packet.size == 0:
                return

    def _samples_of(self, frame: Any) -> Int16Array:
        samples = frame.to_ndarray().astype(np.int16, copy=False)
        return samples if frame.format.is_planar else np.ascontiguousarray(samples.reshape(-1, self.channels).T)


def open_recording(path: Path | str) -> Recording:
    """Look into an audio file and make sure that it holds sound.

    Args:
        path: the file.

    Returns:
        The recording, of which nothing is held in memory.

    Raises:
        VigieError: the file is missing, empty, no audio, of more than two channels, or without a single sample.
    """
    path = Path(path)
    _refuse_unreadable(path)
    try:
        recording = _described(path)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VigieError(
            f"cannot be read as audio ({_reason(error)})",
            remedy="Give a WAV, FLAC, MP3, Ogg/Opus or M4A file, or convert this one with ffmpeg",
            where=str(path),
        ) from None
    recording.truncated = _promises_more(path)
    if next((piece for piece in recording._pieces() if piece.shape[1]), None) is None:
        raise VigieError(
            "holds no sound, only a header",
            remedy="Check that the recorder finished writing the file; leave it out otherwise",
            where=str(path),
        )
    return recording


def native_rate_for(rate_hz: int) -> int:
    """The lowest native rate that holds all of `rate_hz`, or the highest there is."""
    return next((native for native in NATIVE_RATES_HZ if native >= rate_hz), NATIVE_RATES_HZ[-1])


def _described(path: Path) -> Recording:
    with av.open(str(path), metadata_errors="replace") as container:
        if not container.streams.audio:
            raise VigieError("holds no audio track", remedy="Give a file with sound in it", where=str(path))
        stream: Any = container.streams.audio[0]
        if stream.codec_context is None:
            raise VigieError(
                "is written in a codec that is not known here",
                remedy="Convert it with: ffmpeg -i FILE out.wav",
                where=str(path),
            )
        channels, rate_hz, codec = stream.codec_context.channels, stream.codec_context.sample_rate, stream.codec.name
        if not rate_hz or not channels:
            raise VigieError(
                "does not say its sample rate or channels",
                remedy="Convert it with: ffmpeg -i FILE -ac 2 -ar 8000 out.wav, or leave it out",
                where=str(path),
            )
        if rate_hz < RATE_HZ_MIN:
            raise VigieError(
                f"says that it has {rate_hz} samples a second, too few for speech",
                remedy=f"Correct its header, or record at {NATIVE_RATES_HZ[0]} or more",
                where=str(path),
            )
        if channels > CHANNELS_MAX:
            raise VigieError(
                f"has {channels} channels, and a call has two",
                remedy="Keep the agent's and the customer's: ffmpeg -i FILE -af 'pan=stereo|c0=c0|c1=c1' out.wav",
                where=str(path),
            )
        duration_ms: int | None
        if stream.duration is not None and stream.time_base is not None:
            duration_ms = int(stream.duration * stream.time_base * 1000)
        else:
            duration_ms = int(container.duration / 1000) if container.duration else None
    return Recording(
        path=path,
        sample_rate_hz=native_rate_for(rate_hz),
        source_rate_hz=rate_hz,
        channels=channels,
        codec=codec,
        encoding=_ENCODINGS.get(codec, Encoding.PCM16),
        duration_ms=duration_ms,
    )


def _refuse_unreadable(path: Path) -> None:
    where = str(path)
    try:
        if not path.exists():
            raise VigieError("there is no such file", remedy="Check the path", where=where)
        if path.is_dir():
            raise VigieError("is a folder", remedy="Give an audio file", where=where)
        if path.stat().st_size == 0:
            raise VigieError("is empty", remedy="Check that the recorder wrote it; leave it out otherwise", where=where)
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise VigieError(
            f"cannot be read ({error.strerror or 'error'})", remedy="Check the path and its permissions", where=where
        ) from None


def _reason(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error)
    return text.splitlines()[0][:100].lower() if text else type(error).__name__


def _promises_more(path: Path) -> bool:
    """Whether a WAV file's header counts more bytes of sound than follow it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if len(start) < 12 or start[:4] != b"RIFF" or start[8:] != b"WAVE":
            return False
        while len(header := file.read(8)) == 8:
            name, length = header[:4], struct.unpack("<I", header[4:])[0]
            here = file.tell()
            if name == b"data":
                return length not in _UNKNOWN_LENGTHS and here + length > size + _LENGTH_SLACK_BYTES
            if here + length > size:
                return False
            file.seek(length + length % 2, 1)
    return False
