"""Records as a person reads them in a terminal, one line each, and which of them are wanted. No Kafka in here.

Audio and speech are told by their place and size only: their content is unredacted and never shown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from audio.chunk import WIDE_RATE_HZ
from audio.codec import bytes_per_sample
from streams.events import CallInfo, Record
from streams.kafka.records import CallAudio, CallEnded, CallHappened, CallStarted, SpeechPart, SpeechStarted
from streams.kafka.serde import decode_audio, decode_json, decode_speech

SEVERITIES = ("info", "warning", "critical")
CALLS_REMEMBERED = 100_000
JSON_TOPICS = {
    "measurements": "measurement",
    "utterances": "utterance",
    "alerts": "alert",
    "summaries": "summary",
    "feedback": "feedback",
    "dead-letters": "dead-letter",
}
"""Short name of a topic, and the schema of its values."""
PLACED = ("alerts", "summaries", "feedback", "audio", "speech", "measurements")
"""Topics that say of which site and queue a call is, in each record or at the call's start."""
IN_EACH = ("alerts", "summaries", "feedback")


def read(topic: str, value: bytes) -> Record:
    """A value as a plain record: as its schema has it, or what may be told of audio.

    Raises:
        VigieError: these bytes are no value of that topic.
    """
    if topic == "audio":
        return _audio_facts(decode_audio(value))
    if topic == "speech":
        return _speech_facts(decode_speech(value))
    return decode_json(JSON_TOPICS[topic], value)


def line(topic: str, record: Record) -> str:
    """One line of text, safe for a terminal."""
    return printable(_LINES[topic](record))


def printable(text: str) -> str:
    """Control characters could rewrite a terminal's screen; they become dots."""
    return "".join(c if c.isprintable() else "·" for c in text)


@dataclass(slots=True)
class Filter:
    """Which records are wanted. Of a topic that names a call's site only at its start, calls are remembered.

    Attributes:
        severity: alerts of this severity and worse.
        unplaced: records left out because their call's start was not seen.
    """

    call: str | None = None
    site: str | None = None
    queue: str | None = None
    severity: str | None = None
    unplaced: int = 0
    _known: OrderedDict[str, tuple[str | None, str | None]] = field(default_factory=OrderedDict)

    def wants(self, topic: str, record: Record) -> bool:
        if self.site is not None or self.queue is not None:
            place = self._place(topic, record)
            if place is None:
                self.unplaced += 1
                return False
            if self.site not in (None, place[0]) or self.queue not in (None, place[1]):
                return False
        if self.call is not None and self.call != record.get("call_id", record.get("key")):
            return False
        return self.severity is None or (
            SEVERITIES.index(record.get("severity", "info")) >= SEVERITIES.index(self.severity)
        )

    def _place(self, topic: str, record: Record) -> tuple[str | None, str | None] | None:
        if topic in IN_EACH:
            return record.get("site"), record.get("queue")
        call = record.get("call")
        if call is not None:
            self._known[record["call_id"]] = (call.get("site"), call.get("queue"))
            if len(self._known) > CALLS_REMEMBERED:
                self._known.popitem(last=False)
        return self._known.get(record["call_id"])


def _audio_facts(record: Any) -> Record:
    match record:
        case CallStarted(call, leg):
            return {"type": "started", "call_id": call.call_id, "leg": leg, "call": _call(call)}
        case CallAudio(call_id, chunk):
            legs = {party.value: len(data) for party, data in chunk.legs.items()}
            samples = max(legs.values()) // bytes_per_sample(chunk.encoding)
            rate_hz = max(1, chunk.sample_rate_hz)
            return {
                "type": "audio",
                "call_id": call_id,
                "from_ms": chunk.offset_samples * 1000 // rate_hz,
                "to_ms": (chunk.offset_samples + samples) * 1000 // rate_hz,
                "sample_rate_hz": chunk.sample_rate_hz,
                "encoding": chunk.encoding.value,
                "legs_bytes": legs,
            }
        case CallHappened(call_id, event):
            return {"type": "event", "call_id": call_id, **asdict(event)}
        case CallEnded():
            return {"type": "ended", **asdict(record)}
    raise TypeError(type(record).__name__)


