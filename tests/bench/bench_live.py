"""What live calls cost on Kafka, and how late an acoustic alert is: capacity, shares, latency. No transcription.

    python tests/bench/bench_live.py
    python tests/bench/bench_live.py --calls 60 --seconds 60 --json

Starts a broker of its own and one `vigie worker --roles listen`. First a light load tells the CPU time that a second of
call costs the worker, the broker and the source, on the same two cores; that gives the capacity of two cores with all
of them on it. Then so many calls as make up 70 % of it run, and each acoustic alert is timed: from the capture of the
newest sound that it needed (header `captured_ms`) to its arrival at a consumer of calls.alerts.

The worker's CPU time is split three ways: the engine (the same audio through a `Listener` in this process), what the
compute thread does besides (decoding, encoding, state), and the event loop with its clients (Faust and aiokafka).
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from audio.chunk import AudioChunk, Encoding, Party  # noqa: E402
from audio.codec import encode  # noqa: E402
from audio.vad import load_silero  # noqa: E402
from streams.alerts.rules import load_rules  # noqa: E402
from streams.events import CallInfo  # noqa: E402
from streams.kafka import serde  # noqa: E402
from streams.kafka.connection import Connection  # noqa: E402
from streams.kafka.scratch import scratch  # noqa: E402
from streams.kafka.topics import Topics, create_topics  # noqa: E402
from streams.listen import Listener, ListenSettings  # noqa: E402
from tests.bench.load import RATE_HZ, Load, Page, cpu_s, percentiles, start_sender, voices  # noqa: E402
from tests.kafka.brokers import Broker, start  # noqa: E402
from tests.kafka.live import Worker  # noqa: E402

METRICS_PORT = 19_464
CORES = 2


def engine_ms(chunk_ms: int) -> float:
    """CPU milliseconds that a second of call costs the engine alone, over the bundled calls."""
    silero, rules, spent_s, media_s = load_silero(), load_rules(None), 0.0, 0.0
    for voice in voices():
        listener = Listener(CallInfo("bench"), rules, silero, ListenSettings(words=False))
        size = RATE_HZ * chunk_ms // 1000
        coded = [encode(leg, Encoding.MULAW) for leg in voice]
        chunks = [
            AudioChunk(at, RATE_HZ, Encoding.MULAW, {p: coded[i][at : at + size] for i, p in enumerate(Party)})
            for at in range(0, voice.shape[1] - size, size)
        ]
        began_s = time.process_time()
        for chunk in chunks:
            listener.add(chunk)
        listener.end()
        spent_s += time.process_time() - began_s
        media_s += voice.shape[1] / RATE_HZ
    return spent_s * 1000 / media_s


class Alerts(threading.Thread):
    """Notes when each alert arrives."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self._server = bootstrap
        self.late_s: list[float] = []
        self.stopping = False

    def run(self) -> None:
        from kafka import KafkaConsumer

        consumer = KafkaConsumer("calls.alerts", bootstrap_servers=self._server, group_id=None)
        while not self.stopping:
            for records in consumer.poll(timeout_ms=200).values():
                now_s = time.time()
                for record in records:
                    captured_ms = serde.captured_ms_of(record.headers)
                    alert = json.loads(record.value)
                    if captured_ms is not None and alert["state"] == "raised":
                        self.late_s.append(now_s - captured_ms / 1000)
        consumer.close()


def measure(broker: Broker, worker: Worker, load: Load) -> dict[str, Any]:
    """Run a load and say what each part paid for it, and how late the alerts were."""
    assert broker.process is not None
    alerts = Alerts(broker.address)
    alerts.start()
    time.sleep(2)
    before, page = (cpu_s(broker.process.pid), cpu_s(worker.process.pid)), Page.read(METRICS_PORT)
    sender, told = start_sender(broker.address, "calls.audio", load)
    sent = told.get(timeout=load.seconds * 3 + 60)
    time.sleep(2)
    after, later = (cpu_s(broker.process.pid), cpu_s(worker.process.pid)), Page.read(METRICS_PORT)
    sender.join()
    alerts.stopping = True
    alerts.join()
    media_s = load.calls * load.seconds
    compute_s = later.total("vigie_compute_cpu_seconds") - page.total("vigie_compute_cpu_seconds")
    process_s = later.total("process_cpu_seconds_total") - page.total("process_cpu_seconds_total")
    lag = later.total("vigie_lag_records")
    rows = later.total("vigie_state_row_bytes_total") - page.total("vigie_state_row_bytes_total")
    return {
        "calls": load.calls,
        "seconds": load.seconds,
        "chunk_ms": load.chunk_ms,
        "cpu_ms_per_call_second": {
            "worker": round(process_s * 1000 / media_s, 3),
            "of it compute thread": round(compute_s * 1000 / media_s, 3),
            "broker": round((after[0] - before[0]) * 1000 / media_s, 3),
            "source": round(sent["cpu_s"] * 1000 / media_s, 3),
        },
        "rows_bytes_per_call_second": round(rows / media_s),
        "source_late_s_max": sent["late_s_max"],
        "lag_records_at_the_end": lag,
        "alerts": len(alerts.late_s),
        "latency_s": percentiles(alerts.late_s),
    }


def run(folder: Path, wanted: argparse.Namespace) -> tuple[dict[str, Any], int, dict[str, Any]]:
    """The light load, the calls that two cores carry by it, and the measured load."""
    broker = start(folder / "broker")
    flags = ("--roles", "listen", "--metrics-port", str(METRICS_PORT))
    try:
        create_topics(Connection(broker.address), Topics(), partitions=6)
        worker = Worker(broker.address, "", "none", folder / "worker.log", *flags, partitions=None)
        try:
            _wait_ready()
            light = measure(broker, worker, Load(wanted.light_calls, 25.0, wanted.chunk_ms))
            cost = light["cpu_ms_per_call_second"]
            whole = sum(cost[name] for name in ("worker", "broker", "source"))
            carried = int(CORES * 1000 / whole)
            loaded = measure(broker, worker, Load(wanted.calls or int(0.7 * carried), wanted.seconds, wanted.chunk_ms))
        finally:
            worker.kill()
    finally:
        broker.stop()
    return light, carried, loaded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, help="at once (default: 70 %% of what two cores carry)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the measured load (default 60)")
    parser.add_argument("--chunk-ms", type=int, default=100, help="(default 100)")
    parser.add_argument("--light-calls", type=int, default=30, help="of the first, light load (default 30)")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    engine = engine_ms(wanted.chunk_ms)
    with scratch("bench") as folder:
        light, carried, loaded = run(folder, wanted)
    paid = loaded["cpu_ms_per_call_second"]
    report = {
        "engine_cpu_ms_per_call_second": round(engine, 3),
        "light": light,
        "capacity_two_cores_with_broker_and_source": carried,
        "capacity_one_worker_process": int(1000 / paid["worker"]),
        "share_kafka_and_faust": round(1 - paid["of it compute thread"] / paid["worker"], 3),
        "share_all_but_engine": round(1 - engine / paid["worker"], 3),
        "loaded": loaded,
    }
    print(json.dumps(report, indent=None if wanted.json else 2))
    return 0


def _wait_ready() -> None:
    import urllib.error
    import urllib.request

    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the worker did not get ready")


if __name__ == "__main__":
    sys.exit(main())
