"""How to reach the brokers, and the words for when that fails.

One description (`Connection`) for the three clients that are used: kafka-python, aiokafka, and Faust over aiokafka.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kafka.errors as errors

from audio.errors import VigieError

PLAINTEXT = "PLAINTEXT"
SECURITIES = (PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
BOOTSTRAP_TIMEOUT_MS = 15_000
"""How long a client looks for a broker before it says that there is none."""
REFUSED = ("the broker refuses this user", "Check user, password and mechanism")
TLS_REMEDY = "Check security, ca_file and the broker's certificate: it must bear the name that was called"
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,/@\[\]]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Connection:
    """Brokers and credentials. `bootstrap` is `HOST:PORT[,HOST:PORT…]`; files are PEM.

    Raises:
        VigieError: the parts do not make up a connection.
    """

    bootstrap: str
    security: str = PLAINTEXT
    mechanism: str = MECHANISMS[0]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    """Whom to trust; None: the system's authorities."""
    cert_file: str | None = None
    key_file: str | None = None

    def __post_init__(self) -> None:
        for place in self.servers:
            match = _PLACE.fullmatch(place)
            if match is None or not 0 < int(match[2]) < 65_536:
                _refuse(f"{place[:80]!r} is no broker's address", "Give HOST:PORT, or several with commas", "broker")
        if self.security not in SECURITIES:
            _refuse(f"unknown security {self.security[:40]!r}", f"Use one of: {', '.join(SECURITIES)}", "security")
        if self.sasl and self.mechanism not in MECHANISMS:
            _refuse(f"unknown mechanism {self.mechanism[:40]!r}", f"Use one of: {', '.join(MECHANISMS)}", "mechanism")
        if self.sasl and not (self.user and self.password):
            _refuse(f"{self.security} needs a user and a password", "Set user and password_file", "user")
        if (self.cert_file is None) != (self.key_file is None):
            _refuse("a client certificate needs its key", "Set both cert_file and key_file, or neither", "cert_file")

    @property
    def servers(self) -> list[str]:
        return [place.strip() for place in self.bootstrap.split(",")]

    @property
    def sasl(self) -> bool:
        return self.security.startswith("SASL_")

    @property
    def tls(self) -> bool:
        return self.security.endswith("SSL")

    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS that checks the broker's certificate and name; None: no TLS.

        Raises:
            VigieError: a file cannot be read or is no certificate.
        """
        if not self.tls:
            return None
        for name in ("ca_file", "cert_file", "key_file"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                _refuse(f"no file at {path}", "Give the path of a PEM file that this user can read", name)
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ValueError) as error:
            _refuse(f"the certificates cannot be used ({type(error).__name__})", "Give PEM files that fit", "ca_file")
        return context

    def for_kafka_python(self) -> dict[str, Any]:
        """Arguments for a kafka-python client."""
        return {**self._common(), "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS}

    def for_aiokafka(self) -> dict[str, Any]:
        """Arguments for an aiokafka client."""
        return self._common()

    def faust_broker(self) -> list[str]:
        """Faust's `broker`."""
        return [f"kafka://{place}" for place in self.servers]

    def faust_credentials(self) -> Any:
        """Faust's `broker_credentials`; None: no security."""
        from faust import SASLCredentials, SSLCredentials

        context = self.ssl_context()
        if self.sasl:
            return SASLCredentials(
                username=self.user, password=self.password, mechanism=self.mechanism, ssl_context=context
            )
        return SSLCredentials(context=context) if context is not None else None

    def _common(self) -> dict[str, Any]:
        out: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": self.security}
        if self.tls:
            out["ssl_context"] = self.ssl_context()
        if self.sasl:
            out |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return out


@contextmanager
def kafka_errors(connection: Connection) -> Iterator[None]:
    """Tell kafka-python's errors as a `VigieError` with its remedy.

    While it looks for a broker, kafka-python only logs why it was turned away, and raises that time is up: its log is
    read here for the reason.
    """
    clues = _Clues()
    logger = logging.getLogger("kafka")
    logger.addHandler(clues)
    try:
        yield
    except (errors.KafkaError, OSError) as error:
        raise _told(connection, *_explained(connection, error, clues.seen)) from error
    finally:
        logger.removeHandler(clues)


class _Clues(logging.Handler):
    """Which known reasons were logged; with a handler there, a command's user is spared the log itself."""

    KNOWN = ("SaslAuthenticationFailed", "UnsupportedSaslMechanism", "CERTIFICATE_VERIFY_FAILED", "SSL")

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.seen.update(clue for clue in self.KNOWN if clue in text.replace("KafkaSSL", ""))


def _explained(connection: Connection, error: Exception, clues: set[str]) -> tuple[str, str]:
    """The problem and its remedy."""
    if isinstance(error, errors.SaslAuthenticationFailedError | errors.UnsupportedSaslMechanismError):
        return REFUSED
    if isinstance(error, errors.AuthorizationError):
        return f"not allowed ({type(error).__name__})", "Give this user the rights it needs"
    if isinstance(error, ssl.SSLError):
        return "TLS failed", TLS_REMEDY
    waiting = (errors.KafkaConnectionError, errors.KafkaTimeoutError, errors.NodeNotReadyError, OSError)
    if not isinstance(error, waiting) and type(error).__name__ not in ("NoBrokersAvailable", "MetadataEmptyBrokerList"):
        return f"the broker says {type(error).__name__}: {str(error)[:300]}", "See the broker's log"
    if clues & {"SaslAuthenticationFailed", "UnsupportedSaslMechanism"}:
        return REFUSED
    if clues:
        return "TLS failed", TLS_REMEDY
    if connection.sasl:
        # A broker often hangs up on a wrong password before its answer can be read.
        return "no broker lets us in", "Check the address, security, mechanism, user and password, and that it runs"
    return "no broker answers", "Check the address and security, and that it runs; `vigie broker` starts one here"


def _told(connection: Connection, problem: str, remedy: str) -> VigieError:
    return VigieError(problem, remedy=remedy, where=f"broker {connection.bootstrap[:120]}")


def _refuse(problem: str, remedy: str, field_name: str) -> None:
    raise VigieError(problem, remedy=remedy, field=field_name)
