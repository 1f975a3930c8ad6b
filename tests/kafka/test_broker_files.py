"""What a broker needs from the machine, and what is said where it is missing. Nothing here starts Kafka."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from audio.errors import VigieError
from streams import cli
from streams.kafka import broker_config, broker_files


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing: returns the only folder on its PATH."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "bin"


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("Picked up JAVA_TOOL_OPTIONS: -Dx=1\nopenjdk version \"25-ea\"", 25),
        ("no java here", None),
    ],
)  # fmt: skip
def test_the_version_of_java_is_read(told: str, version: int | None) -> None:
    assert broker_files.java_version(told) == version


def test_without_java_the_way_out_is_told(bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not bare.exists()
    assert cli.main(["broker", "--data", str(tmp_path / "data")]) == 2
    told = capsys.readouterr().err
    assert "no Java is installed" in told
    assert "docker compose -f docker/compose.yaml up -d kafka" in told


def test_a_java_that_is_too_old_is_named(bare: Path) -> None:
    program(bare / "java", "echo 'openjdk version \"11.0.2\"' >&2")
    with pytest.raises(VigieError, match=r"is Java 11, and Kafka needs 17"):
        broker_files.find_java()


def test_java_home_goes_before_the_path(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "java", "echo 'openjdk version \"11.0.2\"' >&2")
    program(tmp_path / "jdk" / "bin" / "java", "echo 'openjdk version \"21\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert broker_files.find_java() == tmp_path / "jdk" / "bin" / "java"


@pytest.mark.usefixtures("bare")
def test_without_maven_and_without_jars_the_way_out_is_told() -> None:
    with pytest.raises(VigieError, match=r"Maven.*not installed.*docker compose"):
        broker_files.kafka_jars()


def test_a_download_that_fails_leaves_nothing_and_says_why(bare: Path) -> None:
    program(bare / "mvn", "echo '[ERROR] Could not transfer artifact org.apache.kafka -> [Help 1]'; exit 1")
    with pytest.raises(VigieError, match=r"Could not transfer artifact org\.apache\.kafka\. Check the network"):
        broker_files.kafka_jars()
    assert [path.name for path in broker_files.cache_folder().parent.iterdir() if path.is_dir()] == []


def test_jars_are_fetched_once(bare: Path) -> None:
    program(
        bare / "mvn",
        'for a; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done; /bin/mkdir "$d"; : > "$d/kafka-server-1.jar"',
    )
    folder = broker_files.kafka_jars()
    assert (folder / "kafka-server-1.jar").is_file()
    (bare / "mvn").unlink()
    assert broker_files.kafka_jars() == folder


def test_the_pom_names_no_repository() -> None:
    text = broker_files.POM.read_text(encoding="utf-8")
    assert "epositor" not in text
    assert [line for line in text.splitlines() if "://" in line and "xmlns=" not in line] == []


def test_a_scram_user_is_salted_as_rfc_5802_says() -> None:
    user = broker_config.scram_user("vigie", "secret", b"0123456789abcdef")
    salted = hashlib.pbkdf2_hmac("sha512", b"secret", b"0123456789abcdef", 8192)
    assert user.startswith("SCRAM-SHA-512=[name=vigie,salt=")
    assert f"saltedpassword={base64.b64encode(salted).decode()}]" in user
    assert "secret" not in user
