"""Settings in layers: flags, over the environment (`VIGIE_…`), over `vigie.toml`, over defaults.

Each setting has one name everywhere: `ca_file` in the file, `VIGIE_CA_FILE` in the environment, `--ca-file` as a flag.
A password is no setting of a file or a flag: it is read from `password_file`, or from `VIGIE_PASSWORD`.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio.errors import VigieError

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.kafka.topics import Topics

FILE = "vigie.toml"
PREFIX = "VIGIE_"
PASSWORD = "VIGIE_PASSWORD"
HOUR_MS = 3_600_000
KAFKA = ("broker", "security", "mechanism", "user", "password_file", "ca_file", "cert_file", "key_file", "prefix")
"""What every command that talks to a broker takes."""
CREATING = ("partitions", "replication", "retention_hours")
"""What a command that makes topics takes besides."""


def _setting(default: Any, help_: str, metavar: str = "TEXT") -> Any:
    metadata = {"help": help_, "metavar": metavar}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    broker: str | None = _setting(None, "the Kafka brokers", "HOST:PORT[,…]")
    security: str = _setting("PLAINTEXT", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", "NAME")
    mechanism: str = _setting("SCRAM-SHA-512", "of SASL: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", "NAME")
    user: str | None = _setting(None, "of SASL", "NAME")
    password_file: Path | None = _setting(None, "holds the password; or set VIGIE_PASSWORD", "FILE")
    ca_file: Path | None = _setting(None, "who signed the brokers' certificates (default: the system's)", "FILE")
    cert_file: Path | None = _setting(None, "our certificate, where the brokers ask for one", "FILE")
    key_file: Path | None = _setting(None, "its key", "FILE")
    prefix: str = _setting("", "what comes before each topic's name, such as cell1.", "TEXT")
    group: str = _setting("vigie", "consumer groups are GROUP.ROLE", "NAME")
    partitions: int = _setting(24, "of every topic that is made; fixed for good", "N")
    replication: int = _setting(1, "copies of every topic that is made", "N")
    retention_hours: dict[str, int] = _setting({}, "by topic, where it is not as published: audio=1,alerts=720", "T=N")
    roles: tuple[str, ...] = _setting(("listen", "transcribe", "supervise"), "what this worker does", "ROLE,…")
    rules: Path | None = _setting(None, "alert rules (default: the bundled ones)", "FILE")
    model: str = _setting("demo", "transcriber: demo, none, small, large-v3-turbo, a folder …", "NAME|PATH")
    language: str | None = _setting(None, "of calls that name none (default: detect it)", "CODE")
    redaction: str = _setting("standard", "standard, strict, off, or a file that says which by tenant", "MODE|FILE")
    sentiment: str = _setting("builtin", "sentiment engine: builtin, or a classification model in ONNX", "NAME|PATH")
    phrases: Path | None = _setting(None, "a catalogue of phrases (default: the bundled one)", "FILE")
    semantic: str = _setting(
        "no", "yes: phrases and sentiment by meaning too (pip install 'vigie[semantic]')", "no|yes"
    )
    hints: Path | None = _setting(None, "prompts, hotwords and languages, by tenant and queue", "FILE")
    device: str = _setting("auto", "where the transcriber runs: auto, cpu or cuda", "NAME")
    compute_type: str = _setting("", "int8, float16, int8_float16 … (default: int8 on cpu, float16 on cuda)", "NAME")
    beam_size: int = _setting(1, "of the transcriber; 5 is better and slower, and becomes 1 under load", "N")
    asr_workers: int = _setting(1, "batches that are transcribed at once; 0: one a core", "N")
    window: str = _setting("short", "what the transcriber pads utterances to: short, or whole (30 s)", "NAME")
    interim_ms: int = _setting(1000, "how often an open utterance is looked at; 0: never", "N")
    capacity: Path | None = _setting(None, "what `vigie bench asr --out` measured on this machine", "FILE")
    calls_planned: int = _setting(0, "live calls that this machine is meant to carry", "N")
    call_silence_s_max: int = _setting(60, "a call whose audio stops for longer is closed", "N")
    evidence: Path | None = _setting(None, "where the clips of alerts are kept; adds the role evidence", "DIR")
    evidence_days: int = _setting(30, "how long each is kept", "N")
    database: str = _setting("vigie-feed.db", "the feed's store: an SQLite file, or postgresql://…", "FILE|URL")
    feed_host: str = _setting("127.0.0.1", "where the supervisors' page is served", "HOST")
    feed_port: int = _setting(8080, "and on which port", "N")
    words_days: int = _setting(30, "how long the feed keeps words; 0: for ever", "N")
    alerts_days: int = _setting(400, "how long it keeps calls and alerts; 0: for ever", "N")
    secure_cookies: str = _setting("auto", "yes, no, or auto: yes unless the page is served on loopback", "WHEN")
    feed_url: str | None = _setting(None, "the page's address as browsers reach it", "URL")
    oidc_issuer: str | None = _setting(None, "the identity provider of the page's users (OpenID Connect)", "URL")
    oidc_client_id: str | None = _setting(None, "what the provider calls us", "ID")
    oidc_secret_file: Path | None = _setting(None, "holds the secret that we share with it", "FILE")
    oidc_claims: str | None = _setting(None, "its claims for name, role, sites, queues: role=groups,sites=site", "LIST")
    oidc_label: str = _setting("OpenID Connect", "what the login page calls it", "TEXT")
    metrics_host: str = _setting("127.0.0.1", "where metrics and health are served", "HOST")
    metrics_port: int = _setting(9464, "and on which port; 0: nowhere", "N")
    password: str | None = field(default=None, repr=False, metadata={"secret": True})

    def connection(self) -> Connection:
        """How to reach the brokers.

        Raises:
            VigieError: no broker is named, or what is set does not make up a connection.
        """
        from streams.kafka.connection import Connection

        if not self.broker:
            raise VigieError(
                "no broker is named", remedy="Give --broker HOST:PORT, or set VIGIE_BROKER; `vigie broker` starts one"
            )
        files = {name: str(path) for name in ("ca_file", "cert_file", "key_file") if (path := getattr(self, name))}
        return Connection(self.broker, self.security.upper(), self.mechanism.upper(), self.user, self.password, **files)

    def topics(self) -> Topics:
        from streams.kafka.topics import Topics

        return Topics(self.prefix)

    def retention_ms(self) -> dict[str, int]:
        """By short name, for `create_topics`."""
        return {name: hours * HOUR_MS for name, hours in self.retention_hours.items()}


FIELDS = {item.name: item for item in dataclasses.fields(Settings) if "secret" not in item.metadata}


def add_arguments(parser: argparse._ActionsContainer, *names: str) -> None:
    """The flags of these settings, and `--config`; a flag that is not given leaves no trace in the arguments."""
    for name in names:
        item = FIELDS[name]
        parser.add_argument(
            _flag(name),
            dest=name,
            metavar=item.metadata["metavar"],
            default=argparse.SUPPRESS,
            help=_help(item),
        )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=argparse.SUPPRESS, help=f"settings (default: {FILE} where it is)"
    )


def load(
    flags: Mapping[str, Any] | argparse.Namespace | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings in force.

    Args:
        flags: by name; those that are None, or no settings, are passed over.
        environ: the environment (default: this process's).
        folder: where `vigie.toml` is looked for (default: the working folder).

    Raises:
        VigieError: a layer holds what is no setting or no value of it, or a named file is not there.
    """
    given = vars(flags) if isinstance(flags, argparse.Namespace) else (flags or {})
    environ = os.environ if environ is None else environ
    folder = folder or Path()
    values = _from_file(given.get("config"), environ, folder)
    for name in FIELDS:
        if text := environ.get(PREFIX + name.upper()):
            values[name] = _value(name, text, PREFIX + name.upper(), None)
    for name, value in given.items():
        if name in FIELDS and value is not None:
            values[name] = _value(name, value, _flag(name), None)
    values["password"] = environ.get(PASSWORD) or read_secret(values.get("password_file"), "password_file")
    return Settings(**values)


