"""Folders under the system's temporary one that go away: at the latest when the next of their kind is made.

A process that is killed leaves its folder behind. Whoever uses one holds a lock in it, which ends with the process,
whatever ended it; a folder of that kind whose lock nobody holds is swept.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".in-use"
FRESH_S = 60.0
"""So old is a folder before it is swept: a new one is not locked in the same instant."""
UNLOCKED_S = 86_400.0
"""And so old one without a lock, which an earlier release made."""


@contextmanager
def scratch(kind: str, kept_s: float = FRESH_S) -> Iterator[Path]:
    """A folder `vigie-KIND-…` of one's own, removed at the end; where that is an error, only after `kept_s`.

    Those of processes that are gone are removed first.
    """
    sweep(kind, kept_s)
    folder = Path(tempfile.mkdtemp(prefix=_prefix(kind)))
    with (folder / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


def sweep(kind: str, kept_s: float = FRESH_S) -> list[Path]:
    """Remove the folders of that kind that nobody uses any more and that are older than `kept_s`; returns them."""
    swept = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix(kind)}*"):
        with contextlib.suppress(OSError):  # another user's, or another process sweeps it
            if not folder.is_symlink() and _stale(folder, kept_s):
                shutil.rmtree(folder)
                swept.append(folder)
    return swept


def _prefix(kind: str) -> str:
    return f"vigie-{kind}-"


def _stale(folder: Path, kept_s: float) -> bool:
    age_s, lock = time.time() - folder.stat().st_mtime, folder / LOCK
    if not lock.is_file():
        return age_s >= max(kept_s, UNLOCKED_S)
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return age_s >= kept_s
