"""The bundled calls, with the words that were really said: each story's alerts are raised, and no other.

Words come from the labels instead of the demonstration model, so that these tests judge the engine and its rules.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import schemas
from audio.chunk import Float32Array
from audio.whisper.transcriber import Transcript, Word
from streams.events import CallInfo, Record
from streams.replay.manifest import read_manifest
from streams.replay.playback import EngineSetup, LoadedEngine, play
from streams.transcribe import CallTranscription

CALLS = Path(__file__).resolve().parent.parent / "audio" / "synth" / "calls"
SOURCES = {source.call.call_id: source for source in read_manifest(CALLS / "manifest.csv")[0]}


class Prompter:
    """A transcriber that knows the script: it says the words of the turns that an utterance overlaps."""

    name = "script"

    def __init__(self, turns: list[dict[str, Any]]) -> None:
        self.turns = turns
        self.dropped: Counter[str] = Counter()
        self.span: tuple[str, int, int, int] = ("agent", 0, 0, 0)

    def transcribe(self, samples: Float32Array, language: str | None, *, utterance_id: str = "") -> Transcript:  # noqa: ARG002  (the protocol)
        party, audio_from_ms, start_ms, end_ms = self.span
        words: list[Word] = []
        for turn in self.turns:
            spoken, length_ms = turn["text"].split(), turn["end_ms"] - turn["start_ms"]
            for i, word in enumerate(spoken):
                at_ms = turn["start_ms"] + length_ms * (i + 0.5) / len(spoken)
                if turn["party"] == party and start_ms - 200 <= at_ms < end_ms + 200:
                    where_s = max(0.0, (at_ms - audio_from_ms) / 1000)
                    words.append(Word(word, where_s, where_s + 0.1, 0.95))
        return Transcript(" ".join(word.word for word in words), language, 0.95, tuple(words))


class Scripted(LoadedEngine):
    """The real engine with the script in place of a model."""

    def __init__(self, turns: list[dict[str, Any]]) -> None:
        super().__init__(EngineSetup(model="none"))
        self._script = Prompter(turns)
        self._settings = type(self._settings)()

    def words(self, call: CallInfo) -> Any:
        transcription = CallTranscription(call, self._script)
        inner = transcription.push

        def push(piece: Any) -> list[Record]:
            self._script.span = (piece.party.value, piece.audio_from_ms, piece.start_ms, piece.end_ms)
            return inner(piece)

        transcription.push = push  # type: ignore[method-assign]
        return transcription


@pytest.fixture(scope="module", params=sorted(SOURCES))
def played(request: pytest.FixtureRequest) -> dict[str, Any]:
    labels = json.loads((CALLS / f"{request.param}.labels.json").read_text(encoding="utf-8"))
    steps = list(play(SOURCES[request.param], Scripted(labels["turns"])))
    return {
        "labels": labels,
        "alerts": [alert for step in steps for alert in step.outputs.alerts],
        "measurements": [m for step in steps for m in step.outputs.measurements],
        "utterances": [u for step in steps for u in step.utterances],
        "summary": steps[-1].outputs.summary,
    }


def test_the_story_is_told_and_nothing_else(played: dict[str, Any]) -> None:
    labels = played["labels"]
    raised = {(a["rule_id"], a["party"]) for a in played["alerts"] if a["state"] == "raised"}
    expected = {(e["rule"], e["party"]) for e in labels["expect"]}
    rules = {rule for rule, _ in raised}
    missing = {
        (rule, party) for rule, party in expected if (rule, party) not in raised and (party or rule not in rules)
    }
    assert not missing, f"raised were {sorted(map(str, raised))}"
    assert rules - {rule for rule, _ in expected} <= set(labels["allow"])


def test_every_record_fits_its_schema(played: dict[str, Any]) -> None:
    for name, records in (
        ("alert", played["alerts"]),
        ("measurement", played["measurements"]),
        ("utterance", played["utterances"]),
        ("summary", [played["summary"]]),
    ):
        validator = schemas.validator(name)
        for record in json.loads(json.dumps(records)):
            problems = [error.message for error in validator.iter_errors(record)]
            assert not problems, (name, problems, record)


def test_every_lost_point_of_health_is_attributed(played: dict[str, Any]) -> None:
    summary = played["summary"]
    lost = sum(item["points"] for item in summary["health_lost"])
    assert summary["health"] == pytest.approx(100 - lost, abs=0.05)


def test_no_card_number_is_written(played: dict[str, Any]) -> None:
    text = json.dumps([played["utterances"], played["alerts"], played["measurements"], played["summary"]])
    if played["labels"]["call_id"] == "en-card":
        assert "[card]" in text or "[number]" in text
        assert "four five three two" not in text


def test_every_listed_utterance_has_one_terminal_record(played: dict[str, Any]) -> None:
    listed = [u["id"] for m in played["measurements"] for u in m["utterances"]]
    told = [u["utterance_id"] for u in played["utterances"]]
    assert sorted(listed) == sorted(told)
    assert [m["seq"] for m in played["measurements"]] == list(range(len(played["measurements"])))
    assert [m["last"] for m in played["measurements"]].count(True) == 1


@pytest.fixture(scope="module")
def demonstration() -> LoadedEngine:
    return LoadedEngine(EngineSetup(model="demo"))


@pytest.mark.parametrize("call_id", ["en-angry", "en-good", "fr-bad-line", "fr-good", "fr-hold-transfers"])
def test_the_demonstration_model_hears_each_story_that_hangs_on_words(
    call_id: str, demonstration: LoadedEngine
) -> None:
    labels = json.loads((CALLS / f"{call_id}.labels.json").read_text(encoding="utf-8"))
    steps = list(play(SOURCES[call_id], demonstration))
    rules = {a["rule_id"] for step in steps for a in step.outputs.alerts if a["state"] == "raised"}
    expected = {e["rule"] for e in labels["expect"]}
    assert expected <= rules
    assert rules - expected <= set(labels["allow"])
