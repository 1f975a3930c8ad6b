"""Echo, crosstalk and one voice on both legs: the parties correlated with each other.

A leg that carries the other party's voice is alike to it at one lag. Unrelated speech is alike too, now and then (0.26
in one window of a hundred), but at another lag each time; so windows *vote*, and only votes for the same lag count. A
window is looked at only where it can tell something: the far party spoke and the near leg is quieter than it. In double
talk, in silence, and while the far party listens, nothing is decided and the state holds.

Windows are 0.95 s long (the longest that a circular correlation of 8192 holds beside lags of -100 to +1000 ms), end
100 ms before the newest sample, and follow each other every block: a canceller that is still learning lets echo through
in bursts, which windows end to end would cut apart. Everything runs at 4 kHz after pre-emphasis, in which lags stay
exact to 0.25 ms. Distorted echo (a vocoder on its way) has no common waveform; there, log envelopes in bands vote.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft

from audio.chunk import BLOCK_MS, FRAME_MS, FRAMES_PER_BLOCK, NARROW_RATE_HZ, PARTIES, FrameFacts, LineState, Measure
from audio.state import Stateful, record

_RATE_HZ = NARROW_RATE_HZ // 2
_BLOCK = BLOCK_MS * _RATE_HZ // 1000
_HISTORY = 8192
_AHEAD = 100 * _RATE_HZ // 1000
_LAG_MAX = _RATE_HZ
_NEAR = _HISTORY - _AHEAD - _LAG_MAX
_LAGS = _LAG_MAX + _AHEAD + 1
_NEAR_FROM = _LAG_MAX
_WINDOW_MS = _NEAR * 1000 // _RATE_HZ
_SCALE = 16384.0
"""History is int16 at half scale: pre-emphasis can nearly double a sample."""
_TOGETHER = 32
_PARTS = 8
_FRAME_HISTORY = 72
"""Frames of 32 ms that reach from the newest block back over the longest lag and the longest window."""
_STEP = 64
_STEP_MS = 8
_STEPS = BLOCK_MS // _STEP_MS
_BANDS_HZ = (200, 400, 600, 850, 1150, 1550, 2050, 2650, 3400)
_ENVELOPE = 768
_ENVELOPE_FFT = 768
_ENVELOPE_LAGS = 1104 // _STEP_MS + 1
_ENVELOPE_NEAR = _ENVELOPE - _ENVELOPE_LAGS + 1
_ENVELOPE_AHEAD = 104 // _STEP_MS
_ENVELOPE_FLOOR_DB = -75.0
_ENVELOPE_EVERY = 4
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class EchoSettings:
    """What counts as the other party's voice. Sources: notes/signal.md, or as said.

    Attributes:
        correlation_min: normalised correlation from which a window may vote. The notes start at 0.15 for
            windows end to end; these overlap, and agree by chance more often: on lca40 itself up to 0.25.
        distinct_ratio_min: by how much the peak exceeds every other more than 25 ms away: speech, tones and music are
            alike to themselves at many lags, an echo at one (measured with correlation_min).
        agree_windows: votes that establish a lag,
        of_windows: among so many decided windows,
        agree_ms: within so much of each other.
        return_db_min: weakest return that anybody hears.
        return_db_max: a louder leg speaks for itself.
        far_speech_ms_min: speech that the far party must have spoken in the window and its lags.
        far_dbov_min: level that it must reach.
        near_dbov_min: under this the near leg is silent: a window without echo.
        crosstalk_lag_ms_max: a voice that comes at once does not come over the network: crosstalk.
        same_correlation_min: both legs are one signal from here,
        same_level_db_max: at levels so close: a pad of 6 dB is common on one branch of a fork, and crosstalk is 12 dB
            down and more,
        same_lag_ms_max: and so close in time.
        release_windows: decided windows without a vote after which it has gone (3 s).
        distorted_correlation_min: correlation of band envelopes over 5 s.
        distorted_agree_ms: votes of envelopes agree within two steps.
        distorted_far_share_min: share of 5 s that the far party must have spoken.
        distorted_motion_db_min: mean change of the far envelopes from step to step; tones and hums do not move.
        explained_margin_db: speech on a leg up to so much over its expected echo is explained by it.
    """

    correlation_min: float = 0.28
    distinct_ratio_min: float = 1.6
    agree_windows: int = 3
    of_windows: int = 5
    agree_ms: float = 2.0
    return_db_min: float = -40.0
    return_db_max: float = -3.0
    far_speech_ms_min: int = 512
    far_dbov_min: float = -45.0
    near_dbov_min: float = -72.0
    crosstalk_lag_ms_max: float = 10.0
    same_correlation_min: float = 0.95
    same_level_db_max: float = 9.0
    same_lag_ms_max: float = 100.0
    release_windows: int = 12
    distorted_correlation_min: float = 0.6
    distorted_agree_ms: float = 16.0
    distorted_far_share_min: float = 0.4
    distorted_motion_db_min: float = 0.5
    explained_margin_db: float = 6.0


@record
@dataclass(frozen=True, slots=True)
class EchoVote:
    """A window in which one leg was alike to the other; `lag_ms` is how much later it came."""

    from_ms: int
    until_ms: int
    lag_ms: float
    return_db: float
    correlation: float
    distorted: bool = False


class _Voters(Stateful):
    """The newest decided windows of one comparison."""

    STATE = ("_votes",)

    def __init__(self, agree: int, of: int, agree_ms: float) -> None:
        self._agree, self._agree_ms = agree, agree_ms
        self._votes: deque[EchoVote | None] = deque(maxlen=of)

    def push(self, vote: EchoVote | None) -> list[EchoVote]:
        """The votes that establish a lag together with this one, oldest first; empty where they do not."""
        self._votes.append(vote)
        if vote is None:
            return []
        alike = [old for old in self._votes if old is not None and abs(old.lag_ms - vote.lag_ms) <= self._agree_ms]
        return alike if len(alike) >= self._agree else []


class _Run(Stateful):
    """One fault on one leg: how much of it was heard, from when to when, and with what lag and return."""

    STATE = ("heard_ms", "since_ms", "until_ms", "lag_ms", "return_db", "correlation", "distorted", "_quiet", "_told")

    def __init__(self, release_windows: int) -> None:
        self._release = release_windows
        self.heard_ms = self.since_ms = self.until_ms = 0
        self.lag_ms = self.return_db = self.correlation = 0.0
        self.distorted = False
        self._quiet = self._told = 0

    def hear(self, votes: list[EchoVote]) -> None:
        """Add the time of these windows, each moment once."""
        if not self.heard_ms:
            self.since_ms = self.until_ms = votes[0].from_ms
        for vote in votes:
            self.heard_ms += max(0, vote.until_ms - max(self.until_ms, vote.from_ms))
            self.until_ms = max(self.until_ms, vote.until_ms)
        newest = votes[-1]
        self.lag_ms, self.correlation, self.distorted = newest.lag_ms, newest.correlation, newest.distorted
        self.return_db = float(np.median([vote.return_db for vote in votes]))
        self._quiet = 0

    def quiet(self, windows: int = 1) -> None:
        """Count decided windows without it; enough of them end it."""
        self._quiet += windows
        if self._quiet >= self._release:
            self.heard_ms = 0

    def measure(self, metric: str, leg: int | None) -> list[Measure]:
        """What changed since the last call."""
        if self.heard_ms == self._told:
            return []
        self._told = self.heard_ms
        detail: dict[str, float | int | str] = {
            "lag_ms": round(self.lag_ms, 2),
            "return_db": round(self.return_db, 1),
            "correlation": round(self.correlation, 2),
            "kind": "distorted" if self.distorted else "linear",
        }
        party = None if leg is None else PARTIES[leg]
        return [Measure(metric, party, float(self.heard_ms), self.since_ms, self.until_ms, detail)]


class EchoDetector(Stateful):
    """Finds on each leg the voice of the other party.

    `explained`, bool `(2, frames)` after each push, marks the speech frames of a party that echo or crosstalk explains.
    """

    STATE = ("_tail", "_history", "_levels", "_speech", "_step_tail", "_envelopes", "_blocks",
             "_voters", "_distorted", "_same", "_echo", "_crosstalk", "_same_run")  # fmt: skip

    def __init__(self, settings: EchoSettings = EchoSettings()) -> None:
        self.settings = settings
        lowpass = np.sinc((np.arange(9) - 4) * 0.45) * np.hamming(9)
        kernel = np.convolve(lowpass / lowpass.sum(), (1.0, -0.9)).astype(np.float32)
        # Column i gives the i-th of so many neighbouring outputs: filter and decimation are one matrix product.
        self._filter = np.zeros((2 * (_TOGETHER - 1) + len(kernel), _TOGETHER), dtype=np.float32)
        for column in range(_TOGETHER):
            self._filter[2 * column : 2 * column + len(kernel), column] = kernel[::-1] * np.float32(_SCALE)
        self._hann = np.hanning(2 * _STEP).astype(np.float32)
        hertz = np.arange(_STEP + 1) * NARROW_RATE_HZ / (2 * _STEP)
        edges = np.array(_BANDS_HZ)
        self._bands = ((hertz >= edges[:-1, None]) & (hertz < edges[1:, None])).astype(np.float32)
        self._bands /= np.float32(64 * _STEP * _STEP)

        self._tail = np.zeros((2, len(kernel) - 1), dtype=np.float32)
        self._history = np.zeros((2, _HISTORY), dtype=np.int16)
        self._levels = np.full((2, _FRAME_HISTORY), -100.0, dtype=np.float32)
        self._speech = np.zeros((2, _FRAME_HISTORY), dtype=np.bool_)
        self._step_tail = np.zeros((2, _STEP), dtype=np.float32)
        self._envelopes = np.full((2, len(_BANDS_HZ) - 1, _ENVELOPE), int(_ENVELOPE_FLOOR_DB), dtype=np.int8)
        self._blocks = 0

        agree, of, release = settings.agree_windows, settings.of_windows, settings.release_windows
        self._voters = tuple(_Voters(agree, of, settings.agree_ms) for _ in PARTIES)
        self._distorted = tuple(_Voters(agree, of, settings.distorted_agree_ms) for _ in PARTIES)
        self._same = _Voters(agree, of, settings.agree_ms)
        self._echo = tuple(_Run(release) for _ in PARTIES)
        self._crosstalk = tuple(_Run(release) for _ in PARTIES)
        self._same_run = _Run(release)
        self.explained: npt.NDArray[np.bool_] = np.zeros((2, 0), dtype=np.bool_)

    def push(self, facts: FrameFacts, line: LineState) -> list[Measure]:
        """Take the next block.

        Args:
            facts: of the block; `narrow`, `level_dbov` and `speech` are read.
            line: not needed: an echo is one on any line.

        Returns:
            `echo_ms` and `crosstalk_ms` of the leg that carries the other's voice, `same_audio_ms` of the call: time
            with it that was heard, whenever it grew, and 0 once it has gone.
        """
        del line
        self._remember(facts)
        end_ms = facts.block.start_ms + BLOCK_MS
        for near in range(2):
            self._look(near, end_ms)
        self._look_for_same(end_ms)
        frames = facts.block.frames
        self.explained = _nothing(frames)
        if any(run.heard_ms for run in (*self._echo, *self._crosstalk)):
            self.explained = np.stack([self._explained(near, frames) for near in range(2)])
        out = self._same_run.measure("same_audio_ms", None)
        for leg in range(2):
            out += self._echo[leg].measure("echo_ms", leg) + self._crosstalk[leg].measure("crosstalk_ms", leg)
        return out

    def _remember(self, facts: FrameFacts) -> None:
        """Append the block to the histories; a short last block is filled with silence."""
        frames = facts.block.frames
        narrow = facts.block.narrow
        if frames < FRAMES_PER_BLOCK:
            narrow = np.pad(narrow, ((0, 0), (0, 2 * _BLOCK - narrow.shape[1])))
        self._blocks += 1
        joined = np.concatenate((self._tail, narrow), axis=1)
        self._history[:, :-_BLOCK] = self._history[:, _BLOCK:]
        shape = (2, _BLOCK // _TOGETHER, len(self._filter))
        windows = np.ndarray(shape, np.float32, joined, 0, (joined.strides[0], 4 * 2 * _TOGETHER, 4))
        emphasised = windows.reshape(-1, len(self._filter)) @ self._filter
        np.rint(emphasised, out=emphasised)
        self._history[:, -_BLOCK:] = np.clip(emphasised, -32767.0, 32767.0, out=emphasised).reshape(2, _BLOCK)
        self._tail = narrow[:, -self._tail.shape[1] :].copy()

        for kept, fresh in ((self._levels, facts.level_dbov), (self._speech, facts.speech)):
            kept[:, :-frames] = kept[:, frames:]
            kept[:, -frames:] = fresh
        self._envelopes[:, :, :-_STEPS] = self._envelopes[:, :, _STEPS:]
        self._envelopes[:, :, -_STEPS:] = int(_ENVELOPE_FLOOR_DB)
        heard = np.maximum.reduce(facts.level_dbov, axis=1) > self.settings.near_dbov_min
        legs = np.flatnonzero(heard)
        if len(legs):
            samples = np.concatenate((self._step_tail, narrow), axis=1)
            self._envelopes[legs, :, -_STEPS:] = self._band_levels(samples if len(legs) == 2 else samples[legs])
        self._step_tail = narrow[:, -_STEP:].copy()

    def _band_levels(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 `(legs, 8, 32)`: level in dB of each band in steps of 8 ms, floored; of float32 `(legs, 2112)`."""
        shape = (len(samples), _STEPS, 2 * _STEP)
        windows = np.ndarray(shape, np.float32, samples, 0, (samples.strides[0], 4 * _STEP, 4))
        spectrum = scipy.fft.rfft((windows * self._hann).reshape(-1, 2 * _STEP), axis=1)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        levels: npt.NDArray[np.float32] = self._bands @ power.T
        np.maximum(levels, np.float32(10.0 ** (_ENVELOPE_FLOOR_DB / 10.0)), out=levels)
        np.log10(levels, out=levels)
        levels *= np.float32(10.0)
        np.rint(levels, out=levels)
        np.minimum(levels, np.float32(0.0), out=levels)
        by_leg: npt.NDArray[np.float32] = levels.reshape(len(self._bands), len(samples), _STEPS).swapaxes(0, 1)
        return by_leg

    def _look(self, near: int, end_ms: int) -> None:
        """Decide, where it can be, whether the near leg carries the far party's voice in the newest window."""
        settings, far = self.settings, 1 - near
        if int(np.count_nonzero(self._speech[far, -64:])) * FRAME_MS < settings.far_speech_ms_min:
            return
        near_db = _level(self._history[near, _NEAR_FROM : _NEAR_FROM + _NEAR])
        far_db = _level(self._history[far])
        if far_db < settings.far_dbov_min or near_db > far_db + 3.0 + settings.return_db_max:
            return
        silent = near_db < max(settings.near_dbov_min, far_db + settings.return_db_min - 6.0)
        vote = None if silent else self._vote(near, end_ms)
        agreed = self._voters[near].push(vote)
        if self._blocks % _ENVELOPE_EVERY == 0 and not agreed:
            vote = None if silent else self._distorted_vote(near, end_ms)
            agreed = self._distorted[near].push(vote)
        for run, mine in ((self._crosstalk[near], True), (self._echo[near], False)):
            votes = [vote for vote in agreed if (abs(vote.lag_ms) <= settings.crosstalk_lag_ms_max) == mine]
            if votes:
                run.hear(votes)
            else:
                run.quiet()

    def _vote(self, near: int, end_ms: int) -> EchoVote | None:
        settings = self.settings
        best = _compare(self._history[near], self._history[1 - near])
        if best is None or best.correlation < settings.correlation_min:
            return None
        if best.correlation < settings.distinct_ratio_min * best.second:
            return None
        if not settings.return_db_min < best.return_db < settings.return_db_max:
            return None
        return _vote_at(end_ms, best)

    def _look_for_same(self, end_ms: int) -> None:
        """Decide whether both legs are one signal: only where their levels say that they may be."""
        settings = self.settings
        least = min(int(np.count_nonzero(self._speech[leg, -64:])) for leg in range(2))
        if least * FRAME_MS < settings.far_speech_ms_min:
            return
        levels = [_level(self._history[leg, _NEAR_FROM : _NEAR_FROM + _NEAR]) for leg in range(2)]
        if min(levels) < settings.far_dbov_min:
            return
        best = None
        if abs(levels[0] - levels[1]) <= settings.same_level_db_max:
            best = _compare(self._history[0], self._history[1])
        alike = best is not None and (
            best.correlation >= settings.same_correlation_min and abs(best.lag_ms) <= settings.same_lag_ms_max
        )
        votes = self._same.push(_vote_at(end_ms, best) if best is not None and alike else None)
        if votes:
            self._same_run.hear(votes)
        else:
            self._same_run.quiet()

    def _distorted_vote(self, near: int, end_ms: int) -> EchoVote | None:
        """Compare the log envelopes of 5 s in 8 bands."""
        settings, far = self.settings, 1 - near
        if self._speech[far].mean() < settings.distorted_far_share_min:
            return None
        stop = _ENVELOPE - _ENVELOPE_AHEAD
        mine = self._envelopes[near, :, stop - _ENVELOPE_NEAR : stop].astype(np.float32)
        theirs = self._envelopes[far].astype(np.float32)
        if np.abs(np.diff(theirs, axis=1)).mean() < settings.distorted_motion_db_min:
            return None
        mine_flat = mine - mine.mean(axis=1, keepdims=True)
        theirs_flat = theirs - theirs.mean(axis=1, keepdims=True)
        product = np.conj(scipy.fft.rfft(mine_flat, _ENVELOPE_FFT)) * scipy.fft.rfft(theirs_flat, _ENVELOPE_FFT)
        shared = scipy.fft.irfft(product.sum(axis=0), _ENVELOPE_FFT)[:_ENVELOPE_LAGS]
        ones = np.cumsum(np.pad(theirs_flat, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
        squares = np.cumsum(np.pad(theirs_flat**2, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
        total = ones[:, _ENVELOPE_NEAR:] - ones[:, :-_ENVELOPE_NEAR]
        spread = (squares[:, _ENVELOPE_NEAR:] - squares[:, :-_ENVELOPE_NEAR] - total**2 / _ENVELOPE_NEAR).sum(axis=0)
        correlation = shared / np.sqrt(float((mine_flat**2).sum()) * np.maximum(spread, 1.0) + _TINY)
        place = int(correlation.argmax())
        if correlation[place] < settings.distorted_correlation_min:
            return None
        lag_ms = (stop - _ENVELOPE_NEAR - place) * _STEP_MS
        aligned = theirs[:, place : place + _ENVELOPE_NEAR]
        loud = aligned >= np.percentile(aligned, 90)  # the rest of both lies on the floor
        return_db = float(np.median((mine - aligned)[loud]))
        if not settings.return_db_min < return_db < settings.return_db_max:
            return None
        until_ms = end_ms - _ENVELOPE_AHEAD * _STEP_MS
        from_ms = max(0, until_ms - BLOCK_MS * _ENVELOPE_EVERY)
        return EchoVote(from_ms, until_ms, float(lag_ms), return_db, float(correlation[place]), distorted=True)

    def _explained(self, near: int, frames: int) -> npt.NDArray[np.bool_]:
        """bool `(frames,)`: speech frames of the near leg that are no louder than its echo would be."""
        run = self._echo[near] if self._echo[near].heard_ms else self._crosstalk[near]
        mine = self._speech[near, -frames:]
        if not run.heard_ms or not mine.any():
            return np.zeros(frames, dtype=np.bool_)
        # A frame's echo lies across two frames of the leg, hence the neighbours.
        back = round(run.lag_ms / FRAME_MS)
        places = np.arange(_FRAME_HISTORY - frames, _FRAME_HISTORY)[:, None] - back + np.array([-1, 0, 1])
        places = np.clip(places, 0, _FRAME_HISTORY - 1)
        expected_db = self._levels[1 - near][places].max(axis=1) + run.return_db
        spoke = self._speech[1 - near][places].any(axis=1)
        below = self._levels[near, -frames:] < expected_db + self.settings.explained_margin_db
        explained: npt.NDArray[np.bool_] = mine & spoke & below
        return explained


@lru_cache(maxsize=8)
def _nothing(frames: int) -> npt.NDArray[np.bool_]:
    nothing = np.zeros((2, frames), dtype=np.bool_)
    nothing.flags.writeable = False
    return nothing


@dataclass(frozen=True, slots=True)
class _Likeness:
    """Where two legs are most alike: peak, the next one over 25 ms away, and the gain in the loudest eighth."""

    correlation: float
    second: float
    lag_ms: float
    return_db: float


def _level(samples: npt.NDArray[np.int16]) -> float:
    """Level in dBov of a stretch of history; exact: whole numbers under 2^53."""
    wide = samples.astype(np.float64)
    return 10.0 * math.log10(max(float(np.dot(wide, wide)), 1.0) / (len(wide) * _SCALE**2))


def _compare(near: npt.NDArray[np.int16], far: npt.NDArray[np.int16]) -> _Likeness | None:
    """Normalised cross-correlation of the near window with the far leg over all lags.

    Args:
        near: int16 `(8192,)`, of which the window is compared.
        far: int16 `(8192,)`.

    Returns:
        The best lag, or None where there is nothing to compare.
    """
    mine = near[_NEAR_FROM : _NEAR_FROM + _NEAR].astype(np.float32)
    theirs = far.astype(np.float32)
    spectrum = np.conj(scipy.fft.rfft(mine, _HISTORY)) * scipy.fft.rfft(theirs, _HISTORY)
    shared = np.abs(scipy.fft.irfft(spectrum, _HISTORY)[:_LAGS])
    running = np.zeros(_HISTORY + 1, dtype=np.float64)
    np.cumsum(theirs * theirs, out=running[1:], dtype=np.float64)
    energy = running[_NEAR : _NEAR + _LAGS] - running[:_LAGS]
    top, own = float(energy.max()), float(np.dot(mine, mine))
    if top <= 0.0 or own <= 0.0:
        return None
    # Lags at which the far leg is all but silent would win by dividing through nearly nothing.
    likeness = shared / np.sqrt(own * np.maximum(energy, 0.03 * top))
    place = int(likeness.argmax())
    guard = _RATE_HZ * 25 // 1000
    second = max(likeness[: max(0, place - guard)].max(initial=0.0), likeness[place + guard + 1 :].max(initial=0.0))
    part = _NEAR // _PARTS
    mine_parts = mine[: part * _PARTS].reshape(_PARTS, part)
    their_parts = theirs[place : place + part * _PARTS].reshape(_PARTS, part)
    loudest = int((mine_parts**2).sum(axis=1).argmax())
    gain = abs(float(np.dot(mine_parts[loudest], their_parts[loudest])))
    gain /= float(np.dot(their_parts[loudest], their_parts[loudest])) + _TINY
    lag_ms = (_NEAR_FROM - place) * 1000 / _RATE_HZ
    return _Likeness(float(likeness[place]), float(second), lag_ms, float(20.0 * np.log10(gain + _TINY)))


def _vote_at(end_ms: int, best: _Likeness) -> EchoVote:
    until_ms = end_ms - _AHEAD * 1000 // _RATE_HZ
    return EchoVote(max(0, until_ms - _WINDOW_MS), until_ms, best.lag_ms, best.return_db, best.correlation)
