"""What keeps the server's memory level does so in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from streams.feed.memory import ARENAS

THREADS = 8
CODE = f"""
import ctypes, sys, threading
from streams.feed import memory
if sys.argv[1] == "bound":
    memory.bound_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier({THREADS})
def work():
    together.wait()
    libc.malloc(5000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range({THREADS})]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def arenas(which: str) -> int:
    told = subprocess.run([sys.executable, "-c", CODE, which], capture_output=True, text=True, check=True, timeout=60)
    return told.stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_many_threads_share_few_arenas() -> None:
    assert arenas("as it is") > ARENAS
    assert arenas("bound") <= ARENAS
