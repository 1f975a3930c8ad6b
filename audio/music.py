"""Hold music, told from speech by what stays in place.

A note keeps its frequency until the next one; the harmonics of a voice never stop moving. So spectral peaks are marked
where they rise over their neighbourhood, and counted bin by bin over 2.5 s: bars in music, a blur in speech. The sum of
the five most prominent bars is the *continuous frequency activation* of Seyerlehner et al., "Automatic music detection
in television productions" (DAFx 2007); it needs no training and survives G.711. A dial tone or a hum is a bar too, but
one that never changes: music is asked for several bars and for new ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audio.chunk import BLOCK_MS, NARROW_RATE_HZ, PARTIES, Measure
from audio.state import Stateful

SPECTRUM = 1024
SPECTRA_PER_BLOCK = 4
_BIN_HZ = NARROW_RATE_HZ / SPECTRUM
_BAND = slice(int(200 / _BIN_HZ), int(3_500 / _BIN_HZ))
"""What a telephone carries; rumble below it has bars as steady as any organ's."""
_BINS = _BAND.stop - _BAND.start
_NEIGHBOURS = 21
assert SPECTRA_PER_BLOCK < 8, "a count shares four bits of a snapshot with its bar"
_SIDE = 1 + 1 + 2 + 4
_TOP = 5
_NO_BARS = np.zeros(_BINS, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class MusicSettings:
    """What counts as hold music.

    Attributes:
        rise_db_min: by how much a bin exceeds the mean of its 21 neighbours to be a peak (4 dB; starting value).
        level_dbov_min: quieter spectra hold no peaks: under this even the noise of a line has bars (lca40, -64 dBov).
        activation_blocks: blocks that bars are counted over (2.56 s: two to four notes).
        activation_min: sum of the five most prominent bars, at most 5. Measured through 300-3400 Hz and G.711: music
            3.6 and up in 95 % of windows, speech 1.0 to 2.9, office noise 1.6 to 3.3.
        decide_blocks: blocks of which
        decide_share_min: this share must pass (a sung note or a long vowel passes alone; 5 s of music by the notes).
        bars_min: bars of which at least so many stand out; a ringing or dial tone has one or two.
        bar_share_min: share of the time that a bin is on, to be a bar.
        change_min: share of bars that must be new against 2.56 s before, at least once while deciding.
        bridge_ms: announcements up to here belong to the hold (notes).
    """

    rise_db_min: float = 4.0
    level_dbov_min: float = -60.0
    activation_blocks: int = 10
    activation_min: float = 3.3
    decide_blocks: int = 16
    decide_share_min: float = 0.7
    bars_min: int = 3
    bar_share_min: float = 0.5
    change_min: float = 0.3
    bridge_ms: int = 15_000


class MusicLeg(Stateful):
    """Hold music on one leg."""

    STATE = ("_counts_and_bars", "_passed", "_changed", "_at", "_since_ms", "_until_ms", "_told")

    def __init__(self, leg: int, settings: MusicSettings) -> None:
        self._leg, self.settings = leg, settings
        self._counts = np.zeros((settings.activation_blocks, _BINS), dtype=np.uint8)
        self._total = np.zeros(_BINS, dtype=np.int16)
        self._bars = np.zeros((settings.activation_blocks, _BINS), dtype=np.bool_)
        self._passed = np.zeros(settings.decide_blocks, dtype=np.bool_)
        self._changed = np.zeros(settings.decide_blocks, dtype=np.bool_)
        self._at = 0
        self._since_ms = self._until_ms = -1
        self._told = 0.0

    @property
    def _counts_and_bars(self) -> npt.NDArray[np.uint8]:
        """uint8 `(blocks, bins / 2)`: a count of at most four and a bar are four bits."""
        both = np.zeros((len(self._counts), _BINS + _BINS % 2), dtype=np.uint8)
        both[:, :_BINS] = self._counts + 8 * self._bars
        packed: npt.NDArray[np.uint8] = (both[:, 0::2] + 16 * both[:, 1::2]).astype(np.uint8)
        return packed

    @_counts_and_bars.setter
    def _counts_and_bars(self, packed: npt.NDArray[np.uint8]) -> None:
        both = np.stack((packed & 15, packed >> 4), axis=2).reshape(len(packed), -1)[:, :_BINS]
        self._counts, self._bars = (both & 7).astype(np.uint8), (both & 8) > 0
        self._total = np.add.reduce(self._counts, axis=0, dtype=np.int16)

    def push(self, peaks: npt.NDArray[np.bool_] | None, end_ms: int) -> None:
        """Take the peaks of one block's spectra, as `peaks_of` marks them; None where the whole block is silent."""
        settings = self.settings
        slot = self._at % settings.activation_blocks
        self._total -= self._counts[slot]
        if peaks is None:
            self._counts[slot] = 0
        else:
            self._counts[slot] = np.add.reduce(peaks, axis=0, dtype=np.uint8)
            self._total += self._counts[slot]
        passed = changed = False
        bars = _NO_BARS
        if peaks is not None and self._may_pass():
            share = self._total.astype(np.float32)
            share /= np.float32(settings.activation_blocks * SPECTRA_PER_BLOCK)
            heights, bars = _bars(share, settings.bar_share_min)
            passed = bool(heights >= settings.activation_min) and int(bars.sum()) >= settings.bars_min
            changed = (
                passed and bool(self._bars[slot].any()) and _new_share(bars, self._bars[slot]) >= settings.change_min
            )
        self._bars[slot] = bars
        place = self._at % settings.decide_blocks
        self._passed[place], self._changed[place] = passed, changed
        self._at += 1
        self._decide(passed, end_ms)

    def _may_pass(self) -> bool:
        """Whether the five greatest shares, let alone what of them stands out, reach `activation_min`."""
        least = self.settings.activation_min * self.settings.activation_blocks * SPECTRA_PER_BLOCK
        if _TOP * int(np.maximum.reduce(self._total)) < least:
            return False
        return int(np.partition(self._total, -_TOP)[-_TOP:].sum()) >= least

    def _decide(self, passed: bool, end_ms: int) -> None:
        settings = self.settings
        playing = passed and self._passed.mean() >= settings.decide_share_min and bool(self._changed.any())
        if playing:
            if self._since_ms < 0:
                order = (self._at + np.arange(settings.decide_blocks)) % settings.decide_blocks
                first = int(self._passed[order].argmax())
                # A window passes once it is filled with music far enough: so many blocks of it, and rarely more.
                filled = math.ceil(settings.activation_min / _TOP * settings.activation_blocks)
                window_ms = (settings.decide_blocks - first + filled - 1) * BLOCK_MS
                self._since_ms = max(0, end_ms - window_ms)
            self._until_ms = end_ms
        elif self._since_ms >= 0 and end_ms - self._until_ms > settings.bridge_ms:
            self._since_ms = -1

    def measures(self) -> list[Measure]:
        """`hold_music_ms` whenever it grew, and 0 once the music has gone."""
        value = float(self._until_ms - self._since_ms) if self._since_ms >= 0 else 0.0
        if value == self._told:
            return []
        self._told = value
        since_ms = self._since_ms if value else self._until_ms
        return [Measure("hold_music_ms", PARTIES[self._leg], value, since_ms, self._until_ms)]


def peaks_of(
    power: npt.NDArray[np.float32], level_dbov: npt.NDArray[np.float32], settings: MusicSettings
) -> npt.NDArray[np.bool_]:
    """Bins that rise over the mean level of their neighbourhood.

    Args:
        power: float32 `(n, 513)`, power spectra of 128 ms each.
        level_dbov: float32 `(n,)`, their levels.
        settings: `rise_db_min` and `level_dbov_min` are used.

    Returns:
        bool `(n, bins)`, the bins of `_BAND`.
    """
    half = _NEIGHBOURS // 2
    level_db = np.log10(power[:, _BAND] + np.float32(1e-9))
    level_db *= np.float32(10.0)
    # Running sums of the levels with their ends held: what a neighbourhood adds is the difference of two of them.
    padded = np.empty((len(power), _BINS + 2 * half + 1), dtype=np.float64)
    padded[:, 0] = 0.0
    padded[:, 1 : half + 1] = level_db[:, :1]
    padded[:, half + 1 : half + 1 + _BINS] = level_db
    padded[:, half + 1 + _BINS :] = level_db[:, -1:]
    np.add.accumulate(padded, axis=1, out=padded)
    around = padded[:, _NEIGHBOURS:] - padded[:, :-_NEIGHBOURS]
    around /= _NEIGHBOURS
    around += settings.rise_db_min
    peaks: npt.NDArray[np.bool_] = level_db > around
    quiet = level_dbov <= settings.level_dbov_min
    if quiet.any():
        peaks[quiet] = False
    return peaks


def _bars(share: npt.NDArray[np.float32], bar_share_min: float) -> tuple[float, npt.NDArray[np.bool_]]:
    """Sum of the five most prominent maxima of the shares, and bool `(bins,)` where a maximum is a bar."""
    inner = share[1:-1]
    maxima = np.flatnonzero((inner >= share[:-2]) & (inner > share[2:]) & (inner > 0)) + 1
    # low[i] is the least of bins i - 7 to i, so a maximum's sides are those that end just before it and 8 after it.
    low = np.concatenate((np.full(_SIDE - 1, share[0]), share))
    for reach in (1, 2, 4):
        low = np.minimum(low[:-reach], low[reach:])
    base = np.maximum(low[maxima - 1], low[np.minimum(maxima + _SIDE, len(low) - 1)])
    heights = np.sort(share[maxima] - base)[::-1]
    bars = np.zeros(len(share), dtype=np.bool_)
    bars[maxima[share[maxima] >= bar_share_min]] = True
    return float(heights[:_TOP].sum()), bars


def _new_share(bars: npt.NDArray[np.bool_], before: npt.NDArray[np.bool_]) -> float:
    """Share of bars with no earlier one in the same or a neighbouring bin."""
    near = before.copy()
    near[1:] |= before[:-1]
    near[:-1] |= before[1:]
    return float((bars & ~near).sum()) / max(1, int(bars.sum()))
