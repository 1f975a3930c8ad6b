"""The schemas: valid themselves, versioned, open to more fields, strict about those that others rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import schemas
from audio.errors import VigieError

FOLDER = Path(schemas.__file__).parent
FILES = sorted([*FOLDER.rglob("*.json"), *FOLDER.rglob("*.avsc")])
LEG = {"level_dbov": -20.0, "speech_ms": 500, "snr_db": None, "clipped": 0, "gaps_ms": 0, "music": False}
WHOSE: dict[str, Any] = dict.fromkeys(("agent", "queue", "site", "trunk", "language"))
GOOD: dict[str, dict[str, Any]] = {
    "measurement": {
        "call_id": "c", "seq": 0, "start_ms": 0, "end_ms": 1000, "parties": {"agent": LEG, "customer": LEG},
        "overlap_ms": 0, "silence_ms": 0, "hold": False,
        "utterances": [{"id": "c:a1", "party": "agent", "start_ms": 0, "end_ms": 900}],
        "speech": {"agent": [[0, 500]], "customer": []}, "unwatched_ms": 0, "last": True,
        "gaps": [{"party": None, "from_ms": 0, "to_ms": 9, "reason": "audio_lost"}],
        "alerts": [{"alert_id": "x", "revision": 1}],
        "call": {"call_id": "c", "tenant": "default", "queue": None, "pace": "live", "mono": False, "attributes": {}},
        "end": {"reason": "ended", "totals": {"duration_ms": 1000, "vad": "6.2.3"}},
    },
    "utterance": {
        "call_id": "c", "utterance_id": "c:a1", "party": "agent", "start_ms": 0, "end_ms": 900, "state": "final",
        "text": "bonjour", "language": "fr", "confidence": 0.9, "final": True,
        "words": [{"word": "bonjour", "start_ms": 0, "end_ms": 800, "confidence": 0.9}],
        "sentiment": {"score": 0.1, "confidence": 0.5, "because": []}, "phrases": [], "redactions": [],
    },
    "alert": {
        "alert_id": "x", "revision": 1, "call_id": "c", "rule_id": "echo", "rule_version": "1", "state": "raised",
        "severity": "warning", "party": None, "onset_ms": 0, "raised_ms": 9, "cleared_ms": None,
        "cause": {"verdict": "unknown", "for": [], "against": []},
        "evidence": {
            "metric": "echo_ms", "value": 1, "threshold": 1, "window_ms": 0, "words": [],
            "audio": {"from_ms": 0, "to_ms": 9},
        },
        "message": {"en": "a", "fr": "b"}, **WHOSE,
    },
    "summary": {
        "call_id": "c", "duration_ms": 9, "agent_talk_ms": 1, "customer_talk_ms": 1, "overlap_ms": 0, "silence_ms": 0,
        "hold_ms": 0, "talk_ratio": 0.5, "interruptions_agent": 0, "interruptions_customer": 0, "health": 98.0,
        "health_lost": [{"points": 2.0, "alert_id": "x", "why": {"en": "a"}}],
        "coverage": {"state": "monitored", "intervals": []}, "cause": {"verdict": "none", "for": [], "against": []},
        "alerts": ["x"], "sentiment": {"agent": [[0, 0.5]], "customer": []}, **WHOSE, "started_at": None,
        "mono": False, "models": {"vad": "6.2.3", "transcriber": None},
    },
    "feedback": {
        "feedback_id": "f", "alert_id": "x", "call_id": "c", "action": "dismissed", "by": "amina",
        "at": "2026-11-25T08:00:00Z", "reason": "a wanted pause", "right": False, "revision": 1,
    },
    "dead-letter": {
        "reason": "undecodable", "detail": "not Avro. Send Avro", "topic": "calls.audio", "partition": 0, "offset": 9,
        "key": "c", "size_bytes": 3, "sha256": "ab", "at": "2026-11-25T08:00:00Z", "role": "listen",
    },
}  # fmt: skip
VERSIONS = {"utterance": 2, "summary": 2, "feedback": 2}
"""Of schemas that have been added to."""


@pytest.mark.parametrize("name", schemas.NAMES)
def test_a_schema_is_valid_versioned_and_takes_a_good_record(name: str) -> None:
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert (schema["x-version"], schema["additionalProperties"]) == (VERSIONS.get(name, 1), True)
    schemas.validator(name).validate({**GOOD[name], "more": 1})


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_name_that_others_rely_on_is_required(name: str) -> None:
    for field in schemas.load(name)["required"]:
        record = {key: value for key, value in GOOD[name].items() if key != field}
        assert not schemas.validator(name).is_valid(record), field


def test_a_cleared_alert_says_when() -> None:
    assert not schemas.validator("alert").is_valid({**GOOD["alert"], "state": "cleared"})
    assert schemas.validator("alert").is_valid({**GOOD["alert"], "state": "cleared", "cleared_ms": 12})


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(VigieError):
        schemas.load("../alert")


def test_an_unfinished_utterance_is_interim_and_a_finished_one_is_not() -> None:
    valid = schemas.validator("utterance").is_valid
    assert valid({**GOOD["utterance"], "state": "interim", "final": False})
    assert not valid({**GOOD["utterance"], "state": "interim"})
    assert not valid({**GOOD["utterance"], "final": False})


def test_the_words_of_one_channel_are_nobodys() -> None:
    assert schemas.validator("utterance").is_valid({**GOOD["utterance"], "party": None})


def test_the_last_measurement_tells_of_the_whole_call() -> None:
    record = {key: value for key, value in GOOD["measurement"].items() if key != "end"}
    assert not schemas.validator("measurement").is_valid(record)
    assert schemas.validator("measurement").is_valid({**record, "last": False})


@pytest.mark.parametrize(
    ("action", "needs"),
    [("dismissed", "reason"), ("assigned", "assigned_to"), ("snoozed", "snoozed_until"), ("noted", "note")],
)
def test_an_action_says_what_it_needs_to(action: str, needs: str) -> None:
    record = {**GOOD["feedback"], "action": action, needs: "2026-11-25T09:00:00Z"}
    assert schemas.validator("feedback").is_valid(record)
    assert not schemas.validator("feedback").is_valid({**record, needs: None})
    assert not schemas.validator("feedback").is_valid({key: record[key] for key in record if key != needs})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_name_stands_twice_in_a_file(path: Path) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), [name for name, _ in pairs]
        return dict(pairs)

    json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
