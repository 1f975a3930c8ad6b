"""What crosses a stage's topics, as records: reading the value of an input, writing that of an output."""

from __future__ import annotations

from typing import Any

from audio.errors import VigieError
from streams.events import CallInfo, Pace
from streams.kafka import serde
from streams.kafka.processors import Emit
from streams.kafka.records import CallStarted, SpeechPart, SpeechStarted
from streams.kafka.steps import Input

_JSON = {
    "calls.measurements": "measurement",
    "calls.utterances": "utterance",
    "calls.alerts": "alert",
    "calls.summaries": "summary",
}


def decoded(item: Input) -> Any:
    """The record behind an input. Raises VigieError where it is none."""
    if item.value is None:
        raise VigieError("it has no value", remedy="Send the records that schemas/README.md describes")
    if item.topic == "calls.audio":
        return serde.decode_audio(item.value)
    if item.topic == "calls.speech":
        return serde.decode_speech(item.value)
    return serde.decode_json(_JSON[item.topic], item.value)


def encoded(emit: Emit) -> bytes:
    """The value of a record to publish."""
    if emit.topic == "calls.audio":
        return serde.encode_audio(emit.value)
    if emit.topic == "calls.speech":
        return serde.encode_speech(emit.value)
    return serde.encode_json(_JSON[emit.topic], emit.value)


def kind_of(emit: Emit) -> str:
    """What a figure tells of a record."""
    if emit.topic == "calls.summaries":
        return str(emit.value["coverage"]["state"])
    return str(emit.value["state"]) if emit.topic == "calls.utterances" else ""


def id_of(record: Any) -> str:
    """The call that a record names."""
    match record:
        case dict():
            return str(record.get("call_id"))
        case CallStarted(call=call) | SpeechStarted(call=call):
            return call.call_id
    call_id: str = record.call_id
    return call_id


def info_of(record: Any, call_id: str) -> CallInfo:
    """Who and where, as far as a call's first record tells."""
    match record:
        case CallStarted(call=call) | SpeechStarted(call=call):
            return call
        case SpeechPart(language=language):
            return CallInfo(call_id, language=language, pace=Pace.LIVE.value)
    return CallInfo(call_id, pace=Pace.LIVE.value)
