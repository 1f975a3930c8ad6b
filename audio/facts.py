"""What every detector needs to know of a block's frames: level, noise floor, speech. The first step after framing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audio.chunk import FRAME_MS, Block, BoolArray, Float32Array, FrameFacts, Int16Array
from audio.state import Stateful
from audio.vad import SileroModel, VoiceActivity

Float64Array = npt.NDArray[np.float64]

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
        zero; bool `(frames,)`, True where the samples differ. Both from exact sums of whole numbers.
    """
    level, varied, _ = _levels(native.reshape(frames, -1).astype(np.float64))
    return level, varied


def _levels(wide: Float64Array) -> tuple[Float32Array, BoolArray, Float64Array]:
    """Level, whether it varies, and energy of each row; whole numbers under 2^53, which float64 adds exactly."""
    samples = wide.shape[1]
    energy = np.einsum("ij,ij->i", wide, wide)
    total = np.add.reduce(wide, axis=1)
    level = np.log10(np.maximum(energy, 1.0) / (samples * _FULL_SCALE_SQUARED))
    level *= 10.0
    np.maximum(level, SILENCE_DBOV, out=level)
    level[energy == 0] = SILENCE_DBOV
    return level.astype(np.float32), energy * samples != total * total, energy


class NoiseFloor(Stateful):
    """The level of the quietest usable frame of the last seconds; -100 dBov before there was any."""

    STATE = ("_levels", "_count")

    def __init__(self, window_frames: int) -> None:
        self._levels = np.full(window_frames, np.inf, dtype=np.float32)
        self._count = 0
        self._floor: float | None = None

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self._floor = None

    def push(self, levels: Float32Array) -> float:
        """Take the levels of usable frames, float32 `(n,)` in dBov, and return the floor."""
        if self._floor is not None and len(levels) == 0:
            return self._floor
        window, start, count = self._levels, self._count, len(levels)
        if start + count <= len(window):
            window[start : start + count] = levels
        else:
            window[(start + np.arange(count)) % len(window)] = levels
        self._count = (start + count) % len(window)
        floor = float(window.min())
        self._floor = floor if floor != np.inf else SILENCE_DBOV
        return self._floor


class FactsMaker(Stateful):
    """Runs levels, noise floors and voice activity of both parties."""

    STATE = ("_voice", "_floors")

    def __init__(self, model: SileroModel, settings: FactsSettings = FactsSettings()) -> None:
        self.settings = settings
        window_frames = settings.floor_window_ms // FRAME_MS
        self._voice = VoiceActivity(model)
        self._floors = (NoiseFloor(window_frames), NoiseFloor(window_frames))

    def push(self, block: Block) -> FrameFacts:
        """The facts of the next block."""
        settings = self.settings
        levels, varied, energy, peak = _both_levels(block)
        usable = usable_frames(levels, varied, block.present, settings.usable_dbov_min)
        whole: list[bool] = np.logical_and.reduce(usable, axis=1).tolist()
        floors = np.array(
            [
                floor.push(levels[leg] if whole[leg] else levels[leg][usable[leg]])
                for leg, floor in enumerate(self._floors)
            ],
            dtype=np.float32,
        )
        probability = self._voice.push(block.wide, levels, floors)
        gate = np.maximum(np.float32(settings.speech_level_dbov_min), floors + settings.speech_over_floor_db)
        speech = (probability >= settings.speech_probability_min) & (levels > gate[:, None])
        return FrameFacts(block, probability, levels, floors, speech, energy, varied, peak)


def _both_levels(block: Block) -> tuple[Float32Array, BoolArray, Float64Array, Float64Array]:
    """As `_levels`, `(2, frames)` each, and the peaks; legs of one rate are worked out as one array."""
    frames, (agent, customer) = block.frames, block.native
    if len(agent) == len(customer):
        wide = np.empty((2, len(agent)))
        wide[0], wide[1] = agent, customer
        found = _levels_and_peaks(wide.reshape(2 * frames, -1))
        return (
            found[0].reshape(2, frames), found[1].reshape(2, frames),
            found[2].reshape(2, frames), found[3].reshape(2, frames),
        )  # fmt: skip
    one, other = (_levels_and_peaks(native.reshape(frames, -1).astype(np.float64)) for native in block.native)
    return (
        np.stack((one[0], other[0])), np.stack((one[1], other[1])),
        np.stack((one[2], other[2])), np.stack((one[3], other[3])),
    )  # fmt: skip


def _levels_and_peaks(wide: Float64Array) -> tuple[Float32Array, BoolArray, Float64Array, Float64Array]:
    return *_levels(wide), np.maximum.reduce(np.abs(wide), axis=1)


def usable_frames(level_dbov: Float32Array, varied: BoolArray, present: BoolArray, usable_dbov_min: float) -> BoolArray:
    """bool, of the arguments' shape: frames that tell something of the line's noise: there, not constant, not gated."""
    usable: npt.NDArray[np.bool_] = present & varied & (level_dbov > usable_dbov_min)
    return usable
