"""Is each leg alive? One-way audio, and a leg that never came.

A listener is never one-way, however long and quiet: their leg has a texture (noise of a room, of a codec, comfort
noise). A dead leg has none: every sample equals the one before it, or is missing. And a dead leg is only a fault while
someone talks into it and waits in vain: the other party's pauses of two seconds that nobody answers are the evidence.
A leg that noise-gates to digital zero whenever its party listens has taught us so in its earlier pauses; its zeros say
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.chunk import FRAME_MS, PARTIES, Block, FrameFacts, LineState, Measure
from audio.state import Stateful


@dataclass(frozen=True, slots=True)
class LivenessSettings:
    """Thresholds, from the measurements on a real call (notes on signal, "One-way")."""

    dead_share_min: float = 0.98
    """Of samples constant or missing: from here on a frame, or a leg, is dead."""
    pause_ms: int = 2_000
    talk_before_pause_ms: int = 320
    """A pause follows speech, not a cough: as long as a backchannel at least."""
    never_spoke_talk_ms_min: int = 8_000
    never_spoke_pauses_min: int = 2
    turned_dead_ms_min: int = 10_000
    turned_dead_pauses_min: int = 3
    live_ms_min: int = 1_024
    """A leg that had less texture than this had not been alive."""
    habit_ms_min: int = 1_024
    """Less silence of its own than this tells no habit."""
    habit_dead_share_max: float = 0.5
    """A leg whose own earlier pauses were more dead than this is gated, not one-way."""


class LegLife(Stateful):
    """What is known of one leg, and of its party as a talker. Times in ms, counts of frames or samples."""

    STATE = (
        "last_value",
        "samples",
        "dead_samples",
        "spoke",
        "talk_frames",
        "pauses",
        "dead_since_ms",
        "pauses_in_run",
        "live_frames",
        "quiet_frames",
        "quiet_dead_frames",
        "run_frames",
        "talk_end_ms",
        "talked_frames",
        "attached_ms",
    )

    def __init__(self) -> None:
        self.last_value = 0
        self.attached_ms = -1
        self.live_frames = 0
        self.quiet_frames = 0
        self.quiet_dead_frames = 0
        self.run_frames = 0
        self.talk_end_ms = 0
        self.talked_frames = 0
        self.dead_since_ms = 0
        self.begin()

    def begin(self) -> None:
        """A new stretch of the call: answer, resume, transfer."""
        self.samples = self.dead_samples = 0
        self.spoke = False
        self.talk_frames = 0
        self.pauses = 0
        self.pauses_in_run = 0
        self.talked_frames = 0

    def forget_run(self, now_ms: int) -> None:
        """Nothing that happens now (hold, mute) is evidence."""
        self.dead_since_ms, self.pauses_in_run, self.run_frames, self.talked_frames = now_ms, 0, 0, 0


class LivenessDetector(Stateful):
    """`one_way_ms` (party = the leg that is dead) and `missing_leg_ms` (party = the leg that never came)."""

    STATE = ("_legs", "_since_ms", "_told")

    def __init__(self, settings: LivenessSettings | None = None) -> None:
        self._s = settings or LivenessSettings()
        self._legs = [LegLife() for _ in PARTIES]
        self._since_ms = -1
        self._told: set[str] = set()

    def push(self, facts: FrameFacts, line: LineState) -> list[Measure]:
        """One block of both parties; off on hold and in a menu, and for a party that is muted."""
        block = facts.block
        since_ms = max(line.answered_ms, line.since_ms)
        if since_ms != self._since_ms:
            self._since_ms = since_ms
            for leg in self._legs:
                leg.begin()
                leg.forget_run(max(since_ms, block.start_ms))
        dead = self._dead_frames(block)
        spoken: list[list[bool]] = facts.speech.tolist()
        measures: list[Measure] = []
        watched = line.watching and block.end_ms > since_ms
        for party in range(2):
            if not watched or line.muted[party]:
                self._legs[party].forget_run(block.end_ms)
            else:
                self._follow_leg(block, party, spoken[party], dead[party])
        for party in range(2):
            if watched:
                self._follow_talker(block, party, spoken, line.muted[1 - party])
            since, value = self._one_way(party, block.end_ms) if watched and not line.muted[party] else (0, 0)
            self._tell(measures, "one_way_ms", party, value, since, block.end_ms)
            since, value = self._missing(party, block.end_ms) if watched else (0, 0)
            self._tell(measures, "missing_leg_ms", party, value, since, block.end_ms)
        return measures

    def _dead_frames(self, block: Block) -> list[list[int]]:
        """Per leg and frame, the samples that equal the one before (missing samples are zeros, so they do too)."""
        counts: list[list[int]] = []
        legs = self._legs
        for samples, leg, other, attached in zip(block.native, legs, legs[::-1], block.attached, strict=True):
            if leg.attached_ms < 0 and attached:
                leg.attached_ms = block.start_ms
                # What was said before the leg came was said into nothing: that is missing-leg's.
                leg.begin()
                leg.forget_run(block.start_ms)
                other.talk_frames = 0
            same = np.empty(len(samples), np.bool_)
            same[0] = int(samples[0]) == leg.last_value
            np.equal(samples[1:], samples[:-1], out=same[1:])
            leg.last_value = int(samples[-1])
            counts.append([int(np.count_nonzero(frame)) for frame in same.reshape(block.frames, -1)])
        return counts

    def _follow_leg(self, block: Block, party: int, spoken: list[bool], dead: list[int]) -> None:
        leg, frames = self._legs[party], block.frames
        per_frame = len(block.native[party]) // frames
        leg.samples += per_frame * frames
        leg.dead_samples += sum(dead)
        leg.spoke = leg.spoke or True in spoken
        # What is left of a run of dead frames is judged before it becomes habit, so it joins only once it is over.
        enough = self._s.dead_share_min * per_frame
        is_dead = [count >= enough and not speaks for count, speaks in zip(dead, spoken, strict=True)]
        if True not in is_dead:  # As most blocks of a live line are.
            leg.quiet_dead_frames += leg.run_frames
            leg.quiet_frames += leg.run_frames + frames - sum(spoken)
            leg.live_frames += frames
            leg.run_frames, leg.pauses_in_run, leg.dead_since_ms = 0, 0, block.end_ms
            return
        if False not in is_dead:
            leg.run_frames += frames
            return
        last_live = frames - 1 - is_dead[::-1].index(False)
        leg.quiet_dead_frames += leg.run_frames + sum(is_dead[: last_live + 1])
        leg.quiet_frames += leg.run_frames + last_live + 1 - sum(spoken[: last_live + 1])
        leg.live_frames += frames - sum(is_dead)
        leg.run_frames = frames - 1 - last_live
        leg.dead_since_ms = block.start_ms + (last_live + 1) * FRAME_MS
        leg.pauses_in_run = 0

    def _follow_talker(self, block: Block, party: int, spoken: list[list[bool]], other_muted: bool) -> None:
        """Counts the pauses of `party` that the other leg leaves unanswered (on the other leg's account)."""
        talker, listener = self._legs[party], self._legs[1 - party]
        frames = sum(spoken[party])
        talker.talk_frames += frames
        if frames:
            talker.talk_end_ms = block.end_ms - spoken[party][::-1].index(True) * FRAME_MS
            talker.talked_frames += frames
        if True in spoken[1 - party]:
            talker.talked_frames = 0  # Answered, or interrupted: the next pause needs new words before it.
            return
        silent_ms = block.end_ms - talker.talk_end_ms
        if silent_ms >= self._s.pause_ms and talker.talked_frames * FRAME_MS >= self._s.talk_before_pause_ms:
            talker.talked_frames = 0
            if not other_muted:
                listener.pauses += 1
                listener.pauses_in_run += talker.talk_end_ms >= listener.dead_since_ms

    def _one_way(self, party: int, now_ms: int) -> tuple[int, int]:
        """`(since_ms, ms)` of a leg's one-way stretch, (0, 0) where there is none."""
        leg, other, s = self._legs[party], self._legs[1 - party], self._s
        dead_by_share = leg.samples and leg.dead_samples >= s.dead_share_min * leg.samples
        talked = other.talk_frames * FRAME_MS >= s.never_spoke_talk_ms_min
        if not leg.spoke and dead_by_share and talked and leg.pauses >= s.never_spoke_pauses_min:
            since_ms = max(self._since_ms, leg.attached_ms)
            return since_ms, now_ms - since_ms
        run_ms = now_ms - leg.dead_since_ms
        if run_ms < s.turned_dead_ms_min or leg.pauses_in_run < s.turned_dead_pauses_min:
            return 0, 0
        habit_known = leg.quiet_frames * FRAME_MS >= s.habit_ms_min
        gated = habit_known and leg.quiet_dead_frames > s.habit_dead_share_max * leg.quiet_frames
        if gated or leg.live_frames * FRAME_MS < s.live_ms_min:
            return 0, 0
        return leg.dead_since_ms, run_ms

    def _missing(self, party: int, now_ms: int) -> tuple[int, int]:
        leg, other = self._legs[party], self._legs[1 - party]
        if leg.attached_ms >= 0 or other.attached_ms < 0:
            return 0, 0
        since_ms = max(other.attached_ms, self._since_ms)
        return since_ms, now_ms - since_ms

    def _tell(self, into: list[Measure], metric: str, party: int, value: int, since_ms: int, now_ms: int) -> None:
        """A value while it is not 0, and once when it returns to 0."""
        key = f"{metric}:{party}"
        if value or key in self._told:
            into.append(Measure(metric, PARTIES[party], float(value), since_ms if value else now_ms, now_ms))
        (self._told.add if value else self._told.discard)(key)
