"""Records as people read them: nothing of the sound, nothing that rewrites a terminal, only what is wanted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.events import CallInfo
from streams.kafka.lines import JSON_TOPICS, Filter, line, read
from streams.kafka.records import AudioRecord, CallStarted, SpeechRecord
from streams.kafka.serde import encode_audio, encode_json, encode_speech
from tests.kafka.test_serde import AUDIO, PART, SPEECH
from tests.test_schemas import GOOD


@pytest.mark.parametrize(("topic", "name"), JSON_TOPICS.items())
def test_every_json_record_is_one_printable_line(topic: str, name: str) -> None:
    record = read(topic, encode_json(name, GOOD[name]))
    assert record == GOOD[name]
    text = line(topic, record)
    assert text.isprintable()
    assert "None" not in text


@pytest.mark.parametrize(("topic", "name", "shown"), [
    ("alerts", "alert", ["warning", "raised", "echo", "c", '"a"', "cause=unknown"]),
    ("utterances", "utterance", ["c", "0:00.0-0:00.9", "agent", '"bonjour"', "language=fr", "sentiment=+0.10"]),
    ("measurements", "measurement", ["seq=0", "0:00.0-0:01.0", "level_dbov=-20.0", "last"]),
    ("summaries", "summary", ["health=98.0", "monitored", "alerts=1"]),
    ("feedback", "feedback", ["dismissed", "by=amina", "reason=a wanted pause"]),
    ("dead-letters", "dead-letter", ["undecodable", "calls.audio[0]@9", "3 bytes"]),
])  # fmt: skip
def test_a_line_says_what_matters(topic: str, name: str, shown: list[str]) -> None:
    text = line(topic, GOOD[name])
    assert [part for part in shown if part not in text] == []


def test_an_utterance_without_words_says_why() -> None:
    text = line("utterances", {**GOOD["utterance"], "text": "", "state": "given_up", "reason": "deadline"})
    assert "(given_up: deadline)" in text


def test_a_name_that_would_rewrite_the_terminal_is_made_harmless() -> None:
    text = line("summaries", {**GOOD["summary"], "agent": "\x1b[2J\nboo\u202e"})
    assert "agent=·[2J·boo·" in text


@pytest.mark.parametrize("record", AUDIO, ids=lambda r: type(r).__name__)
def test_sound_is_told_by_place_and_size_and_is_json(record: AudioRecord) -> None:
    facts = read("audio", encode_audio(record))
    assert facts["call_id"] == record.call_id
    assert line("audio", facts).isprintable()
    assert json.loads(json.dumps(facts)) == facts
    assert "legs" not in facts


def test_a_chunks_time_is_media_time_of_its_own_rate_and_encoding() -> None:
    facts = read("audio", encode_audio(AUDIO[2]))
    assert (facts["from_ms"], facts["to_ms"], facts["legs_bytes"]) == (1000, 1100, {"agent": 800, "customer": 800})
    assert "0:01.0-0:01.1" in line("audio", facts)


@pytest.mark.parametrize("record", [*SPEECH, PART], ids=lambda r: type(r).__name__)
def test_speech_is_told_without_its_samples(record: SpeechRecord) -> None:
    facts = read("speech", encode_speech(record))
    assert "samples" not in facts
    assert json.loads(json.dumps(facts)) == facts
    assert line("speech", facts).isprintable()


@pytest.mark.parametrize(
    ("wanted", "topic", "record", "passes"),
    [
        ({"call": "c"}, "alerts", {}, True),
        ({"call": "d"}, "alerts", {}, False),
        ({"site": "Dakar"}, "alerts", {"site": "Dakar"}, True),
        ({"site": "Dakar"}, "alerts", {"site": "Fes"}, False),
        ({"site": "Dakar", "queue": "sales"}, "alerts", {"site": "Dakar", "queue": "care"}, False),
        ({"site": "Dakar"}, "alerts", {"site": None}, False),
        ({"severity": "info"}, "alerts", {"severity": "info"}, True),
        ({"severity": "warning"}, "alerts", {"severity": "info"}, False),
        ({"severity": "warning"}, "alerts", {"severity": "warning"}, True),
        ({"severity": "warning"}, "alerts", {"severity": "critical"}, True),
        ({}, "alerts", {}, True),
    ],
)
def test_filters(wanted: dict[str, str], topic: str, record: dict[str, Any], passes: bool) -> None:
    assert Filter(**wanted).wants(topic, {**GOOD["alert"], **record}) is passes


def test_a_dead_letter_is_found_by_its_key() -> None:
    assert Filter(call="c").wants("dead-letters", GOOD["dead-letter"])
    assert not Filter(call="d").wants("dead-letters", GOOD["dead-letter"])


def test_where_a_call_is_is_remembered_from_its_start() -> None:
    wanted = Filter(site="Dakar")
    here = read("audio", encode_audio(CallStarted(CallInfo("here", site="Dakar"))))
    there = read("audio", encode_audio(CallStarted(CallInfo("there", site="Fes"))))
    assert [wanted.wants("audio", record) for record in (here, there)] == [True, False]
    chunk = read("audio", encode_audio(AUDIO[2]))
    told = [wanted.wants("audio", {**chunk, "call_id": name}) for name in ("here", "there", "unknown")]
    assert (told, wanted.unplaced) == ([True, False, False], 1)