def _speech_facts(record: Any) -> Record:
    if isinstance(record, SpeechStarted):
        return {"type": "started", "call_id": record.call_id, "call": _call(record.call)}
    if isinstance(record, SpeechPart):
        names = ("call_id", "utterance_id", "party", "start_ms", "end_ms", "language", "part", "parts")
        told = {name: getattr(record, name) for name in names}
        return {"type": "part", **told, "speech_ms": len(record.samples) * 1000 // WIDE_RATE_HZ}
    return {"type": "ended", "call_id": record.call_id, "at_ms": record.at_ms}


def _call(call: CallInfo) -> Record:
    return {**asdict(call), "attributes": dict(call.attributes)}


def _clock(ms: int | None) -> str:
    """Media time as people say it."""
    if ms is None:
        return "-"
    seconds, tenths = divmod(ms // 100, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{seconds:02}.{tenths}"


def _told(record: Mapping[str, Any], *names: str) -> str:
    """`name=value` of what is known."""
    return " ".join(f"{name}={record[name]}" for name in names if record.get(name) not in (None, ""))


def _joined(*parts: Any) -> str:
    return "  ".join(str(part) for part in parts if part not in (None, ""))


def _alert(r: Record) -> str:
    message = r["message"].get("en") or next(iter(r["message"].values()), "")
    at_ms = r["cleared_ms"] if r["state"] == "cleared" else r.get("changed_ms", r["raised_ms"])
    place = _told(r, "agent", "queue", "site", "trunk")
    cause = f"cause={r['cause']['verdict']}"
    head = (f"{r['severity']:8}", f"{r['state']:9}", r["rule_id"])
    return _joined(*head, r["call_id"], _clock(at_ms), r["party"], f'"{message}"', cause, place)


def _utterance(r: Record) -> str:
    state = r.get("state", "final")
    words = f'"{r["text"]}"' if r["text"] else ""
    outcome = "" if state == "final" else _joined(f"({state}", r.get("reason")).replace("  ", ": ") + ")"
    mood = r.get("sentiment")
    feeling = f"sentiment={mood['score']:+.2f}" if mood else ""
    phrases = ",".join(dict.fromkeys(phrase["category"] for phrase in r["phrases"]))
    when = f"{_clock(r['start_ms'])}-{_clock(r['end_ms'])}"
    told = _told(r, "language", "confidence")
    return _joined(r["call_id"], when, r["party"], words, outcome, told, feeling, phrases and f"phrases={phrases}")


def _measurement(r: Record) -> str:
    legs = []
    for party, leg in r["parties"].items():
        music = " music" if leg.get("music") else ""
        legs.append(f"{party} {_told(leg, 'level_dbov', 'snr_db', 'speech_ms', 'clipped', 'gaps_ms')}{music}")
    when = f"{_clock(r['start_ms'])}-{_clock(r['end_ms'])}"
    flags = " ".join(name for name in ("hold", "last") if r[name])
    told = _told(r, "overlap_ms", "silence_ms")
    return _joined(r["call_id"], f"seq={r['seq']}", when, *legs, told, flags)


def _summary(r: Record) -> str:
    verdict = f"cause={r['cause']['verdict']}"
    told = (f"health={r['health']}", r["coverage"]["state"], verdict, f"alerts={len(r['alerts'])}")
    return _joined(r["call_id"], _clock(r["duration_ms"]), *told, _told(r, "agent", "queue", "site", "trunk"))


def _feedback(r: Record) -> str:
    what = _told(r, "assigned_to", "unassigned", "snoozed_until", "right", "reason", "note")
    return _joined(r["at"], r["action"], f"by={r['by']}", r["call_id"], f"alert={r['alert_id']}", what)


def _dead_letter(r: Record) -> str:
    place = f"{r['topic']}[{r['partition']}]@{r['offset']}"
    return _joined(r["reason"], place, _told(r, "key", "role"), f"{r['size_bytes']} bytes", r["detail"])


def _sound(r: Record) -> str:
    match r["type"]:
        case "started":
            who = _told(r["call"], "agent", "queue", "site", "trunk", "language", "pace")
            return _joined("started", r["call_id"], r.get("leg"), who)
        case "audio":
            legs = "+".join(f"{party} {size} bytes" for party, size in r["legs_bytes"].items())
            when = f"{_clock(r['from_ms'])}-{_clock(r['to_ms'])}"
            return _joined("audio", r["call_id"], when, f"{r['encoding']} {r['sample_rate_hz']} Hz", legs)
        case "event":
            return _joined(r["kind"], r["call_id"], _clock(r["at_ms"]), r["party"], r["reason"])
        case "part":
            when = f"{_clock(r['start_ms'])}-{_clock(r['end_ms'])}"
            part = f"part {r['part'] + 1}/{r['parts']}"
            return _joined("speech", r["call_id"], when, r["party"], part, f"{r['speech_ms']} ms", r["utterance_id"])
    return _joined("ended", r["call_id"], _clock(r["at_ms"]), r.get("leg"), r.get("reason"))


_LINES: Mapping[str, Callable[[Record], str]] = {
    "alerts": _alert,
    "utterances": _utterance,
    "measurements": _measurement,
    "summaries": _summary,
    "feedback": _feedback,
    "dead-letters": _dead_letter,
    "audio": _sound,
    "speech": _sound,
}
