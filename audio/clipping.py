"""What the search for clipping keeps of each block, and its sums over the window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from audio.chunk import FRAME_MS
from audio.state import record


@record
@dataclass(frozen=True, slots=True)
class ClipBlock:
    """What one block leaves for the windows: peak, flat tops `(amplitude, start_ms, end_ms)`, and its speech."""

    end_ms: int
    peak: int
    tops: tuple[tuple[int, float, float], ...]
    speech_frames: int
    speech_power: float
    speech_peak: int
    level_sum: float
    level_square_sum: float


class ClipSums:
    """Running sums over a window of `ClipBlock`s. Only they are updated at each block; what they cannot rule out is
    worked out anew from the blocks, so that no rounding that depends on the past enters a measure."""

    def __init__(self, clips: Iterable[ClipBlock]) -> None:
        self._peaks: deque[int] = deque()
        self._speech_peaks: deque[int] = deque()
        self.with_tops = self._frames = 0
        self._power = 0.0
        for clip in clips:
            self.add(clip)

    @property
    def peak(self) -> int:
        return max(self._peaks, default=0)

    def add(self, clip: ClipBlock) -> None:
        self._peaks.append(clip.peak)
        self._speech_peaks.append(clip.speech_peak)
        self.with_tops += bool(clip.tops)
        self._frames += clip.speech_frames
        self._power += clip.speech_power

    def drop(self, clip: ClipBlock) -> None:
        """Take out the oldest."""
        self._peaks.popleft()
        self._speech_peaks.popleft()
        self.with_tops -= bool(clip.tops)
        self._frames -= clip.speech_frames
        self._power = self._power - clip.speech_power if self._frames else 0.0

    def may_be_under(self, crest_db: float, speech_ms_min: int) -> bool:
        """Whether the crest factor may lie under `crest_db`; never False where it does."""
        if self._frames * FRAME_MS < speech_ms_min:
            return False
        if self._power <= 0:
            return True
        peak = max(self._speech_peaks) / 32768
        return 2 * math.log10(max(peak, 1e-9)) < math.log10(self._power / self._frames) + crest_db / 10 + 0.01
