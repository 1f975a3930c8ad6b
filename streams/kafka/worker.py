"""`vigie worker`: the roles of this machine, each in a process of its own.

A role has its own consumer group and its own core, so that sound never waits for words. This process starts one for
each role, starts it again where it fails, and stops them all when it is told to: each saves its calls, commits and
leaves its group. Where this process is killed, its children die with it.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio.errors import VigieError
from streams import settings

if TYPE_CHECKING:
    from streams.kafka.connection import Connection

DEFAULT_ROLES = ("listen", "transcribe", "supervise")
ROLES = (*DEFAULT_ROLES, "evidence")
OURS = (
    "group",
    "roles",
    "rules",
    "model",
    "call_silence_s_max",
    "evidence",
    "evidence_days",
    "metrics_host",
    "metrics_port",
)
EVIDENCE_CALLS_MAX = 20_000
"""Of a partition: a call that is over is kept for an hour, because its words may come late."""
WORDS_HELP = "what a live call's words may take before they are given up (default: 60)"
RESTART_S_MAX = 30.0
STEADY_S = 60.0
"""A role that has run for so long starts again at once when it fails."""
STOP_S_MAX = 40.0
USER_MISTAKE = 2
DESCRIPTION = """Watch live calls on Kafka: audio arrives on calls.audio, alerts leave on calls.alerts.

Several workers share the calls by partition. Started with the roles apart, each on a machine of its own, they scale
apart. Topics that are missing are created. Logs are JSON lines on standard error."""
EXAMPLE = """examples:
  vigie worker --broker localhost:9092
  vigie worker --broker kafka-1:9092,kafka-2:9092 --roles listen,supervise --metrics-port 9100
  vigie worker --broker localhost:9092 --roles transcribe --model small
  vigie worker --broker localhost:9092 --evidence clips --evidence-days 30"""

log = logging.getLogger("vigie.worker")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    settings.add_arguments(parser, *settings.KAFKA, *settings.CREATING, *OURS)
    parser.add_argument("--words-s-max", metavar="N", type=float, default=60.0, help=WORDS_HELP)
    parser.add_argument(
        "--in-flight-mb", metavar="N", type=float, default=32.0, help="input held at once (default: 32)"
    )
    parser.add_argument(
        "--save-s", metavar="N", type=float, default=20.0, help="a call is saved so often (default: 20)"
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Raises VigieError for a mistake of the user's, before any role is started."""
    set_up_logs(args.only or "worker")
    chosen = settings.load(args)
    if args.only:
        return _run_role(args, chosen, args.only)
    wrong = [role for role in chosen.roles if role not in ROLES]
    if wrong:
        raise VigieError(f"{wrong[0][:40]!r} is no role", remedy=f"Use some of: {', '.join(ROLES)}", field="roles")
    chosen = with_evidence(chosen)
    log.info("starting: roles %s", ", ".join(chosen.roles))
    prepare(chosen, fixed="partitions" in args)
    return Family(args, chosen).run()


def with_evidence(chosen: settings.Settings) -> settings.Settings:
    """A folder for clips adds their role where all others run as well; a VigieError where the role has no folder."""
    if chosen.evidence is not None and chosen.roles == DEFAULT_ROLES:
        return dataclasses.replace(chosen, roles=ROLES)
    if chosen.evidence is None and "evidence" in chosen.roles:
        raise VigieError("there is no folder for the clips", remedy="Give --evidence DIR", field="evidence")
    return chosen


# The parent ---------------------------------------------------------------------------------------------------------


def prepare(chosen: settings.Settings, *, fixed: bool) -> int:
    """Check what the user gave, make the topics that are missing; returns their number of partitions.

    `fixed`: the user named a number of partitions; else what is there holds.
    """
    from streams.alerts.rules import load_rules
    from streams.kafka.topics import create_topics, partition_counts

    load_rules(chosen.rules)
    connection, topics = chosen.connection(), chosen.topics()
    there = partition_counts(connection, [topics.audio]).get(topics.audio)
    partitions = chosen.partitions if fixed or there is None else there
    create_topics(
        connection,
        topics,
        partitions=partitions,
        replication=chosen.replication,
        retention_ms=chosen.retention_ms(),
    )
    return partitions


