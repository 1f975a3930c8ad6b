"""What a local broker needs from the machine: Java, and Kafka's jars, fetched once through Maven and kept.

The jars are named by `pom.xml` beside this file, with pinned versions and no address: Maven's settings on the machine
say where it downloads from. They lie in the user's cache in a folder named after the pom, so that a later start needs
neither network nor Maven, and another version gets another folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audio.errors import VigieError
from streams.kafka.children import dies_with_parent

POM = Path(__file__).with_name("pom.xml")
JAVA_VERSION_MIN = 17
"""Kafka 4 brokers run on Java 17 and later."""
DOWNLOAD_S_MAX = 900
DOCKER = "or start Kafka with Docker: docker compose -f docker/compose.yaml up -d kafka"
"""The way out where Java or Maven is missing; ends every remedy of this module."""


def find_java() -> Path:
    """The Java of JAVA_HOME, or else the first on the PATH.

    Raises:
        VigieError: there is none, or it is too old for Kafka.
    """
    home = os.environ.get("JAVA_HOME")
    named = Path(home, "bin", "java") if home else None
    found = str(named) if named and named.is_file() else shutil.which("java")
    if found is None:
        raise VigieError(
            "no Java is installed, and Kafka runs on it",
            remedy=f"Install Java {JAVA_VERSION_MIN} or later (Debian: apt install default-jre-headless maven), {DOCKER}",
        )
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)
    version = java_version(told.stderr + told.stdout)
    if version is None or version < JAVA_VERSION_MIN:
        raise VigieError(
            f"{found} is Java {version or 'of an unknown version'}, and Kafka needs {JAVA_VERSION_MIN} or later",
            remedy=f"Install a newer one and point JAVA_HOME to it, {DOCKER}",
        )
    return Path(found)


def java_version(told: str) -> int | None:
    """The major version in what `java -version` says: 17 in `openjdk version "17.0.15"`, 8 in `"1.8.0_292"`."""
    match = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(match.group(1)) if match else None


def kafka_version() -> str:
    match = re.search(r"<kafka\.version>([^<]+)<", POM.read_text(encoding="utf-8"))
    if match is None:
        raise RuntimeError(f"{POM} names no kafka.version")
    return match.group(1)


def cache_folder() -> Path:
    """Where the jars of this release of Vigie lie, or will."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    mark = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    return Path(base, "vigie", f"kafka-{kafka_version()}-{mark}")


def kafka_jars() -> Path:
    """The folder of Kafka's jars; downloads them the first time.

    Raises:
        VigieError: they are not there and cannot be fetched.
    """
    folder = cache_folder()
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_name(folder.name + ".lock")):
            if not folder.is_dir():
                _download(folder)
    except OSError as error:
        raise VigieError(
            f"Kafka's jars cannot be kept there: {error.strerror or error}",
            remedy="Free the space, or set XDG_CACHE_HOME to a folder that can be written",
            where=str(folder),
        ) from error
    return folder


def _download(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise VigieError(
            "Kafka is not here yet, and Maven, which fetches it, is not installed",
            remedy=f"Install it (Debian: apt install maven), {DOCKER}",
        )
    print(f"vigie: fetching Apache Kafka {kafka_version()} with Maven, once", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as staging:
        shutil.copy(POM, Path(staging, "pom.xml"))
        jars = Path(staging, "jars")
        # -C: an artifact whose checksum is wrong is refused.
        command = [maven, "-B", "-q", "-C", "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        try:
            done = subprocess.run(
                command,
                cwd=staging,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_S_MAX,
                check=False,
                preexec_fn=dies_with_parent,
            )
            problem = "" if done.returncode == 0 else first_error(done.stdout + done.stderr)
        except subprocess.TimeoutExpired:
            problem = f"not done after {DOWNLOAD_S_MAX} s"
        if problem or not any(jars.glob("kafka-server-*.jar")):
            raise VigieError(
                f"Maven could not fetch Kafka {kafka_version()}: {problem or 'it left no jars'}",
                remedy=f"Check the network and Maven's settings (~/.m2/settings.xml) and try again, {DOCKER}",
            )
        jars.rename(folder)


def first_error(output: str) -> str:
    """The line in which Maven says what went wrong, shortened."""
    lines = [line.removeprefix("[ERROR]").strip() for line in output.splitlines() if line.startswith("[ERROR]")]
    told = next((line for line in lines if line), output.strip() or "it does not say why")
    return told.split(" -> [Help", maxsplit=1)[0][:300]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the others wait."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
