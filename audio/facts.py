"""What every detector needs to know of a block's frames: level, noise floor, speech. The first step after framing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audio.chunk import FRAME_MS, Block, BoolArray, Float32Array, FrameFacts, Int16Array
from audio.state import Stateful
from audio.vad import SileroModel, VoiceActivity

SILENCE_DBOV = -100.0
_FULL_SCALE_SQUARED = 32768.0**2


@dataclass(frozen=True, slots=True)
class FactsSettings:
    """What counts as speech, and as noise.

    Attributes:
        speech_probability_min: Silero's probability from which a frame is speech (notes: enter at 0.50).
        speech_level_dbov_min: level that raw speech must pass (notes: -50 dBov).
        speech_over_floor_db: and by how much it must pass the noise floor (notes: 6 dB).
        floor_window_ms: usable frames whose quietest make the floor; longer than a spoken phrase without a pause.
        usable_dbov_min: frames under this are gated, comfort noise or A-law silence (+-8, which is -72 dBov).
    """

    speech_probability_min: float = 0.50
    speech_level_dbov_min: float = -50.0
    speech_over_floor_db: float = 6.0
    floor_window_ms: int = 3_000
    usable_dbov_min: float = -70.0


def frame_levels(native: Int16Array, frames: int) -> tuple[Float32Array, BoolArray]:
    """Level of each frame, and whether it is more than one constant value.

    Args:
        native: int16 `(frames * n,)`.
        frames: how many.

    Returns:
        float32 `(frames,)`, RMS level in dBov (0 dBov: every sample at full scale, ITU-T G.100.1), -100 for digital
        zero; bool `(frames,)`, True where the samples differ. Both from exact integer sums.
    """
    wide = native.reshape(frames, -1).astype(np.int64)
    samples = wide.shape[1]
    energy = np.einsum("ij,ij->i", wide, wide)
    total = wide.sum(axis=1)
    level = 10.0 * np.log10(np.maximum(energy, 1) / (samples * _FULL_SCALE_SQUARED))
    level = np.where(energy > 0, np.maximum(level, SILENCE_DBOV), SILENCE_DBOV)
    return level.astype(np.float32), energy * samples != total * total


class NoiseFloor(Stateful):
    """The level of the quietest usable frame of the last seconds; -100 dBov before there was any."""

    STATE = ("_levels", "_count")

    def __init__(self, window_frames: int) -> None:
        self._levels = np.full(window_frames, np.inf, dtype=np.float32)
        self._count = 0

    def push(self, levels: Float32Array) -> float:
        """Take the levels of usable frames, float32 `(n,)` in dBov, and return the floor."""
        where = (self._count + np.arange(len(levels))) % len(self._levels)
        self._levels[where] = levels
        self._count = (self._count + len(levels)) % len(self._levels)
        floor = float(self._levels.min())
        return floor if floor != np.inf else SILENCE_DBOV


class FactsMaker(Stateful):
    """Runs levels, noise floors and voice activity of both parties."""

    STATE = ("_voices", "_floors")

    def __init__(self, model: SileroModel, settings: FactsSettings = FactsSettings()) -> None:
        self.settings = settings
        window_frames = settings.floor_window_ms // FRAME_MS
        self._voices = (VoiceActivity(model), VoiceActivity(model))
        self._floors = (NoiseFloor(window_frames), NoiseFloor(window_frames))

    def push(self, block: Block) -> FrameFacts:
        """The facts of the next block."""
        settings, frames = self.settings, block.frames
        levels = np.empty((2, frames), dtype=np.float32)
        probability = np.empty((2, frames), dtype=np.float32)
        floors = np.empty(2, dtype=np.float32)
        for leg in range(2):
            levels[leg], varied = frame_levels(block.native[leg], frames)
            usable = usable_frames(levels[leg], varied, block.present[leg], settings.usable_dbov_min)
            floors[leg] = self._floors[leg].push(levels[leg][usable])
            probability[leg] = self._voices[leg].push(block.wide[leg], levels[leg])
        gate = np.maximum(np.float32(settings.speech_level_dbov_min), floors + settings.speech_over_floor_db)
        speech = (probability >= settings.speech_probability_min) & (levels > gate[:, None])
        return FrameFacts(block, probability, levels, floors, speech)


def usable_frames(level_dbov: Float32Array, varied: BoolArray, present: BoolArray, usable_dbov_min: float) -> BoolArray:
    """bool `(frames,)`: frames that tell something of the line's noise: there, not constant, not gated."""
    usable: npt.NDArray[np.bool_] = present & varied & (level_dbov > usable_dbov_min)
    return usable