@dataclass(slots=True)
class _Child:
    role: str
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    wait_s: float = 0.0
    start_at_s: float = 0.0
    restarts: int = 0


@dataclass(slots=True)
class Family:
    """The processes of the roles, kept running until a signal comes."""

    args: argparse.Namespace
    chosen: settings.Settings
    children: list[_Child] = field(default_factory=list)
    stopping: bool = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told)
        self.children = [_Child(role) for role in self.chosen.roles if self._needed(role)]
        code = 0
        try:
            while not self.stopping:
                for child in self.children:
                    code = code or self._keep(child)
                if code:
                    break
                time.sleep(0.1)
        finally:
            self._stop()
        return code

    def _needed(self, role: str) -> bool:
        """Without a transcriber nobody has anything to transcribe."""
        return role != "transcribe" or self.chosen.model != "none"

    def _told(self, *_: object) -> None:
        self.stopping = True

    def _keep(self, child: _Child) -> int:
        """Start a role where it does not run; a mistake of the user's ends everything."""
        now_s = time.monotonic()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return 0
            child.process = None
            if code == USER_MISTAKE and child.restarts == 0:
                return code  # later it is the broker that is away, and comes back
            steady = now_s - child.started_s >= STEADY_S
            child.wait_s = 0.0 if steady else min(RESTART_S_MAX, max(0.5, child.wait_s * 2))
            child.start_at_s = now_s + child.wait_s
            child.restarts += 1
            log.error("role %s ended with %s: started again in %.1f s", child.role, code, child.wait_s)
        if now_s >= child.start_at_s:
            child.process = self._start(child)
            child.started_s = now_s
        return 0

    def _start(self, child: _Child) -> subprocess.Popen[bytes]:
        from streams.kafka.children import dies_with_parent

        environment = {**os.environ, "VIGIE_RESTARTS": str(child.restarts)}
        if self.chosen.password is not None:
            environment[settings.PASSWORD] = self.chosen.password
        # One thread for each: the compute thread is the one that works, and roles are processes.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment.setdefault(name, "1")
        command = [sys.executable, "-m", "streams", "worker", *_as_flags(self.args, self.chosen), "--only", child.role]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, preexec_fn=dies_with_parent)

    def _stop(self) -> None:
        from streams.kafka.children import stop

        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline_s = time.monotonic() + STOP_S_MAX
        for process in running:
            stop(process, max(0.1, deadline_s - time.monotonic()))


def _as_flags(args: argparse.Namespace, chosen: settings.Settings) -> list[str]:
    """What a child is given: the settings in force. A password goes by the environment, where nobody else sees it."""
    flags = []
    for name in (*settings.KAFKA, *OURS):
        value = getattr(chosen, name)
        if value not in (None, "") and name != "password_file":
            flags += [f"--{name.replace('_', '-')}", ",".join(value) if isinstance(value, tuple) else str(value)]
    for name in ("words_s_max", "in_flight_mb", "save_s"):
        flags += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    return flags


# A role's own process -----------------------------------------------------------------------------------------------


def _run_role(args: argparse.Namespace, chosen: settings.Settings, role: str) -> int:
    from streams.kafka.app import RoleApp, RoleSettings
    from streams.kafka.metrics import Metrics, Pages
    from streams.kafka.stages import Limits
    from streams.kafka.topics import partition_counts

    connection, topics = chosen.connection(), chosen.topics()
    partitions = partition_counts(connection, [topics.audio]).get(topics.audio)
    if partitions is None:
        raise VigieError("the topics are not there", remedy="Start `vigie worker`, which makes them")
    setup = load_setup(chosen, role)
    limits = Limits(
        row_s=args.save_s,
        silence_s_max=chosen.call_silence_s_max,
        utterance_s_max=args.words_s_max,
        transcribe_s_max=args.words_s_max / 2,
        calls_max=EVIDENCE_CALLS_MAX if role == "evidence" else Limits().calls_max,
    )
    role_settings = RoleSettings(
        role=role,
        connection=connection,
        topics=topics,
        partitions=partitions,
        group=f"{chosen.prefix}{chosen.group}.{role}",
        limits=limits,
        in_flight_bytes_max=round(args.in_flight_mb * 1e6),
    )
    metrics = Metrics(role)
    metrics.restarts.labels(role).set(int(os.environ.get("VIGIE_RESTARTS", "0")))

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        app = RoleApp(role_settings, setup, metrics)
        pages = Pages(metrics, lambda: app.healthy, lambda: app.ready)
        if chosen.metrics_port:
            serve(pages, chosen.metrics_host, chosen.metrics_port + chosen.roles.index(role))
        try:
            await app.run(stop)
        except VigieError:
            raise
        except Exception:
            log.exception("the role could not end in order")
            _exit(1)
        log.info("stopped")
        # Faust's tasks and threads may wait for a broker that is gone, and swallow cancellation: asyncio would wait for
        # them. Everything of ours is done.
        _exit(0 if app.failure is None else 1)

    asyncio.run(main())
    return 0


