"""The parts of a worker that need no broker: its books, its pages, its logs, its rules."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from audio.errors import VigieError
from streams.alerts.rules import DEFAULT_PATH, load_rules
from streams.cli import main
from streams.kafka.accounts import Accounts
from streams.kafka.book import SEEKS_MAX, Book, Forgetful, ended, within
from streams.kafka.compute import Compute, Result
from streams.kafka.group import END_KNOWN_MS_MAX, known_end
from streams.kafka.logs import JsonLines
from streams.kafka.metrics import Metrics, Pages
from streams.kafka.role import serve
from streams.kafka.state import Rulebook
from streams.kafka.steps import Done, Out, Row


def book_at(offset: int) -> Book:
    return Book(0, 1, Accounts(["calls.audio"]), {}, {"calls.audio": offset})


def test_what_was_passed_over_is_gone_back_for_and_the_record_at_hand_is_left() -> None:
    book = book_at(0)
    assert book.passed_over("calls.audio", 171) == (True, True)
    assert book.passed_over("calls.audio", 172) == (True, False), "one seek is under way"
    for offset in range(173):
        assert book.passed_over("calls.audio", offset) == (False, False)
        assert book.came("calls.audio", offset)
    assert not book.gaps
    assert not book.came("calls.audio", 171), "once is enough"


def test_a_hole_that_stays_after_several_seeks_is_one() -> None:
    book = book_at(10)
    assert book.passed_over("calls.audio", 12) == (True, True)
    assert book.to_seek() == [], "not so soon"
    for _ in range(SEEKS_MAX - 1):
        assert book.passed_over("calls.audio", 12)[0]
        book.gaps["calls.audio"].asked_s -= 10
        assert book.to_seek() == ["calls.audio"]
    assert book.passed_over("calls.audio", 12) == (False, False)
    assert book.came("calls.audio", 12)
    assert book.accounts.committable() == {"calls.audio": 12}


def test_what_faust_has_read_is_forgotten() -> None:
    read = Forgetful()
    read["place"] = 7
    assert read["place"] is None


def test_a_row_waits_for_every_output_before_it_and_offsets_for_their_row() -> None:
    accounts = Accounts(["t"])
    for offset in range(3):
        accounts.came("t", offset)
    out = Out("calls.alerts", b"c", b"{}", None)
    row, late = Row(b"c", b"row", (("t", 0), ("t", 1))), Done((("t", 2),))
    numbers = [number for number, _ in accounts.enter([out, out, row, out, late])]
    accounts.confirmed(numbers[1])
    assert list(accounts.rows()) == []
    accounts.confirmed(numbers[0])
    assert list(accounts.rows()) == [row]
    assert accounts.committable() == {"t": 0}, "sent is not saved"
    accounts.saved(row)
    assert accounts.committable() == {"t": 2}
    accounts.confirmed(numbers[2])
    assert list(accounts.rows()) == []
    assert accounts.committable() == {"t": 3}
    assert accounts.idle


def test_the_pages_tell_figures_health_and_readiness() -> None:
    metrics, state = Metrics("listen"), {"healthy": True, "ready": False}
    metrics.dead_letters.labels("listen", "undecodable").inc(3)
    pages = Pages(metrics, lambda: state["healthy"], lambda: state["ready"])
    port = pages.start("127.0.0.1", 0)
    try:
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        assert 'vigie_dead_letters_total{reason="undecodable",role="listen"} 3.0' in text
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").status == 200
        for path, wanted in (("/readyz", 503), ("/nothing", 404)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}")
            assert refused.value.code == wanted
        state["ready"] = True
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").status == 200
    finally:
        pages.stop()


def test_a_log_line_is_one_json_object() -> None:
    record = logging.LogRecord("vigie.x", logging.WARNING, "f.py", 1, "two\nlines %s", ("here",), None)
    record.call_id = "call-1"
    line = JsonLines("listen").format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["message"], told["call_id"], told["level"]) == ("two lines here", "call-1", "warning")


def test_rules_of_another_worker_are_found_and_lost_ones_replaced(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("version: '9'\nextends: default\ndisable: [clipping]\n")
    theirs = load_rules(None).fingerprint
    asked: list[int] = []

    def read() -> dict[str, bytes]:
        asked.append(1)
        return {theirs: DEFAULT_PATH.read_bytes(), "damaged": b"[: nonsense"}

    rulebook = Rulebook(own, read)
    assert rulebook.now != theirs
    assert rulebook.find(theirs).fingerprint == theirs
    assert rulebook.find(rulebook.now).version == "9"
    assert rulebook.find("lost").fingerprint == rulebook.now
    assert len(asked) == 1, "it is not asked again and again"


def test_the_compute_thread_says_so_where_it_fails() -> None:
    import threading

    told: list[BaseException] = []
    failed, delivered = threading.Event(), list[Result]()

    def fail(error: BaseException) -> None:
        told.append(error)
        failed.set()

    compute = Compute(delivered.extend, fail)
    compute.start()
    compute._put("assign", ("not", "enough"))
    assert failed.wait(10)
    assert isinstance(told[0], ValueError)


@pytest.mark.parametrize("port", [65_536, 99_999])
def test_a_port_that_is_none_is_the_users_mistake(port: int) -> None:
    pages = Pages(Metrics("listen"), lambda: True, lambda: True)
    with pytest.raises(VigieError, match="metrics_port"):
        serve(pages, "127.0.0.1", port)


@pytest.mark.parametrize("flag", ["--words-s-max", "--in-flight-mb", "--save-s"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "x"])
def test_a_bound_that_is_none_is_the_users_mistake(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["worker", "--broker", "127.0.0.1:1", flag, value])
    assert ended.value.code == 2
    assert flag in capsys.readouterr().err


@dataclass
class Client:
    """An aiokafka consumer that was last answered then."""

    answered_ms: int | None

    def highwater(self, place: TopicPartition) -> int:
        assert place.partition == 0, "Partition is not assigned"
        return 7

    def last_poll_timestamp(self, place: TopicPartition) -> int | None:
        assert place.partition == 0
        return self.answered_ms


def test_while_no_broker_answers_nobody_knows_where_a_partition_ends() -> None:
    place, now_ms = TopicPartition("calls.audio", 0), 1_000_000.0
    assert known_end(Client(999_500), place, now_ms) == 7
    assert known_end(Client(999_500), place, now_ms + END_KNOWN_MS_MAX) is None
    assert known_end(Client(None), place, now_ms) is None
    assert known_end(Client(999_500), TopicPartition("calls.audio", 1), now_ms) is None, "between two assignments"


@pytest.mark.parametrize("turns", range(4))
def test_a_wait_ends_when_it_is_told_to_in_the_moment_in_which_it_comes_to_pass(turns: int) -> None:
    async def ends() -> bool:
        came = asyncio.Event()

        async def wait_on() -> None:
            while True:
                assert await within(came.wait, time.monotonic() + 60)
                came.clear()

        waiting = asyncio.create_task(wait_on())
        await asyncio.sleep(0.05)
        came.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=5)
        return waiting.cancelled()

    assert asyncio.run(ends())
    assert not asyncio.run(within(asyncio.Event().wait, time.monotonic() + 0.02))


def test_what_swallows_cancellations_holds_up_neither_the_limit_nor_ours() -> None:
    async def tried() -> tuple[bool, bool]:
        release, over = asyncio.Event(), asyncio.Event()

        async def obstinate() -> None:
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await release.wait()
            over.set()

        with pytest.raises(TimeoutError, match="not stopped within"):
            await ended(obstinate(), 0.02)
        waiting = asyncio.create_task(ended(obstinate(), 60))
        await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=10)
        was_over = over.is_set()
        release.set()
        return waiting.cancelled(), was_over

    async def fails() -> None:
        raise ValueError("as it is")

    assert asyncio.run(tried()) == (True, False)
    with pytest.raises(ValueError, match="as it is"):
        asyncio.run(ended(fails(), 60))
