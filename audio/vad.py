"""Voice activity by Silero, frame by frame of 32 ms, with its state in our hands.

The 6.2 model hears telephone speech that 6.0 misses (notes of the house: 70 against 465 of one caller's loud frames).
It ships in the package `silero-vad`, whose Python code needs torch; the file does not, so it is found without importing
the package. Where it is absent, the 6.0 file of faster-whisper stands in, and says so in `version`.

The model takes frames of 512 samples with the 64 before them and carries `h` and `c`. It is asked once a block and
party, so that what it computes is the same however the audio was cut. Frames far below speech are not asked at all,
once 16 of them have passed; `h` and `c` then stay as they are. That is part of the canonical path, not an option:
with and without it, alerts would differ.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audio.chunk import Float32Array
from audio.errors import VigieError
from audio.state import Stateful

FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64
STATE_SHAPE = (1, 1, 128)


@dataclass(frozen=True, slots=True)
class VoiceActivitySettings:
    """When a frame need not be asked.

    Attributes:
        skip_under_dbov: level under which a frame counts as quiet; the quietest speech frames lie 10 dB above.
        skip_after_frames: quiet frames in a row that are still asked, so that the model sees each word out.
    """

    skip_under_dbov: float = -60.0
    skip_after_frames: int = 16


class SileroModel:
    """The model file, loaded once; safe to share between calls, since it keeps no state."""

    def __init__(self, path: Path, version: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        self.version = version
        self._session: Any = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def run(
        self, frames: Float32Array, h: Float32Array, c: Float32Array
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Speech probabilities of consecutive frames.

        Args:
            frames: float32 `(n, 576)` in [-1, 1) at 16 kHz: 64 samples of context, then 512 of the frame.
            h, c: float32 `(1, 1, 128)`, as the last call returned them.

        Returns:
            float32 `(n,)`, and the new `h` and `c`.
        """
        probabilities, h, c = self._session.run(None, {"input": frames, "h": h, "c": c})
        return probabilities.reshape(-1), h, c


def _package_file(package: str, *inside: str) -> Path | None:
    """A data file of an installed package, found without running the package's code."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, *inside)
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=1)
def load_silero() -> SileroModel:
    """The best installed Silero model, loaded once a process.

    Raises:
        VigieError: neither `silero-vad` nor `faster-whisper` is installed with its model file.
    """
    best = _package_file("silero_vad", "data", "silero_vad_16k_sequence.onnx")
    if best is not None:
        return SileroModel(best, f"silero-{importlib.metadata.version('silero-vad')}")
    fallback = _package_file("faster_whisper", "assets", "silero_vad_v6.onnx")
    if fallback is not None:
        return SileroModel(fallback, "silero-6.0 (fallback)")
    raise VigieError(
        "no voice activity model is installed",
        remedy="Install it without its dependencies: pip install --no-deps silero-vad",
        where="silero_vad_16k_sequence.onnx",
    )


class VoiceActivity(Stateful):
    """Speech probability of one party's frames."""

    STATE = ("_h", "_c", "_context", "_quiet")

    def __init__(self, model: SileroModel, settings: VoiceActivitySettings = VoiceActivitySettings()) -> None:
        self.settings = settings
        self._model = model
        self._h = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._c = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)
        self._quiet = 0

    def push(self, wide: Float32Array, level_dbov: npt.NDArray[np.floating[Any]]) -> Float32Array:
        """Probabilities of the frames of one block.

        Args:
            wide: float32 `(n * 512,)` in [-1, 1) at 16 kHz.
            level_dbov: `(n,)`, level of each frame.

        Returns:
            float32 `(n,)` in 0..1; 0 for frames that are not asked.
        """
        asked = self._asked(level_dbov)
        count = len(level_dbov)
        if not asked:
            self._context = wide[-CONTEXT_SAMPLES:].copy()
            return np.zeros(count, dtype=np.float32)
        frames = np.empty((count, CONTEXT_SAMPLES + FRAME_SAMPLES), dtype=np.float32)
        frames[:, CONTEXT_SAMPLES:] = wide.reshape(-1, FRAME_SAMPLES)
        frames[0, :CONTEXT_SAMPLES] = self._context
        frames[1:, :CONTEXT_SAMPLES] = frames[:-1, -CONTEXT_SAMPLES:]
        self._context = wide[-CONTEXT_SAMPLES:].copy()
        if len(asked) == count:
            probabilities, self._h, self._c = self._model.run(frames, self._h, self._c)
            return probabilities
        probabilities = np.zeros(count, dtype=np.float32)
        probabilities[asked], self._h, self._c = self._model.run(frames[asked], self._h, self._c)
        return probabilities

    def _asked(self, level_dbov: npt.NDArray[np.floating[Any]]) -> list[int]:
        asked = []
        limit, under, quiet = self.settings.skip_after_frames, self.settings.skip_under_dbov, self._quiet
        for index, level in enumerate(level_dbov.tolist()):
            if level >= under:
                quiet = 0
            elif quiet <= limit:
                quiet += 1
            if quiet <= limit:
                asked.append(index)
        self._quiet = quiet
        return asked
