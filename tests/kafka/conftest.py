"""One real broker for all the tests of a run, over all of xdist's processes, and a secured one where it is asked for.

Each process that wants the broker holds a shared lock on a file; the process that started it waits at its end until no
other holds it, then stops it. A process that crashes lets go of its lock by that, and a broker dies with its starter.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.kafka.brokers import Broker, need_kafka, running, start


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker that all tests share: use topics of your own, through `topic_prefix`."""
    need_kafka()
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    state = folder / "broker.json"
    with (folder / "broker.users").open("w") as users, (folder / "broker.mutex").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        found = _found(state)
        if found is None:
            shared = start(folder / f"broker-{uuid.uuid4().hex[:8]}")
            state.write_text(json.dumps({"address": shared.address, "data": str(shared.data)}))
        else:
            shared = found
        fcntl.flock(mutex, fcntl.LOCK_UN)
        yield shared
        if shared.process is None:
            return
        # While this one waits for the others, nobody may come to a broker that is about to stop, and no two locks
        # are held across a wait: the mutex is taken last, when the users are known to be gone.
        _wait_alone(users, mutex)
        state.unlink()
        shared.stop()


def _found(state: Path) -> Broker | None:
    if not state.exists():
        return None
    told = json.loads(state.read_text())
    return Broker(told["address"], Path(told["data"]))


def _wait_alone(users: IO[str], mutex: IO[str]) -> None:
    """Return with the mutex held and no other user."""
    while True:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            # The attempt may have cost the shared lock; it is not needed: the broker is this process's own.
            fcntl.flock(mutex, fcntl.LOCK_UN)
            time.sleep(0.2)


@pytest.fixture(scope="session")
def secured_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that demands TLS and SASL/SCRAM-SHA-512; one for each test process that asks for it."""
    with running(tmp_path_factory.mktemp("secured-broker"), "--secure") as secured:
        yield secured


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test's topics bear."""
    return f"t{uuid.uuid4().hex[:10]}."