def _from_file(config: Any, environ: Mapping[str, str], folder: Path) -> dict[str, Any]:
    named = config or environ.get(PREFIX + "CONFIG")
    path = Path(named) if named else folder / FILE
    if not named and not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Give the path of a readable TOML file"
        raise VigieError(f"cannot be read ({type(error).__name__})", remedy=remedy, where=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise VigieError(f"not TOML: {error}", remedy="Mend that line", where=str(path)) from None
    out = {}
    for name, value in table.items():
        if name not in FIELDS:
            raise VigieError(_stranger(name), remedy=_nearest(name), where=str(path), field=name[:80])
        out[name] = _value(name, value, str(path), path.parent)
    return out


def _stranger(name: str) -> str:
    if name == "password":
        return "a password does not belong in this file"
    return "there is no such setting"


def _nearest(name: str) -> str:
    if name == "password":
        return f"Name a password_file, or set {PASSWORD}"
    near = difflib.get_close_matches(name, FIELDS, n=1)
    return f"Did you mean {near[0]}?" if near else f"Settings are: {', '.join(FIELDS)}"


def _value(name: str, value: Any, where: str, folder: Path | None) -> Any:
    """One setting's value, from text (environment, flag) or from TOML; paths in a file are relative to the file."""
    kind = str(FIELDS[name].type)
    from_file = folder is not None
    try:
        if kind == "int":
            return _int(value, from_file)
        if kind.startswith("tuple"):
            return _words(value)
        if kind.startswith("dict"):
            return {key: _int(number, from_file) for key, number in _pairs(value).items()}
        if "Path" in kind:
            path = Path(_text(value) if not isinstance(value, Path) else value).expanduser()
            return folder / path if folder is not None else path
        return _text(value)
    except (ValueError, TypeError) as error:
        told = {"where": where, "field": name if from_file else None}
        raise VigieError(f"{str(value)[:60]!r} is no value of it", remedy=str(error), **told) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("Give a text")
    return value


def _int(value: Any, exact: bool) -> int:
    if isinstance(value, bool) or (exact and not isinstance(value, int)):
        raise TypeError("Give a whole number")
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise ValueError("Give a whole number") from None
    if number < 0:
        raise ValueError("Give a whole number that is not negative")
    return number


def _words(value: Any) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise TypeError("Give words, separated by commas")
    kept = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    if not kept:
        raise ValueError("Give at least one word")
    return kept


def _pairs(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError("Give NAME=NUMBER, separated by commas")
        return {name.strip(): number for name, _, number in pairs}
    if not isinstance(value, Mapping):
        raise TypeError("Give a table of names and numbers")
    return value


def read_secret(path: Path | None, name: str) -> str | None:
    """The one line of a file that holds a secret. Raises VigieError."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Give a file that this user can read, with the password on its one line"
        problem = f"cannot be read ({type(error).__name__})"
        raise VigieError(problem, remedy=remedy, where=str(path), field=name) from None
    if not text or "\n" in text:
        remedy = "Put the password on its one line"
        raise VigieError("no password in it", remedy=remedy, where=str(path), field=name)
    return text


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _help(item: dataclasses.Field[Any]) -> str:
    text: str = item.metadata["help"]
    if item.default in (None, "", dataclasses.MISSING) or "(default" in text:
        return text
    default = ",".join(item.default) if isinstance(item.default, tuple) else item.default
    return f"{text} (default: {default})"
