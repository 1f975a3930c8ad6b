"""What keeps the memory of a server that runs for months level."""

from __future__ import annotations

import ctypes
import gc
import platform

# <malloc.h> of glibc. It gives each thread an arena of its own, and an arena keeps what its largest answer needed; and it
# raises, at each large piece set free, the size above which a piece goes back to the system at once.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
ARENAS = 2
RETURNED_AT_ONCE_BYTES = 256 * 1024
KEPT_FREE_BYTES = 1024 * 1024


def bound_arenas() -> None:
    """Few arenas, and large pieces given back; call it before threads start. Another C library is left as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.system() == "Linux" else None
    if mallopt is None:
        return
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    mallopt(_ARENA_MAX, ARENAS)
    mallopt(_MMAP_THRESHOLD, RETURNED_AT_ONCE_BYTES)
    mallopt(_TRIM_THRESHOLD, KEPT_FREE_BYTES)


def freeze() -> None:
    """What is here now stays. Left among what is looked through for garbage, it would stop everyone for 0.1 s each time."""
    gc.collect()
    gc.freeze()
