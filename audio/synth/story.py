"""The script of a synthetic call: who says what when, what goes wrong on the line, and which alerts must follow.

A story is a YAML file:

    call: {call_id: en-dead-air, language: en, agent: emily, queue: billing, site: rabat, trunk: sip-2}
    seed: 7
    voices:
      agent: {voice: en-gb+f2, speed_wpm: 160, pitch: 50}
      customer: {voice: en-us+m3}
    script:
    - {agent: good morning northgate bank emily speaking}
    - {customer: hello can you help me please, after_ms: 400}      # after the end of the step before; negative: overlap
    - {event: hold}
    - {sound: hold-music, party: agent, lasts_ms: 20000}
    faults:
    - {kind: loss, party: customer, steps: [1, 1], packets: 6}     # or from_ms, to_ms
    expect:
    - {rule: dead-air, step: 2, edge: end}                         # must fire about then; nothing else may
    allow: [call-degrading]                                        # may fire or not

Steps count from 0 and run in order; `at_ms` sets a step's start outright.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from audio.chunk import Encoding, Party
from audio.errors import VigieError
from audio.synth.faults import LINE_FAULTS, SOURCE_FAULTS
from audio.synth.sounds import SOUNDS

STORIES_DIR = Path(__file__).parent / "stories"
CALLS_DIR = Path(__file__).parent / "calls"
CALL_FIELDS = ("call_id", "agent", "queue", "site", "trunk", "language", "started_at")
EVENTS = ("answer", "hold", "resume", "transfer", "mute", "unmute", "ivr")
LEAD_IN_MS = 600
DEFAULT_PAUSE_MS = 450
"""Between turns, when a step says nothing: the usual gap of a telephone conversation."""
DEFAULT_TOLERANCE_MS = 4_000


@dataclass(frozen=True, slots=True)
class Voice:
    """An espeak-ng voice with its variant ("en-gb+f2"), words per minute and pitch (0 to 99)."""

    voice: str
    speed_wpm: int = 160
    pitch: int = 50


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: a turn (`text`), a sound (`sound`, `lasts_ms`) or a telephony event (`event`)."""

    party: Party | None
    text: str | None = None
    sound: str | None = None
    event: str | None = None
    lasts_ms: int = 0
    after_ms: int = DEFAULT_PAUSE_MS
    at_ms: int | None = None
    level_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong on one leg, between two times or over a range of steps."""

    kind: str
    party: Party
    from_ms: int | None = None
    to_ms: int | None = None
    steps: tuple[int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expectation:
    """An alert that must be raised, about the start or end of a step or about `about_ms`."""

    rule: str
    party: str | None = None
    step: int | None = None
    edge: str = "start"
    about_ms: int | None = None
    tolerance_ms: int = DEFAULT_TOLERANCE_MS


@dataclass(frozen=True, slots=True)
class Story:
    call: Mapping[str, str]
    seed: int
    voices: Mapping[Party, Voice]
    script: tuple[Step, ...]
    faults: tuple[Fault, ...] = ()
    expect: tuple[Expectation, ...] = ()
    allow: tuple[str, ...] = ()
    law: Encoding = Encoding.MULAW
    level_dbov: float = -26.0
    noise_dbov: float = -65.0
    tail_ms: int = 800

    @property
    def call_id(self) -> str:
        return self.call["call_id"]


def load_story(path: Path | str) -> Story:
    """Read and check a story.

    Raises:
        VigieError: the file cannot be read, or a part of it is wrong (named in `field`).
    """
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise VigieError(
            f"cannot read the story: {error.strerror}", remedy="Check the path", where=str(path)
        ) from error
    except yaml.YAMLError as error:
        raise VigieError(f"not YAML: {error}", remedy="Correct the file", where=str(path)) from error
    return parse_story(raw, where=str(path))


def bundled_stories() -> list[Path]:
    return sorted(STORIES_DIR.glob("*.yaml"))


def parse_story(raw: Any, *, where: str = "story") -> Story:
    """Check a story given as plain values. Raises VigieError."""
    read = _Reader(where)
    raw = read.mapping(raw, "", ("call", "seed", "voices", "script"), tuple(Story.__dataclass_fields__))
    call = read.mapping(raw["call"], "call", ("call_id", "language"), CALL_FIELDS)
    voices = read.mapping(raw["voices"], "voices", ("agent", "customer"), ("agent", "customer"))
    script = tuple(read.step(item, f"script[{i}]") for i, item in enumerate(read.items(raw, "script")))
    faults = tuple(read.fault(f, f"faults[{i}]", len(script)) for i, f in enumerate(read.items(raw, "faults")))
    expect = tuple(read.expectation(e, f"expect[{i}]", len(script)) for i, e in enumerate(read.items(raw, "expect")))
    if not any(step.text or step.sound for step in script):
        raise read.wrong("script", "nothing is said", "Add a step {agent: text} or {customer: text}")
    if raw.get("law", "mulaw") not in ("mulaw", "alaw"):
        raise read.wrong("law", f"unknown law {raw['law']!r}", "Use mulaw or alaw")
    simple = {k: raw[k] for k in ("level_dbov", "noise_dbov", "tail_ms") if k in raw}
    return Story(
        call={key: str(value) for key, value in call.items()},
        seed=read.number(raw, "seed", ""),
        voices={party: read.voice(voices[party.value], f"voices.{party.value}") for party in Party},
        script=script,
        faults=faults,
        expect=expect,
        allow=tuple(str(rule) for rule in read.items(raw, "allow")),
        law=Encoding(raw.get("law", "mulaw")),
        **simple,
    )


class _Reader:
    """Checks that name the file and the field."""

    def __init__(self, where: str) -> None:
        self.where = where

    def wrong(self, field_name: str, problem: str, remedy: str) -> VigieError:
        return VigieError(problem, remedy=remedy, where=self.where, field=field_name or None)

    def mapping(self, raw: Any, name: str, needed: tuple[str, ...], known: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise self.wrong(name, "a mapping is needed here", f"Give it the fields {', '.join(needed or known)}")
        if missing := [key for key in needed if key not in raw]:
            raise self.wrong(name, f"{missing[0]} is missing", f"Add {missing[0]}")
        if extra := [key for key in raw if key not in known]:
            raise self.wrong(name, f"unknown field {extra[0]!r}", f"Use one of {', '.join(known)}")
        return raw

    def items(self, raw: dict[str, Any], name: str) -> list[Any]:
        value = raw.get(name) or []
        if not isinstance(value, list):
            raise self.wrong(name, "a list is needed here", "Begin each entry with a dash")
        return value

    def number(self, raw: dict[str, Any], name: str, at: str) -> int:
        if not isinstance(raw[name], int):
            raise self.wrong(f"{at}.{name}".lstrip("."), f"{raw[name]!r} is no whole number", "Give a whole number")
        return int(raw[name])

    def party(self, raw: dict[str, Any], at: str) -> Party:
        if raw.get("party") not in ("agent", "customer"):
            raise self.wrong(at, f"party {raw.get('party')!r} is unknown", "Use agent or customer")
        return Party(raw["party"])

    def voice(self, raw: Any, at: str) -> Voice:
        return Voice(**self.mapping(raw, at, ("voice",), tuple(Voice.__dataclass_fields__)))

    def step(self, raw: Any, at: str) -> Step:
        kinds = ("agent", "customer", "sound", "event")
        raw = self.mapping(raw, at, (), (*kinds, "party", "lasts_ms", "after_ms", "at_ms", "level_db"))
        kind = [key for key in kinds if key in raw]
        if len(kind) != 1:
            raise self.wrong(
                at, "a step is one turn, sound or event", "Use exactly one of agent, customer, sound, event"
            )
        times: dict[str, Any] = {
            key: self.number(raw, key, at) for key in ("lasts_ms", "after_ms", "at_ms") if key in raw
        }
        times["level_db"] = raw.get("level_db", 0.0)
        if kind[0] == "sound":
            if raw["sound"] not in SOUNDS:
                raise self.wrong(at, f"unknown sound {raw['sound']!r}", f"Use one of {', '.join(SOUNDS)}")
            if times.get("lasts_ms", 0) <= 0:
                raise self.wrong(at, "a sound needs lasts_ms", "Say how long it lasts, in milliseconds")
            return Step(self.party(raw, at), sound=raw["sound"], **times)
        if kind[0] == "event":
            if raw["event"] not in EVENTS:
                raise self.wrong(at, f"unknown event {raw['event']!r}", f"Use one of {', '.join(EVENTS)}")
            times.setdefault("after_ms", 0)
            return Step(self.party(raw, at) if "party" in raw else None, event=raw["event"], **times)
        text = raw[kind[0]]
        if not isinstance(text, str) or not text.strip():
            raise self.wrong(
                at, f"{text!r} is no sentence", 'Write words; quote "yes" and "no", which YAML takes for values'
            )
        return Step(Party(kind[0]), text=text, **times)

    def fault(self, raw: Any, at: str, steps: int) -> Fault:
        kinds = {**SOURCE_FAULTS, **LINE_FAULTS}
        if not isinstance(raw, dict) or raw.get("kind") not in kinds:
            raise self.wrong(at, "unknown kind of fault", f"Use kind: one of {', '.join(kinds)}")
        signature = inspect.signature(kinds[raw["kind"]])
        known = tuple(p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY)
        self.mapping(raw, at, ("kind", "party"), ("kind", "party", "from_ms", "to_ms", "steps", *known))
        options = {key: raw[key] for key in known if key in raw}
        party = self.party(raw, at)
        if "steps" in raw:
            first, last = raw["steps"]
            if not 0 <= first <= last < steps:
                raise self.wrong(at, f"steps {raw['steps']} are not in the script", f"Use 0 to {steps - 1}")
            return Fault(raw["kind"], party, steps=(first, last), options=options)
        if not ("from_ms" in raw and "to_ms" in raw):
            raise self.wrong(at, "it is not said when", "Give steps: [first, last], or from_ms and to_ms")
        return Fault(raw["kind"], party, from_ms=raw["from_ms"], to_ms=raw["to_ms"], options=options)

    def expectation(self, raw: Any, at: str, steps: int) -> Expectation:
        raw = self.mapping(raw, at, ("rule",), tuple(Expectation.__dataclass_fields__))
        found = Expectation(**raw)
        if (found.step is None) == (found.about_ms is None) or found.edge not in ("start", "end"):
            raise self.wrong(at, "it is not said when", "Give step (with edge: start or end), or about_ms")
        if found.step is not None and not 0 <= found.step < steps:
            raise self.wrong(at, f"step {found.step} is not in the script", f"Use 0 to {steps - 1}")
        return found
