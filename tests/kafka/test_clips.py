"""Clips: how they are cut from the audio, what is kept on disk, and for how long."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from audio.chunk import AudioChunk, Encoding, Party
from audio.codec import encode
from audio.errors import VigieError
from streams.kafka.clips import DAY_S, AudioReader, ClipFolder, Cutter, legs_of
from streams.kafka.evidence import ClipOrder

Item = dict[str, Any]


def tone(ms: int, rate_hz: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.full(ms * rate_hz // 1000, 8000, dtype=np.int16)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
@pytest.mark.parametrize("encoding", list(Encoding))
def test_chunks_are_placed_by_their_offset_and_muted(rate_hz: int, encoding: Encoding) -> None:
    step = rate_hz // 10
    pieces = [
        AudioChunk(n * step, rate_hz, encoding, {Party.AGENT: encode(tone(100, rate_hz), encoding)}) for n in range(40)
    ]
    left, missing = [pieces[i] for i in range(40) if i != 12], 12
    random.Random(1).shuffle(left)
    legs = legs_of([*left, *left[:5]], 1000, 3000, [("agent", 2000, 2500), ("customer", 0, 9000)])
    assert set(legs) == {Party.AGENT}
    agent = legs[Party.AGENT]
    assert len(agent) == 16_000
    heard = np.abs(agent) > 0.2
    hole = (missing * 100 - 1000) * 8
    assert not heard[hole + 40 : hole + 760].any()
    assert not heard[8000:12_000].any()
    assert heard[40 : hole - 40].all()
    assert heard[12_100:15_900].all()


class FakeReader(AudioReader):
    def __init__(self, chunks: list[AudioChunk] | None) -> None:
        self.chunks, self.reads = chunks, 0

    def read(self, partition: int, order: ClipOrder) -> list[AudioChunk] | None:  # noqa: ARG002
        self.reads += 1
        return self.chunks


ORDER = ClipOrder("c/../x", "a1", 2, 0, 3000, 0, 0, 9, (("agent", 1000, 2000),))


def json_of(folder: ClipFolder, order: ClipOrder) -> Item:
    text: Item = json.loads(folder.path(order.call_id, order.alert_id, order.revision, "json").read_text())
    return text


def test_a_clip_is_cut_once_and_can_be_played(tmp_path: Path) -> None:
    chunk = AudioChunk(0, 8000, Encoding.MULAW, {p: encode(tone(3000, 8000), Encoding.MULAW) for p in Party})
    folder, reader = ClipFolder(tmp_path, 30), FakeReader([chunk])
    cut = Cutter(reader, folder)
    assert [cut(0, ORDER), cut(0, ORDER)] == ["cut", "there"]
    assert reader.reads == 1
    about = json_of(folder, ORDER)
    assert (about["state"], about["call_id"], about["revision"]) == ("cut", "c/../x", 2)
    assert about["muted"] == [{"party": "agent", "from_ms": 1000, "to_ms": 2000}]
    assert about["cut_at"] < about["expires_at"]
    sound = folder.path(ORDER.call_id, "a1", 2, about["files"][0])
    assert sound.parent.parent == tmp_path
    with av.open(str(sound)) as container:
        assert container.streams.audio[0].channels == 2
    assert folder.path(ORDER.call_id, "a1", 2, "png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.rglob("*.tmp"))


def test_audio_that_is_not_kept_any_more_or_never_came_is_told(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path, 30)
    assert Cutter(FakeReader(None), folder)(0, ORDER) == "gone"
    assert json_of(folder, ORDER)["state"] == "gone"
    silent = replace(ORDER, alert_id="a2")
    assert Cutter(FakeReader([]), folder)(0, silent) == "silent"
    assert json_of(folder, silent)["files"] == []


def test_of_an_erased_call_no_clip_is_kept_neither_old_nor_late(tmp_path: Path) -> None:
    chunk = AudioChunk(0, 8000, Encoding.MULAW, {p: encode(tone(3000, 8000), Encoding.MULAW) for p in Party})
    folder, reader = ClipFolder(tmp_path, 30), FakeReader([chunk])
    cut = Cutter(reader, folder)
    other = replace(ORDER, call_id="other")
    assert [cut(0, ORDER), cut(0, other)] == ["cut", "cut"]
    assert (folder.erase(ORDER.call_id), folder.erase(ORDER.call_id), folder.erase("unknown")) == (1, 0, 0)
    late = replace(ORDER, revision=3)
    assert [cut(0, ORDER), cut(0, late)] == ["erased", "erased"]
    assert reader.reads == 2, "its audio is not even read"
    assert [path.name for path in tmp_path.rglob("*.json")] == ["a1.2.json"]
    assert json_of(folder, other)["call_id"] == "other"


def test_a_clip_that_is_written_while_its_call_is_erased_goes_too(tmp_path: Path) -> None:
    class Raced(ClipFolder):
        def path(self, call_id: str, alert_id: str, revision: int, ending: str) -> Path:
            if ending == "ogg":
                self._mark(call_id).touch()
            return super().path(call_id, alert_id, revision, ending)

    folder = Raced(tmp_path, 30)
    assert folder.put(ORDER, "cut", 0.0, {"ogg": b"sound"}) is False
    assert not [path for path in tmp_path.rglob("*") if path.suffix != ".erased"]


def test_that_a_call_was_erased_is_forgotten_after_a_year(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path, 30)
    folder.erase("c1")
    now_s = time.time()
    assert sum(folder.sweep(now_s + 399 * DAY_S) for _ in range(3)) == 0
    assert folder.is_erased("c1")
    assert sum(folder.sweep(now_s + 401 * DAY_S) for _ in range(3)) == 1
    assert not folder.is_erased("c1")


def test_clips_that_cannot_be_deleted_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ClipFolder(tmp_path, 30)
    assert folder.put(ORDER, "cut", 0.0, {"ogg": b"sound"})

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("streams.kafka.clips.shutil.rmtree", refuse)
    with pytest.raises(VigieError, match="Permission denied"):
        folder.erase(ORDER.call_id)


def test_an_id_names_no_file_elsewhere(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path / "clips", 30)
    Cutter(FakeReader(None), folder)(0, replace(ORDER, alert_id="../../../escaped"))
    assert all((tmp_path / "clips") in path.parents for path in tmp_path.rglob("*.json"))


def test_what_has_expired_goes_a_little_at_a_time(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path, 30)
    for number in range(6):
        folder.put(replace(ORDER, alert_id=f"a{number}"), "cut", 1_000_000.0, {"ogg": b"x", "png": b"y"})
    fresh = replace(ORDER, call_id="fresh")
    folder.put(fresh, "cut", 1_000_000.0 + 86_400 * 29, {"ogg": b"x"})
    for _ in range(10):
        assert folder.sweep(1_000_000.0 + 86_400 * 29.9) == 0
    rounds = [folder.sweep(1_000_000.0 + 86_400 * 30.1, files_max=5) for _ in range(20)]
    assert sum(rounds) == 18
    assert max(rounds) <= 5
    assert folder.has(fresh)
    assert list(tmp_path.iterdir()) == [folder.path("fresh", "a1", 2, "json").parent]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VigieError, match="cannot be used"):
        ClipFolder(tmp_path / "file" / "clips", 30)
