"""A floor of calls for browser tests: the real feed over a real store, told record by record what happens on the calls."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from streams.events import Record
from streams.feed.command import serving
from streams.feed.local import HOST, LocalFeed, free_port
from streams.replay.sources import CallSource
from tests.browser.line import Line

SITES = {"casablanca": "fr", "dakar": "fr", "lisboa": "pt", "tunis": "ar", "abidjan": "fr", "rabat": "ar"}
QUEUES = ("billing", "technique", "internet", "résiliation")
AGENTS = ("amina", "karim", "sophie", "youssef", "fatima", "joão", "mariama", "thomas", "نور", "pierre")
MESSAGES: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "one-way-audio": (
        "critical",
        "technology",
        "one_way_ms",
        {
            "en": "One-way audio: the customer cannot be heard, dead line for 11 s.",
            "fr": "Audio à sens unique : on n'entend pas le client, ligne muette depuis 11 s.",
        },
    ),
    "escalation-request": (
        "critical",
        "unknown",
        "phrase.escalation",
        {
            "en": "The customer asks for a supervisor: “let me speak to your manager”",
            "fr": "Le client demande un responsable : « passez-moi votre responsable »",
        },
    ),
    "dead-air": (
        "warning",
        "process",
        "mutual_silence_ms",
        {"en": "Dead air: nobody has spoken for 12 s.", "fr": "Blanc : personne ne parle depuis 12 s."},
    ),
    "talk-over": (
        "warning",
        "human",
        "overlap_run_ms",
        {
            "en": "Both parties have been speaking at once for 4 s.",
            "fr": "Les deux parties parlent en même temps depuis 4 s.",
        },
    ),
    "greeting-missing": (
        "info",
        "human",
        "not_said.greeting",
        {
            "en": "The agent has not greeted the customer in the first 30 s.",
            "fr": "Pas d'accueil dans les 30 premières secondes : l'agent.",
        },
    ),
}
"""Per rule: severity, cause, metric and what it says; the page must find its own words in Arabic and Portuguese."""
WORDS = (
    ("agent", "bonjour, service client, que puis-je faire pour vous", 0.1),
    ("customer", "this is the third time I call about my invoice", -0.4),
    ("agent", "I am sorry to hear that, what is your account number", 0.0),
    ("customer", "my account number is [account]", 0.0),
    ("agent", "one moment please, I am looking", 0.1),
    ("customer", "this is unacceptable, let me speak to your manager", -0.8),
)


class Stage:
    """Calls that do as they are told; `address` is where the page is."""

    def __init__(self, feed: LocalFeed, line: Line) -> None:
        self.feed, self.line = feed, line
        self.address = f"http://{HOST}:{line.port}/"
        self._seconds: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def call(self, call_id: str, *, site: str = "dakar", queue: str = "billing", agent: str = "amina") -> str:
        call = {
            "call_id": call_id,
            "tenant": "default",
            "agent": agent,
            "queue": queue,
            "site": site,
            "trunk": f"sip-{len(site) % 3 + 1}",
            "language": SITES.get(site, "fr"),
            "started_at": None,
            "pace": "live",
            "mono": False,
            "attributes": {},
        }
        self._seconds[call_id] = 0
        self.second(call_id, call=call)
        return call_id

    def adopt(self, call_id: str) -> None:
        """A call of which the engine tells, with `second_of`."""
        self._seconds[call_id] = 0

    def second_of(self, record: Record) -> None:
        self._seconds[record["call_id"]] = record["seq"] + 1
        self.feed.put("measurements", record)

    def second(self, call_id: str, speakers: str = "a", **more: Any) -> None:
        """One more second of a call; `speakers` holds "a" and "c" for who speaks in it."""
        seq = self._seconds[call_id]
        self._seconds[call_id] = seq + 1
        start = seq * 1000
        noise = random.Random(f"{call_id}/{seq}")

        def leg(letter: str) -> Record:
            spoken = letter in speakers
            return {
                "level_dbov": noise.uniform(-31, -19) if spoken else noise.uniform(-60, -52),
                "speech_ms": 1000 * spoken,
            }

        record = {
            "call_id": call_id,
            "seq": seq,
            "start_ms": start,
            "end_ms": start + 1000,
            "parties": {"agent": leg("a"), "customer": leg("c")},
            "overlap_ms": 1000 if "a" in speakers and "c" in speakers else 0,
            "silence_ms": 0 if speakers else 1000,
            "hold": "h" in speakers,
            "utterances": [],
            "speech": {
                party: [[start, start + 1000]] if letter in speakers else []
                for party, letter in (("agent", "a"), ("customer", "c"))
            },
            "gaps": [],
            "alerts": [],
            "last": False,
            **more,
        }
        self.feed.put("measurements", record)

    def seconds(self, call_id: str, pattern: str) -> None:
        """One second for each letter: a, c, "x" both, "h" on hold, "." nobody."""
        for letter in pattern:
            self.second(call_id, {"x": "ac", ".": ""}.get(letter, letter))

    def words(self, call_id: str, party: str, text: str, *, at_ms: int | None = None, score: float = 0.0) -> str:
        number = self._numbers[call_id] = self._numbers.get(call_id, 0) + 1
        start = at_ms if at_ms is not None else self._seconds[call_id] * 1000
        redactions, phrases = list[Record](), list[Record]()
        if (at := text.find("[account]")) >= 0:
            redactions = [{"kind": "account", "start": at, "end": at + len("[account]")}]
        if (at := text.find("third time I call")) >= 0:
            phrases = [{"category": "repeated_contact", "text": text[at : at + 17], "start": at, "end": at + 17}]
        utterance_id = f"{call_id}:{party[0]}{number}"
        record = {
            "call_id": call_id,
            "utterance_id": utterance_id,
            "party": party,
            "start_ms": start,
            "end_ms": start + 2500,
            "state": "final",
            "final": True,
            "text": text,
            "language": "en",
            "confidence": 0.93,
            "words": [],
            "sentiment": {"score": score, "confidence": 0.8, "because": []},
            "phrases": phrases,
            "redactions": redactions,
            "reason": None,
        }
        self.feed.put("utterances", record)
        return utterance_id

    def alert(self, call_id: str, rule_id: str, **changes: Any) -> str:
        """The alert of a rule on a call, as of now in its media time; `changes` replace fields of the record."""
        severity, verdict, metric, message = MESSAGES[rule_id]
        raised = self._seconds[call_id] * 1000
        onset = max(0, raised - 12_000)
        milliseconds = metric.endswith("_ms")
        alert_id = f"{call_id}-{rule_id}"
        record = {
            "alert_id": alert_id,
            "revision": 1,
            "call_id": call_id,
            "tenant": "default",
            "rule_id": rule_id,
            "rule_version": "1",
            "title": rule_id,
            "state": "raised",
            "severity": severity,
            "party": None if metric in ("mutual_silence_ms", "overlap_run_ms") else "customer",
            "onset_ms": onset,
            "raised_ms": raised,
            "changed_ms": raised,
            "cleared_ms": None,
            "cause": {
                "verdict": verdict,
                "for": [_fact("phrase.waiting", "a wait was announced")],
                "against": [_fact("loss", "no fault of the line was measured", "absence")],
            },
            "evidence": {
                "metric": metric,
                "unit": "ms" if milliseconds else "count",
                "value": 12_000 if milliseconds else 1,
                "threshold": 10_000 if milliseconds else 1,
                "window_ms": 12_000,
                "words": _said(metric),
                "audio": {"from_ms": onset, "to_ms": raised + 1000},
            },
            "message": message,
            **dict.fromkeys(("agent", "queue", "site", "trunk", "language")),
            **changes,
        }
        self.feed.put("alerts", record)
        return alert_id

    def end(self, call_id: str, *, coverage: str = "monitored", health: float = 82.0) -> None:
        self.second(
            call_id,
            "",
            last=True,
            end={"reason": "ended", "totals": {"duration_ms": self._seconds[call_id] * 1000, "vad": "silero"}},
        )
        duration = self._seconds[call_id] * 1000
        hole = {"from_ms": 4000, "to_ms": 9000, "party": "customer", "reason": "audio_gap"}
        self.feed.put(
            "summaries",
            {
                "call_id": call_id,
                "duration_ms": duration,
                "agent_talk_ms": duration // 2,
                "customer_talk_ms": duration // 3,
                "overlap_ms": 1000,
                "silence_ms": 4000,
                "hold_ms": 0,
                "talk_ratio": 0.6,
                "interruptions_agent": 1,
                "interruptions_customer": 0,
                "health": health,
                "health_lost": [
                    {
                        "points": 100 - health,
                        "measure": "silence",
                        "rule_id": None,
                        "party": None,
                        "why": {"en": "Nobody spoke for long", "fr": "Un long blanc"},
                    }
                ],
                "coverage": {"state": coverage, "intervals": [] if coverage == "monitored" else [hole]},
                "cause": {"verdict": "process", "for": [], "against": []},
                "alerts": [],
                "sentiment": {"agent": [], "customer": []},
                "mono": False,
            },
        )

    def busy_floor(self, calls: int = 48, seed: int = 7) -> None:
        """Calls over all sites and queues, some of them in trouble, some of them over."""
        chance = random.Random(seed)
        for number in range(calls):
            call_id = f"call-{number:03}"
            self.call(
                call_id, site=chance.choice(list(SITES)), queue=chance.choice(QUEUES), agent=chance.choice(AGENTS)
            )
            self.seconds(
                call_id, "".join(chance.choice(("aaaa", "ccc", "aaa.", "cc", "x", "..", "hh")) for _ in range(9))
            )
            if number % 6 == 0:
                self.talk(call_id)
            for rule_id in chance.sample(list(MESSAGES), k=chance.choice((0, 0, 0, 1, 1, 2))):
                self.alert(call_id, rule_id)
            if number % 8 == 5:
                self.end(
                    call_id,
                    coverage=chance.choice(("monitored", "partial", "unmonitored")),
                    health=chance.choice((96.0, 71.0, 34.0)),
                )

    def talk(self, call_id: str) -> list[str]:
        """The words of `WORDS`, four seconds apart."""
        return [
            self.words(call_id, party, text, at_ms=1000 + 4000 * i, score=score)
            for i, (party, text, score) in enumerate(WORDS)
        ]


def _said(metric: str) -> list[Record]:
    if not metric.startswith("phrase."):
        return []
    return [{"text": "let me speak to your manager", "party": "customer", "confidence": 0.91, "start_ms": 21_000}]


def _fact(name: str, english: str, kind: str = "measure") -> Record:
    return {"kind": kind, "name": name, "party": None, "value": None, "from_ms": 1000, "text": {"en": english}}


@contextlib.contextmanager
def stage(folder: Path, sources: Iterable[CallSource] = ()) -> Iterator[Stage]:
    feed = LocalFeed(sources, folder)
    try:
        with serving(feed.app, HOST, port := free_port(0)), contextlib.closing(Line(port)) as line:
            yield Stage(feed, line)
    finally:
        feed.close()
