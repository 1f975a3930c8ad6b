"""What a replay keeps of each call, so that a rerun goes on where it stopped and does no call twice.

One file a call below `OUT/.vigie/calls`, written whole or not at all. It bears a fingerprint of all that its content
follows from: the recording, its call events, the manifest's row, the rules, the model and the engine's own code.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from audio.errors import VigieError
from streams.replay.clips import Clip
from streams.replay.media import events_beside
from streams.replay.sources import OUTPUT_MARK, CallSource

ENGINE_CODE = (
    ("audio", "*.py"),
    ("audio", "whisper/*.py"),
    ("streams", "*.py"),
    ("streams", "alerts/*"),
    ("streams", "language/*"),
    ("streams", "replay/media.py"),
    ("streams", "replay/playback.py"),
)


class Store:
    """The folder of an output that holds finished calls and their clips."""

    def __init__(self, out: Path) -> None:
        self.folder = out / OUTPUT_MARK
        self._calls, self._clips = self.folder / "calls", self.folder / "clips"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            VigieError: the place cannot be written to.
        """
        try:
            for folder in (self._calls, self._clips):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VigieError(
                f"the output folder cannot be made ({error.strerror})",
                remedy="Name a folder that you may write to",
                where=str(self.folder.parent),
                field="--out",
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the output for this process: two runs into one folder would mix.

        Raises:
            VigieError: another run holds it.
        """
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise VigieError(
                    "another replay is writing to this folder",
                    remedy="Wait for it, or name another folder",
                    where=str(self.folder.parent),
                    field="--out",
                ) from error
            yield

    def is_done(self, source: CallSource, fingerprint: str) -> bool:
        """Whether the call was finished under the same fingerprint (which is the file's first line)."""
        try:
            with self._path(source).open(encoding="utf-8") as file:
                return file.readline().strip() == fingerprint
        except OSError:
            return False

    def save(self, source: CallSource, fingerprint: str, record: dict[str, Any]) -> None:
        write_whole(self._path(source), f"{fingerprint}\n{json.dumps(record, ensure_ascii=False)}\n")

    def load(self, source: CallSource) -> dict[str, Any]:
        text = self._path(source).read_text(encoding="utf-8")
        record: dict[str, Any] = json.loads(text.split("\n", 1)[1])
        return record

    def clips(self, source: CallSource, key: str) -> dict[str, Clip] | None:
        """The clips of a call's alerts, if they were made for the same `key`."""
        try:
            first, text = self._clip_path(source).read_text(encoding="utf-8").split("\n", 1)
        except (OSError, ValueError):
            return None
        if first != key:
            return None
        return {alert_id: Clip(*parts) for alert_id, parts in json.loads(text).items()}

    def save_clips(self, source: CallSource, key: str, clips: dict[str, Clip]) -> None:
        write_whole(self._clip_path(source), f"{key}\n{json.dumps(clips)}\n")

    def _path(self, source: CallSource) -> Path:
        return self._calls / f"{name_of(source.call.call_id)}.json"

    def _clip_path(self, source: CallSource) -> Path:
        return self._clips / f"{name_of(source.call.call_id)}.json"


def name_of(call_id: str) -> str:
    """A file name (and an anchor) for a call id, which may hold anything."""
    return hashlib.sha256(call_id.encode()).hexdigest()[:24]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def release() -> str:
    """The version of the installed package; "source" where it runs from a checkout that is not installed."""
    try:
        return metadata.version("vigie")
    except metadata.PackageNotFoundError:
        return "source"


def run_fingerprint(rules_fingerprint: str, model: str) -> str:
    """What all calls of a run have in common: rules, model, release and code."""
    bundled = Path(str(resources.files("audio"))) / "whisper" / "demo_model"
    weights = (bundled if model == "demo" else Path(model).expanduser()) / "model.bin"
    return _digest([release(), rules_fingerprint, model, _stamp(weights), _code()])


def call_fingerprint(source: CallSource, run: str) -> str:
    """What one call's result follows from."""
    sidecar = events_beside(source)
    files = [*source.paths, *([sidecar] if sidecar else [])]
    call = {field.name: getattr(source.call, field.name) for field in dataclasses.fields(source.call)}
    call["attributes"] = dict(source.call.attributes)
    return _digest([run, [_stamp(path) for path in files], source.file, source.agent_channel, call])


def _stamp(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]


def _code() -> str:
    sums = hashlib.sha256()
    for package, pattern in ENGINE_CODE:
        root = Path(str(resources.files(package)))
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                sums.update(path.read_bytes())
    return sums.hexdigest()


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
