"""Records to bytes and back: Avro for audio and speech, JSON for the rest.

Avro values are single-object encoded: C3 01, the CRC-64-AVRO fingerprint of the writer's schema (little-endian), the
record. Every version of a schema that was ever published is known by its fingerprint and read through the current one.
Whatever the bytes are, decoding gives a record or a `VigieError`, and does no more work than their length allows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from io import BytesIO
from typing import Any, NoReturn, cast

import fastavro
import fastjsonschema
import numpy as np
from fastavro.schema import fingerprint, to_parsing_canonical_form

import schemas
from audio.chunk import AudioChunk, Encoding, Party
from audio.errors import VigieError
from streams.events import CallEvent, CallInfo, Record
from streams.kafka.records import (
    AudioRecord,
    CallAudio,
    CallEnded,
    CallHappened,
    CallStarted,
    SpeechEnded,
    SpeechPart,
    SpeechRecord,
    SpeechStarted,
)

CALL_ID_BYTES_MAX = 256
UTTERANCE_ID_BYTES_MAX = 512
CHUNK_BYTES_MAX = 1_000_000
"""Audio of one chunk: a minute of both parties in µ-law, far over anything that is live."""
RECORD_BYTES_MAX = CHUNK_BYTES_MAX + 64_000
TEXT_BYTES_MAX = 64_000
"""A record without audio: who, where and attributes."""
JSON_BYTES_MAX = 1_000_000
MEDIA_MAX = 2**53
"""Times and offsets stay exact in every language's numbers."""
MARKER = b"\xc3\x01"
HEADER_BYTES = 10
CAPTURED_MS = "captured_ms"
"""Header: wall clock (Unix milliseconds, ASCII) at which the record's newest sample was captured."""

Headers = Sequence[tuple[str, bytes]]
_UNREADABLE = (
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    StopIteration,
    TypeError,
    ValueError,
    fastavro.read.SchemaResolutionError,
)
"""What fastavro is known to raise on bytes that are not a record."""
_PARTIES = {party.value: party for party in Party}
_ENCODINGS = {encoding.value: encoding for encoding in Encoding}


class SingleObject:
    """Bytes of one topic's Avro union, by its current schema and every earlier one."""

    def __init__(self, name: str, current: Any, earlier: Iterable[Any] = ()) -> None:
        self.name = name
        self._current = fastavro.parse_schema(current)
        self._header = MARKER + crc64(current)
        self._writers = {crc64(schema): fastavro.parse_schema(schema) for schema in (*earlier, current)}

    def encode(self, branch: str, fields: Record) -> bytes:
        out = BytesIO()
        out.write(self._header)
        try:
            fastavro.schemaless_writer(out, self._current, (branch, fields))
        except (AttributeError, *_UNREADABLE) as error:
            _refuse(self.name, f"a {branch} cannot be written: {_short(error)}", "Give what the schema asks for")
        return out.getvalue()

    def decode(self, data: bytes) -> tuple[str, Record]:
        """Name of the union's branch and its fields, as the current schema has them."""
        if len(data) > RECORD_BYTES_MAX:
            _refuse(self.name, f"{len(data)} bytes are too much", f"Send records of at most {RECORD_BYTES_MAX} bytes")
        if data[:2] != MARKER or len(data) <= HEADER_BYTES:
            _refuse(self.name, f"{len(data)} bytes without the marker C3 01", "Use Avro's single-object encoding")
        writer = self._writers.get(data[2:HEADER_BYTES])
        if writer is None:
            known = f"Write with a published version of schemas/{self.name}.avsc, or give this reader the newer one"
            _refuse(self.name, f"unknown schema fingerprint {data[2:HEADER_BYTES].hex()}", known)
        body = BytesIO(data)
        body.seek(HEADER_BYTES)
        try:
            # The same parsed schema twice would be resolved field by field; None reads straight.
            reader = None if data[:HEADER_BYTES] == self._header else self._current
            branch, fields = cast(
                "tuple[str, Record]",
                fastavro.schemaless_reader(
                    body, writer, reader, return_record_name=True, return_record_name_override=True
                ),
            )
        except _UNREADABLE as error:
            _refuse(self.name, f"not a record of its schema: {_short(error)}", "Send the schema's records, whole")
        if body.tell() != len(data):
            _refuse(self.name, f"{len(data) - body.tell()} bytes follow the record", "Send one record a message")
        return branch, fields


