"""Who holds the floor, who talks over whom, and who is silent: the dynamics of a two-party call, from speech frames.

Everything is counted in 32 ms frames of raw speech; pauses of up to 96 ms are bridged, endpoint hangover never is
(on a real call, filling pauses of 800 ms moves the talk ratio by 0.024). Bridging needs to see three frames ahead, so
the conversation runs 96 ms behind the audio, and its times are those of the frames themselves.

Definitions follow the field: an interruption starts at least 300 ms into the other's turn, overlaps it, makes the other
stop within 2 s, and holds for 1.5 s; a short burst that does not take the floor is a backchannel. Dead air is mutual
silence, hold apart. A monologue ends when the other takes the floor or after 3 s of pause.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from audio.chunk import FRAME_MS, PARTIES, BoolArray, LineState, Measure, Party
from audio.state import Stateful, record

BRIDGE_FRAMES = 3
"""96 ms: the longest pause that still counts as speech (stop consonants, not hesitation)."""


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """Starting values are those of real telephone calls; see the module's essay for the definitions."""

    silence_breaking_ms: int = 128
    """Speech shorter than this does not end a silence: a click is no answer."""
    silence_loud_dbov: float = -35.0
    """Over this the line is not silent, whatever it is that sounds there: the limit of the rule on noise."""
    silence_loud_ms: int = 640
    """So much of it, lately: a knock on the desk is less, speech that no model takes for any (old recordings) is more."""
    silence_reported_from_ms: int = 3_000
    """Contact Lens counts mutual silence from 3 s on."""
    turn_pause_ms_max: int = 400
    """A pause inside one's own turn, for talk-over and interruptions."""
    overlap_pause_ms_max: int = 1_000
    """Both wait for the other to give way, and go on: a talk-over ends after a second without it."""
    interruption_into_turn_ms_min: int = 300
    interruption_overlap_ms_min: int = 300
    interruption_yield_ms_max: int = 2_000
    interruption_hold_ms_min: int = 1_500
    floor_taking_ms: int = 1_000
    """Speech of the other party that ends a monologue; shorter is a backchannel."""
    monologue_pause_ms_max: int = 3_000
    monologue_reported_from_ms: int = 20_000
    overlap_reported_from_ms: int = 1_000
    interruptions_window_ms: int = 120_000
    ratio_speech_ms_min: int = 60_000
    """Below a minute of speech a talk ratio says nothing."""
    response_reported_from_ms: int = 3_000


@record
@dataclass(slots=True)
class _Turn:
    """A party's running turn: speech with pauses of at most `turn_pause_ms_max`."""

    start_ms: int
    last_speech_ms: int
    speech_ms: int


@record
@dataclass(slots=True)
class _Challenge:
    """One party has started to speak inside the other's turn; not yet known what it is."""

    start_ms: int
    overlap_ms: int = 0
    yielded: bool = False


@record
@dataclass(slots=True)
class PartyDynamics:
    talk_ms: int = 0
    run_ms: int = 0
    last_speech_ms: int = 0
    turn: _Turn | None = None
    challenge: _Challenge | None = None
    interruptions: int = 0
    interruptions_at_ms: deque[int] = field(default_factory=deque)
    last_turn_end_ms: int | None = None
    monologue_ms_longest: int = 0
    responses: int = 0
    responses_ms_total: int = 0


