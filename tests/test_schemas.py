"""The schemas: valid themselves, versioned, open to more fields, strict about those that others rely on."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

import schemas
from audio.errors import VigieError

LEG = {"level_dbov": -20.0, "speech_ms": 500, "snr_db": None, "clipped": 0, "gaps_ms": 0, "music": False}
WHOSE: dict[str, Any] = dict.fromkeys(("agent", "queue", "site", "trunk", "language"))
GOOD: dict[str, dict[str, Any]] = {
    "measurement": {
        "call_id": "c", "seq": 0, "start_ms": 0, "end_ms": 1000, "parties": {"agent": LEG, "customer": LEG},
        "overlap_ms": 0, "silence_ms": 0, "hold": False,
        "utterances": [{"id": "c:a1", "party": "agent", "start_ms": 0, "end_ms": 900}],
        "speech": {"agent": [[0, 500]], "customer": []}, "last": False,
    },
    "utterance": {
        "call_id": "c", "utterance_id": "c:a1", "party": "agent", "start_ms": 0, "end_ms": 900, "state": "final",
        "text": "bonjour", "language": "fr", "confidence": 0.9, "final": True,
        "words": [{"word": "bonjour", "start_ms": 0, "end_ms": 800, "probability": 0.9}],
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
}  # fmt: skip


@pytest.mark.parametrize("name", schemas.NAMES)
def test_a_schema_is_valid_versioned_and_takes_a_good_record(name: str) -> None:
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert (schema["x-version"], schema["additionalProperties"]) == (1, True)
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