def crc64(schema: Any) -> bytes:
    """The 8 bytes that name a schema in a message: CRC-64-AVRO of its canonical form, little-endian."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def encode_audio(record: AudioRecord) -> bytes:
    """A value of calls.audio.

    Raises:
        VigieError: the record is too large or no reader would take it.
    """
    match record:
        case CallAudio(call_id, chunk):
            legs = chunk.legs
            _check_chunk(call_id, chunk)
            return _audio().encode(
                "vigie.AudioChunk",
                {
                    "call_id": call_id,
                    "offset_samples": chunk.offset_samples,
                    "sample_rate_hz": chunk.sample_rate_hz,
                    "encoding": chunk.encoding.value,
                    "agent": legs.get(Party.AGENT),
                    "customer": legs.get(Party.CUSTOMER),
                },
            )
        case CallStarted(call, leg):
            return _text(_audio().encode("vigie.CallStarted", {"call": _call_fields(call), "leg": leg}))
        case CallHappened(call_id, event):
            _check_id(call_id)
            return _text(_audio().encode("vigie.CallEvent", {"call_id": call_id, **_event_fields(event)}))
        case CallEnded(call_id, at_ms, reason, leg):
            _check_id(call_id)
            fields = {"call_id": call_id, "at_ms": at_ms, "reason": reason, "leg": leg}
            return _text(_audio().encode("vigie.CallEnded", fields))


def decode_audio(data: bytes) -> AudioRecord:
    """The record behind a value of calls.audio.

    Raises:
        VigieError: these bytes are none, or its sizes are absurd.
    """
    branch, fields = _audio().decode(data)
    if branch == "vigie.AudioChunk":
        legs = {_PARTIES[name]: fields[name] for name in ("agent", "customer") if fields[name] is not None}
        encoding = _ENCODINGS[fields["encoding"]]
        chunk = AudioChunk(fields["offset_samples"], fields["sample_rate_hz"], encoding, legs)
        _check_chunk(fields["call_id"], chunk)
        return CallAudio(fields["call_id"], chunk)
    _text(data)
    if branch == "vigie.CallStarted":
        return CallStarted(_call(fields["call"]), _party(fields["leg"]))
    call_id = _check_id(fields["call_id"])
    if branch == "vigie.CallEvent":
        at_ms, until_ms = _media(fields["at_ms"], "at_ms"), _media(fields["until_ms"], "until_ms")
        event = CallEvent(fields["kind"], at_ms or 0, _party(fields["party"]), until_ms, fields["reason"])
        return CallHappened(call_id, event)
    return CallEnded(call_id, _media(fields["at_ms"], "at_ms"), fields["reason"], _party(fields["leg"]))


def encode_speech(record: SpeechRecord) -> bytes:
    """A value of calls.speech.

    Raises:
        VigieError: the record is too large or no reader would take it.
    """
    match record:
        case SpeechPart():
            fields = {name: getattr(record, name) for name in _PART_FIELDS}
            fields["samples"] = np.ascontiguousarray(record.samples, dtype="<i2").tobytes()
            _check_part(fields)
            return _speech().encode("vigie.SpeechPart", fields)
        case SpeechStarted(call):
            return _text(_speech().encode("vigie.SpeechStarted", {"call": _call_fields(call)}))
        case SpeechEnded(call_id, at_ms, pieces):
            fields = {"call_id": _check_id(call_id), "at_ms": at_ms, "pieces": pieces}
            return _speech().encode("vigie.SpeechEnded", fields)


def decode_speech(data: bytes) -> SpeechRecord:
    """The record behind a value of calls.speech.

    Raises:
        VigieError: these bytes are none, or its sizes are absurd.
    """
    branch, fields = _speech().decode(data)
    if branch == "vigie.SpeechPart":
        _check_part(fields)
        samples = np.frombuffer(fields.pop("samples"), dtype="<i2").astype(np.int16)
        return SpeechPart(**{**fields, "party": _PARTIES[fields["party"]], "samples": samples})
    _text(data)
    if branch == "vigie.SpeechStarted":
        return SpeechStarted(_call(fields["call"]))
    return SpeechEnded(_check_id(fields["call_id"]), _media(fields["at_ms"], "at_ms") or 0, fields["pieces"])


def encode_json(name: str, record: Record) -> bytes:
    """A value of a JSON topic; `name` is its schema (`schemas.NAMES`).

    Raises:
        VigieError: the record does not fit its schema, or holds what JSON cannot.
    """
    _structure(name, record)
    try:
        data = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        _refuse(name, f"not JSON: {_short(error)}", "Give plain JSON values")
    if len(data) > JSON_BYTES_MAX:
        _refuse(name, f"{len(data)} bytes are too much", f"Send records of at most {JSON_BYTES_MAX} bytes")
    return data


def decode_json(name: str, data: bytes) -> Record:
    """The record behind a value of a JSON topic, of the structure that its schema asks for.

    Raises:
        VigieError: these bytes are no such record.
    """
    if len(data) > JSON_BYTES_MAX:
        _refuse(name, f"{len(data)} bytes are too much", f"Send records of at most {JSON_BYTES_MAX} bytes")
    try:
        record = json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _refuse(name, f"not JSON: {_short(error)}", "Send one JSON object in UTF-8 a message")
    _structure(name, record)
    return cast(Record, record)


def headers_of(captured_ms: int | None) -> list[tuple[str, bytes]]:
    """The headers of a record whose newest sample was captured at this wall time (None: not known)."""
    return [] if captured_ms is None else [(CAPTURED_MS, b"%d" % captured_ms)]


def captured_ms_of(headers: Headers | None) -> int | None:
    """The wall time of capture, where a header says it in a form that can be read; only figures depend on it."""
    for name, value in headers or ():
        if name == CAPTURED_MS and value is not None and len(value) <= 16 and value.isdigit():
            return int(value)
    return None


def key_of(call_id: str) -> bytes:
    """The key of every record of a call."""
    return _check_id(call_id).encode()


@lru_cache(maxsize=1)
def _audio() -> SingleObject:
    return SingleObject("audio", schemas.avro("audio"), schemas.avro_history("audio"))


@lru_cache(maxsize=1)
def _speech() -> SingleObject:
    return SingleObject("speech", schemas.avro("speech"), schemas.avro_history("speech"))


@lru_cache(maxsize=32)
def _checker(name: str) -> Callable[[Any], Any]:
    """A compiled check of the schema's structure; it knows draft 7, of which our schemas use no more than tuples by
    another name."""

    def as_draft7(node: Any) -> Any:
        if isinstance(node, dict):
            renamed = {"items" if key == "prefixItems" else key: as_draft7(value) for key, value in node.items()}
            return {key: value for key, value in renamed.items() if key not in ("$schema", "$id")}
        return [as_draft7(item) for item in node] if isinstance(node, list) else node

    return cast("Callable[[Any], Any]", fastjsonschema.compile(as_draft7(schemas.load(name)), use_default=False))


def _structure(name: str, record: Any) -> None:
    try:
        _checker(name)(record)
    except fastjsonschema.JsonSchemaValueException as error:
        # The value itself stays out of the message: it may be call content.
        field = ".".join(str(part) for part in error.path[1:])
        rule = f"{error.rule}: {error.rule_definition}"[:200]
        raise VigieError(
            f"breaks the rule {rule}", remedy="Send what the schema describes", where=name, field=field[:200] or None
        ) from None


def _call_fields(call: CallInfo) -> Record:
    _check_id(call.call_id)
    return {**asdict(call), "pace": str(call.pace), "attributes": dict(call.attributes)}


def _call(fields: Record) -> CallInfo:
    _check_id(fields["call_id"])
    return CallInfo(**fields)


def _event_fields(event: CallEvent) -> Record:
    return {
        "kind": str(event.kind),
        **{name: getattr(event, name) for name in ("at_ms", "party", "until_ms", "reason")},
    }


def _party(name: str | None) -> Party | None:
    return None if name is None else _PARTIES[name]


def _check_id(call_id: str, bytes_max: int = CALL_ID_BYTES_MAX, field: str = "call_id") -> str:
    try:
        size = len(call_id.encode())
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= bytes_max:
        remedy = f"Use 1 to {bytes_max} bytes of UTF-8"
        raise VigieError(f"an id of {size} bytes of UTF-8 is refused", remedy=remedy, field=field)
    return call_id


def _check_chunk(call_id: str, chunk: AudioChunk) -> None:
    _check_id(call_id)
    _media(chunk.offset_samples, "offset_samples")
    if not chunk.legs:
        raise VigieError("a chunk of no party", remedy="Give the audio of one or both parties", field="legs")
    size = sum(map(len, chunk.legs.values()))
    if size > CHUNK_BYTES_MAX:
        remedy = f"Send at most {CHUNK_BYTES_MAX} bytes a chunk; 100 to 200 ms is a good size"
        raise VigieError(f"{size} bytes of audio in one chunk", remedy=remedy, field="legs")


def _check_part(fields: Record) -> None:
    _check_id(fields["call_id"])
    _check_id(fields["utterance_id"], UTTERANCE_ID_BYTES_MAX, "utterance_id")
    for name in ("start_ms", "end_ms", "audio_from_ms"):
        _media(fields[name], name)
    size, part, parts = len(fields["samples"]), fields["part"], fields["parts"]
    if size % 2 or size > CHUNK_BYTES_MAX:
        remedy = f"Send whole 16-bit samples, at most {CHUNK_BYTES_MAX} bytes a part"
        raise VigieError(f"{size} bytes of speech in one part", remedy=remedy, field="samples")
    if not 0 <= part < parts <= CHUNK_BYTES_MAX:
        raise VigieError(f"part {part} of {parts}", remedy="Count parts from 0", field="part")


def _media(value: int | None, field: str) -> int | None:
    if value is not None and not 0 <= value <= MEDIA_MAX:
        raise VigieError(f"{value} lies outside the call", remedy="Count from the call's origin", field=field)
    return value


def _text(data: bytes) -> bytes:
    if len(data) > TEXT_BYTES_MAX:
        remedy = f"Keep what is told of a call under {TEXT_BYTES_MAX} bytes"
        raise VigieError(f"{len(data)} bytes for a record without audio", remedy=remedy, field="attributes")
    return data


def _refuse(name: str, problem: str, remedy: str) -> NoReturn:
    raise VigieError(problem, remedy=remedy, where=name) from None


def _short(error: BaseException) -> str:
    """What went wrong, without the values: they may be call content."""
    return type(error).__name__


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_PART_FIELDS = tuple(name for name in SpeechPart.__dataclass_fields__ if name != "samples")