class Conversation(Stateful):
    """Fed the speech of both parties block by block; leaves measures, and totals for the summary."""

    STATE = (
        "_history",
        "_history_hold",
        "_frames_seen",
        "_decided",
        "_hold_since_ms",
        "_hold_shown",
        "_parties",
        "_silence_from_ms",
        "_silence_shown",
        "_loud_ms",
        "_hold_from_ms",
        "_overlap_from_ms",
        "_overlap_last_ms",
        "_overlap_run_ms",
        "_overlap_shown",
        "_floor",
        "_floor_from_ms",
        "_floor_last_ms",
        "_rival_ms",
        "_rival_from_ms",
        "_monologue_shown",
        "_interruptions_shown",
        "_response_shown",
        "overlap_ms",
        "silence_ms",
        "hold_ms",
        "spans",
    )

    def __init__(self, settings: ConversationSettings | None = None) -> None:
        self.settings = settings or ConversationSettings()
        self._history: list[list[bool]] = [[], []]
        self._history_hold: list[int] = []
        self._frames_seen = 0
        self._decided = 0
        self._hold_since_ms: int | None = None
        self._hold_shown = False
        self._parties = [PartyDynamics(), PartyDynamics()]
        self._silence_from_ms: int | None = 0
        self._silence_shown = False
        self._loud_ms = 0
        self._hold_from_ms: int | None = None
        self._overlap_from_ms: int | None = None
        self._overlap_last_ms = 0
        self._overlap_run_ms = 0
        self._overlap_shown = False
        self._floor: int | None = None
        self._floor_from_ms = 0
        self._floor_last_ms = 0
        self._rival_ms = 0
        self._rival_from_ms = 0
        self._monologue_shown = [False, False]
        self._interruptions_shown = [0, 0]
        self._response_shown = [False, False]
        self.overlap_ms = 0
        self.silence_ms = 0
        self.hold_ms = 0
        self.spans: list[list[list[int]]] = [[], []]
        """Per party, the bridged speech spans `[from_ms, to_ms]` since `take_spans` was last called."""

    def __getitem__(self, party: Party) -> PartyDynamics:
        return self._parties[PARTIES.index(party)]

    def push(
        self,
        speech: BoolArray,
        line: LineState,
        *,
        blind: bool = False,
        hold_since_ms: int | None = None,
        loud_frames: int = 0,
    ) -> list[Measure]:
        """One block: `speech` bool `(2, frames)`, echo already taken out; `blind` where neither leg has audio.

        `hold_since_ms` tells where a hold began that was only found later (music needs seconds to be recognised);
        `loud_frames`, in how many frames of the block either leg was over `silence_loud_dbov`.

        Returns the measures as they stand at the end of the decided frames (96 ms before the block's end).
        """
        mark = 2 if line.on_hold or line.ivr else (1 if blind or line.answered_ms > self._frames_seen * FRAME_MS else 0)
        self._hold_since_ms = hold_since_ms
        quiet_frames = speech.shape[1] - loud_frames
        loud_ms = self._loud_ms + FRAME_MS * loud_frames - FRAME_MS // 2 * quiet_frames
        self._loud_ms = min(self.settings.silence_loud_ms, max(0, loud_ms))
        self._history_hold += [mark] * speech.shape[1]
        for kept, fresh in zip(self._history, speech.tolist(), strict=True):
            kept += fresh
        self._frames_seen += speech.shape[1]
        return self._decide(keep=2 * BRIDGE_FRAMES)

    def end(self) -> list[Measure]:
        """Decide the last three frames."""
        for kept in self._history:
            kept += [False] * BRIDGE_FRAMES
        self._history_hold += [1] * BRIDGE_FRAMES
        self._frames_seen += BRIDGE_FRAMES
        return self._decide(keep=2 * BRIDGE_FRAMES)

    def take_spans(self) -> dict[str, list[list[int]]]:
        """The speech spans since the last call, and forget them."""
        spans = {party.value: self.spans[i] for i, party in enumerate(PARTIES)}
        self.spans = [[], []]
        return spans

    def _decide(self, keep: int) -> list[Measure]:
        """Bridge what can be bridged, step the decided frames, keep three frames before and after the next one."""
        total = len(self._history_hold)
        base = self._frames_seen - total
        first, last = self._decided - base, total - BRIDGE_FRAMES
        if last <= first:
            return []
        self._decided = base + last
        agent, customer = (_bridge(kept) for kept in self._history)
        events: list[Measure] = []
        for i in range(first, last):
            now_ms, mark = (base + i) * FRAME_MS, self._history_hold[i]
            events += self._frame(now_ms, agent[i], customer[i], mark)
        drop = max(0, total - keep)
        for kept in self._history:
            del kept[:drop]
        del self._history_hold[:drop]
        if self._loud_ms >= self.settings.silence_loud_ms:
            self._silence_from_ms = (base + last) * FRAME_MS
        return events + self._measures((base + last) * FRAME_MS)

    def _frame(self, now_ms: int, agent: bool, customer: bool, mark: int) -> list[Measure]:
        """One decided frame starting at `now_ms`; `mark` is 1 where nobody can be heard, 2 on hold."""
        if mark == 2:
            if self._hold_from_ms is None:
                self._hold_from_ms = now_ms if self._hold_since_ms is None else self._hold_since_ms
            self.hold_ms += FRAME_MS
        else:
            self._hold_from_ms = None
        events: list[Measure] = []
        for i, speaks in enumerate((agent, customer)):
            events += self._speak(i, speaks, now_ms, quiet=mark != 0)
        if agent and customer:
            self.overlap_ms += FRAME_MS
        self._follow_silence(now_ms, agent or customer, mark)
        self._follow_overlap(now_ms, agent and customer, mark)
        self._follow_floor(now_ms, agent, customer, mark)
        return events

    def _speak(self, i: int, speaks: bool, now_ms: int, *, quiet: bool) -> list[Measure]:
        me, other, end_ms = self._parties[i], self._parties[1 - i], now_ms + FRAME_MS
        events: list[Measure] = []
        if speaks:
            me.talk_ms += FRAME_MS
            spans = self.spans[i]
            if me.run_ms and spans and spans[-1][1] == now_ms:
                spans[-1][1] = end_ms
            else:
                spans.append([now_ms, end_ms])
            me.run_ms += FRAME_MS
            if me.turn is None:
                me.turn = _Turn(now_ms, end_ms, 0)
                events += self._start_turn(i, now_ms, quiet=quiet)
            me.turn.last_speech_ms = me.last_speech_ms = end_ms
            me.turn.speech_ms += FRAME_MS
        else:
            me.run_ms = 0
            if me.turn and now_ms - me.turn.last_speech_ms >= self.settings.turn_pause_ms_max:
                if me.turn.speech_ms >= self.settings.silence_breaking_ms:
                    me.last_turn_end_ms = me.turn.last_speech_ms
                me.turn = None
        if me.challenge:
            self._judge_challenge(i, end_ms, both=speaks and other.run_ms > 0)
        if quiet:
            me.challenge, me.last_turn_end_ms = None, None
        return events

    def _start_turn(self, i: int, now_ms: int, *, quiet: bool) -> list[Measure]:
        """A turn begins: a challenge in the middle of the other's, an answer after its end."""
        me, other = self._parties[i], self._parties[1 - i]
        if other.turn and now_ms - other.turn.start_ms >= self.settings.interruption_into_turn_ms_min:
            # Also in a small pause of the other: an interruption needs overlap, so who goes on speaking decides.
            me.challenge = _Challenge(now_ms)
            return []
        asked_ms = other.last_turn_end_ms
        if quiet or asked_ms is None or other.turn or (me.last_turn_end_ms or -1) >= asked_ms:
            return []
        other.last_turn_end_ms = None
        waited_ms = now_ms - asked_ms
        me.responses += 1
        me.responses_ms_total += waited_ms
        if waited_ms < self.settings.response_reported_from_ms:
            return []
        self._response_shown[i] = True
        return [Measure("response_ms", PARTIES[i], waited_ms, asked_ms, now_ms)]

    def _judge_challenge(self, i: int, now_ms: int, *, both: bool) -> None:
        """Interruption, backchannel or nothing: see the module's essay."""
        s, me, other = self.settings, self._parties[i], self._parties[1 - i]
        challenge = me.challenge
        assert challenge is not None
        challenge.overlap_ms += FRAME_MS if both else 0
        if me.turn is None:
            me.challenge = None
            return
        if not challenge.yielded:
            challenge.yielded = other.turn is None
            yield_by_ms = challenge.start_ms + s.interruption_yield_ms_max + s.turn_pause_ms_max
            if not challenge.yielded and now_ms > yield_by_ms:
                me.challenge = None
                return
        held_ms = me.turn.last_speech_ms - challenge.start_ms
        if challenge.yielded and held_ms >= s.interruption_hold_ms_min:
            if challenge.overlap_ms >= s.interruption_overlap_ms_min:
                me.interruptions += 1
                me.interruptions_at_ms.append(challenge.start_ms)
            me.challenge = None

    def _follow_silence(self, now_ms: int, speech: bool, mark: int) -> None:
        end_ms = now_ms + FRAME_MS
        if mark:
            self._silence_from_ms = end_ms
        elif speech:
            if max(p.run_ms for p in self._parties) >= self.settings.silence_breaking_ms:
                self._silence_from_ms = end_ms
        else:
            self.silence_ms += FRAME_MS

    def _follow_overlap(self, now_ms: int, both: bool, mark: int) -> None:
        """A talk-over lasts as long as both speak, small pauses of either included; longer ones only interrupt it."""
        s = self.settings
        pause_ms = now_ms - self._overlap_last_ms
        if mark or (self._overlap_from_ms is not None and pause_ms >= s.overlap_pause_ms_max):
            self._overlap_from_ms = None
        if not both or mark:
            return
        if self._overlap_from_ms is None:
            self._overlap_from_ms, self._overlap_run_ms, pause_ms = now_ms, 0, 0
        self._overlap_run_ms += FRAME_MS + (pause_ms if pause_ms <= s.turn_pause_ms_max else 0)
        self._overlap_last_ms = now_ms + FRAME_MS

    def _follow_floor(self, now_ms: int, agent: bool, customer: bool, mark: int) -> None:
        s, end_ms = self.settings, now_ms + FRAME_MS
        if mark:
            self._floor = None
            return
        speaking = (agent, customer)
        if self._floor is None or now_ms - self._floor_last_ms > s.monologue_pause_ms_max:
            self._floor = 0 if agent else (1 if customer else None)
            self._floor_from_ms, self._floor_last_ms, self._rival_ms = now_ms, end_ms, 0
            return
        if speaking[self._floor]:
            self._floor_last_ms = end_ms
            longest = self._parties[self._floor]
            longest.monologue_ms_longest = max(longest.monologue_ms_longest, end_ms - self._floor_from_ms)
        rival = self._parties[1 - self._floor]
        if rival.turn is None:
            self._rival_ms = 0
        elif speaking[1 - self._floor]:
            self._rival_from_ms = now_ms if self._rival_ms == 0 else self._rival_from_ms
            self._rival_ms += FRAME_MS
            if self._rival_ms >= s.floor_taking_ms and self._floor_last_ms < end_ms:
                self._floor, self._floor_from_ms = 1 - self._floor, self._rival_from_ms
                self._floor_last_ms, self._rival_ms = end_ms, 0

    def _measures(self, now_ms: int) -> list[Measure]:
        s, out = self.settings, list[Measure]()
        silent_from_ms = now_ms if self._silence_from_ms is None else self._silence_from_ms
        silent_ms = now_ms - silent_from_ms
        silent_now = silent_ms >= s.silence_reported_from_ms
        if silent_now or self._silence_shown:
            last = max(PARTIES, key=lambda party: self[party].last_speech_ms)
            detail = {"last_party": last.value} if self[last].last_speech_ms else None
            silent_ms = silent_ms if silent_now else 0
            out.append(Measure("mutual_silence_ms", None, silent_ms, silent_from_ms, now_ms, detail))
        self._silence_shown = silent_now
        held = self._hold_from_ms is not None
        if held or self._hold_shown:
            since_ms = now_ms if self._hold_from_ms is None else self._hold_from_ms
            out.append(Measure("hold_ms", None, now_ms - since_ms, since_ms, now_ms))
        self._hold_shown = held
        overlap_ms = 0 if self._overlap_from_ms is None else self._overlap_run_ms
        overlapping = overlap_ms >= s.overlap_reported_from_ms
        if overlapping or self._overlap_shown:
            since_ms = now_ms if self._overlap_from_ms is None else self._overlap_from_ms
            out.append(Measure("overlap_run_ms", None, overlap_ms if overlapping else 0, since_ms, now_ms))
        self._overlap_shown = overlapping
        for i in (0, 1):
            out += self._party_measures(i, now_ms)
        agent_ms, customer_ms = self._parties[0].talk_ms, self._parties[1].talk_ms
        if agent_ms + customer_ms >= s.ratio_speech_ms_min and (now_ms // FRAME_MS) // 8 % 4 == 0:
            out.append(Measure("talk_ratio", None, agent_ms / (agent_ms + customer_ms), 0, now_ms))
        return out

    def _party_measures(self, i: int, now_ms: int) -> list[Measure]:
        s, party, me, out = self.settings, PARTIES[i], self._parties[i], list[Measure]()
        recent = me.interruptions_at_ms
        while recent and recent[0] < now_ms - s.interruptions_window_ms:
            recent.popleft()
        if len(recent) != self._interruptions_shown[i]:
            since_ms = recent[0] if recent else now_ms
            out.append(Measure("interruptions_120s", party, len(recent), since_ms, now_ms))
            self._interruptions_shown[i] = len(recent)
        run_ms = self._floor_last_ms - self._floor_from_ms if self._floor == i else 0
        long = run_ms >= s.monologue_reported_from_ms
        if long or self._monologue_shown[i]:
            since_ms = self._floor_from_ms if long else now_ms
            out.append(Measure("monologue_ms", party, run_ms if long else 0, since_ms, now_ms))
        self._monologue_shown[i] = long
        if self._response_shown[i] and me.turn is None:
            out.append(Measure("response_ms", party, 0, now_ms, now_ms))
            self._response_shown[i] = False
        return out


def _bridge(speech: list[bool]) -> list[bool]:
    """Fill gaps of one to `BRIDGE_FRAMES` frames between speech frames."""
    bridged, last = speech.copy(), -1
    for i, speaks in enumerate(speech):
        if speaks:
            if last >= 0 and i - last - 1 <= BRIDGE_FRAMES:
                bridged[last + 1 : i] = [True] * (i - last - 1)
            last = i
    return bridged