def _exit(code: int) -> None:
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def serve(pages: Any, host: str, port: int) -> None:
    try:
        pages.start(host, port)
    except OSError as error:
        raise VigieError(
            f"{host}:{port} cannot be used for metrics ({error.strerror})",
            remedy="Name another --metrics-port, or 0 for none; role after role takes the next port",
            field="metrics_port",
        ) from error


def load_setup(chosen: settings.Settings, role: str) -> Any:
    """What the role needs of models and rules; LISTEN publishes its rules, so that its calls can keep them."""
    from audio.vad import load_silero
    from audio.whisper.transcriber import TranscriberSettings, load_transcriber
    from streams.kafka.processors import Setup
    from streams.kafka.state import Rulebook, read_rules
    from streams.listen import ListenSettings

    connection, topics = chosen.connection(), chosen.topics()
    rulebook = Rulebook(chosen.rules, lambda: read_rules(connection, topics.rules))
    if role == "listen":
        publish_rules(connection, topics.rules, rulebook.now, rulebook.text)
    hears = chosen.model != "none"
    threads = TranscriberSettings(cpu_threads=1)
    return Setup(
        rules=rulebook.find,
        rules_now=rulebook.now,
        silero=load_silero() if role == "listen" else None,
        transcriber=load_transcriber(chosen.model, threads) if role == "transcribe" else None,
        listen=ListenSettings(words=hears),
        models={"transcriber": Path(chosen.model).name if hears else "none"},
        cut=load_cutter(chosen) if role == "evidence" else None,
    )


def load_cutter(chosen: settings.Settings) -> Any:
    """What cuts the clips; from now on those that have expired are deleted."""
    from streams.kafka.clips import AudioReader, ClipFolder, Cutter, Sweeper

    assert chosen.evidence is not None
    folder = ClipFolder(chosen.evidence, chosen.evidence_days)
    Sweeper(folder).start()
    return Cutter(AudioReader(chosen.connection(), chosen.topics().audio), folder)


def publish_rules(connection: Connection, topic: str, fingerprint: str, text: bytes) -> None:
    from kafka import KafkaProducer

    from streams.kafka.connection import kafka_errors

    with kafka_errors(connection):
        producer = KafkaProducer(**connection.for_kafka_python(), acks="all")
        try:
            producer.send(topic, key=fingerprint.encode(), value=text).get(timeout=30)
        finally:
            producer.close()


# Logs ---------------------------------------------------------------------------------------------------------------


class JsonLines(logging.Formatter):
    """One JSON object a line. What is logged holds ids and figures, never what was said."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "role": self._role,
            "pid": record.process,
            "logger": record.name,
            "message": " ".join(record.getMessage().split()),
        }
        call_id = getattr(record, "call_id", None)
        if call_id is not None:
            line["call_id"] = call_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Sparing(logging.Filter):
    """Clients say the same thing many times a second while a broker is away: once in a while is enough."""

    def __init__(self, again_s: float = 10.0) -> None:
        super().__init__()
        self._again_s = again_s
        self._said: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now_s, key = time.monotonic(), (record.name, record.msg)
        if record.name.startswith("vigie") or now_s - self._said.get(key, -self._again_s) >= self._again_s:
            if len(self._said) > 1000:
                self._said.clear()
            self._said[key] = now_s
            return True
        return False


def set_up_logs(role: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Sparing())
    handler.setFormatter(JsonLines(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("vigie").setLevel(logging.INFO)
    # kafka-python tells of its own scheduling on a busy machine: nobody can act on that.
    logging.getLogger("kafka").setLevel(logging.ERROR)
    logging.captureWarnings(True)
