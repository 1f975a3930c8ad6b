"""Child processes that never outlive this one, however it ends."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>."""
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dies_with_parent(signal_number: int = signal.SIGKILL) -> None:
    """For `preexec_fn`: the kernel sends the child this signal when the thread that started it is gone.

    A handler for SIGTERM cannot help where this process is killed with SIGKILL. Only Linux has this; elsewhere a
    killed parent leaves its children.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)


def stop(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Ask a child to end, and end it where it does not within `patience_s`."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
