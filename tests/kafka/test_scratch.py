"""Scratch folders: gone at the end, and swept where their process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from streams.kafka.scratch import LOCK, UNLOCKED_S, scratch, sweep


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_folder_lives_as_long_as_its_use(tmp_path: Path) -> None:
    with scratch("faust") as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith("vigie-faust-")
        (folder / "deep").mkdir()
        assert sweep("faust", kept_s=0) == [], "it is in use"
        assert folder.is_dir()
    assert not folder.exists()


def test_a_killed_process_leaves_a_folder_that_the_next_one_sweeps(tmp_path: Path) -> None:
    code = (
        "import tempfile, time; tempfile.tempdir = %r\n"
        "from streams.kafka.scratch import scratch\n"
        "with scratch('soak') as folder: print(folder, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code % str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.is_dir()
    assert sweep("soak", kept_s=0) == [], "its process lives"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert folder.is_dir()
    assert sweep("soak", kept_s=3600) == [], "it is not old yet"
    assert sweep("bench", kept_s=0) == [], "another kind"
    with scratch("soak", kept_s=0) as mine:
        assert not folder.exists()
        assert mine.is_dir()


def test_what_an_error_leaves_stays_for_a_while(tmp_path: Path) -> None:
    def fails() -> None:
        with scratch("chaos", kept_s=3600) as folder:
            (folder / "worker.log").write_text("what was seen")
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fails()
    [folder] = tmp_path.iterdir()
    assert sweep("chaos", kept_s=3600) == []
    assert (folder / "worker.log").is_file()
    old_s = time.time() - 3601
    os.utime(folder, (old_s, old_s))
    assert sweep("chaos", kept_s=3600) == [folder]


def test_a_folder_without_a_lock_is_swept_after_a_day(tmp_path: Path) -> None:
    folder = tmp_path / "vigie-faust-old"
    folder.mkdir()
    (tmp_path / "vigie-faust-link").symlink_to(tmp_path)
    assert sweep("faust", kept_s=0) == []
    old_s = time.time() - UNLOCKED_S - 1
    os.utime(folder, (old_s, old_s))
    assert sweep("faust", kept_s=0) == [folder]
    assert not (folder / LOCK).exists()
    assert tmp_path.is_dir()
