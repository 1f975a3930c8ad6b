"""A PostgreSQL of the tests' own, on a socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

USER = "postgres"
"""PostgreSQL refuses to run as root; its package makes this account."""
SYSTEM_PROGRAMS = "/usr/sbin:/sbin"
"""Where Debian keeps `runuser`, also where the PATH of who runs the tests lacks them."""


def programs() -> Path | None:
    """The folder of the newest PostgreSQL on this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


def needed() -> Path:
    """The programs, or a skip; in CI their absence fails."""
    found = programs()
    if found is None:
        _absent("PostgreSQL", "postgresql")
    return found


def runuser() -> str:
    """The program that starts another as another account, or a skip; in CI its absence fails."""
    found = shutil.which("runuser", path=f"{os.environ.get('PATH') or os.defpath}:{SYSTEM_PROGRAMS}")
    if found is None:
        _absent("runuser", "util-linux")
    return found


def _absent(program: str, package: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {program} (Debian: apt install {package})")
    pytest.skip(f"{program} is not installed (Debian: apt install {package})")


@contextmanager
def cluster() -> Iterator[str]:
    """A fresh cluster; yields the URL of its one database."""
    binaries = needed()
    root = os.geteuid() == 0
    as_user = [runuser(), "-u", USER, "--"] if root else []
    folder = Path(tempfile.mkdtemp(prefix="vigie-pg-"))
    if root:
        account = pwd.getpwnam(USER)
        os.chown(folder, account.pw_uid, account.pw_gid)
    data = folder / "data"

    def call(program: str, *arguments: str) -> None:
        subprocess.run([*as_user, str(binaries / program), *arguments], check=True, capture_output=True, cwd=folder)

    try:
        call("initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://{USER}@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh(url: str) -> str:
    """The URL of a new, empty database of that cluster."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return url.replace("/postgres?", f"/{name}?")
