from __future__ import annotations

import contextlib
import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from audio.chunk import Encoding, Int16Array
from audio.codec import decode, encode
from audio.errors import VigieError
from audio.recordings import native_rate_for, open_recording


def tone(rate: int, seconds: float = 1.0, frequency: float = 440.0) -> Int16Array:
    return (8_000 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def write_wav(path: Path, samples: Int16Array, rate: int = 8_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_riff(path: Path, tag: int, bits: int, data: bytes, rate: int = 8_000, promised: int | None = None) -> Path:
    """A WAV file with any format tag, made by hand."""
    form = struct.pack("<HHIIHH", tag, 1, rate, rate * bits // 8, bits // 8, bits)
    size = len(data) if promised is None else promised
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", (len(body)) & 0xFFFFFFFF) + body)
    return path


def write_coded(path: Path, codec: str, samples: Int16Array, rate: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        step = stream.codec_context.frame_size or 1_024
        for start in range(0, len(samples), step):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + step], format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path) -> Int16Array:
    return np.concatenate(list(open_recording(path).blocks()), axis=1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_16_bit_pcm_at_a_native_rate_is_read_exactly(tmp_path: Path, rate: int) -> None:
    left, right = tone(rate), tone(rate, frequency=600.0)
    path = write_wav(tmp_path / "call.wav", np.stack((left, right), axis=1).reshape(-1), rate, 2)
    recording = open_recording(path)
    assert (recording.sample_rate_hz, recording.channels, recording.truncated) == (rate, 2, False)
    assert recording.duration_ms == 1_000
    assert np.array_equal(read(path), np.stack((left, right)))


@pytest.mark.parametrize(("encoding", "tag"), [(Encoding.ALAW, 6), (Encoding.MULAW, 7)])
def test_g711_wav_is_read_exactly_and_keeps_its_encoding(tmp_path: Path, encoding: Encoding, tag: int) -> None:
    data = encode(tone(8_000), encoding)
    path = write_riff(tmp_path / "call.wav", tag, 8, data)
    assert open_recording(path).encoding is encoding
    assert np.array_equal(read(path)[0], decode(data, encoding))


@pytest.mark.parametrize(("tag", "bits"), [(1, 8), (1, 24), (1, 32), (3, 32), (3, 64)])
def test_other_pcm_is_read_to_16_bits(tmp_path: Path, tag: int, bits: int) -> None:
    samples = tone(8_000)
    scaled = samples.astype(np.int64) << 16
    if tag == 3:
        data = (samples / 32768).astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        data = ((samples >> 8) + 128).astype(np.uint8).tobytes()
    elif bits == 24:
        data = b"".join(int(value >> 8).to_bytes(3, "little", signed=True) for value in scaled)
    else:
        data = scaled.astype("<i4").tobytes()
    heard = read(write_riff(tmp_path / "call.wav", tag, bits, data))[0].astype(int)
    assert np.max(np.abs(heard - samples)) <= (256 if bits == 8 else 1)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "heard_hz"),
    [
        ("a.flac", "flac", 16_000, 16_000),
        ("a.mp3", "libmp3lame", 44_100, 48_000),
        ("a.ogg", "libopus", 48_000, 48_000),
        ("a.m4a", "aac", 48_000, 48_000),
    ],
)
def test_coded_files_are_read_at_a_native_rate(tmp_path: Path, name: str, codec: str, rate: int, heard_hz: int) -> None:
    try:
        path = write_coded(tmp_path / name, codec, tone(rate, 2.0), rate)
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this PyAV cannot write {codec}: {error}")
    recording = open_recording(path)
    assert (recording.sample_rate_hz, recording.channels) == (heard_hz, 1)
    heard = read(path)[0][heard_hz // 4 : -heard_hz // 4].astype(float)
    assert abs(len(heard) / heard_hz - 1.5) < 0.1
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(np.argmax(spectrum) * heard_hz / len(heard) - 440) < 5


@pytest.mark.parametrize(
    ("rate", "native"),
    [
        (6_000, 8_000),
        (8_000, 8_000),
        (11_025, 16_000),
        (22_050, 24_000),
        (32_000, 48_000),
        (44_100, 48_000),
        (96_000, 48_000),
    ],
)
def test_another_rate_becomes_the_next_native_one(tmp_path: Path, rate: int, native: int) -> None:
    assert native_rate_for(rate) == native
    path = write_wav(tmp_path / "call.wav", tone(rate), rate)
    recording = open_recording(path)
    assert (recording.sample_rate_hz, recording.source_rate_hz) == (native, rate)
    assert abs(read(path).shape[1] - native) <= native // 200


def test_blocks_have_the_asked_length_and_can_be_read_again(tmp_path: Path) -> None:
    samples = tone(8_000, 2.3)
    recording = open_recording(write_wav(tmp_path / "call.wav", samples))
    sizes = [block.shape for block in recording.blocks(0.5)]
    assert sizes == [(1, 4_000)] * 4 + [(1, 2_400)]
    again = np.concatenate(list(recording.blocks(0.1)), axis=1)
    assert np.array_equal(again[0], samples)


def test_a_wav_that_promises_more_than_it_holds_is_read_and_told(tmp_path: Path) -> None:
    samples = tone(8_000)
    path = write_riff(tmp_path / "cut.wav", 1, 16, samples.tobytes(), promised=8_000 * 60)
    recording = open_recording(path)
    assert recording.truncated
    assert np.array_equal(read(path)[0], samples)


@pytest.mark.parametrize("promised", [0, 0xFFFFFFFF])
def test_a_streamed_wav_of_unknown_length_is_whole(tmp_path: Path, promised: int) -> None:
    samples = tone(8_000)
    path = write_riff(tmp_path / "streamed.wav", 1, 16, samples.tobytes(), promised=promised)
    assert not open_recording(path).truncated
    assert np.array_equal(read(path)[0], samples)


def test_a_cut_flac_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_coded(
        tmp_path / "a.flac", "flac", np.random.default_rng(1).integers(-9_000, 9_000, 80_000).astype(np.int16), 16_000
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    recording = open_recording(path)
    heard = sum(block.shape[1] for block in recording.blocks())
    assert 30_000 < heard < 45_000


def bad_files(folder: Path) -> dict[str, Path]:
    files = {name: folder / name for name in ("empty.wav", "text.wav", "noise.mp3", "image.png", "header.wav")}
    files["empty.wav"].write_bytes(b"")
    files["text.wav"].write_text("call_id,agent\n1,2\n" * 100)
    files["noise.mp3"].write_bytes(np.random.default_rng(1).bytes(5_000))
    files["image.png"].write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    write_wav(files["header.wav"], np.zeros(0, dtype=np.int16))
    assert files["header.wav"].stat().st_size == 44
    files["half-header.wav"] = folder / "half-header.wav"
    files["half-header.wav"].write_bytes(files["header.wav"].read_bytes()[:30])
    files["three.wav"] = write_wav(folder / "three.wav", tone(8_000, 3.0), 8_000, 3)
    files["slow.wav"] = write_wav(folder / "slow.wav", tone(8_000, 1.0), 1)
    files["missing.wav"] = folder / "missing.wav"
    files["folder"] = folder
    return files


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("empty.wav", "is empty"),
        ("text.wav", "cannot be read as audio|holds no"),
        ("noise.mp3", "cannot be read as audio|holds no"),
        ("image.png", "cannot be read as audio|holds no"),
        ("header.wav", "holds no sound|cannot be read"),
        ("half-header.wav", "cannot be read as audio|holds no|does not say"),
        ("three.wav", "3 channels"),
        ("slow.wav", "1 samples a second"),
        ("missing.wav", "no such file"),
        ("folder", "is a folder"),
    ],
)
def test_a_file_that_is_no_call_is_told_with_its_name_and_a_remedy(tmp_path: Path, name: str, problem: str) -> None:
    path = bad_files(tmp_path)[name]
    with pytest.raises(VigieError, match=problem) as told:
        open_recording(path)
    assert told.value.where == str(path)
    assert told.value.remedy
    assert told.value.__cause__ is None


def test_tags_that_are_not_utf8_are_no_obstacle(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "call.wav", tone(8_000))
    info = b"INFOIART" + struct.pack("<I", 8) + "Hélène\0\0".encode("latin-1")
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(info)) + info
    path.write_bytes(b"RIFF" + struct.pack("<I", len(data) - 8) + data[8:])
    assert np.array_equal(read(path)[0], tone(8_000))


