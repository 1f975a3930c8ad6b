"""Synthetic calls as files that `vigie replay` reads: stereo FLAC, events beside it, labels, one manifest."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import soundfile

from audio.errors import VigieError
from audio.synth.call import generate
from audio.synth.story import CALL_FIELDS, load_story

MANIFEST_FIELDS = ("call_id", "file", "agent_channel", *CALL_FIELDS[1:])


def write_calls(stories: Iterable[Path], out: Path) -> Iterator[Path]:
    """Speak each story into `out`; yields each call's file once it and its labels are written, the manifest last.

    FLAC of 16-bit samples keeps digital zeros and clipped runs as they are.

    Raises:
        VigieError: a story is wrong, two have one call id, or espeak-ng is absent.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, str]] = {}
    for path in stories:
        story = load_story(path)
        if story.call_id in rows:
            raise VigieError(
                f"the call id {story.call_id} is taken", remedy="Give each story its own", where=str(path), field="call"
            )
        call = generate(story)
        file = out / f"{story.call_id}.flac"
        soundfile.write(file, call.samples.T, call.rate_hz, subtype="PCM_16", format="FLAC")
        _write_json(out / f"{story.call_id}.labels.json", call.labels)
        if call.events:
            _write_json(events_path(file), call.events)
        rows[story.call_id] = {"file": file.name, "agent_channel": "left", **story.call}
        yield file
    manifest = out / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.DictWriter(sink, MANIFEST_FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
    yield manifest


def events_path(recording: Path) -> Path:
    """Where the telephony events of a recording lie: `call.flac` has `call.flac.events.json`."""
    return recording.with_name(recording.name + ".events.json")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
