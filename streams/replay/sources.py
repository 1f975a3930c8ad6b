"""Which recordings are calls: files, folders, pairs of one-sided files and the rows of a manifest, in one stable order.

A stereo file holds the agent on the left and the customer on the right unless told. Two files beside each other named
`x_agent.wav` and `x_caller.wav` (or `_customer`, `_client`) are the two legs of call `x`. Everything else with an audio
extension is a call of its own. A call's id is its file's stem; where two stems collide, all of them are told apart by
their path below the folder that was given.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audio.errors import VigieError
from streams.events import CallInfo

AUDIO_EXTENSIONS = frozenset(
    (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".wma", ".webm", ".mka")
    + (".gsm", ".au", ".aif", ".aiff", ".aifc", ".amr", ".3gp", ".caf", ".w64")
)
AGENT_SUFFIX = re.compile(r"[_-]agent$", re.IGNORECASE)
CUSTOMER_SUFFIX = re.compile(r"[_-](caller|customer|client)$", re.IGNORECASE)
OUTPUT_MARK = ".vigie"
"""The folder inside an output folder that holds what a rerun needs; its presence marks a folder as an output."""


@dataclass(frozen=True, slots=True)
class CallSource:
    """One call to replay, and where its audio is.

    Attributes:
        call: who and where; `mono` is settled when the file is opened.
        file: the recording as the outputs name it (a pair: both names, joined by " + ").
        paths: one file, or the agent's and the customer's.
        agent_channel: "left" or "right", for one file of two channels.
        listed: the manifest's file and line, empty for a recording that was found.
    """

    call: CallInfo
    file: str
    paths: tuple[Path, ...]
    agent_channel: str = "left"
    listed: str = ""

    @property
    def is_pair(self) -> bool:
        return len(self.paths) == 2


@dataclass(frozen=True, slots=True)
class Failure:
    """A file on which nothing could be done: why, and what would help."""

    file: str
    reason: str
    remedy: str
    call_id: str | None = None

    @classmethod
    def of(cls, source: CallSource, error: VigieError) -> Failure:
        field_name = f"{error.field}: " if error.field else ""
        return cls(source.file, field_name + error.problem, error.remedy, source.call.call_id)


@dataclass(slots=True)
class Found:
    """What the paths and the manifest of one run amount to."""

    calls: list[CallSource] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    ignored: int = 0
    """Files in folders that are no audio."""
    manifests_unused: list[Path] = field(default_factory=list)
    """`manifest.csv` files that lie in the given folders and were not named with --manifest."""


@dataclass(frozen=True, slots=True)
class _Recording:
    paths: tuple[Path, ...]
    root: Path
    stem: str

    def ids(self) -> tuple[str, str, str, str]:
        """Names for the call, each longer and rarer than the one before."""
        first = self.paths[0]
        relative = first.relative_to(self.root)
        folder = relative.parent.as_posix()
        below = self.stem if folder == "." else f"{folder}/{self.stem}"
        names = (self.stem, below, below + "".join(first.suffixes), first.as_posix())
        plain, longer, with_suffix, whole = (_spelled(name) for name in names)
        return plain, longer, with_suffix, whole


def find_calls(
    paths: Sequence[Path],
    listed: Sequence[CallSource] = (),
    *,
    language: str | None = None,
    agent_channel: str = "left",
) -> Found:
    """The calls of `paths` (files and folders) after those that a manifest lists, each recording once.

    Raises:
        VigieError: a path does not exist.
    """
    found = Found(calls=list(listed))
    taken = {path.resolve() for source in listed for path in source.paths}
    recordings: list[_Recording] = []
    for path in paths:
        if path.is_dir():
            files = _audio_below(path, found)
            recordings += _paired([f for f in files if f.resolve() not in taken], path)
        elif path.exists():
            if path.resolve() not in taken:
                recordings.append(_Recording((path,), path.parent, path.stem))
        else:
            raise VigieError(
                "no such file or folder", remedy="Name a recording or a folder of recordings", where=str(path)
            )
        taken.update(file.resolve() for recording in recordings for file in recording.paths)
    recordings = _pair_named(recordings)
    ids = _unique_ids(recordings, {source.call.call_id for source in listed})
    found.calls += [
        CallSource(
            CallInfo(call_id, language=language),
            " + ".join(display_path(path) for path in recording.paths),
            recording.paths,
            agent_channel,
        )
        for recording, call_id in zip(recordings, ids, strict=True)
    ]
    return found


def display_path(path: Path) -> str:
    """The path as a person gave it, in one spelling for every platform; bytes that are no UTF-8 are spelled \\xe9."""
    return _spelled(path.as_posix())


def _spelled(name: str) -> str:
    """A file name as text that can be written: names from older systems may hold bytes that are no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _audio_below(folder: Path, found: Found) -> list[Path]:
    """Audio files below a folder, sorted; hidden ones, and folders that a replay wrote, are passed over."""
    files: list[Path] = []
    for place, folders, names in os.walk(folder):
        if OUTPUT_MARK in folders:
            folders[:] = []
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or name.endswith(".events.json"):
                continue
            if path.suffix.lower() in AUDIO_EXTENSIONS:
                files.append(path)
            else:
                found.ignored += 1
                if name == "manifest.csv":
                    found.manifests_unused.append(path)
    return sorted(files)


def _paired(files: Iterable[Path], root: Path) -> list[_Recording]:
    """Recordings of one folder, with `x_agent` and `x_caller` of the same place and extension joined."""
    return _pair_named([_Recording((path,), root, path.stem) for path in files])


def _pair_named(recordings: list[_Recording]) -> list[_Recording]:
    customers = {
        (r.paths[0].parent, CUSTOMER_SUFFIX.sub("", r.stem).lower()): r
        for r in recordings
        if len(r.paths) == 1 and CUSTOMER_SUFFIX.search(r.stem)
    }
    out: list[_Recording] = []
    used: set[Path] = set()
    for recording in recordings:
        base = AGENT_SUFFIX.sub("", recording.stem)
        if len(recording.paths) == 1 and base != recording.stem:
            customer = customers.get((recording.paths[0].parent, base.lower()))
            if customer is not None and customer.paths[0] not in used:
                used.add(customer.paths[0])
                recording = _Recording((recording.paths[0], customer.paths[0]), recording.root, base)
        out.append(recording)
    return [recording for recording in out if len(recording.paths) == 2 or recording.paths[0] not in used]


def _unique_ids(recordings: list[_Recording], taken: set[str]) -> list[str]:
    """The shortest name of each recording that no other call bears; all that share a name move on to a longer one."""
    rungs = [recording.ids() for recording in recordings]
    level = [0] * len(rungs)
    while True:
        ids = [names[at] for names, at in zip(rungs, level, strict=True)]
        count = Counter(ids)
        clashes = [i for i, name in enumerate(ids) if (count[name] > 1 or name in taken) and level[i] < 3]
        if not clashes:
            return ids
        for i in clashes:
            level[i] += 1