def test_an_unknown_codec_is_told(tmp_path: Path) -> None:
    path = write_riff(tmp_path / "call.wav", 0x4321, 16, tone(8_000).tobytes())
    with pytest.raises(VigieError, match="codec"):
        open_recording(path)


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_makes_more_than_a_vigie_error(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = write_coded(tmp_path / "a.flac", "flac", tone(16_000), 16_000) if seed % 2 else None
    path = whole or write_wav(tmp_path / "a.wav", tone(8_000))
    data = bytearray(path.read_bytes())
    for _ in range(int(rng.choice([1, 5, 50]))):
        data[int(rng.integers(0, rng.choice([60, len(data)])))] = int(rng.integers(256))
    path.write_bytes(bytes(data[: int(rng.integers(1, len(data)))]))
    with contextlib.suppress(VigieError):
        read(path)


def test_a_file_damaged_in_the_middle_is_read_around(tmp_path: Path) -> None:
    try:
        path = write_coded(tmp_path / "a.mp3", "libmp3lame", tone(48_000, 4.0), 48_000)
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this PyAV cannot write MP3: {error}")
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = np.random.default_rng(2).bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(bytes(data))
    assert read(path).shape[1] > 48_000


def test_every_shared_recording_can_be_read(shared_data: Path) -> None:
    paths = [path for path in sorted(shared_data.rglob("*")) if path.suffix in (".wav", ".mp3", ".ogg", ".flac")]
    assert paths
    for path in paths:
        recording = open_recording(path)
        block = next(recording.blocks(0.25))
        assert block.dtype == np.int16
        assert block.shape[0] == recording.channels
