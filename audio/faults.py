"""What the line did to the sound: dropouts (holes, repeated packets, missing packets) and clipping.

A lost packet leaves one of three marks. A *hole*: the receiver played one constant value. A *repeat*: it played the
last packet again. A *gap*: the source itself says that samples are missing. All three are looked for in the decoded
samples at their native rate, and none depends on voice activity: a hole is known by the loud sound on both of its
sides, which noise gating, pauses and a listener's silence do not have. The flank to the right may lie in the next
block; a loss is therefore decided in the block that brings it.

Losses close together are heard as one disturbance. RFC 3611 (RTCP XR, 4.7.2) calls it a burst: losses with fewer than
Gmin = 16 packets between them. Events are counted so, except that a burst ends after a second, lest a line that loses
every tenth packet count as one event for ever, and that each of its losses counts where 60 ms are lost for each: so long
concealment fills a hole (ITU-T G.711, Appendix I), and what is longer tears words.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from audio.chunk import BLOCK_MS, FRAME_MS, PARTIES, FrameFacts, Int16Array, LineState, Measure
from audio.clipping import ClipBlock, ClipSums
from audio.runs import constant_runs, likely_copies, true_runs
from audio.state import Stateful, record

_FULL_SCALE_POWER = float(1 << 30)


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """Thresholds; those without another source are from the measurements on a real call (notes on signal)."""

    constant_lsb_max: int = 8
    """A-law has no zero: its silence is ±8."""
    hole_ms_min: float = 12.0
    hole_ms_max: float = 400.0
    flank_ms: float = 10.0
    flank_dbov_min: float = -45.0
    flank_over_floor_db: float = 15.0
    repeat_lags_ms: tuple[int, ...] = (10, 20, 30, 40)
    """The packet lengths of G.711 and its concealment."""
    repeat_ms_max: float = 200.0
    """A longer exact repetition is a generated sound, not concealment."""
    tone_energy_share_max: float = 0.98
    """In the 8 strongest bins of a frame: a tone (or two) has more, voiced speech mostly less."""
    repeat_tone_share_max: float = 0.998
    """The same for a packet of 20 ms that came twice: of voiced packets 0 to 32 % pass 0.98 (a low voice has eight bins to
    itself) and under 1 % pass this; tones through G.711 have 0.9992 and more."""
    gap_ms_min: float = 10.0
    burst_gap_ms_max: float = 320.0
    """RFC 3611: Gmin = 16 packets of 20 ms."""
    burst_ms_max: float = 1_000.0
    heard_loss_ms: float = 55.0
    """G.711 Appendix I conceals up to 60 ms, three packets (less the ringing at their edges)."""
    dropout_window_ms: int = 10_000
    share_window_ms: int = 30_000
    share_speech_ms_min: int = 10_000
    """As for a P.56 level: a share of less speech than this is chance."""
    clip_window_ms: int = 10_000
    clip_within: float = 0.02
    clip_run_ms: float = 0.25
    """3 samples at 8 kHz span two steps; at higher rates as long a time."""
    clip_peak_dbov_min: float = -20.0
    crest_db_max: float = 10.5
    """Clean speech has 13.6 and more."""
    crest_speech_ms_min: int = 3_000
    crest_level_std_db_min: float = 2.0
    """Steadier than this is a tone or a hum that voice activity took for speech."""
    inferred_clip_runs: int = 5
    """What clipping known by its crest factor alone counts as: as few runs as a rule asks for."""

    @property
    def carry_ms(self) -> float:
        return self.hole_ms_max + 2 * self.flank_ms


@record
@dataclass(frozen=True, slots=True)
class AudioLoss:
    """One hole, repeat or gap; times in ms of media time. Losses of one burst share its number."""

    kind: str
    start_ms: float
    end_ms: float
    burst: int = 0


def level_of(samples: Int16Array) -> float:
    """RMS level in dBov of int16 `(n,)`; -100 for none or digital zero. Exact sums, so the same wherever it is cut."""
    if not len(samples):
        return -100.0
    wide = samples.astype(np.int64)
    power = int(np.dot(wide, wide)) / len(samples) / _FULL_SCALE_POWER
    return max(-100.0, 10 * math.log10(power)) if power > 0 else -100.0


class LossFinder(Stateful):
    """Finds the losses of one leg. Keeps the last 420 ms of samples, so that a hole and its flanks are seen whole."""

    STATE = ("_rate_hz", "_tail", "_next_ms", "_attached", "_gap", "_gaps", "_repeat_end_ms", "_peak")

    def __init__(self, settings: FaultSettings) -> None:
        self._s = settings
        self._rate_hz = 0
        self._floor = settings.flank_dbov_min
        self._tail: Int16Array = np.zeros(0, np.int16)
        self._next_ms = 0
        self._attached = False
        self._gap: tuple[int, int, float] | None = None
        self._gaps: list[tuple[int, int]] = []
        self._repeat_end_ms = -1.0
        self._peak = 0

    def push(self, facts: FrameFacts, party: int) -> tuple[list[AudioLoss], list[tuple[float, float]]]:
        """One block. Returns the losses decided in it, by time, and its own gaps `(start_ms, end_ms)` once attached."""
        block = facts.block
        samples, rate_hz = block.native[party], block.rate_hz[party]
        if rate_hz != self._rate_hz or block.start_ms != self._next_ms:
            self._rate_hz, self._gap, self._gaps = rate_hz, None, []
            self._tail = np.zeros(0, np.int16)
        self._next_ms = block.end_ms
        self._floor = max(self._s.flank_dbov_min, float(facts.floor_dbov[party]) + self._s.flank_over_floor_db)
        start = block.start_ms * rate_hz // 1000
        gaps = [
            (start + a, start + b) for a, b in block.gaps[party] if self._attached or (a > 0 and block.attached[party])
        ]
        self._attached = block.attached[party]
        if not self._attached:
            self._tail, self._peak = np.zeros(0, np.int16), 0
            return [], []
        audio = np.concatenate((self._tail, samples))
        origin = start - len(self._tail)
        if self._gaps or gaps:
            self._gaps = [gap for gap in self._gaps if gap[1] > origin] + gaps
        losses = self._lost_packets(audio, origin, gaps) if gaps or self._gap is not None else []
        # The loud sound that a hole or a repeat needs ends at most so far back: a silent leg costs nothing more.
        peak, before = _peak_of(facts, party), self._peak
        self._peak = peak
        if max(peak, before) > 32768 * 10 ** (self._floor / 20):
            losses += self._holes(audio, origin, len(samples))
            losses += self._repeats(audio, origin, len(samples))
        self._tail = audio[-math.ceil(self._s.carry_ms * rate_hz / 1000) :].copy()
        losses.sort(key=lambda loss: (loss.start_ms, loss.kind))
        return losses, [(self._ms(a), self._ms(b)) for a, b in gaps]

    def _ms(self, sample: float) -> float:
        return sample * 1000 / self._rate_hz

    def _samples(self, ms: float) -> int:
        return round(ms * self._rate_hz / 1000)

    def _is_loud(self, samples: Int16Array) -> bool:
        return level_of(samples) > self._floor

    def _lost_packets(self, audio: Int16Array, origin: int, gaps: list[tuple[int, int]]) -> list[AudioLoss]:
        """Gaps with loud sound on both sides; those nearer to each other than a flank are one."""
        flank, losses = self._samples(self._s.flank_ms), list[AudioLoss]()
        for a, b in [*gaps, (origin + len(audio) + flank, -1)]:
            if self._gap is not None and a - self._gap[1] >= flank and self._gap[1] + flank <= origin + len(audio):
                first, last, left_dbov = self._gap
                right = audio[last - origin : last - origin + flank]
                long_enough = self._ms(last - first) >= self._s.gap_ms_min
                if long_enough and left_dbov > self._floor and self._is_loud(right):
                    losses.append(AudioLoss("gaps", self._ms(first), self._ms(last)))
                self._gap = None
            if b < 0:
                continue
            if self._gap is not None:
                self._gap = (self._gap[0], b, self._gap[2])
            else:
                self._gap = (a, b, level_of(audio[max(0, a - origin - flank) : max(0, a - origin)]))
        return losses

    def _holes(self, audio: Int16Array, origin: int, fresh: int) -> list[AudioLoss]:
        """Constant runs whose right flank was completed by the newest `fresh` samples."""
        low, high, flank = (self._samples(ms) for ms in (self._s.hole_ms_min, self._s.hole_ms_max, self._s.flank_ms))
        losses = []
        due = len(audio) - fresh - flank + 1
        for start, end in constant_runs(audio, low, self._s.constant_lsb_max, due):
            if end - start > high or start < flank or end + flank > len(audio):
                continue
            if any(a < origin + end and origin + start < b for a, b in self._gaps):
                continue
            if self._is_loud(audio[start - flank : start]) and self._is_loud(audio[end : end + flank]):
                losses.append(AudioLoss("holes", self._ms(origin + start), self._ms(origin + end)))
        return losses

    def _repeats(self, audio: Int16Array, origin: int, fresh: int) -> list[AudioLoss]:
        """Exact copies of the packet before, that ended within the newest `fresh` samples (late by one)."""
        losses: list[AudioLoss] = []
        lags = [self._samples(ms) for ms in self._s.repeat_lags_ms]
        for lag in likely_copies(audio, lags, fresh):
            starts, ends = true_runs(audio[lag:] == audio[:-lag])
            chosen = (ends - starts >= lag) & (ends + lag < len(audio)) & (ends + lag >= len(audio) - fresh)
            chosen &= (starts > 0) & (ends - starts <= self._samples(self._s.repeat_ms_max))
            for start, end in zip((starts[chosen] + lag).tolist(), (ends[chosen] + lag).tolist(), strict=True):
                if self._ms(origin + start) < self._repeat_end_ms or not self._is_loud(audio[start:end]):
                    continue
                if _is_periodic(audio[start - lag : start], self._s.repeat_tone_share_max):
                    continue
                self._repeat_end_ms = self._ms(origin + end)
                losses.append(AudioLoss("repeats", self._ms(origin + start), self._repeat_end_ms))
        return losses


def _peak_of(facts: FrameFacts, party: int) -> int:
    """Greatest magnitude of a leg's samples in the block."""
    if facts.peak is not None:
        return int(max(facts.peak[party].tolist()))
    samples = facts.block.native[party]
    return max(int(samples.max()), -int(samples.min()))


