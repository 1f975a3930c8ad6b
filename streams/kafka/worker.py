"""`vigie worker`: the roles of this machine, each in a process of its own.

A role has its own consumer group and its own core, so that sound never waits for words. This process starts one for
each role, starts it again where it fails, and stops them all when it is told to: each saves its calls, commits and
leaves its group. Where this process is killed, its children die with it.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

from audio.errors import VigieError
from streams import settings
from streams.kafka.logs import set_up_logs

DEFAULT_ROLES = ("listen", "transcribe", "supervise")
ROLES = (*DEFAULT_ROLES, "evidence")
OURS = (
    "group",
    "roles",
    "rules",
    "model",
    "redaction",
    "hints",
    "sentiment",
    "semantic",
    "phrases",
    "device",
    "compute_type",
    "beam_size",
    "asr_workers",
    "window",
    "interim_ms",
    "capacity",
    "calls_planned",
    "call_silence_s_max",
    "evidence",
    "evidence_days",
    "metrics_host",
    "metrics_port",
)
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
    parser.add_argument("--words-s-max", metavar="N", type=_positive, default=60.0, help=WORDS_HELP)
    parser.add_argument(
        "--in-flight-mb", metavar="N", type=_positive, default=32.0, help="input held at once (default: 32)"
    )
    parser.add_argument(
        "--save-s", metavar="N", type=_positive, default=20.0, help="a call is saved so often (default: 20)"
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)


def _positive(text: str) -> float:
    """For argparse: with a bound of nothing, or of no number, a role would wait for ever."""
    number = float(text)
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(text)
    return number


def run(args: argparse.Namespace) -> int:
    """Raises VigieError for a mistake of the user's, before any role is started."""
    set_up_logs(args.only or "worker")
    chosen = settings.load(args)
    if args.only:
        from streams.kafka.role import run_role

        return run_role(args, chosen, args.only)
    wrong = [role for role in chosen.roles if role not in ROLES]
    if wrong:
        raise VigieError(f"{wrong[0][:40]!r} is no role", remedy=f"Use some of: {', '.join(ROLES)}", field="roles")
    chosen = with_evidence(chosen)
    log.info("starting: roles %s", ", ".join(chosen.roles))
    check_transcriber(chosen)
    prepare(chosen, fixed="partitions" in args)
    return Family(args, chosen).run()


def check_transcriber(chosen: settings.Settings) -> None:
    """Refuse hints and capacities that are none before any role starts; warn where more calls are planned than fit."""
    from streams.capacity import doubt, load_capacity
    from streams.hints import load_hints
    from streams.language.reading import check_reading
    from streams.redaction_policy import load_policy

    load_hints(chosen.hints)
    check_reading(chosen.phrases, chosen.semantic)
    load_policy(chosen.redaction)
    warning = doubt(load_capacity(chosen.capacity), chosen.model, chosen.calls_planned)
    if warning and "transcribe" in chosen.roles:
        log.warning(warning)


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
