"""What machines put on a line: keypad digits, ringback, hold music (music.py).

Two views of the 8 kHz samples serve all of it. Windows of 20 ms every 8 ms against the eight keypad frequencies find
digits; the advance of their phase from window to window gives each frequency to within a hertz or two, which speech and
music hardly ever pass on both tones at once. Spectra of 128 ms every 64 ms find ringback and music.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.fft

from audio.chunk import BLOCK_MS, FRAMES_PER_BLOCK, NARROW_RATE_HZ, PARTIES, FrameFacts, LineState, Measure
from audio.facts import SILENCE_DBOV
from audio.music import SPECTRA_PER_BLOCK, SPECTRUM, MusicLeg, MusicSettings, peaks_of
from audio.state import Stateful

_BLOCK = BLOCK_MS * NARROW_RATE_HZ // 1000
_KEYS = "123A456B789C*0#D"
_KEY_HZ = (697, 770, 852, 941, 1209, 1336, 1477, 1633)
_WINDOW = 160
_HOP = 64
_HOPS = _BLOCK // _HOP
_SPECTRUM_HOP = _BLOCK // SPECTRA_PER_BLOCK
_SPECTRUM_HOP_MS = BLOCK_MS // SPECTRA_PER_BLOCK
_TAIL = SPECTRUM - _SPECTRUM_HOP
_NO_KEYS = np.full(_HOPS, -1, dtype=np.int64)
_NONE_RINGS = [False] * SPECTRA_PER_BLOCK
_SILENT = [-100.0] * SPECTRA_PER_BLOCK
_TINY = np.float32(1e-12)


@dataclass(frozen=True, slots=True)
class TonesSettings:
    """What counts as a tone.

    Attributes:
        key_dbov_min: level of both key tones together (ITU-T Q.24: administrations accept down to about -30 dBm).
        key_purity_min: share of the window's energy in the two tones; 0.65 leaves room for 1.5 % off frequency.
        key_pure_min: the same once the deviation is known and its loss made good.
        key_step_db_max: a tone is steady from window to window.
        key_twist_db_max: difference of the two tones (Q.24: 4 to 8 dB, either way).
        key_alone_db_min: by how much a tone exceeds the others of its group.
        key_off_share_max: deviation from the key's frequency (Q.24: within 1.5 % is a key, from 3.5 % none).
        key_windows_min: windows on end whose frequency is right: 40 ms always give two, 23 ms never do.
        key_gap_windows_min: windows without it that end a key (Q.24: pauses from 40 ms).
        ring_low_hz, ring_high_hz: where ringback lies (notes: 400 to 480 Hz), with the width of the window.
        ring_share_min: share of the energy there.
        ring_dbov_min: level of a ring.
        ring_quiet_db: between rings the line is quieter than they by this.
        ring_on_ms_min, ring_on_ms_max: length of a ring (notes: 0.4 to 2.5 s, give or take a spectrum).
        ring_off_ms_min, ring_off_ms_max: pause between rings (notes: 1 to 5 s).
        ring_split_ms_max: a shorter pause is inside a double ring (0.2 s in the United Kingdom).
        ring_other_ms_max: other sound this long means that somebody or something answered.
        music: see MusicSettings.
    """

    key_dbov_min: float = -42.0
    key_purity_min: float = 0.65
    key_pure_min: float = 0.88
    key_step_db_max: float = 3.0
    key_twist_db_max: float = 8.0
    key_alone_db_min: float = 6.0
    key_off_share_max: float = 0.02
    key_windows_min: int = 2
    key_gap_windows_min: int = 3
    ring_low_hz: float = 380.0
    ring_high_hz: float = 500.0
    ring_share_min: float = 0.9
    ring_dbov_min: float = -45.0
    ring_quiet_db: float = 15.0
    ring_on_ms_min: int = 320
    ring_on_ms_max: int = 2_700
    ring_off_ms_min: int = 800
    ring_off_ms_max: int = 5_300
    ring_split_ms_max: int = 320
    ring_other_ms_max: int = 512
    music: MusicSettings = field(default_factory=MusicSettings)


class TonesDetector(Stateful):
    """Finds keypad digits, ringback and hold music on either leg."""

    STATE = ("_tail", "_keypads", "_rings", "_music", "_loudest_dbov")

    def __init__(self, settings: TonesSettings = TonesSettings()) -> None:
        self.settings = settings
        phase = 2j * np.pi * np.outer(np.arange(_WINDOW), _KEY_HZ) / NARROW_RATE_HZ
        kernel = np.exp(-phase)
        self._kernel = np.concatenate((kernel.real, kernel.imag), axis=1).astype(np.float32)
        self._hann = np.hanning(SPECTRUM).astype(np.float32)
        hertz = np.arange(SPECTRUM // 2 + 1) * NARROW_RATE_HZ / SPECTRUM
        inside = np.flatnonzero((hertz >= settings.ring_low_hz) & (hertz <= settings.ring_high_hz))
        self._ring_band = slice(int(inside[0]), int(inside[-1]) + 1)
        self._tail = np.zeros((2, _TAIL), dtype=np.float32)
        self._loudest_dbov = [SILENCE_DBOV] * 2
        # Where no frame of a block is as loud, neither is any stretch: 20 ms may lie across two frames of 32 ms, and
        # 128 ms hold four. Half a dB is for the filter between them.
        self._key_dbov = settings.key_dbov_min - 5.5
        self._sound_dbov = min(settings.music.level_dbov_min, settings.ring_dbov_min - settings.ring_quiet_db) - 0.5
        self._keypads = tuple(_Keypad(leg, settings) for leg in range(2))
        self._rings = tuple(_Ringback(leg, settings) for leg in range(2))
        self._music = tuple(MusicLeg(leg, settings.music) for leg in range(2))

    def push(self, facts: FrameFacts, line: LineState) -> list[Measure]:
        """Take the next block.

        Args:
            facts: of the block; `narrow` and `level_dbov` are read.
            line: not needed: a tone is one on any line.

        Returns:
            `dtmf_digits` (how many so far; the digit in `detail`) for each digit, `ringback_ms` while the cadence is
            kept, `hold_music_ms` while music plays or only an announcement interrupts it; each once with 0 at its end.
        """
        del line
        block = facts.block
        narrow = block.narrow
        if block.frames < FRAMES_PER_BLOCK:
            narrow = np.pad(narrow, ((0, 0), (0, _BLOCK - narrow.shape[1])))
        samples = np.concatenate((self._tail, narrow), axis=1)
        self._tail = narrow[:, -_TAIL:].copy()
        newest: list[float] = np.maximum.reduce(facts.level_dbov, axis=1).tolist()
        # A quiet block after a loud one still holds the end of a tone.
        loudest = [max(pair) for pair in zip(newest, self._loudest_dbov, strict=True)]
        self._loudest_dbov = newest
        keys = self._press(samples, [leg for leg in range(2) if loudest[leg] > self._key_dbov], block.start_ms)
        awake = [leg for leg in range(2) if loudest[leg] > self._sound_dbov]
        self._sound(samples, awake, block.start_ms + BLOCK_MS)
        out: list[Measure] = []
        for leg in range(2):
            out += keys[leg] + self._rings[leg].measures() + self._music[leg].measures()
        return out

    def _press(self, samples: npt.NDArray[np.float32], awake: list[int], start_ms: int) -> list[list[Measure]]:
        """The keypads of both legs; `samples` are float32 `(2, 2560)`: 64 ms of the block before, and the block."""
        out: list[list[Measure]] = [[], []]
        for leg in {0, 1} - set(awake):
            self._keypads[leg].rest()
        if not awake:
            return out
        heard = samples if len(awake) == 2 else samples[awake]
        windows = _stretches(heard, _TAIL - _WINDOW + _HOP, _HOPS, _WINDOW, _HOP)
        energy = np.einsum("ij,ij->i", windows, windows)
        parts = windows @ self._kernel
        power = np.square(parts)
        power = (power[:, :8] + power[:, 8:]).reshape(-1, 2, 4)
        halves = np.maximum(power[:, :, :2], power[:, :, 2:])
        best = np.maximum(halves[:, :, 0], halves[:, :, 1])
        pure = 2.0 * (best[:, 0] + best[:, 1]) >= (self.settings.key_purity_min * _WINDOW) * energy
        pure &= energy >= _WINDOW * 10.0 ** (self.settings.key_dbov_min / 10.0)
        some = pure.any()
        for place, leg in enumerate(awake):
            rows = slice(place * _HOPS, (place + 1) * _HOPS)
            mine = pure[rows] if some else None
            out[leg] = self._keypads[leg].push(parts[rows], power[rows], energy[rows], mine, start_ms)
        return out

    def _sound(self, samples: npt.NDArray[np.float32], awake: list[int], end_ms: int) -> None:
        """Ringback and music of both legs, from the spectra of 128 ms."""
        for leg in {0, 1} - set(awake):
            self._rings[leg].push(_NONE_RINGS, _SILENT, end_ms)
            self._music[leg].push(None, end_ms)
        if not awake:
            return
        heard = samples if len(awake) == 2 else samples[awake]
        frames = _stretches(heard, 0, SPECTRA_PER_BLOCK, SPECTRUM, _SPECTRUM_HOP)
        level = 10.0 * np.log10(np.einsum("ij,ij->i", frames, frames) / np.float32(SPECTRUM) + _TINY)
        frames *= self._hann
        spectrum = scipy.fft.rfft(frames, axis=1)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        power *= np.float32(1.0 / SPECTRUM)
        inside = np.add.reduce(power[:, self._ring_band], axis=1)
        ringing = inside >= self.settings.ring_share_min * np.add.reduce(power, axis=1)
        ringing &= level > self.settings.ring_dbov_min
        peaks = peaks_of(power, level, self.settings.music)
        rings, levels = ringing.tolist(), level.tolist()
        for place, leg in enumerate(awake):
            rows = slice(place * SPECTRA_PER_BLOCK, (place + 1) * SPECTRA_PER_BLOCK)
            self._rings[leg].push(rings[rows], levels[rows], end_ms)
            self._music[leg].push(peaks[rows], end_ms)


def _stretches(rows: npt.NDArray[np.float32], first: int, count: int, size: int, step: int) -> npt.NDArray[np.float32]:
    """float32 `(legs * count, size)`: stretches of each row, every `step` samples from `first` on; a copy."""
    shape = (len(rows), count, size)
    view = np.ndarray(shape, np.float32, rows, 4 * first, (rows.strides[0], 4 * step, 4))
    # Of one row a reshape would be a view, whose stretches overlap: what is done to one in place would be done to the next.
    return view.copy().reshape(-1, size)


class _Keypad(Stateful):
    """Digits pressed on one leg."""

    STATE = ("_before", "_key_before", "_key", "_right", "_missing", "_told", "_digits")

    def __init__(self, leg: int, settings: TonesSettings) -> None:
        self._leg, self.settings = leg, settings
        self._hertz = np.array(_KEY_HZ, dtype=np.float64)
        self._before = np.zeros(16, dtype=np.float32)
        self._key = self._key_before = -1
        self._right = self._missing = self._digits = 0
        self._told = False

    def rest(self) -> None:
        """A block of silence ends what was pressed."""
        self._before = np.zeros(16, dtype=np.float32)
        self._key_before, self._key, self._right, self._missing, self._told = -1, -1, 0, 0, False

    def push(
        self,
        parts: npt.NDArray[np.float32],
        power: npt.NDArray[np.float32],
        energy: npt.NDArray[np.float32],
        pure: npt.NDArray[np.bool_] | None,
        start_ms: int,
    ) -> list[Measure]:
        """Take the windows of one block.

        Args:
            parts: float32 `(32, 16)`, each window against the eight frequencies: the real parts, then the imaginary.
            power: float32 `(32, 2, 4)`, their squares, in the keypad's two groups.
            energy: float32 `(32,)`, sum of squares of each window.
            pure: bool `(32,)`, windows that are loud enough and little else than a tone of either group; None: none is.
            start_ms: start of the block.
        """
        keys = _NO_KEYS if pure is None else self._keys(power, pure)
        before, key_before = self._before, self._key_before
        self._before, self._key_before = parts[-1].copy(), int(keys[-1])
        if self._key < 0 and (pure is None or not (keys >= 0).any()):
            return []
        joined = np.concatenate((before[None], parts))
        turning: npt.NDArray[np.complex64] = joined[:, :8] + 1j * joined[:, 8:]
        previous, tones = turning[:-1], turning[1:]
        right = (keys == np.concatenate(([key_before], keys[:-1]))) & self._right_tones(keys, tones, previous, energy)
        out: list[Measure] = []
        for window in range(_HOPS):
            measure = self._step(int(keys[window]), bool(right[window]), start_ms + (window + 1) * _HOP // 8)
            if measure is not None:
                out.append(measure)
        return out

    def _keys(self, power: npt.NDArray[np.float32], pure: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """int64 `(32,)`: place in the keypad where a window is one key's two tones and little else, else -1."""
        if not pure.any():
            return _NO_KEYS
        settings, pure = self.settings, pure.copy()
        best = power.max(axis=2)
        next_best = np.sort(power, axis=2)[:, :, 2]
        twist = 10.0 ** (settings.key_twist_db_max / 10.0)
        pure &= (best[:, 0] <= twist * best[:, 1]) & (best[:, 1] <= twist * best[:, 0])
        pure &= (best >= 10.0 ** (settings.key_alone_db_min / 10.0) * next_best).all(axis=1)
        place = power.argmax(axis=2)
        keys: npt.NDArray[np.int64] = np.where(pure, 4 * place[:, 0] + place[:, 1], -1)
        return keys

    def _right_tones(
        self,
        keys: npt.NDArray[np.int64],
        tones: npt.NDArray[np.complex64],
        previous: npt.NDArray[np.complex64],
        energy: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.bool_]:
        """bool `(32,)`: both tones of the key are on frequency, steady, and all there is.

        The frequency shows in how the phase moved since the window before; knowing it, the loss of a tone that lies
        beside its window's centre (a sinc) is made good before the energies are compared.
        """
        settings = self.settings
        found: npt.NDArray[np.bool_] = keys >= 0
        rows = np.flatnonzero(found)
        columns = np.stack((keys[rows] // 4, 4 + keys[rows] % 4), axis=1)
        now = tones[rows[:, None], columns]
        before = previous[rows[:, None], columns]
        hertz = self._hertz[columns]
        turn = np.angle(now * np.conj(before)).astype(np.float64) / (2.0 * np.pi) - hertz * _HOP / NARROW_RATE_HZ
        off_hz = (turn - np.rint(turn)) * NARROW_RATE_HZ / _HOP
        power, power_before = np.abs(now) ** 2, np.abs(before) ** 2
        whole = power / np.sinc(off_hz * _WINDOW / NARROW_RATE_HZ) ** 2
        fine = (np.abs(off_hz) <= settings.key_off_share_max * hertz).all(axis=1)
        steady = 10.0 ** (settings.key_step_db_max / 10.0)
        fine &= ((power <= steady * power_before) & (power_before <= steady * power)).all(axis=1)
        fine &= 2.0 * whole.sum(axis=1) >= settings.key_pure_min * _WINDOW * energy[rows]
        found[rows] = fine
        return found

    def _step(self, key: int, right: bool, now_ms: int) -> Measure | None:
        if key < 0 or key != self._key:
            self._missing += 1
            if self._missing >= self.settings.key_gap_windows_min or key >= 0:
                self._key, self._right, self._missing, self._told = key, 0, 0, False
            return None
        self._missing = 0
        self._right = self._right + 1 if right else 0
        if self._told or self._right < self.settings.key_windows_min:
            return None
        self._told = True
        self._digits += 1
        since_ms = max(0, now_ms - (self._right + 1) * _HOP // 8 - 12)
        return Measure("dtmf_digits", PARTIES[self._leg], float(self._digits), since_ms, now_ms, {"digit": _KEYS[key]})


class _Ringback(Stateful):
    """The ringing tone as the caller hears it, on one leg: rings of one length range, pauses of another."""

    STATE = (
        "_off_ms",
        "_other_ms",
        "_ring_dbov",
        "_burst_ms",
        "_first_ms",
        "_since_ms",
        "_until_ms",
        "_second",
        "_told",
    )

    def __init__(self, leg: int, settings: TonesSettings) -> None:
        self._leg, self.settings = leg, settings
        self._ring_dbov = -100.0
        self._told = 0.0
        self._forget()

    def _forget(self) -> None:
        """Nothing rings and nothing rang: `_first_ms` is where a first ring began, `_since_ms` a confirmed cadence."""
        self._off_ms = self._other_ms = self._burst_ms = 0
        self._first_ms = self._since_ms = self._until_ms = -1
        self._second = False

    def push(self, ringing: list[bool], level: list[float], end_ms: int) -> None:
        """Take the spectra of one block: whether each is a ring's tone and no more, and its level in dBov."""
        if self._first_ms < 0 and True not in ringing:
            return
        for place in range(SPECTRA_PER_BLOCK):
            now_ms = end_ms - (SPECTRA_PER_BLOCK - 1 - place) * _SPECTRUM_HOP_MS
            self._step(ringing[place], level[place], now_ms)

    def _step(self, ringing: bool, level: float, now_ms: int) -> None:
        settings = self.settings
        if ringing:
            self._ring(level, now_ms)
            return
        if self._first_ms < 0:
            return
        self._off_ms += _SPECTRUM_HOP_MS
        # The two spectra at a ring's edge hold part of it.
        if self._off_ms > 2 * _SPECTRUM_HOP_MS and level > self._ring_dbov - settings.ring_quiet_db:
            self._other_ms += _SPECTRUM_HOP_MS
        short = self._off_ms > settings.ring_split_ms_max and self._burst_ms < settings.ring_on_ms_min
        if short or self._off_ms > settings.ring_off_ms_max or self._other_ms > settings.ring_other_ms_max:
            self._forget()

    def _ring(self, level: float, now_ms: int) -> None:
        settings = self.settings
        if self._first_ms < 0:
            self._first_ms = now_ms - _SPECTRUM_HOP_MS
        elif self._off_ms > settings.ring_split_ms_max:
            fits = settings.ring_on_ms_min <= self._burst_ms <= settings.ring_on_ms_max
            fits = fits and self._off_ms >= settings.ring_off_ms_min
            if not fits:
                self._forget()
                self._first_ms = now_ms - _SPECTRUM_HOP_MS
            self._second = fits
            self._burst_ms = 0
        else:
            self._burst_ms += self._off_ms
        self._burst_ms += _SPECTRUM_HOP_MS
        self._off_ms = self._other_ms = 0
        self._ring_dbov = level
        if self._burst_ms > settings.ring_on_ms_max:
            self._second, self._since_ms = False, -1  # a steady tone, and so it stays until it stops
        elif self._second and self._burst_ms >= settings.ring_on_ms_min:
            self._since_ms, self._until_ms = self._first_ms, now_ms

    def measures(self) -> list[Measure]:
        """`ringback_ms` whenever it grew, and 0 once the cadence broke."""
        value = float(self._until_ms - self._since_ms) if self._since_ms >= 0 else 0.0
        if value == self._told:
            return []
        self._told = value
        since_ms = max(0, self._since_ms)
        return [Measure("ringback_ms", PARTIES[self._leg], value, since_ms, max(since_ms, self._until_ms))]
