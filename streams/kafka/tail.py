"""`vigie tail`: what crosses a topic, as readable lines or JSON."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from audio.errors import VigieError
from streams import settings
from streams.events import Record
from streams.kafka import lines
from streams.kafka.connection import Connection, kafka_errors
from streams.kafka.topics import SHORT_NAMES, Topics, partition_of

DESCRIPTION = """Show what crosses a topic: alerts, utterances, measurements, summaries, feedback, dead-letters, audio or
speech. Of audio and speech, place and size are shown, never the content. Ctrl-C ends it."""
EXAMPLE = """examples:
  vigie tail alerts --broker localhost:9092
  vigie tail alerts --from beginning --until end --json | jq .rule_id
  vigie tail utterances --call 2026-11-25-0815 --from 2h
  vigie tail summaries --from 2026-11-25T08:00:00+00:00 --site Dakar"""
POLL_MS = 500
QUIET_S_MAX = 30
"""Reading up to the end, this long without a record means that the broker has gone."""
_AGO = re.compile(r"(\d{1,9})(s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class _ReaderGoneError(Exception):
    """The reader of our output has gone. (A BrokenPipeError would pass for a broker's.)"""


@dataclass(frozen=True, slots=True)
class Span:
    """What to read: from here (`beginning`, `now`, or Unix milliseconds) to the present end, or for ever."""

    start: str | int
    until_end: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("topic", metavar="TOPIC", help=", ".join(SHORT_NAMES))
    parser.add_argument(
        "--from",
        dest="start",
        default="now",
        metavar="WHEN",
        help="beginning, now, a time (2026-11-25T08:00), or how long ago (90s, 15m, 2h, 3d) (default: now)",
    )
    parser.add_argument("--until", choices=("end",), help="stop where the topic ends now (default: go on)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--call", metavar="ID", help="of this call only")
    parser.add_argument("--site", metavar="NAME", help="of this site only")
    parser.add_argument("--queue", metavar="NAME", help="of this queue only")
    parser.add_argument("--severity", choices=lines.SEVERITIES, help="alerts this bad and worse")
    settings.add_arguments(parser, *settings.KAFKA)


def run(args: argparse.Namespace) -> int:
    found = settings.load(args)
    connection, topics = found.connection(), found.topics()
    topic = short_name(args.topic, topics)
    wanted = lines.Filter(args.call, args.site, args.queue, args.severity)
    check_filter(topic, wanted)
    span = Span(starting(args.start, time.time()), args.until == "end")
    show = _json_line if args.json else _readable_line
    try:
        with _interruptible() as interrupted, kafka_errors(connection):
            consumer = _consumer(connection)
            try:
                skipped = follow(
                    consumer, topics.name(topic), topic, span, wanted, lambda *a: _print(show(*a)), stop=interrupted
                )
            finally:
                consumer.close(autocommit=False)
    except KeyboardInterrupt:
        return 0
    except _ReaderGoneError:
        # What Python would still flush at exit has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if skipped:
        print(f"vigie: {skipped} records were no {topic} and are not shown", file=sys.stderr)
    return 0


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: inside of a poll kafka-python may take the exception for its own and go on."""
    pressed = threading.Event()

    def press(number: int, frame: Any) -> None:
        pressed.set()
        signal.default_int_handler(number, frame)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield pressed.is_set  # a shell's background job is to be deaf for it
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def short_name(text: str, topics: Topics) -> str:
    """A topic by its short or its whole name.

    Raises:
        VigieError: it names none that can be shown.
    """
    name = text.removeprefix(topics.prefix).removeprefix("calls.")
    if name in SHORT_NAMES:
        return name
    near = difflib.get_close_matches(name, SHORT_NAMES, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"Use one of: {', '.join(SHORT_NAMES)}"
    raise VigieError(f"no topic {text[:60]!r} can be shown", remedy=remedy)


def starting(text: str, now_s: float) -> str | int:
    """`beginning`, `now`, or a time in Unix milliseconds; a time without a zone is this machine's.

    Raises:
        VigieError: it is none of these.
    """
    if text in ("beginning", "now"):
        return text
    if ago := _AGO.fullmatch(text):
        return max(0, round((now_s - int(ago[1]) * _UNIT_S[ago[2]]) * 1000))
    try:
        return max(0, round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        remedy = "Use beginning, now, a time such as 2026-11-25T08:00, or how long ago: 90s, 15m, 2h, 3d"
        raise VigieError(f"{text[:40]!r} is no time", remedy=remedy, where="--from") from None


def check_filter(topic: str, wanted: lines.Filter) -> None:
    """Raises VigieError for a filter on what this topic's records do not say."""
    if wanted.severity is not None and topic != "alerts":
        raise VigieError(f"{topic} have no severity", remedy="Leave it out, or tail alerts", where="--severity")
    placed = wanted.site is not None or wanted.queue is not None
    if placed and topic not in lines.PLACED:
        where = "--site" if wanted.site is not None else "--queue"
        remedy = f"Filter by --call, or tail one of: {', '.join(lines.PLACED)}"
        raise VigieError(f"{topic} do not say of which site or queue a call is", remedy=remedy, where=where)


def follow(
    consumer: Any,
    name: str,
    topic: str,
    span: Span,
    wanted: lines.Filter,
    show: Callable[[str, Any, Record], None],
    clock: Callable[[], float] = time.monotonic,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Show the wanted records of a topic; returns how many could not be read.

    Raises:
        VigieError: there is no such topic, or the broker has gone while its end was looked for.
    """
    skipped = 0
    for message in _messages(consumer, name, topic, span, wanted.call, clock, stop):
        try:
            record = lines.read(topic, message.value or b"")
        except VigieError as error:
            skipped += 1
            place = f"{name}[{message.partition}]@{message.offset}"
            print(lines.printable(f"vigie: {place} cannot be shown: {error}"), file=sys.stderr)
            continue
        if wanted.wants(topic, record):
            show(topic, message, record)
    if wanted.unplaced:
        hint = "" if span.start == "beginning" else "; --from beginning finds them all"
        print(f"vigie: {wanted.unplaced} records of calls whose start was not seen are left out{hint}", file=sys.stderr)
    return skipped


def _messages(
    consumer: Any,
    name: str,
    topic: str,
    span: Span,
    call: str | None,
    clock: Callable[[], float],
    stop: Callable[[], bool],
) -> Iterator[Any]:
    partitions = _partitions(consumer, name)
    if call is not None and topic != "dead-letters":
        # All that there is of a call lies on one partition.
        partitions = [partitions[partition_of(call.encode(errors="replace"), len(partitions))]]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions) if span.until_end else {}
    _seek(consumer, partitions, span.start)
    heard_s = clock()
    while not stop() and (not span.until_end or any(consumer.position(p) < ends[p] for p in partitions)):
        batch = consumer.poll(timeout_ms=POLL_MS)
        if batch:
            heard_s = clock()
        elif span.until_end and clock() - heard_s > QUIET_S_MAX:
            raise TimeoutError(f"no record in {QUIET_S_MAX} s")
        for partition, messages in batch.items():
            limit = ends.get(partition)
            yield from (m for m in messages if limit is None or m.offset < limit)


def _partitions(consumer: Any, name: str) -> list[TopicPartition]:
    # Asking for one topic by name could create it; the list of all never does.
    names = consumer.topics()
    if name not in names:
        others = sorted(other for other in names if "calls." in other)
        has = f"It has {', '.join(others[:8])}" if others else "It has none of ours yet: a worker makes them"
        raise VigieError(f"the broker has no topic {name}", remedy=f"{has}; --prefix names a cell")
    return [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name))]


def _seek(consumer: Any, partitions: list[TopicPartition], start: str | int) -> None:
    if start == "beginning":
        consumer.seek_to_beginning(*partitions)
    elif start == "now":
        consumer.seek_to_end(*partitions)
    else:
        found = consumer.offsets_for_times(dict.fromkeys(partitions, start))
        consumer.seek_to_end(*partitions)
        for partition, place in found.items():
            if place is not None:
                consumer.seek(partition, place.offset)
    # The place is looked up now, not at the first poll: what is written after this line is seen.
    for partition in partitions:
        consumer.position(partition)


def _consumer(connection: Connection) -> KafkaConsumer:
    return KafkaConsumer(
        **connection.for_kafka_python(),
        client_id="vigie-tail",
        group_id=None,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        auto_offset_reset="earliest",
    )


def _json_line(topic: str, message: Any, record: Record) -> str:
    if topic in lines.JSON_TOPICS:
        return json.dumps(record, ensure_ascii=False)
    return json.dumps({**record, "partition": message.partition, "offset": message.offset}, ensure_ascii=False)


def _readable_line(topic: str, message: Any, record: Record) -> str:
    stamp = datetime.fromtimestamp(message.timestamp / 1000).strftime("%H:%M:%S") if message.timestamp else "--:--:--"
    return f"{stamp}  {lines.line(topic, record)}"


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise _ReaderGoneError from None
    except OSError as error:  # as it stands it would pass for a broker's
        raise VigieError(f"the output cannot be written ({error.strerror})", remedy="Make room for it") from None
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode(), flush=True)
