"""faster-whisper on a machine that was lent for a measurement, where nothing can be installed.

It imports PyAV, which reads files, and the Hub's client, which fetches models, as soon as it is imported. A benchmark
gives it arrays and a folder: where they are missing, empty modules stand in for them. Never used outside of benchmarks.
"""

from __future__ import annotations

import importlib.util
import sys
import types


def stand_in() -> list[str]:
    """Put empty modules in the place of those that are missing; returns their names."""
    missing = [name for name in ("av", "huggingface_hub") if importlib.util.find_spec(name) is None]
    for name in missing:
        sys.modules[name] = types.ModuleType(name)
    if "tqdm" not in sys.modules and importlib.util.find_spec("tqdm") is None:
        tqdm, auto = types.ModuleType("tqdm"), types.ModuleType("tqdm.auto")
        tqdm.tqdm = auto.tqdm = _Silent  # type: ignore[attr-defined]
        sys.modules.update({"tqdm": tqdm, "tqdm.auto": auto})
        missing.append("tqdm")
    return missing


class _Silent:
    """A progress bar that shows nothing."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def update(self, *_: object) -> None: ...

    def close(self) -> None: ...
