"""What a worker tells Prometheus, and /healthz and /readyz: on loopback unless told otherwise.

`calls` counts by id nowhere: no label holds call content or a call's name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from audio.whisper.engine import BatchReport, Engine
    from streams.kafka.compute import Compute

LATENCY_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The figures of one role's process."""

    def __init__(self, role: str) -> None:
        self.registry = CollectorRegistry()
        for collector in (GCCollector, PlatformCollector, ProcessCollector):
            collector(registry=self.registry)
        self.role = role

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"vigie_{name}", text, ("role", *labels), registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"vigie_{name}", text, ("role", *labels), registry=self.registry)

        self.latency = Histogram(
            "vigie_alert_latency_seconds",
            "From the capture of the sound to the alert confirmed on its topic",
            ("role", "kind"),
            buckets=LATENCY_S,
            registry=self.registry,
        )
        self.inputs = counter("inputs", "Records taken", "topic")
        self.outputs = counter("outputs", "Records confirmed by the broker", "topic")
        self.rows = counter("state_rows", "Rows of state written")
        self.row_bytes = counter("state_row_bytes", "Bytes of rows of state written")
        self.dead_letters = counter("dead_letters", "Records that could not be used", "reason")
        self.calls_ended = counter("calls", "Calls that are over, by what was watched of them", "coverage")
        self.passed_over = counter("passed_over", "Times that Faust passed over records, and we went back for them")
        self.events = counter("stage_events", "Stragglers, replays, time-outs and so on", "event")
        self.utterances = counter("utterances", "Terminal records of utterances", "state")
        self.commits = counter("commits", "Commits of offsets", "result")
        self.rebalances = counter("rebalances", "Assignments of partitions")
        self.lag = gauge("lag_records", "Records of a partition that were not taken yet", "topic", "partition")
        self.calls_open = gauge("calls_open", "Calls under way")
        self.pieces_waiting = gauge("utterances_waiting", "Calls of which an utterance waits for the transcriber")
        self.batches = counter("asr_batches", "Batches that the model ran", "window_ms")
        self.batch_utterances = counter("asr_batch_utterances", "Utterances in them", "window_ms")
        self.batch_fill = counter(
            "asr_batch_fill_seconds", "Of the windows' seconds, those that were speech", "window_ms"
        )
        self.batch_window = counter("asr_batch_window_seconds", "Seconds of windows that were encoded", "window_ms")
        self.batch_run = counter("asr_batch_run_seconds", "Time that batches ran", "window_ms")
        self.batch_interims = counter("asr_batch_interims", "Interim texts among the utterances")
        self.batch_wait = Histogram(
            "vigie_asr_wait_seconds",
            "From the queue to the model, of the utterance of a batch that waited longest",
            ("role",),
            buckets=LATENCY_S,
            registry=self.registry,
        )
        self.rung = gauge("asr_rung", "Overload: 0 none, 1 no interims, 2 greedy, 3 short margin, 4 giving up")
        self.unheard = counter("asr_dropped", "Transcripts that the gates held back", "reason")
        self.capacity = gauge(
            "asr_capacity_calls", "Live calls that this machine was measured to carry; 0: not measured"
        )
        self.held = gauge("speech_held_bytes", "Audio that waits for the transcriber")
        self.clips = counter("clips", "Clips of alerts, by what became of them", "state")
        self.clips_waiting = gauge("clips_waiting", "Clips that wait for the words in them, or to be cut")
        self.in_flight = gauge("in_flight_bytes", "Bytes taken and not worked on yet")
        self.paused = gauge("paused", "1 while no more input is taken because too much is in flight")
        self.busy = gauge("compute_busy_seconds", "Time that the compute thread has worked")
        self.compute_cpu = gauge("compute_cpu_seconds", "Of the process's CPU time, what the compute thread had")
        self.restarts = gauge("restarts", "How often this worker was started again after a crash")

    def follow(self, role: str, compute: Compute, events: Mapping[str, int], in_flight_bytes: int) -> None:
        """How the work goes; `events` are what its stages have counted since the last time."""
        for event, count in events.items():
            self.events.labels(role, event).inc(count)
            if event.startswith("clips_"):
                self.clips.labels(role, event.removeprefix("clips_")).inc(count)
        self.in_flight.labels(role).set(in_flight_bytes)
        self.busy.labels(role).set(compute.busy_s)
        self.compute_cpu.labels(role).set(compute.cpu_s)
        self.calls_open.labels(role).set(compute.calls)
        self.pieces_waiting.labels(role).set(0 if role == "evidence" else compute.pieces_waiting)
        self.clips_waiting.labels(role).set(compute.clips_held)
        self.held.labels(role).set(compute.held_bytes)

    def follow_engine(self, role: str, engine: Engine, dropped: Mapping[str, int]) -> None:
        """How the transcriber bears up; `dropped` are reasons counted since the last time."""
        self.rung.labels(role).set(int(engine.rung))
        for reason, count in dropped.items():
            self.unheard.labels(role, reason).inc(count)

    def batch(self, report: BatchReport) -> None:
        """One batch has run; called from a thread of the engine."""
        role, window = self.role, str(report.window_ms)
        self.batches.labels(role, window).inc()
        self.batch_utterances.labels(role, window).inc(report.size)
        seconds = report.size * report.window_ms / 1000
        self.batch_window.labels(role, window).inc(seconds)
        self.batch_fill.labels(role, window).inc(seconds * report.fill)
        self.batch_run.labels(role, window).inc(report.run_s)
        self.batch_interims.labels(role).inc(report.interims)
        self.batch_wait.labels(role).observe(max(0.0, report.wait_s))

    def page(self) -> bytes:
        return bytes(generate_latest(self.registry))


class Pages:
    """Serves /metrics, /healthz and /readyz in a thread of its own. Port 0: any free one."""

    def __init__(self, metrics: Metrics, healthy: Callable[[], bool], ready: Callable[[], bool]) -> None:
        self._metrics, self._healthy, self._ready = metrics, healthy, ready
        self._server: ThreadingHTTPServer | None = None

    def start(self, host: str, port: int) -> int:
        """Raises OSError where the port is taken."""
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body, kind = pages.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Scrapes are not logged."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="vigie-pages", daemon=True).start()
        return int(self._server.server_address[1])

    def answer(self, path: str) -> tuple[int, bytes, str]:
        """Status, body and content type of a page."""
        match path.partition("?")[0]:
            case "/metrics":
                return 200, self._metrics.page(), CONTENT_TYPE_LATEST
            case "/healthz":
                return (200, b"ok\n", "text/plain") if self._healthy() else (503, b"stuck\n", "text/plain")
            case "/readyz":
                return (200, b"ready\n", "text/plain") if self._ready() else (503, b"not ready\n", "text/plain")
        return 404, b"/metrics /healthz /readyz\n", "text/plain"

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
