"""Bytes and records: a round trip is exact, known bytes stay known, and no bytes do harm."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from audio.chunk import AudioChunk, Encoding, Party
from audio.errors import VigieError
from streams.events import CallEvent, CallInfo
from streams.kafka import records, serde
from streams.kafka.records import (
    CallAudio,
    CallEnded,
    CallHappened,
    CallStarted,
    SpeechEnded,
    SpeechPart,
    SpeechStarted,
)
from streams.kafka.serde import (
    CHUNK_BYTES_MAX,
    crc64,
    decode_audio,
    decode_json,
    decode_speech,
    encode_audio,
    encode_json,
    encode_speech,
)
from tests.test_schemas import GOOD

CALL = CallInfo(
    "appel-é-1",
    tenant="t",
    agent="a",
    queue="q",
    site="Dakar",
    trunk=None,
    language="fr",
    started_at="2026-11-25T08:00:00Z",
    pace="live",
    mono=True,
    attributes={"skill": "gold", "ville": "Abidjan"},
)
MULAW = AudioChunk(8_000, 8_000, Encoding.MULAW, {Party.AGENT: b"\xff" * 800, Party.CUSTOMER: b"\x7f" * 800})
AUDIO: list[records.AudioRecord] = [
    CallStarted(CALL),
    CallStarted(CallInfo("c"), Party.CUSTOMER),
    CallAudio("c", MULAW),
    CallAudio("c", AudioChunk(0, 48_000, Encoding.PCM16, {Party.CUSTOMER: b""})),
    CallAudio("c", AudioChunk(2**40, 16_000, Encoding.ALAW, {Party.AGENT: b"\x00"})),
    CallHappened("c", CallEvent("hold", 5)),
    CallHappened("c", CallEvent("lost", 5, Party.AGENT, 90, "audio_lost")),
    CallEnded("c"),
    CallEnded("c", 12, "timed_out", Party.AGENT),
]
PART = SpeechPart("c", "c:a1", Party.AGENT, 10, 900, 0, None, 1, 3, np.array([-32_768, 0, 32_767], dtype=np.int16), 6)
SPEECH: list[records.SpeechRecord] = [SpeechStarted(CALL), SpeechEnded("c", 7, 3)]
DECODERS: list[Callable[[bytes], Any]] = [decode_audio, decode_speech]


@pytest.mark.parametrize("record", AUDIO, ids=lambda r: type(r).__name__)
def test_audio_records_come_back_as_they_were(record: records.AudioRecord) -> None:
    assert decode_audio(encode_audio(record)) == record


@pytest.mark.parametrize("record", SPEECH, ids=lambda r: type(r).__name__)
def test_speech_records_come_back_as_they_were(record: records.SpeechRecord) -> None:
    assert decode_speech(encode_speech(record)) == record


def test_speech_comes_back_sample_for_sample() -> None:
    back = decode_speech(encode_speech(PART))
    assert isinstance(back, SpeechPart)
    assert back.samples.dtype == np.int16
    np.testing.assert_array_equal(back.samples, PART.samples)
    assert dataclasses.replace(back, samples=PART.samples) == PART


def test_the_fingerprint_is_that_of_the_avro_specification() -> None:
    # The specification's own test vectors (Java's TestSchemaNormalization): "null" and "int", written low byte first.
    assert crc64("null") == (0x63DD24E7CC258F8A).to_bytes(8, "little")
    assert crc64("int") == (0x7275D51A3F395C8F).to_bytes(8, "little")


def test_the_bytes_on_the_topic_are_those_that_others_have_written() -> None:
    head = b"\xc3\x01" + crc64(schemas.avro("audio"))
    assert encode_audio(CallEnded("c", 12, "x", Party.CUSTOMER)) == head + b"\x06\x02c\x02\x18\x02x\x02\x02"
    chunk = CallAudio("c", AudioChunk(3, 8_000, Encoding.MULAW, {Party.AGENT: b"\x01\x02"}))
    assert encode_audio(chunk) == head + b"\x02\x02c\x06\x80\x7d\x02\x02\x04\x01\x02\x00"


@pytest.mark.parametrize("size", [1, 256])
def test_a_call_id_may_have_up_to_256_bytes(size: int) -> None:
    assert decode_audio(encode_audio(CallEnded("x" * size))) == CallEnded("x" * size)


@pytest.mark.parametrize("call_id", ["", "x" * 257, "é" * 129, "x" * 10_000_000, "\ud800"])
def test_an_id_that_no_topic_takes_is_refused_on_both_sides(call_id: str) -> None:
    for record in (CallEnded(call_id), CallAudio(call_id, MULAW), CallHappened(call_id, CallEvent("hold", 1))):
        with pytest.raises(VigieError):
            encode_audio(record)
    with pytest.raises(VigieError):
        serde.key_of(call_id)
    if call_id.isprintable():
        fields = {"call_id": call_id, "at_ms": None, "reason": "ended", "leg": None}
        with pytest.raises(VigieError):
            decode_audio(serde._audio().encode("vigie.CallEnded", fields))


def test_a_chunk_may_have_up_to_a_megabyte_and_no_byte_more() -> None:
    def chunk(size: int) -> CallAudio:
        legs = {Party.AGENT: b"a" * (size - 5), Party.CUSTOMER: b"b" * 5}
        return CallAudio("c", AudioChunk(0, 8_000, Encoding.MULAW, legs))

    assert decode_audio(encode_audio(chunk(CHUNK_BYTES_MAX))) == chunk(CHUNK_BYTES_MAX)
    with pytest.raises(VigieError, match="bytes of audio"):
        encode_audio(chunk(CHUNK_BYTES_MAX + 1))


def test_a_record_without_audio_stays_small() -> None:
    with pytest.raises(VigieError, match="without audio"):
        encode_audio(CallStarted(CallInfo("c", attributes={"a": "b" * 70_000})))


def test_a_chunk_of_nobody_or_before_the_call_is_refused() -> None:
    for chunk in (AudioChunk(0, 8_000, Encoding.MULAW, {}), dataclasses.replace(MULAW, offset_samples=-1)):
        with pytest.raises(VigieError):
            encode_audio(CallAudio("c", chunk))


@pytest.mark.parametrize(("part", "parts"), [(-1, 3), (3, 3), (0, 0)])
def test_a_part_that_is_none_of_its_utterance_is_refused(part: int, parts: int) -> None:
    with pytest.raises(VigieError):
        encode_speech(dataclasses.replace(PART, part=part, parts=parts))


def test_what_follows_or_lacks_or_is_unknown_is_refused_with_a_remedy() -> None:
    good = encode_audio(CallAudio("c", MULAW))
    assert decode_audio(good)
    bad = [good + b"\0", good[:-1], good[:10], good[2:], b"", b"\xc3\x01", b"\xc3\x01" + bytes(8) + good[10:]]
    for data in [*bad, good[:10] + b"\x14" + good[11:], good + bytes(2_000_000)]:
        with pytest.raises(VigieError) as caught:
            decode_audio(data)
        assert caught.value.remedy


def test_errors_never_tell_what_was_in_the_record() -> None:
    with pytest.raises(VigieError) as caught:
        decode_json("utterance", json.dumps({**GOOD["utterance"], "text": ["my card is 4111"]}).encode())
    assert "4111" not in str(caught.value)
    assert caught.value.field == "text"


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["raw", "audio", "speech"]))
def test_random_bytes_give_a_record_or_a_vigie_error(data: bytes, header: str) -> None:
    for decode in DECODERS:
        with contextlib.suppress(VigieError):
            decode((b"" if header == "raw" else b"\xc3\x01" + crc64(schemas.avro(header))) + data)


@settings(max_examples=600, deadline=None)
@given(
    st.integers(0, len(AUDIO) + len(SPEECH)),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255))),
    st.data(),
)
def test_damaged_records_give_a_record_or_a_vigie_error(which: int, damage: list[tuple[int, int]], data: Any) -> None:
    known = [*map(encode_audio, AUDIO), *map(encode_speech, SPEECH), encode_speech(PART)]
    damaged = bytearray(known[which])
    for place, value in damage:
        damaged[10 + place % (len(damaged) - 10)] = value
    cut = data.draw(st.integers(0, len(damaged)))
    for decode in DECODERS:
        for whole in (bytes(damaged), bytes(damaged[:cut])):
            with contextlib.suppress(VigieError):
                decode(whole)


@pytest.mark.parametrize("name", schemas.NAMES)
def test_json_records_come_back_as_they_were(name: str) -> None:
    record = {**GOOD[name], "unknown to us": "é\u2028"}
    assert decode_json(name, encode_json(name, record)) == record


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda t: t.encode(errors="replace"))))
def test_random_bytes_are_no_json_record(data: bytes) -> None:
    for name in schemas.NAMES:
        with pytest.raises(VigieError):
            decode_json(name, data)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 50_000, b"NaN", b"9" * 10_000, b"\xff", b"{}" * 600_000])
def test_json_that_is_made_to_hurt_is_refused(data: bytes) -> None:
    with pytest.raises(VigieError):
        decode_json("alert", data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), "\ud800"])
def test_what_json_cannot_hold_is_not_written(value: Any) -> None:
    with pytest.raises(VigieError):
        encode_json("alert", {**GOOD["alert"], "more": value})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(schemas.NAMES), st.data())
def test_the_fast_check_agrees_with_the_schema(name: str, data: Any) -> None:
    """One field anywhere in a good record is replaced or removed: both validators say the same."""
    record = json.loads(json.dumps(GOOD[name]))
    node: Any = record
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        child = node[key]
        if not isinstance(child, dict | list) or not child or data.draw(st.booleans()):
            break
        node = child
    values: list[Any] = [
        None,
        -1,
        0,
        3,
        0.5,
        7.0,
        "",
        "x",
        "both",
        "final",
        "interim",
        "cleared",
        True,
        [],
        {},
        [1],
        ["x"],
    ]
    if data.draw(st.booleans()) and isinstance(node, dict):
        del node[key]
    else:
        node[key] = data.draw(st.sampled_from(values))
    try:
        decode_json(name, json.dumps(record).encode())
        fast = True
    except VigieError:
        fast = False
    assert fast == schemas.validator(name).is_valid(record), record


@pytest.mark.parametrize(
    ("headers", "captured_ms"),
    [
        ([("captured_ms", b"1764060000123")], 1_764_060_000_123),
        ([("other", b"1"), ("captured_ms", b"0")], 0),
        ([("captured_ms", b"")], None),
        ([("captured_ms", b"-5")], None),
        ([("captured_ms", b"9" * 17)], None),
        ([("captured_ms", "٣".encode())], None),
        ([("captured_ms", None)], None),
        ([], None),
        (None, None),
    ],
)
def test_the_wall_time_of_capture_is_read_where_it_can_be(headers: Any, captured_ms: int | None) -> None:
    assert serde.captured_ms_of(headers) == captured_ms


def test_the_wall_time_of_capture_travels_in_a_header() -> None:
    assert serde.captured_ms_of(serde.headers_of(12)) == 12
    assert serde.headers_of(None) == []
