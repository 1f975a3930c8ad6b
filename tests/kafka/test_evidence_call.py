"""EVIDENCE without a broker: when a clip is cut, what of it is muted, and what is kept on disk."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.chunk import AudioChunk, Party
from audio.codec import decode
from audio.errors import VigieError
from audio.state import pack, unpack
from audio.vad import SileroModel
from audio.whisper.transcriber import load_transcriber
from streams.alerts.rules import load_rules
from streams.events import CallInfo
from streams.kafka import serde
from streams.kafka.clips import AudioReader, ClipFolder, Cutter, legs_of
from streams.kafka.compute import Compute
from streams.kafka.evidence import ClipOrder, EvidenceCall
from streams.kafka.metrics import Metrics
from streams.kafka.processors import Setup
from streams.kafka.records import CallAudio
from streams.kafka.stages import CLIP_HELD_S_MAX, REMEMBERED_S, Stage
from streams.kafka.steps import Input, Row
from streams.kafka.worker import DEFAULT_ROLES, ROLES, with_evidence
from streams.listen import ListenSettings
from streams.settings import Settings
from tests.kafka.calls import SOURCES, records_of, write_transcripts
from tests.kafka.simulated import Broker, run

SECONDS = 30
SEEDS = range(1, 31)
Item = dict[str, Any]


def measurement(seq: int, utterances: list[Item] | None = None, listed_to_ms: int | None = None) -> Item:
    end_ms = (seq + 1) * 1000
    return {
        "seq": seq,
        "end_ms": end_ms,
        "offsets": {"from": seq * 10, "to": seq * 10 + 10},
        "utterances": utterances or [],
        "listed_to_ms": end_ms if listed_to_ms is None else listed_to_ms,
        "last": seq == SECONDS - 1,
    }


def listed(key: str, party: str, start_ms: int, end_ms: int) -> Item:
    return {"id": key, "party": party, "start_ms": start_ms, "end_ms": end_ms}


def told(key: str, party: str | None, start_ms: int, end_ms: int, state: str = "final", *redactions: Item) -> Item:
    record = {"utterance_id": key, "party": party, "start_ms": start_ms, "end_ms": end_ms, "state": state}
    return {**record, "redactions": list(redactions)}


def alert(key: str, from_ms: int, to_ms: int, revision: int = 0) -> Item:
    return {"alert_id": key, "revision": revision, "evidence": {"audio": {"from_ms": from_ms, "to_ms": to_ms}}}


def ready(call: EvidenceCall) -> bool:
    return call.is_ready


def a_call() -> EvidenceCall:
    return EvidenceCall(CallInfo("c"), "", None)


def fed(call: EvidenceCall, *items: Item) -> EvidenceCall:
    for item in items:
        call.push(item, 0)
    return call


# --- when, and what ---


def test_a_clip_waits_until_its_time_is_over_and_its_words_are_told() -> None:
    call = fed(a_call(), alert("a", 3000, 5000), *(measurement(i) for i in range(5)))
    assert not ready(call), "its last second has not been listened to"
    fed(call, measurement(5, [listed("u1", "agent", 4000, 5500)]))
    assert not ready(call), "an utterance in it has no words yet"
    fed(call, told("u1", "agent", 4000, 5500, "interim"))
    assert not ready(call), "nor has it with an interim"
    fed(call, told("u1", "agent", 4000, 5500, "final", {"kind": "card", "from_ms": 4500, "to_ms": 5000}))
    assert ready(call)
    order = call.next_order()
    assert (order.from_ms, order.to_ms, order.muted) == (2000, 6000, (("agent", 4500, 5000),))
    assert (order.first_offset, order.needed_offset, order.last_offset) == (0, 20, 60)
    call.done(order)
    assert not ready(call)
    assert not fed(call, alert("a", 3000, 5000)).is_ready, "the same revision again is nothing new"
    assert fed(call, alert("a", 3000, 4500, revision=1)).is_ready


def test_an_utterance_that_goes_on_holds_the_clip_and_one_elsewhere_does_not() -> None:
    call = fed(a_call(), alert("a", 3000, 5000))
    fed(call, *(measurement(i, listed_to_ms=4000) for i in range(8)))
    assert not ready(call)
    fed(call, measurement(8, [listed("u1", "customer", 4000, 8500), listed("u0", "agent", 6000, 8000)]))
    assert not ready(call)
    fed(call, told("u1", "customer", 4000, 8500))
    assert ready(call), "u0 begins where the clip ends"


@pytest.mark.parametrize("state", ["given_up", "failed"])
def test_speech_that_nobody_heard_is_muted_whole(state: str) -> None:
    call = fed(a_call(), alert("a", 3000, 5000), told("u1", "agent", 1000, 5500, state), *map(measurement, range(7)))
    assert call.next_order().muted == (("agent", 2000, 5500),)


def test_on_one_channel_a_redaction_mutes_everything() -> None:
    card = {"kind": "card", "from_ms": 4500, "to_ms": 5000}
    call = fed(
        a_call(), alert("a", 3000, 5000), told("u1", None, 4000, 5500, "final", card), *map(measurement, range(7))
    )
    assert call.next_order().muted == (("agent", 4500, 5000), ("customer", 4500, 5000))


def test_the_first_terminal_record_counts() -> None:
    call = fed(a_call(), alert("a", 3000, 5000), *map(measurement, range(7)))
    fed(call, told("u1", "agent", 4000, 5500), told("u1", "agent", 4000, 5500, "given_up"))
    assert call.next_order().muted == ()


def test_what_is_never_told_is_muted_in_the_end() -> None:
    call = fed(a_call(), alert("a", 3000, 5000))
    fed(
        call,
        *(measurement(i, [listed("u1", "agent", 2500, 3500)] if i == 3 else [], listed_to_ms=4500) for i in range(7)),
    )
    assert not ready(call)
    call.give_up_waiting()
    assert call.next_order().muted == (("agent", 2500, 3500), ("agent", 4500, 6000), ("customer", 4500, 6000))


def test_the_end_of_a_call_ends_its_clips() -> None:
    call = fed(a_call(), alert("a", 0, SECONDS * 1000), *map(measurement, range(SECONDS)))
    order = call.next_order()
    assert (order.from_ms, order.to_ms) == (SECONDS * 1000 - 20_000, SECONDS * 1000)


def test_alerts_without_audio_and_offsets_that_are_not_known() -> None:
    assert fed(a_call(), {"alert_id": "a", "revision": 0, "evidence": {}}).held == 0
    call = fed(a_call(), alert("a", 3000, 5000), *map(measurement, range(10, SECONDS)))
    assert call.next_order().first_offset is None, "measurements began after it"


# --- any order ---


def a_story(rng: random.Random) -> tuple[list[Item], list[Item], list[Item]]:
    """Measurements, utterances and alerts of one call, each in the order of its topic."""
    spans = []
    for number in range(rng.randint(1, 12)):
        start = rng.randrange(0, SECONDS * 1000 - 2000)
        spans.append((f"u{number}", rng.choice(["agent", "customer"]), start, start + rng.randint(200, 9000)))
    measurements = []
    for seq in range(SECONDS):
        now_ms, last = (seq + 1) * 1000, seq == SECONDS - 1
        mine = [s for s in spans if now_ms - 1000 <= s[3] < now_ms or (last and s[3] >= now_ms)]
        still = [s[2] for s in spans if s[2] < now_ms <= s[3]]
        measurements.append(measurement(seq, [listed(*s) for s in mine], now_ms if last else min([now_ms, *still])))
    utterances = []
    for span in sorted(spans, key=lambda s: s[3]):
        cut = {"kind": "card", "from_ms": span[2] + 50, "to_ms": span[2] + 150}
        utterances.append(
            told(*span, rng.choice(["final", "final", "given_up"]), *([cut] if rng.random() < 0.5 else []))
        )
        if rng.random() < 0.3:
            utterances.append(told(*span, "given_up"))
    alerts = []
    for number in range(rng.randint(1, 5)):
        start = rng.randrange(0, SECONDS * 1000 - 1000)
        alerts += [alert(f"a{number}", start, start + rng.randint(1, 1000), r) for r in range(rng.randint(1, 3))]
    return measurements, utterances, alerts


def played(topics: list[list[Item]], rng: random.Random, *, rough: bool) -> list[ClipOrder]:
    """The orders that leave; `rough`: topics run apart, records come twice, the worker starts again from its rows."""
    call, orders = a_call(), []
    places = [0] * len(topics)
    while any(place < len(topic) for place, topic in zip(places, topics, strict=True)):
        number = rng.choice([i for i, topic in enumerate(topics) if places[i] < len(topic)])
        call.push(topics[number][places[number]], 0)
        if rough and rng.random() < 0.1:
            again = a_call()
            again.load_state(unpack(pack(call.state())))
            call = again
            places = [max(0, place - rng.randint(0, 3)) for place in places]
        else:
            places[number] += 1
        while call.is_ready:
            orders.append(call.next_order())
            call.done(orders[-1])
    assert call.held == 0, "every alert gets its clip"
    return orders


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_duplicates_and_restarts_cut_the_same_clips(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    topics = list(a_story(rng))
    wanted = {o.alert_id: o for o in played(topics, random.Random(seed), rough=False)}
    found = played(topics, rng, rough=True)
    assert {o.alert_id: o for o in found} == wanted
    assert len({(o.alert_id, o.revision) for o in found}) == len(found), "none is cut twice"
    first: dict[str, Item] = {}
    for utterance in topics[1]:
        first.setdefault(utterance["utterance_id"], utterance)
    for order in found:
        for utterance in first.values():
            for redaction in utterance["redactions"]:
                start, end = max(redaction["from_ms"], order.from_ms), min(redaction["to_ms"], order.to_ms)
                assert start >= end or any(m[1] <= start and m[2] >= end for m in order.muted)


# --- sound ---


def test_a_folder_adds_the_role() -> None:
    assert with_evidence(Settings()).roles == DEFAULT_ROLES
    assert with_evidence(Settings(evidence=Path("clips"))).roles == ROLES
    assert with_evidence(Settings(evidence=Path("clips"), roles=("listen",))).roles == ("listen",)
    with pytest.raises(VigieError, match="folder"):
        with_evidence(Settings(roles=("evidence",)))


# --- from sound to clip, in memory ---

NAME, NAMES = "en-card", ("en-card", "en-angry")
"""In the first a card number is read out, and nothing goes wrong; in the other something does."""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory, silero: SileroModel) -> Broker:
    """What the three roles make of two calls."""
    said = write_transcripts(tmp_path_factory.mktemp("words") / "said.ndjson", [SOURCES[name] for name in NAMES])
    rules = load_rules(None)
    setup = Setup(
        lambda _: rules, rules.fingerprint, silero, load_transcriber(f"recorded:{said}"), listen=ListenSettings()
    )
    broker = Broker()
    for name in NAMES:
        broker.log("calls.audio").extend(
            (name.encode(), serde.encode_audio(r), None) for r in records_of(SOURCES[name])
        )
    run(broker, setup, random.Random(1), crashes=0)
    return broker


def values(broker: Broker, topic: str) -> list[Item]:
    return [json.loads(value or b"") for _, value, _ in broker.log(topic)]


@pytest.mark.parametrize("name", NAMES)
def test_every_utterance_that_begins_before_that_time_is_listed(logs: Broker, name: str) -> None:
    known: set[str] = set()
    measurements = [m for m in values(logs, "calls.measurements") if m["call_id"] == name]
    every = [u for m in measurements for u in m["utterances"]]
    assert every
    for m in measurements:
        known |= {u["id"] for u in m["utterances"]}
        assert {u["id"] for u in every if u["start_ms"] < m.get("listed_to_ms", 0)} <= known
    assert measurements[-1]["listed_to_ms"] == measurements[-1]["end_ms"]


class LogReader(AudioReader):
    """Reads the audio out of a log in memory, by the offsets of the order."""

    def __init__(self, broker: Broker) -> None:
        self.log = broker.log("calls.audio")

    def read(self, partition: int, order: ClipOrder) -> list[AudioChunk] | None:  # noqa: ARG002
        assert order.first_offset is not None
        records = [serde.decode_audio(v or b"") for _, v, _ in self.log[order.first_offset : order.last_offset + 1]]
        return [r.chunk for r in records if isinstance(r, CallAudio) and r.call_id == order.call_id]


def test_a_stage_cuts_the_clips_of_a_call_and_goes_on_after_a_crash(logs: Broker, tmp_path: Path) -> None:
    orders: list[ClipOrder] = []
    cutter = Cutter(LogReader(logs), ClipFolder(tmp_path, 30))

    def cut(partition: int, order: ClipOrder) -> str:
        orders.append(order)
        return cutter(partition, order)

    rules = load_rules(None)
    setup = Setup(lambda _: rules, rules.fingerprint, cut=cut)
    stage, rows = Stage("evidence", 0, 1, setup), []
    topics = ("calls.alerts", "calls.utterances", "calls.measurements")
    inputs = [Input(t, 0, i, key, value) for t in topics for i, (key, value, _) in enumerate(logs.log(t))]
    extra = alert("of-the-card", *card_of(logs), revision=1)
    template = values(logs, "calls.alerts")[0]
    extra = {**template, **extra, "call_id": NAME, "evidence": {**template["evidence"], **extra["evidence"]}}
    inputs.append(Input("calls.alerts", 0, 9999, NAME.encode(), serde.encode_json("alert", extra)))
    for number, item in enumerate(inputs):
        assert not stage.push(item, float(number))
        if number % 7 == 3:  # a crash after the row was written
            rows += [(s.key, s.value) for s in stage.drain(0.0) if isinstance(s, Row)]
            stage = Stage("evidence", 0, 1, setup)
            stage.load(rows, 0.0)
        while waiting := list(stage.waiting()):
            stage.work(waiting[0][0], 0.0)
    assert stage.clips_held == 0
    wanted = {
        (a["alert_id"], a["revision"]) for a in [*values(logs, "calls.alerts"), extra] if a["evidence"].get("audio")
    }
    latest = {key: max(r for k, r in wanted if k == key) for key, _ in wanted}
    assert latest.items() <= {(o.alert_id, o.revision) for o in orders} <= wanted
    order = next(o for o in orders if o.alert_id == "of-the-card")
    assert order.muted
    chunks = LogReader(logs).read(0, order)
    assert chunks is not None
    plain, muted = (legs_of(chunks, order.from_ms, order.to_ms, spans) for spans in ((), order.muted))
    party, start, end = order.muted[0]
    place = slice((start - order.from_ms) * 8, (end - order.from_ms) * 8)
    whole = whole_call(logs)[Party(party)]
    assert np.abs(plain[Party(party)][place]).max() > 0.01
    assert not muted[Party(party)][place].any()
    # Nothing of the clip is missing: it is the call's own sound, sample by sample.
    assert np.array_equal(plain[Party(party)], whole[order.from_ms * 8 : order.to_ms * 8])


def card_of(logs: Broker) -> tuple[int, int]:
    """Where the card is read out."""
    spans = [r for u in values(logs, "calls.utterances") for r in u["redactions"]]
    assert spans
    return spans[0]["from_ms"], spans[0]["to_ms"]


def whole_call(logs: Broker) -> dict[Party, Any]:
    legs: dict[Party, Any] = {}
    for record in (serde.decode_audio(v or b"") for _, v, _ in logs.log("calls.audio")):
        if isinstance(record, CallAudio) and record.call_id == NAME:
            for party, data in record.chunk.legs.items():
                assert record.chunk.sample_rate_hz == 8000
                samples = decode(data, record.chunk.encoding).astype(np.float32) / 32768
                legs[party] = np.concatenate([legs.get(party, samples[:0]), samples])
    return legs


def test_a_call_is_forgotten_an_hour_later_and_what_waits_is_cut_before(logs: Broker) -> None:
    orders: list[ClipOrder] = []

    def cut(_: int, order: ClipOrder) -> str:
        orders.append(order)
        return "cut"

    rules = load_rules(None)
    stage = Stage("evidence", 0, 1, Setup(lambda _: rules, rules.fingerprint, cut=cut))
    for topic in ("calls.alerts", "calls.measurements"):
        for offset, (key, value, _) in enumerate(logs.log(topic)):
            stage.push(Input(topic, 0, offset, key, value), 0.0)
    held = stage.clips_held
    assert held, "no utterance has been told"
    stage.due(CLIP_HELD_S_MAX - 1.0)
    before = len(list(stage.waiting()))
    stage.due(CLIP_HELD_S_MAX + 1.0)
    assert not before
    while waiting := list(stage.waiting()):
        stage.work(waiting[0][0], 0.0)
    assert len(orders) == held
    assert stage.counts["clips_cut"] == held
    rows = [step for step in stage.due(REMEMBERED_S + 1.0) if isinstance(step, Row)]
    assert rows[-1].value is None
    assert not stage.calls


def test_figures_tell_of_the_clips() -> None:
    metrics, compute = Metrics("evidence"), Compute(lambda _: None, lambda _: None)
    metrics.follow("evidence", compute, {"clips_cut": 3, "clips_gone": 1, "stragglers": 2}, 0)
    page = metrics.page().decode()
    assert 'vigie_clips_total{role="evidence",state="cut"} 3.0' in page
    assert 'vigie_clips_total{role="evidence",state="gone"} 1.0' in page
    assert 'vigie_stage_events_total{event="stragglers",role="evidence"} 2.0' in page
    assert 'vigie_clips_waiting{role="evidence"} 0.0' in page
