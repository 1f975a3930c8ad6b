"""One description of a connection, for three clients."""

from __future__ import annotations

import ssl
from pathlib import Path

import kafka.errors as errors
import pytest

from audio.errors import VigieError
from streams.kafka.connection import Connection, kafka_errors


def test_plain_is_what_nothing_else_is_said() -> None:
    connection = Connection("a:1, b:2")
    assert connection.for_aiokafka() == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}
    assert connection.faust_broker() == ["kafka://a:1", "kafka://b:2"]
    assert connection.faust_credentials() is None


def test_scram_over_tls_reaches_each_client() -> None:
    connection = Connection("a:1", security="SASL_SSL", user="u", password="p")
    for arguments in (connection.for_kafka_python(), connection.for_aiokafka()):
        assert (arguments["sasl_mechanism"], arguments["sasl_plain_password"]) == ("SCRAM-SHA-512", "p")
        assert arguments["ssl_context"].verify_mode == ssl.CERT_REQUIRED
        assert arguments["ssl_context"].check_hostname
    credentials = connection.faust_credentials()
    assert (credentials.protocol.value, credentials.username) == ("SASL_SSL", "u")


def test_tls_alone_and_scram_alone_reach_faust() -> None:
    assert Connection("a:1", security="SSL").faust_credentials().protocol.value == "SSL"
    scram = Connection("a:1", security="SASL_PLAINTEXT", user="u", password="p").faust_credentials()
    assert (scram.protocol.value, scram.ssl_context) == ("SASL_PLAINTEXT", None)


@pytest.mark.parametrize("address", ["localhost:9092", "127.0.0.1:1", "[::1]:65535", "kafka-1.example.org:9093"])
def test_addresses_of_brokers_are_taken(address: str) -> None:
    assert Connection(address).servers == [address]


@pytest.mark.parametrize("address", ["", "localhost", ":9092", "a:0", "a:65536", "kafka://a:1", "a:1,", "a b:1", "a:x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(VigieError, match="address"):
        Connection(address)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("security", {"security": "TLS"}),
        ("mechanism", {"security": "SASL_SSL", "mechanism": "GSSAPI", "user": "u", "password": "p"}),
        ("user", {"security": "SASL_SSL", "user": "u"}),
        ("cert_file", {"security": "SSL", "cert_file": "x.pem"}),
    ],
)
def test_a_description_that_does_not_hold_names_its_field(field: str, wrong: dict[str, str]) -> None:
    with pytest.raises(VigieError) as caught:
        Connection("a:1", **wrong)
    assert caught.value.field == field


def test_certificates_that_are_missing_or_none_are_told(tmp_path: Path) -> None:
    none = tmp_path / "ca.pem"
    for _ in range(2):
        with pytest.raises(VigieError):
            Connection("a:1", security="SSL", ca_file=str(none)).for_aiokafka()
        none.write_text("not a certificate", encoding="utf-8")


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(Connection("a:1", security="SASL_SSL", user="u", password="secret"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.NoBrokersAvailable() if hasattr(errors, "NoBrokersAvailable") else OSError(), "no broker answers"),
        (errors.KafkaConnectionError("x"), "no broker answers"),
        (ConnectionRefusedError(), "no broker answers"),
        (errors.SaslAuthenticationFailedError("x"), "refuses this user"),
        (errors.TopicAuthorizationFailedError("x"), "not allowed"),
        (ssl.SSLCertVerificationError("x"), "TLS failed"),
        (errors.PolicyViolationError("no such luck"), "no such luck"),
    ],
)
def test_each_failure_is_told_in_words_with_the_address(error: Exception, words: str) -> None:
    with pytest.raises(VigieError, match=words) as caught, kafka_errors(Connection("a:1")):
        raise error
    assert caught.value.where == "broker a:1"
    assert caught.value.__cause__ is error


def test_a_mistake_of_ours_is_not_the_brokers() -> None:
    with pytest.raises(ZeroDivisionError), kafka_errors(Connection("a:1")):
        _ = 1 / 0
