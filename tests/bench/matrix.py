"""Every bundled call through Kafka at speeds 1, 8 and max, with 1, 2 and 3 workers: what leaves equals the run in process.

    python tests/bench/matrix.py
    python tests/bench/matrix.py --speeds 8,max --workers 2

Starts a broker of its own; each cell of the table has topics and workers of its own, and plays all nine calls at once.
Alerts, utterances and summaries are compared record by record, with the words that were really said. Speed 1 takes the
length of the longest call, so the whole takes some ten minutes. Exit code 0 only where all cells are equal.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from streams.kafka.connection import Connection  # noqa: E402
from streams.kafka.records import AudioRecord  # noqa: E402
from streams.kafka.scratch import scratch  # noqa: E402
from streams.kafka.topics import Topics, create_topics  # noqa: E402
from tests.kafka.brokers import start  # noqa: E402
from tests.kafka.calls import SOURCES, Result, in_process, records_of, write_transcripts  # noqa: E402
from tests.kafka.chaos import difference  # noqa: E402
from tests.kafka.live import Listening, Worker, send  # noqa: E402

ALL = [SOURCES[name] for name in sorted(SOURCES)]
PARTITIONS = 6
PATIENCE_S = 600.0
READY_S = 120.0
SILENCE_S = "600"
"""On a busy machine the calls' own clock may stand still: that is not a silent caller."""
KEPT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one speed and number of workers."""

    speed: str
    workers: int
    found: Result
    doubled: int
    differs: dict[str, Any]
    seconds: float


def play(address: str, folder: Path, model: str, expected: Result, speed: str, count: int) -> Cell:
    """One cell: its topics, its workers, all calls, and the comparison."""
    prefix = f"speed-{speed}.workers-{count}."
    create_topics(Connection(address), Topics(prefix), partitions=PARTITIONS)
    flags = ("--call-silence-s-max", SILENCE_S)
    began_s = time.monotonic()
    logs = [folder / f"{prefix}{number}.log" for number in range(count)]
    workers = [Worker(address, prefix, model, log, *flags, partitions=None) for log in logs]
    try:
        _wait_for(workers)
        listening = Listening(address, prefix)
        calls: dict[str, list[AudioRecord]] = {source.call.call_id: list(records_of(source)) for source in ALL}
        send(address, prefix, calls, speed=None if speed == "max" else float(speed))
        gathered = listening.until(len(ALL), PATIENCE_S, settle_s=3.0)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
    differs = difference(expected, gathered.result)
    if listening.letters:
        differs["dead letters"] = listening.letters
    return Cell(speed, count, gathered.result, gathered.doubled, differs, time.monotonic() - began_s)


def _wait_for(workers: list[Worker]) -> None:
    """Until every role of every worker has its share: all of them should have work."""
    deadline_s = time.monotonic() + READY_S
    while time.monotonic() < deadline_s:
        if all(sum("assigned:" in line["message"] for line in worker.lines()) >= 3 for worker in workers):
            return
        time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speeds", default="1,8,max", help="(default 1,8,max)")
    parser.add_argument("--workers", default="1,2,3", help="(default 1,2,3)")
    wanted = parser.parse_args()
    with scratch("matrix", KEPT_S) as folder:
        print(f"logs in {folder}, kept for a day where something differs", flush=True)
        model = f"recorded:{write_transcripts(folder / 'said.ndjson', ALL)}"
        expected = in_process(ALL, model)
        broker = start(folder / "broker")
        cells: list[Cell] = []
        print(
            f"{'speed':>6}{'workers':>9}{'alerts':>8}{'utterances':>12}{'summaries':>11}{'doubled':>9}{'s':>6}  equal"
        )
        try:
            for speed in wanted.speeds.split(","):
                for count in map(int, wanted.workers.split(",")):
                    cells.append(play(broker.address, folder, model, expected, speed, count))
                    _tell(cells[-1])
        finally:
            broker.stop()
        wrong = [cell for cell in cells if cell.differs]
        for cell in wrong:
            print(f"speed {cell.speed}, {cell.workers} workers: {cell.differs}")
        if wrong:
            raise SystemExit(1)
    print(f"all {len(cells)} equal to the run in process: {len(expected.alerts)} alerts")
    return 0


def _tell(cell: Cell) -> None:
    found = cell.found
    counts = f"{len(found.alerts):>8}{len(found.utterances):>12}{len(found.summaries):>11}{cell.doubled:>9}"
    print(f"{cell.speed:>6}{cell.workers:>9}{counts}{cell.seconds:>6.0f}  {not cell.differs}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
