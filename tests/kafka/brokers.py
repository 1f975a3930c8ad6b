"""Real brokers for tests, started as a user starts them: `vigie broker`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from streams.kafka.broker_config import USER, Secrets
from streams.kafka.broker_files import cache_folder
from streams.kafka.children import dies_with_parent

START_S_MAX = 600
"""The very first start may download Kafka on a slow line."""
STOP_S_MAX = 60
QUICK_START = "-XX:TieredStopAtLevel=1"
"""Only the quick compiler: 2.9 instead of 4.6 CPU seconds to a broker that answers; slower under a load that no test has."""


@dataclass(slots=True)
class Broker:
    """A running `vigie broker`.

    Attributes:
        address: HOST:PORT.
        data: its data folder.
        process: the `vigie broker` process; None where another test process started it.
        client: settings for kafka-python clients, besides the address.
    """

    address: str
    data: Path
    process: subprocess.Popen[str] | None = None
    client: dict[str, Any] = field(default_factory=dict)
    user: str = USER

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def password_file(self) -> Path:
        return Secrets(self.data / "secrets").password_file

    @property
    def ca_file(self) -> Path:
        return Secrets(self.data / "secrets").ca_file

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(STOP_S_MAX)


def need_kafka() -> None:
    """Skip where no broker can run; where CI=true, its absence is a failure."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if cache_folder().is_dir():
        missing = [tool for tool in missing if tool != "mvn"]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {' and '.join(missing)}: .ci/run installs them")
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: apt install default-jre-headless maven")


def start(data: Path, *options: str, port: int = 0) -> Broker:
    """Start a broker and wait until it has printed its address. It dies with this process at the latest."""
    command = [sys.executable, "-m", "streams", "broker", "--data", str(data), "--port", str(port), "--heap-mb", "256"]
    process = subprocess.Popen(
        [*command, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAVA_TOOL_OPTIONS": QUICK_START},
        preexec_fn=lambda: dies_with_parent(signal.SIGTERM),
    )
    watch = threading.Timer(START_S_MAX, process.kill)
    watch.start()
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    watch.cancel()
    if not line:
        _, told = process.communicate()
        pytest.fail(f"vigie broker did not start: {told}")
    secured = Secrets(data / "secrets")
    return Broker(line, data, process, secured.client() if "--secure" in options else {})


@contextmanager
def running(data: Path, *options: str, port: int = 0) -> Iterator[Broker]:
    """A broker of one's own, for a test that stops it or wants other options."""
    need_kafka()
    broker = start(data, *options, port=port)
    try:
        yield broker
    finally:
        broker.stop()
