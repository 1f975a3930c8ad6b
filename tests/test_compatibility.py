"""Version n of every schema stays readable for readers of n - 1; and the check that says so can say no."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import schemas
from audio.chunk import AudioChunk, Encoding, Party
from audio.errors import VigieError
from streams.kafka.records import CallAudio
from streams.kafka.serde import SingleObject, encode_audio
from tests.compatibility import avro_breaks, json_breaks
from tests.test_schemas import GOOD

HOW = "a published version never changes: count x-version up and add the new file to schemas/history"


@pytest.mark.parametrize("name", [*schemas.NAMES, *schemas.AVRO_NAMES])
def test_the_current_schema_is_the_newest_of_its_history(name: str) -> None:
    versions = schemas.versions(name)
    assert versions == list(range(1, len(versions) + 1))
    if name in schemas.NAMES:
        assert schemas.history(name)[-1] == schemas.load(name), HOW
        assert [schema["x-version"] for schema in schemas.history(name)] == versions
    else:
        assert schemas.avro_history(name)[-1] == schemas.avro(name), HOW


@pytest.mark.parametrize("name", schemas.NAMES)
def test_each_json_schema_is_readable_by_the_one_before(name: str) -> None:
    history = schemas.history(name)
    for old, new in zip([history[0], *history], history, strict=False):
        assert json_breaks(old, new) == []


@pytest.mark.parametrize("name", schemas.AVRO_NAMES)
def test_each_avro_schema_is_readable_by_the_one_before(name: str) -> None:
    history = schemas.avro_history(name)
    for old, new in zip([history[0], *history], history, strict=False):
        assert avro_breaks(old, new) == []


def edited(schema: Any, edit: Callable[[Any], None]) -> Any:
    out = copy.deepcopy(schema)
    edit(out)
    return out


def put(*path: str | int, value: Any) -> Callable[[Any], None]:
    def edit(schema: Any) -> None:
        for step in path[:-1]:
            schema = schema[step]
        schema[path[-1]] = value

    return edit


def drop(*path: str | int) -> Callable[[Any], None]:
    def edit(schema: Any) -> None:
        for step in path[:-1]:
            schema = schema[step]
        del schema[path[-1]]

    return edit


P = "properties"
JSON_BREAKS: list[tuple[str, Callable[[Any], None]]] = [
    ("alert", drop(P, "rule_id")),
    ("alert", drop(P, "title")),
    ("alert", put("required", value=["alert_id"])),
    ("alert", put(P, "onset_ms", "type", value="string")),
    ("alert", put(P, "onset_ms", "type", value=["integer", "null"])),
    ("alert", put(P, "onset_ms", "type", value="number")),
    ("alert", put(P, "onset_ms", "minimum", value=-1)),
    ("alert", drop(P, "onset_ms", "minimum")),
    ("alert", put(P, "severity", "enum", value=["info", "warning", "critical", "fatal"])),
    ("alert", put(P, "severity", value={"type": "string"})),
    ("alert", put(P, "evidence", P, "audio", "required", value=[])),
    ("alert", put("$defs", "fact", P, "name", "type", value="integer")),
    ("alert", put(P, "message", P, "de", value={"type": "integer"})),
    ("alert", drop("if")),
    ("measurement", put(P, "speech", P, "agent", "items", "maxItems", value=3)),
    ("measurement", put(P, "speech", P, "agent", "items", "prefixItems", 0, "type", value="string")),
    ("utterance", put(P, "sentiment", "oneOf", 1, "required", value=[])),
    ("utterance", put(P, "party", "enum", value=["agent", "customer", "both", None])),
    ("feedback", drop("allOf")),
    ("summary", put(P, "alerts", "uniqueItems", value=False)),
]


@pytest.mark.parametrize(("name", "edit"), JSON_BREAKS)
def test_a_json_schema_that_breaks_readers_is_found(name: str, edit: Callable[[Any], None]) -> None:
    old = schemas.load(name)
    assert json_breaks(old, edited(old, edit)) != []


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("alert", put(P, "more", value={"type": "integer"})),
        ("alert", put(P, "message", P, "de", value={"type": "string"})),
        ("alert", put(P, "severity", "enum", value=["info", "critical"])),
        ("alert", put(P, "onset_ms", "minimum", value=1)),
        ("alert", put(P, "onset_ms", "description", value="other words")),
        ("alert", put(P, "evidence", P, "value", "type", value="integer")),
        ("alert", put("x-version", value=2)),
        ("measurement", put("required", value=[*schemas.load("measurement")["required"], "call"])),
    ],
)
def test_a_json_schema_that_only_adds_or_narrows_is_taken(name: str, edit: Callable[[Any], None]) -> None:
    old = schemas.load(name)
    assert json_breaks(old, edited(old, edit)) == []


def test_what_the_check_calls_a_break_is_one_for_a_real_record() -> None:
    """For a few edits, a record that the new schema takes and the old one refuses."""
    record = {**GOOD["alert"], "severity": "fatal"}
    assert not schemas.validator("alert").is_valid(record)
    record = {**GOOD["alert"], "onset_ms": None}
    assert not schemas.validator("alert").is_valid(record)


CHUNK, STARTED = 1, 0
FIELD = {"name": "loudness", "type": ["null", "double"], "default": None}
AVRO_BREAKS: list[Callable[[Any], None]] = [
    drop(CHUNK, "fields", 0),
    drop(CHUNK, "fields", 4),
    put(CHUNK, "name", value="Chunk"),
    put(CHUNK, "fields", 1, "name", value="offset"),
    put(CHUNK, "fields", 1, "type", value="string"),
    put(CHUNK, "fields", 3, "type", "symbols", value=["pcm16", "mulaw", "alaw", "opus"]),
    put(STARTED, "fields", 0, "type", "fields", 0, "type", value="long"),
    lambda union: union.append({"type": "record", "name": "Telegram", "namespace": "vigie", "fields": [FIELD]}),
]


@pytest.mark.parametrize("edit", AVRO_BREAKS)
def test_an_avro_schema_that_breaks_readers_is_found(edit: Callable[[Any], None]) -> None:
    old = schemas.avro("audio")
    assert avro_breaks(old, edited(old, edit)) != []


@pytest.mark.parametrize(
    "edit",
    [
        lambda union: union[CHUNK]["fields"].append(FIELD),
        lambda union: union[STARTED]["fields"][0]["type"]["fields"].append(FIELD),
        put(CHUNK, "fields", 1, "type", value="int"),
        put(CHUNK, "fields", 3, "type", "symbols", value=["mulaw", "pcm16"]),
        put(CHUNK, "fields", 1, "doc", value="other words"),
    ],
)
def test_an_avro_schema_that_only_adds_or_narrows_is_taken(edit: Callable[[Any], None]) -> None:
    old = schemas.avro("audio")
    assert avro_breaks(old, edited(old, edit)) == []


def test_a_reader_takes_other_versions_that_it_knows_and_no_others() -> None:
    first = schemas.avro("audio")
    second = edited(first, lambda union: union[CHUNK]["fields"].append(FIELD))
    fields = {"call_id": "c", "offset_samples": 1, "sample_rate_hz": 8000, "encoding": "mulaw", "agent": b"a"}
    old_bytes = encode_audio(CallAudio("c", AudioChunk(1, 8000, Encoding.MULAW, {Party.AGENT: b"a"})))
    new_bytes = SingleObject("audio", second).encode("vigie.AudioChunk", {**fields, "loudness": 0.5})
    assert SingleObject("audio", second, [first]).decode(old_bytes)[1]["loudness"] is None
    branch, seen = SingleObject("audio", first, [second]).decode(new_bytes)
    assert (branch, seen) == ("vigie.AudioChunk", {**fields, "customer": None})
    with pytest.raises(VigieError, match="unknown schema fingerprint"):
        SingleObject("audio", first).decode(new_bytes)
