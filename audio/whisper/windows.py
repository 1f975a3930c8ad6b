"""How much of Whisper's 30 s an utterance is given: windows of a few lengths, so that many can share one encoder pass.

faster-whisper pads every utterance to 30 s, and most of a call's last 1 to 6 s: ten times the work. The encoder takes any
length. But Whisper was trained on 30 s, and too little context makes some models repeat themselves or lose words
(faster-whisper#1006, CTranslate2#2100): `floor_ms` and `margin_ms` are settings, and `short=False` is the plain 30 s.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME_MS = 10
"""One column of the log-mel spectrogram."""
WHOLE_MS = 30_000
WHOLE_FRAMES = WHOLE_MS // FRAME_MS


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Starting values: 10 s with 2 s of margin showed no loss on real clips (transcribe.cpp PR 149)."""

    short: bool = True
    floor_ms: int = 10_000
    margin_ms: int = 2_000
    """Silence after the utterance's last sample."""
    margin_ms_loaded: int = 1_000
    """Under load (see `ladder`)."""
    step_ms: int = 2_000
    """Windows are the floor, and so many ms more each: fewer lengths make fuller batches."""

    def __post_init__(self) -> None:
        if not 0 <= self.margin_ms_loaded <= self.margin_ms:
            raise ValueError("margin_ms_loaded lies between 0 and margin_ms")
        if self.step_ms < 2 * FRAME_MS or self.floor_ms < 2 * FRAME_MS:
            raise ValueError("floor_ms and step_ms are at least 20")


DEMO_WINDOWS = WindowSettings(floor_ms=4_000, margin_ms=1_000, margin_ms_loaded=500, step_ms=1_000)
"""For the demonstration model, which was trained on windows of all lengths."""


def window_frames(content_frames: int, n_mels: int, settings: WindowSettings, *, loaded: bool = False) -> int:
    """Frames of the window for an utterance of so many: even, at most 3000, never one that CTranslate2 would misread.

    `generate` takes an encoder output whose length equals `n_mels` for raw features: such a window gets two frames more.
    """
    if not settings.short or content_frames >= WHOLE_FRAMES:
        return WHOLE_FRAMES
    margin_ms = settings.margin_ms_loaded if loaded else settings.margin_ms
    over_ms = content_frames * FRAME_MS + margin_ms - settings.floor_ms
    steps = max(0, -(-over_ms // settings.step_ms))
    frames = (settings.floor_ms + steps * settings.step_ms) // FRAME_MS
    frames += frames % 2
    if frames // 2 == n_mels:
        frames += 2
    return min(WHOLE_FRAMES, frames)