def _is_periodic(packet: Int16Array, tone_share_max: float) -> bool:
    """Whether a packet would repeat by itself: constant, a period that divides it, or nearly all energy in 8 bins."""
    if any((packet[k:] == packet[:-k]).all() for k in {1, *(len(packet) // n for n in range(2, 17))} if k):
        return True
    return _is_tone(packet, tone_share_max)


def _is_tone(samples: Int16Array, tone_energy_share_max: float) -> bool:
    bins = np.abs(np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples)))) ** 2
    return bool(np.sort(bins)[-8:].sum() >= tone_energy_share_max * bins.sum())


class FaultDetector(Stateful):
    """`dropouts_10s`, `dropout_share_30s`, `gap_ms_30s` and `clipped_runs_10s`, each per party."""

    STATE = ("_finders", "_losses", "_gaps", "_speech", "_clips", "_burst", "_told")

    def __init__(self, settings: FaultSettings | None = None) -> None:
        self._s = settings or FaultSettings()
        self._finders = [LossFinder(self._s) for _ in PARTIES]
        self._losses: list[deque[AudioLoss]] = [deque() for _ in PARTIES]
        self._gaps: list[deque[tuple[float, float]]] = [deque() for _ in PARTIES]
        self._speech: list[deque[tuple[int, int]]] = [deque() for _ in PARTIES]
        self._clips: list[deque[ClipBlock]] = [deque() for _ in PARTIES]
        self._burst = [[0.0, -math.inf, 0] for _ in PARTIES]
        self._told: set[str] = set()
        self._sums = [ClipSums(()) for _ in PARTIES]

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self._sums = [ClipSums(clips) for clips in self._clips]

    def push(self, facts: FrameFacts, line: LineState) -> list[Measure]:
        """One block of both parties. Nothing is counted on hold, in a menu (music stops too) or for a muted party."""
        measures: list[Measure] = []
        for party in range(2):
            found, gaps = self._finders[party].push(facts, party)
            if line.watching and not line.muted[party]:
                self._losses[party].extend(self._numbered(party, loss) for loss in found)
                self._gaps[party].extend(gaps)
                self._speech[party].append((facts.block.end_ms, int(np.count_nonzero(facts.speech[party])) * FRAME_MS))
                clip = self._clip_block(facts, party)
                self._clips[party].append(clip)
                self._sums[party].add(clip)
            self._dropouts(party, facts.block.end_ms, measures)
            self._share_and_gaps(party, facts.block.end_ms, measures)
            self._clipping(party, facts.block.end_ms, measures)
        return measures

    def _numbered(self, party: int, loss: AudioLoss) -> AudioLoss:
        first_ms, last_ms, number = self._burst[party]
        near = loss.start_ms - last_ms < self._s.burst_gap_ms_max and loss.end_ms - first_ms <= self._s.burst_ms_max
        if not near:
            first_ms, number = loss.start_ms, number + 1
        self._burst[party] = [first_ms, max(last_ms, loss.end_ms), number]
        return AudioLoss(loss.kind, loss.start_ms, loss.end_ms, int(number))

    def _tell(
        self,
        into: list[Measure],
        metric: str,
        party: int,
        value: float,
        stretch_ms: tuple[float, float],
        detail: dict[str, Any] | None = None,
    ) -> None:
        """A value while it is not 0, and once when it returns to 0."""
        if not value and not self._told:
            return
        key = f"{metric}:{party}"
        if value or key in self._told:
            into.append(Measure(metric, PARTIES[party], value, int(stretch_ms[0]), math.ceil(stretch_ms[1]), detail))
        (self._told.add if value else self._told.discard)(key)

    def _dropouts(self, party: int, now_ms: int, into: list[Measure]) -> None:
        losses = self._losses[party]
        if not losses and not self._told:
            return None
        while losses and losses[0].end_ms <= now_ms - self._s.share_window_ms:
            losses.popleft()
        window = [loss for loss in losses if loss.end_ms > now_ms - self._s.dropout_window_ms]
        if not window:
            return self._tell(into, "dropouts_10s", party, 0.0, (now_ms, now_ms))
        detail: dict[str, Any] = {
            kind: sum(loss.kind == kind for loss in window) for kind in ("holes", "repeats", "gaps")
        }
        detail["lost_ms"] = round(sum(loss.end_ms - loss.start_ms for loss in window))
        stretch_ms = (min(loss.start_ms for loss in window), max(loss.end_ms for loss in window))
        events = float(self._events(window))
        return self._tell(into, "dropouts_10s", party, events, stretch_ms, detail)

    def _events(self, window: list[AudioLoss]) -> int:
        """Disturbances: the bursts, and more for a burst in which much was lost, up to each loss of it."""
        bursts: dict[int, list[float]] = {}
        for loss in window:
            bursts.setdefault(loss.burst, []).append(loss.end_ms - loss.start_ms)
        return sum(max(1, min(len(lost), int(sum(lost) // self._s.heard_loss_ms))) for lost in bursts.values())

    def _share_and_gaps(self, party: int, now_ms: int, into: list[Measure]) -> None:
        from_ms = now_ms - self._s.share_window_ms
        speech, losses, gaps = self._speech[party], self._losses[party], self._gaps[party]
        while speech and speech[0][0] <= from_ms:
            speech.popleft()
        while gaps and gaps[0][1] <= from_ms:
            gaps.popleft()
        if not losses and not gaps and not self._told:
            return
        share, stretch_ms = 0.0, (float(now_ms), float(now_ms))
        if losses and (speech_ms := sum(ms for _, ms in speech)) >= self._s.share_speech_ms_min:
            lost_ms = sum(loss.end_ms - loss.start_ms for loss in losses)
            share = 100 * lost_ms / max(speech_ms, lost_ms)
            stretch_ms = (min(loss.start_ms for loss in losses), max(loss.end_ms for loss in losses))
        self._tell(into, "dropout_share_30s", party, share, stretch_ms)
        missing_ms = sum(end_ms - max(start_ms, from_ms) for start_ms, end_ms in gaps)
        stretch_ms = (gaps[0][0], gaps[-1][1]) if gaps else (now_ms, now_ms)
        self._tell(into, "gap_ms_30s", party, missing_ms, stretch_ms)

    def _clip_block(self, facts: FrameFacts, party: int) -> ClipBlock:
        block = facts.block
        samples, speech = block.native[party], facts.speech[party]
        peak = _peak_of(facts, party)
        frames = int(np.count_nonzero(speech))
        if not frames:
            return ClipBlock(block.end_ms, peak, (), 0, 0.0, 0, 0.0, 0.0)
        levels: list[float] = facts.level_dbov[party][speech].tolist()
        speech_peak = peak
        if frames < len(speech) and facts.peak is not None:
            speech_peak = int(facts.peak[party][speech].max())
        elif frames < len(speech):
            spoken = samples.reshape(len(speech), -1)[speech]
            speech_peak = max(int(spoken.max()), -int(spoken.min()))
        return ClipBlock(
            block.end_ms,
            peak,
            self._flat_tops(facts, party, max(peak, self._sums[party].peak), peak),
            frames,
            sum(10 ** (level / 10) for level in levels),
            speech_peak,
            sum(levels),
            sum(level * level for level in levels),
        )

    def _flat_tops(
        self, facts: FrameFacts, party: int, leg_peak: int, peak: int
    ) -> tuple[tuple[int, float, float], ...]:
        """Runs of samples within 2 % of the leg's peak, in frames of speech: music and tones have such tops too."""
        limit = math.ceil(leg_peak * (1 - self._s.clip_within))
        if peak < limit or leg_peak < 32768 * 10 ** (self._s.clip_peak_dbov_min / 20):
            return ()
        block = facts.block
        samples, rate_hz = block.native[party].astype(np.int32), block.rate_hz[party]
        size_min = 1 + math.ceil(self._s.clip_run_ms * rate_hz / 1000)
        per_frame = FRAME_MS * rate_hz // 1000
        tops: list[tuple[int, float, float]] = []
        voiced: dict[int, bool] = {}
        for top in (samples, -samples):
            starts, ends = true_runs(top >= limit)
            for a, b in zip(starts.tolist(), ends.tolist(), strict=True):
                frame = a // per_frame
                if b - a < size_min or not facts.speech[party][frame]:
                    continue
                if frame not in voiced:
                    # A tone that begins or ends in the frame is judged without the silence beside it.
                    native = block.native[party][frame * per_frame : (frame + 1) * per_frame]
                    sounding = np.flatnonzero(np.abs(native) > self._s.constant_lsb_max)
                    native = native[sounding[0] : sounding[-1] + 1]
                    voiced[frame] = not _is_tone(native, self._s.tone_energy_share_max)
                if voiced[frame]:
                    tops.append((int(top[a:b].min()), a * 1000 / rate_hz, b * 1000 / rate_hz))
        return tuple((level, block.start_ms + a, block.start_ms + b) for level, a, b in tops)

    def _clipping(self, party: int, now_ms: int, into: list[Measure]) -> None:
        clips = self._clips[party]
        while clips and clips[0].end_ms <= now_ms - self._s.clip_window_ms:
            self._sums[party].drop(clips.popleft())
        sums, tops = self._sums[party], list[tuple[int, float, float]]()
        peak = sums.peak
        if sums.with_tops:
            least = peak * (1 - self._s.clip_within)
            tops = [top for clip in clips if clip.tops for top in clip.tops if top[0] >= least]
        crest_db = math.inf
        if len(tops) < self._s.inferred_clip_runs and sums.may_be_under(
            self._s.crest_db_max, self._s.crest_speech_ms_min
        ):
            crest_db = self._crest_of(clips)
        if crest_db < self._s.crest_db_max:
            spoken = [clip.end_ms for clip in clips if clip.speech_frames]
            detail = {"inferred": 1, "crest_db": round(crest_db, 1), "peak": peak}
            runs = float(self._s.inferred_clip_runs)
            return self._tell(into, "clipped_runs_10s", party, runs, (spoken[0] - BLOCK_MS, spoken[-1]), detail)
        stretch_ms = (min(t[1] for t in tops), max(t[2] for t in tops)) if tops else (now_ms, now_ms)
        return self._tell(
            into, "clipped_runs_10s", party, float(len(tops)), stretch_ms, {"peak": peak} if tops else None
        )

    def _crest_of(self, clips: deque[ClipBlock]) -> float:
        """Peak over RMS of the window's speech frames in dB; infinite where there is too little, or it is a tone."""
        frames, power, level, square, peak = 0, 0.0, 0.0, 0.0, 0
        for clip in clips:
            if clip.speech_frames:
                frames += clip.speech_frames
                power += clip.speech_power
                level += clip.level_sum
                square += clip.level_square_sum
                peak = max(peak, clip.speech_peak)
        if frames * FRAME_MS < self._s.crest_speech_ms_min or power <= 0:
            return math.inf
        variance = square / frames - (level / frames) ** 2
        if variance < self._s.crest_level_std_db_min**2 or peak < 32768 * 10 ** (self._s.clip_peak_dbov_min / 20):
            return math.inf
        return 20 * math.log10(peak / 32768) - 10 * math.log10(power / frames)
