"""`vigie broker`: a real Apache Kafka on this machine, for trying out and for tests.

One node in KRaft mode, on loopback, in a data folder of its own. This process starts Java, waits until the broker
answers as a client sees it, prints HOST:PORT on a line by itself, and stays until it is told to stop. Java never
outlives it: stopped in order on SIGTERM and SIGINT, killed by the kernel where this process is killed. The lock on the
data folder is inherited by Java, so the folder is free only when Java is gone as well.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from audio.errors import VigieError

DEFAULT_PORT = 9092
START_S_MAX = 120
STOP_S_MAX = 30
LOCK_WAIT_S = 10
"""How long a folder whose last broker was killed may still be held by its Java."""
HEAP_MB = 384
DESCRIPTION = """Run a real Apache Kafka on this machine: one node in KRaft mode, reachable from this machine only.

Prints HOST:PORT on a line by itself once it answers, and runs until it is interrupted. Needs Java 17 or later; Kafka is
fetched once through Maven. With --secure it demands TLS and SASL/SCRAM, and says on standard error what clients need."""
EXAMPLE = """examples:
  vigie broker
  vigie broker --data /tmp/kafka --port 0
  vigie broker --data /tmp/secured --port 9093 --secure

Without Java: docker compose -f docker/compose.yaml up -d kafka"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", metavar="DIR", type=Path, help="data folder (default: ~/.local/share/vigie/broker)")
    parser.add_argument(
        "--port", metavar="N", type=_port, default=DEFAULT_PORT, help=f"0: any (default: {DEFAULT_PORT})"
    )
    parser.add_argument("--heap-mb", metavar="N", type=_heap, default=HEAP_MB, help=f"Java heap (default: {HEAP_MB})")
    parser.add_argument("--secure", action="store_true", help="demand TLS and SASL/SCRAM-SHA-512")


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError("0 to 65535")
    return value


def _heap(text: str) -> int:
    value = int(text)
    if value < 128:
        raise argparse.ArgumentTypeError("at least 128")
    return value


class _Told(BaseException):
    """SIGTERM or SIGINT: unwinds whatever is going on, so that each part puts its own things in order."""


def run(args: argparse.Namespace) -> int:
    """Run a broker until told to stop. Raises VigieError where none can be started, or it ends by itself."""
    from streams.kafka.broker_files import find_java, kafka_jars

    def told(*_: object) -> NoReturn:
        raise _Told

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    folder = (args.data or _default_data()).absolute()
    try:
        java = find_java()
        jars = kafka_jars()
        with _locked(folder) as lock:
            broker = LocalBroker(folder, java, jars, args.heap_mb, secure=args.secure)
            try:
                address = broker.start(args.port, lock)
                _write_holder(lock, address=address)
                if args.secure:
                    print(broker.advice(), file=sys.stderr, flush=True)
                print(address, flush=True)
                broker.wait()
            finally:
                # A second signal must not interrupt the orderly stop; its patience is bounded.
                for number in before:
                    signal.signal(number, signal.SIG_IGN)
                broker.stop()
    except _Told:
        return 0
    except OSError as error:
        raise VigieError(
            f"the broker's files cannot be used: {error.strerror or error}",
            remedy="Free the space, or name a folder that can be written with --data",
            where=str(error.filename or folder),
        ) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _default_data() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base, "vigie", "broker")


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold the data folder; yields the lock's file descriptor, for Java to inherit."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise VigieError(
            f"the data folder cannot be used: {error.strerror}",
            remedy="Name a folder that can be written with --data",
            where=str(folder),
        ) from error
    try:
        _take(lock, folder)
        yield lock
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            _write_holder(lock)
            return
        except OSError:
            holder = _read_holder(lock)
            if _alive(holder.get("pid")) or time.monotonic() > deadline:
                at = f" at {holder['address']}" if "address" in holder else ""
                raise VigieError(
                    f"a broker is running on this data folder{at} (process {holder.get('pid', 'unknown')})",
                    remedy="Use that one, stop it, or name another folder with --data",
                    where=str(folder),
                ) from None
            time.sleep(0.1)


