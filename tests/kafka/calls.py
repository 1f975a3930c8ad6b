"""The bundled calls as records of calls.audio, with the words that were really said, and what they give in process."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from audio.chunk import AudioChunk
from audio.whisper.transcriber import Transcript
from streams.events import CallInfo, Record
from streams.kafka.records import AudioRecord, CallAudio, CallEnded, CallHappened, CallStarted
from streams.replay.manifest import read_manifest
from streams.replay.media import CHUNK_MS, chunks_of, events_beside, open_media, read_events
from streams.replay.playback import END_REASON, EngineSetup, LoadedEngine, play
from streams.replay.sources import CallSource
from tests.test_demo_calls import Scripted

CALLS = Path(__file__).resolve().parents[2] / "audio" / "synth" / "calls"
SOURCES = {source.call.call_id: source for source in read_manifest(CALLS / "manifest.csv")[0]}


@dataclass(frozen=True, slots=True)
class Result:
    """What leaves an engine, in a form in which runs can be compared."""

    alerts: dict[str, str]
    utterances: dict[str, str]
    summaries: dict[str, str]


class Gathered:
    """Collects records; a second one of the same id must be the same, and is counted."""

    def __init__(self) -> None:
        self.result = Result({}, {}, {})
        self.doubled = 0

    def alert(self, record: Record) -> None:
        self._keep(self.result.alerts, f"{record['alert_id']}:{record['revision']}", record)

    def utterance(self, record: Record) -> None:
        # The first terminal record of an utterance counts.
        self._keep(self.result.utterances, record["utterance_id"], record)

    def summary(self, record: Record) -> None:
        self._keep(self.result.summaries, record["call_id"], record)

    def _keep(self, kept: dict[str, str], key: str, record: Record) -> None:
        line = json.dumps(record, sort_keys=True, ensure_ascii=False)
        if key in kept:
            self.doubled += 1
            assert kept[key] == line, f"{key} came twice, and differs"
        kept[key] = line


def copies(count: int) -> list[CallSource]:
    """So many calls, made of the bundled ones in turn: each is a call of its own, with its own id."""
    names = sorted(SOURCES)
    out = []
    for number in range(count):
        source = SOURCES[names[number % len(names)]]
        call = dataclasses.replace(source.call, call_id=f"{source.call.call_id}~{number}")
        out.append(dataclasses.replace(source, call=call))
    return out


def write_transcripts(path: Path, sources: Iterable[CallSource]) -> Path:
    """What was said in these calls, by utterance, as `--model recorded:PATH` reads it."""
    with path.open("w", encoding="utf-8") as file:
        for source in sources:
            name, _, _ = source.call.call_id.partition("~")
            for line in _spoken(name):
                own = line["utterance_id"].replace(f"{name}:", f"{source.call.call_id}:", 1)
                file.write(json.dumps({**line, "utterance_id": own}, ensure_ascii=False) + "\n")
    return path


@lru_cache(maxsize=32)
def _spoken(name: str) -> tuple[Record, ...]:
    labels = json.loads((CALLS / f"{name}.labels.json").read_text(encoding="utf-8"))
    engine = Scripted(labels["turns"])
    lines: list[Record] = []
    inner = engine._script.transcribe

    def transcribe(samples: Any, language: str | None, *, utterance_id: str = "") -> Transcript:
        said = inner(samples, language, utterance_id=utterance_id)
        words = [
            {"word": w.word, "start_ms": w.start_s * 1000, "end_ms": w.end_s * 1000, "probability": w.probability}
            for w in said.words
        ]
        line = {"utterance_id": utterance_id, "text": said.text, "language": said.language, "start_ms": 0}
        lines.append({**line, "confidence": said.confidence, "words": words})
        return said

    engine._script.transcribe = transcribe  # type: ignore[method-assign]
    for _ in play(SOURCES[name], engine):
        pass
    return tuple(lines)


def in_process(sources: list[CallSource], model: str) -> Result:
    """What `vigie replay` makes of these calls."""
    engine = LoadedEngine(EngineSetup(model=model))
    gathered = Gathered()
    for source in sources:
        for step in play(source, engine):
            for alert in step.outputs.alerts:
                gathered.alert(alert)
            for utterance in step.utterances:
                gathered.utterance(utterance)
            if step.outputs.summary:
                gathered.summary(step.outputs.summary)
    return gathered.result


def records_of(source: CallSource) -> Iterator[AudioRecord]:
    """The call as a producer would send it, in steps of 100 ms."""
    media = open_media(source)
    sidecar = events_beside(source)
    events = read_events(sidecar) if sidecar else []
    call: CallInfo = dataclasses.replace(source.call, mono=media.mono)
    yield CallStarted(call)
    now_ms = 0
    for at_ms, pieces in media.steps():
        while events and events[0].at_ms < at_ms + CHUNK_MS:
            yield CallHappened(call.call_id, events.pop(0))
        chunks: list[AudioChunk] = chunks_of(at_ms, pieces)
        for chunk in chunks:
            yield CallAudio(call.call_id, chunk)
        now_ms = at_ms + max(len(piece.samples) * 1000 // piece.rate_hz for piece in pieces.values())
    yield CallEnded(call.call_id, now_ms, END_REASON)
