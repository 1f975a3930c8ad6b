"""A role's own process: what it loads, how it runs and how it ends."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio.errors import VigieError
from streams import settings
from streams.capacity import load_capacity
from streams.kafka.app import RoleApp, RoleSettings
from streams.kafka.connection import Connection
from streams.kafka.limits import Limits
from streams.kafka.metrics import Metrics, Pages
from streams.kafka.processors import Setup
from streams.kafka.scratch import scratch
from streams.kafka.topics import partition_counts

if TYPE_CHECKING:
    from audio.whisper.engine import BatchReport, Engine
    from audio.whisper.transcriber import Transcriber, TranscriberSettings

EVIDENCE_CALLS_MAX = 20_000
"""Of a partition: a call that is over is kept for an hour, because its words may come late."""

log = logging.getLogger("vigie.worker")


def run_role(args: argparse.Namespace, chosen: settings.Settings, role: str) -> int:
    """Work until a signal comes or something fails; ends the process."""
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
    capacity = load_capacity(chosen.capacity) if role == "transcribe" else None
    metrics = Metrics(role)
    metrics.restarts.labels(role).set(int(os.environ.get("VIGIE_RESTARTS", "0")))
    with ExitStack() as stack:
        role_settings = RoleSettings(
            role=role,
            connection=connection,
            topics=topics,
            partitions=partitions,
            group=f"{chosen.prefix}{chosen.group}.{role}",
            folder=stack.enter_context(scratch("faust")),
            limits=limits,
            in_flight_bytes_max=round(args.in_flight_mb * 1e6),
            capacity=capacity,
        )

        async def main() -> None:
            app = RoleApp(role_settings, setup, metrics)
            pages = Pages(metrics, lambda: app.healthy, lambda: app.ready)
            if chosen.metrics_port:
                serve(pages, chosen.metrics_host, chosen.metrics_port + chosen.roles.index(role))
            code = await _worked(app)
            # Faust's tasks and threads may wait for a broker that is gone, and swallow cancellation: asyncio would wait
            # for them. Everything of ours is done.
            stack.close()
            _exit(code)

        asyncio.run(main())
    return 0


async def _worked(app: RoleApp) -> int:
    """The exit code, once a signal has come or something has failed."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await app.run(stop)
    except VigieError:
        raise
    except Exception:
        log.exception("the role could not end in order")
        return 1
    log.info("stopped")
    return 0 if app.failure is None else 1


def _exit(code: int) -> None:
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def serve(pages: Any, host: str, port: int) -> None:
    try:
        pages.start(host, port)
    except (OSError, OverflowError) as error:
        raise VigieError(
            f"{host}:{port} cannot be used for metrics ({getattr(error, 'strerror', None) or error})",
            remedy="Name another --metrics-port, or 0 for none; role after role takes the next port",
            field="metrics_port",
        ) from error


def load_setup(chosen: settings.Settings, role: str) -> Setup:
    """What the role needs of models and rules; LISTEN publishes its rules, so that its calls can keep them."""
    from audio.vad import load_silero
    from audio.whisper.transcriber import load_transcriber
    from streams.hints import load_hints
    from streams.kafka.state import Rulebook, read_rules
    from streams.language.reading import load_reader
    from streams.listen import ListenSettings
    from streams.redaction_policy import load_policy

    connection, topics = chosen.connection(), chosen.topics()
    rulebook = Rulebook(chosen.rules, lambda: read_rules(connection, topics.rules))
    if role == "listen":
        publish_rules(connection, topics.rules, rulebook.now, rulebook.text)
    hears = chosen.model != "none"
    transcriber = load_transcriber(chosen.model, transcriber_settings(chosen)) if role == "transcribe" else None
    return Setup(
        rules=rulebook.find,
        rules_now=rulebook.now,
        silero=load_silero() if role == "listen" else None,
        transcriber=transcriber,
        hints=load_hints(chosen.hints),
        reader=load_reader(chosen.sentiment, chosen.phrases, semantic=chosen.semantic),
        engine=engine_of(transcriber),
        listen=ListenSettings(words=hears, interim_ms=chosen.interim_ms if hears else 0),
        redaction=load_policy(chosen.redaction),
        models={"transcriber": Path(chosen.model).name if hears else "none"},
        cut=load_cutter(chosen) if role == "evidence" else None,
    )


def transcriber_settings(chosen: settings.Settings) -> TranscriberSettings:
    """The settings that concern the transcriber, as it takes them.

    Raises:
        VigieError: there is no such window.
    """
    from audio.whisper.transcriber import TranscriberSettings

    if chosen.window not in ("short", "whole"):
        raise VigieError(f"{chosen.window[:20]!r} is no window", remedy="Use short or whole", field="window")
    defaults = TranscriberSettings()
    return dataclasses.replace(
        defaults,
        beam_size=max(1, chosen.beam_size),
        workers=chosen.asr_workers or len(os.sched_getaffinity(0)),
        cpu_threads=1,
        device=chosen.device,
        compute_type=chosen.compute_type or None,
        windows=dataclasses.replace(defaults.windows, short=chosen.window == "short"),
    )


def engine_of(transcriber: Transcriber | None) -> Callable[[Callable[[BatchReport], None]], Engine] | None:
    """What builds the engine of a model that hears many calls at once; None for a recording, or where nobody hears."""
    from audio.whisper.engine import Engine
    from audio.whisper.transcriber import WhisperTranscriber

    if not isinstance(transcriber, WhisperTranscriber):
        return None
    return lambda told: Engine(transcriber, time.monotonic, told=told)


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