def _read_holder(lock: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(lock, 4096, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _write_holder(lock: int, **also: str) -> None:
    os.pwrite(lock, json.dumps({"pid": os.getpid(), **also}).encode(), 0)


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(slots=True)
class LocalBroker:
    """One data folder and the Java process that serves it."""

    folder: Path
    java: Path
    jars: Path
    heap_mb: int = HEAP_MB
    secure: bool = False
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        return self.folder / "broker.log"

    def start(self, port: int, lock: int) -> str:
        """Set the folder up where it is new, start Kafka, wait until it answers; returns HOST:PORT.

        Raises:
            VigieError: the port is taken, the folder is of the other kind, or Kafka does not come up.
        """
        from streams.kafka.broker_config import HOST, properties, write_properties
        from streams.kafka.children import dies_with_parent

        guarded = self._secrets()
        port, controller_port = _free_ports(HOST, port)
        settings = self.folder / "server.properties"
        write_properties(settings, properties(self.folder / "kafka", port, controller_port, guarded))
        if not (self.folder / "kafka" / "meta.properties").is_file():
            self._format(settings)
        with (self.folder / "java.log").open("wb") as output:
            self._process = subprocess.Popen(
                [*self._command(f"-Xmx{self.heap_mb}m", "-XX:+ExitOnOutOfMemoryError"), "kafka.Kafka", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C reaches this process, which then stops Java in order.
                preexec_fn=dies_with_parent,
            )
        address = f"{HOST}:{port}"
        self._await(address)
        return address

    def wait(self) -> NoReturn:
        """Stay while Kafka runs. Raises VigieError when it ends by itself."""
        assert self._process is not None, "start() comes first"
        code = self._process.wait()
        raise VigieError(
            f"Kafka ended by itself with code {code}: {self._last_words()}",
            remedy="See its log, and start it again",
            where=str(self.log_file),
        )

    def stop(self) -> None:
        from streams.kafka.children import stop

        if self._process is not None:
            stop(self._process, STOP_S_MAX)

    def client(self) -> dict[str, Any]:
        """Settings of kafka-python clients, besides the address."""
        guarded = self._secrets()
        return guarded.client() if guarded else {}

    def advice(self) -> str:
        from streams.kafka.broker_config import MECHANISM, USER, Secrets

        held = Secrets(self.folder / "secrets")
        return (
            f"vigie: clients need --security SASL_SSL --mechanism {MECHANISM} --user {USER} "
            f"--password-file {held.password_file} --ca-file {held.ca_file}"
        )

    def _secrets(self) -> Any:
        from streams.kafka.broker_config import make_secrets

        folder = self.folder / "secrets"
        formatted = (self.folder / "kafka" / "meta.properties").is_file()
        if formatted and folder.is_dir() != self.secure:
            was, now = ("with", "without") if folder.is_dir() else ("without", "with")
            raise VigieError(
                f"this data folder was made {was} --secure, and Kafka keeps its users there",
                remedy=f"Start it {was} --secure, or name another folder with --data",
                where=str(self.folder),
                field="--secure" if now == "with" else None,
            )
        return make_secrets(folder, self.java.with_name("keytool")) if self.secure else None

    def _command(self, *options: str) -> list[str]:
        logging_file = Path(__file__).with_name("log4j2.properties")
        own = [f"-Dlog4j2.configurationFile={logging_file}", f"-Dvigie.log={self.log_file}"]
        return [str(self.java), "-XX:+UseSerialGC", *options, *own, "-cp", f"{self.jars}/*"]

    def _format(self, settings: Path) -> None:
        from streams.kafka.broker_config import format_arguments
        from streams.kafka.children import dies_with_parent

        command = self._command("-Xmx128m", "-XX:TieredStopAtLevel=1")
        command += ["kafka.tools.StorageTool", *format_arguments(settings, self._secrets())]
        done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=dies_with_parent)
        if done.returncode != 0:
            told = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise VigieError(
                f"Kafka could not set the data folder up: {told[-1][:300]}",
                remedy="Name an empty folder with --data",
                where=str(self.folder),
            )

    def _await(self, address: str) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_S_MAX
        client = self.client()
        while not _answers(address, client):
            if self._process.poll() is not None:
                raise VigieError(
                    f"Kafka did not start: {self._last_words()}",
                    remedy="See its log; another --port or --data may help",
                    where=str(self.log_file),
                )
            if time.monotonic() > deadline:
                raise VigieError(
                    f"Kafka did not answer within {START_S_MAX} s",
                    remedy="See its log; the machine may be too busy",
                    where=str(self.log_file),
                )
            time.sleep(0.1)

    def _last_words(self) -> str:
        """The last line in which Kafka or Java complains."""
        for path in (self.log_file, self.folder / "java.log"):
            if path.is_file():
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
                told = [line for line in lines if " ERROR " in line or " FATAL " in line or line.startswith("Error")]
                if told:
                    return told[-1][:300]
        return "it left no reason"


def _answers(address: str, client: dict[str, Any]) -> bool:
    """Whether a client can log in and is told of one broker at least."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # What fails while it starts is no news.
    try:
        admin = KafkaAdminClient(bootstrap_servers=address, request_timeout_ms=5_000, **client)
        try:
            return bool(admin.describe_cluster()["brokers"])
        finally:
            admin.close()
    except (KafkaError, OSError):
        return False


def _free_ports(host: str, port: int) -> tuple[int, int]:
    """The port asked for (0: any) and one more for the controller, both free at this moment."""
    with socket.socket() as clients, socket.socket() as controller:
        clients.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            clients.bind((host, port))
        except OSError as error:
            raise VigieError(
                f"port {port} cannot be used: {error.strerror}",
                remedy="Stop what uses it, or take --port 0 for any free one",
                field="--port",
            ) from error
        controller.bind((host, 0))
        return clients.getsockname()[1], controller.getsockname()[1]
