"""How the local broker is set up: one node that is broker and controller, small, on loopback, open or secured.

Secured, clients meet TLS and SASL/SCRAM-SHA-512 and nothing else. Kafka keeps SCRAM users in its metadata, so they are
written when the folder is formatted: a folder is open or secured for good. Only the salted form of the password goes
through a command line.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio.errors import VigieError

HOST = "127.0.0.1"
CLIENTS, CONTROLLER = "CLIENTS", "CONTROLLER"
MECHANISM = "SCRAM-SHA-512"
USER = "vigie"
SCRAM_ITERATIONS = 8192
"""Kafka's own choice for new users is 4096, its least; at most 16384."""
CLEANER_BUFFER_BYTES = 8 * 1024 * 1024
"""What compaction takes from the heap; Kafka's default of 128 MB would be a third of it."""

NODE: Mapping[str, Any] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": CONTROLLER,
    # Topics come with their partitions and retention from `streams.kafka.topics`, never by being written to.
    "auto.create.topics.enable": "false",
    # One node cannot hold three copies.
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # Each partition is files and threads: a broker for one machine starts sooner with few.
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 2,
    "share.coordinator.state.topic.num.partitions": 1,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "log.cleaner.dedupe.buffer.size": CLEANER_BUFFER_BYTES,
    # Nobody waits for more members on one machine.
    "group.initial.rebalance.delay.ms": 0,
}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a client of a secured broker needs, as files that only the owner reads."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def password_file(self) -> Path:
        return self.folder / "password"

    @property
    def keystore(self) -> Path:
        return self.folder / "broker.p12"

    @property
    def keystore_password_file(self) -> Path:
        return self.folder / "broker.p12.password"

    def password(self) -> str:
        return self.password_file.read_text(encoding="ascii").strip()

    def keystore_password(self) -> str:
        return self.keystore_password_file.read_text(encoding="ascii").strip()

    def client(self) -> dict[str, Any]:
        """Settings for a kafka-python client."""
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": USER,
            "sasl_plain_password": self.password(),
            "ssl_cafile": str(self.ca_file),
        }


def make_secrets(folder: Path, keytool: Path) -> Secrets:
    """A password and a certificate for localhost, made once for a data folder.

    Raises:
        VigieError: keytool, which comes with Java, refuses.
    """
    made = Secrets(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    if made.ca_file.exists():
        return made
    _write_private(made.password_file, secrets.token_urlsafe(24))
    _write_private(made.keystore_password_file, secrets.token_urlsafe(24))
    made.keystore.unlink(missing_ok=True)
    store = ["-keystore", str(made.keystore), "-storetype", "PKCS12", "-alias", "broker"]
    store += ["-storepass:file", str(made.keystore_password_file)]
    names = "san=dns:localhost,ip:127.0.0.1"
    key = ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=vigie-broker", "-validity", "3650"]
    _keytool([str(keytool), *key, "-ext", names, *store])
    # The certificate last: its presence says that all is there.
    _keytool([str(keytool), "-exportcert", "-rfc", "-file", str(made.ca_file), *store])
    return made


def _keytool(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        problem = "" if done.returncode == 0 else (done.stdout + done.stderr).strip()[:200]
    except OSError as error:
        problem = str(error)
    if problem:
        raise VigieError(
            f"keytool made no certificate: {problem}", remedy="Check the Java installation, which it comes with"
        )


def properties(data: Path, port: int, controller_port: int, guarded: Secrets | None) -> str:
    """The text of a server.properties file."""
    names = f"{CLIENTS}://{HOST}:{port}"
    protocols = (CLIENTS, "SASL_SSL"), (CONTROLLER, "SSL")
    if guarded is None:
        protocols = (CLIENTS, "PLAINTEXT"), (CONTROLLER, "PLAINTEXT")
    values = {
        **NODE,
        "log.dirs": data,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"{names},{CONTROLLER}://{HOST}:{controller_port}",
        "advertised.listeners": names,
        "inter.broker.listener.name": CLIENTS,
        "listener.security.protocol.map": ",".join(":".join(pair) for pair in protocols),
    }
    if guarded is not None:
        values.update(_security(guarded))
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _security(guarded: Secrets) -> dict[str, Any]:
    listener = f"listener.name.{CLIENTS.lower()}"
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    # The node reaches its own listener as a client would.
    login += f' username="{USER}" password="{guarded.password()}";'
    return {
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": guarded.keystore,
        "ssl.keystore.password": guarded.keystore_password(),
        "ssl.key.password": guarded.keystore_password(),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": guarded.ca_file,
        "sasl.enabled.mechanisms": MECHANISM,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        f"{listener}.{MECHANISM.lower()}.sasl.jaas.config": login,
        # The controller's own door opens to the broker's certificate only.
        f"listener.name.{CONTROLLER.lower()}.ssl.client.auth": "required",
    }


def format_arguments(properties_file: Path, guarded: Secrets | None) -> list[str]:
    """Arguments of Kafka's storage tool for a new data folder."""
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # With `=`: one id in 64 begins with a dash.
    arguments = ["format", f"--cluster-id={cluster_id}", "--config", str(properties_file)]
    if guarded is not None:
        arguments += ["--add-scram", scram_user(USER, guarded.password(), secrets.token_bytes(16))]
    return arguments


def scram_user(user: str, password: str, salt: bytes) -> str:
    """A SCRAM-SHA-512 user as the storage tool takes it, with the salted password (RFC 5802: Hi())."""
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, SCRAM_ITERATIONS)
    fields = {"name": user, "salt": _base64(salt), "iterations": str(SCRAM_ITERATIONS)}
    fields["saltedpassword"] = _base64(salted)
    return f"{MECHANISM}=[{','.join(f'{name}={value}' for name, value in fields.items())}]"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def write_properties(path: Path, text: str) -> None:
    _write_private(path, text)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
