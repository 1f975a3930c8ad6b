"""LISTEN: one call's sound, from chunks to sound alerts, measurements and utterances to transcribe.

The first of the three stages. It works block by block (256 ms on the absolute grid), in this order: what is there
(framing), who speaks (voice activity, levels), what is wrong with the sound (faults, echo, tones), what the two parties
do (conversation), what the rules say. Nothing here waits for words.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audio.chunk import BLOCK_MS, FRAME_MS, PARTIES, AudioChunk, Block, FrameFacts, LineState, Measure, Party
from audio.echo import EchoDetector, EchoSettings
from audio.errors import VigieError
from audio.facts import FactsMaker
from audio.faults import FaultDetector, FaultSettings
from audio.framing import Framer, FramingSettings
from audio.levels import LevelDetector, LevelSettings
from audio.liveness import LivenessDetector, LivenessSettings
from audio.state import Stateful
from audio.tones import TonesDetector, TonesSettings
from audio.vad import SileroModel
from audio.voice import Segmenter, SegmenterSettings
from streams.alerts.coverage import Reason
from streams.alerts.engine import AlertEngine
from streams.alerts.model import RuleSet
from streams.conversation import Conversation, ConversationSettings
from streams.events import CallEvent, CallInfo, EventKind, InterimPiece, Outputs, Pace, Record, SpeechPiece

INTERIM_MS_MIN = 2 * BLOCK_MS
EVENTS_HELD_MAX = 2_000
"""Of a call, events that are told ahead of their time, and losses. A measurement that lists them all is under 1 MB."""
BLOCKS_PER_MEASUREMENT = 4
"""One measurement every 1,024 ms: the nearest to a second on the grid of blocks."""


@dataclass(frozen=True, slots=True)
class ListenSettings:
    framing: FramingSettings = field(default_factory=FramingSettings)
    levels: LevelSettings = field(default_factory=LevelSettings)
    faults: FaultSettings = field(default_factory=FaultSettings)
    liveness: LivenessSettings = field(default_factory=LivenessSettings)
    echo: EchoSettings = field(default_factory=EchoSettings)
    tones: TonesSettings = field(default_factory=TonesSettings)
    conversation: ConversationSettings = field(default_factory=ConversationSettings)
    segmenter: SegmenterSettings = field(default_factory=SegmenterSettings)
    words: bool = True
    """Whether utterances are cut out for a transcriber; sound alerts are the same either way."""
    interim_ms: int = 0
    """Of live calls, how often what has come of an open utterance is passed on; 0: never."""
    coverage_gap_ms_min: int = 1_000
    """A hole shorter than this is a fault of the line; from here on it is also time that nobody watched."""


class Listener(Stateful):
    """Feed it a call's chunks and events in the order of their topic; take what comes out."""

    STATE = (
        "framer",
        "facts",
        "segmenter",
        "levels",
        "detectors",
        "conversation",
        "engine",
        "_line",
        "_events",
        "_lost",
        "_hold_event",
        "_music_since_ms",
        "_resumed_ms",
        "_same_audio",
        "_ringing",
        "_last",
        "_seq",
        "_blocks",
        "_open",
        "_gap_from_ms",
        "_attached",
        "_ended",
    )

    def __init__(
        self, call: CallInfo, rules: RuleSet, silero: SileroModel, settings: ListenSettings | None = None
    ) -> None:
        self.call, self.settings = call, settings or ListenSettings()
        self.silero = silero
        s = self.settings
        self.framer = Framer(s.framing)
        self.facts = FactsMaker(silero)
        self.segmenter = Segmenter(s.segmenter)
        self.levels = LevelDetector(s.levels)
        self.detectors: list[Any] = [FaultDetector(s.faults), TonesDetector(s.tones)]
        if not call.mono:
            self.detectors += [LivenessDetector(s.liveness), EchoDetector(s.echo)]
        self.conversation = Conversation(s.conversation)
        self.engine = AlertEngine(rules, call, "sound")
        self._line = LineState()
        self._events: list[CallEvent] = []
        self._lost: list[CallEvent] = []
        self._hold_event = False
        self._music_since_ms: list[int | None] = [None, None]
        self._resumed_ms = 0
        self._same_audio = False
        self._ringing = False
        self._last: dict[str, list[float | None]] = {"snr_db": [None, None], "level_dbov": [None, None]}
        self._seq = 0
        self._blocks = 0
        self._open: dict[str, Any] = _fresh()
        self._gap_from_ms: list[int | None] = [None, None]
        self._attached = [False, False]
        self._ended = False

    @property
    def ended(self) -> bool:
        return self._ended

    def listed_to_ms(self, end_ms: int) -> int:
        """Up to where, but not past `end_ms`, every utterance is listed in the measurements that have come out."""
        starts = [int(utterance["start_ms"]) for utterance in self._open["utterances"]]
        since_ms = self.segmenter.open_since_ms
        return min([end_ms, *starts, *([] if since_ms is None else [since_ms])])

    def add(self, chunk: AudioChunk) -> Outputs:
        """Take one chunk. Raises VigieError for a chunk that cannot be used; the call goes on without it.

        Silence suppression sends nothing at all, for minutes: a chunk further ahead than the framer looks is the end
        of such a pause, not a mistake (a jump of over an hour is one).
        """
        if self._ended:
            return Outputs()  # a straggler: the last measurement has gone out
        start_ms = chunk.offset_samples * 1000 // max(1, chunk.sample_rate_hz)
        pause_end_ms = start_ms - self.settings.framing.ahead_ms_max // 2
        out = Outputs()
        if pause_end_ms - self.framer.emitted_ms > self.settings.framing.ahead_ms_max // 2:
            out.extend(self._run(self.framer.advance(pause_end_ms)))
        out.extend(self._run(self.framer.add(chunk)))
        return out

    def event(self, event: CallEvent) -> None:
        """Take a call event; it acts at the first block that ends after it. One of an unknown kind is ignored.

        Raises:
            VigieError: so many are held already that no line could have told them.
        """
        if event.kind not in set(EventKind):
            return
        if len(self._events) + len(self._lost) + len(self._open["gaps"]) >= EVENTS_HELD_MAX:
            remedy = "Tell each change once, at the media time at which it happens"
            raise VigieError(f"{EVENTS_HELD_MAX} events of this call wait already", remedy=remedy, field="at_ms")
        if event.reason not in set(Reason):
            event = dataclasses.replace(event, reason=None)  # nobody reads it, and the call's state would keep it
        if event.kind == EventKind.LOST:
            self._lost.append(event)
            past_ms = self._blocks * BLOCK_MS
            if event.at_ms < past_ms:  # told after its time had gone by: coverage still says so
                self._note_lost(event, 0, past_ms)
        else:
            self._events.append(event)
            self._events.sort(key=lambda e: e.at_ms)

    def end(self, at_ms: int | None = None, reason: str = "ended") -> Outputs:
        """The call is over: what is still held comes out, with the measurement marked `last`; a second end is none."""
        if self._ended:
            return Outputs()
        out = self._run(self.framer.end(at_ms))
        end_ms = self._open["end_ms"]
        if not self.call.mono:
            measures = self.conversation.end()
            self._observe(end_ms, [m for m in measures if m.metric != "mutual_silence_ms"], out)
        if self.settings.words:
            for span in self.segmenter.end():
                self._utter(span, out)
        for i, party in enumerate(PARTIES):
            self._close_gap(i, party, end_ms)
        out.alerts += self._note(self.engine.close(end_ms))
        self._ended = True
        out.measurements.append(self._measurement(last=True, reason=reason))
        return out

    def _run(self, blocks: list[Block]) -> Outputs:
        out = Outputs()
        for block in blocks:
            self._block(block, out)
        return out

    def _block(self, block: Block, out: Outputs) -> None:
        self._apply_events(block)
        block = self._without_lost(block)
        facts = self.facts.push(block)
        measures = self.levels.push(facts, self._line)
        for detector in self.detectors:
            measures += detector.push(facts, self._line)
        measures = [measure for measure in measures if not self._explained(measure, block)]
        for measure in measures:
            self._follow(measure)
        if not self.call.mono:
            measures += self._converse(facts)
        if self.settings.words:
            for span in self.segmenter.push(facts):
                self._utter(span, out)
            if self.settings.interim_ms and self.call.pace == Pace.LIVE:
                out.interims += self._interims(block)
        self._tally(facts)
        measures += self._follow_gaps(block)
        self._observe(block.end_ms, measures, out)
        self._blocks += 1
        if self._blocks % BLOCKS_PER_MEASUREMENT == 0:
            out.measurements.append(self._measurement(last=False))

    def _apply_events(self, block: Block) -> None:
        while self._events and self._events[0].at_ms < block.end_ms:
            event = self._events.pop(0)
            line, muted = self._line, list(self._line.muted)
            match event.kind:
                case EventKind.ANSWER:
                    line = dataclasses.replace(line, answered_ms=event.at_ms, since_ms=event.at_ms, ivr=False)
                case EventKind.HOLD:
                    self._hold_event = True
                case EventKind.RESUME:
                    self._hold_event = False
                    # Music is known to be over only seconds later; that the call is back is known now.
                    self._music_since_ms, self._resumed_ms = [None, None], event.at_ms
                    line = dataclasses.replace(line, since_ms=event.at_ms, ivr=False)
                case EventKind.TRANSFER:
                    line = dataclasses.replace(line, since_ms=event.at_ms)
                case EventKind.IVR:
                    line = dataclasses.replace(line, ivr=True)
                case EventKind.MUTE | EventKind.UNMUTE:
                    for i, party in enumerate(PARTIES):
                        if event.party in (party, None):
                            muted[i] = event.kind == EventKind.MUTE
            self._line = dataclasses.replace(line, muted=(muted[0], muted[1]))
        on_hold = self._hold_event or any(since is not None for since in self._music_since_ms)
        if on_hold != self._line.on_hold:
            since_ms = self._line.since_ms if on_hold else block.start_ms
            self._line = dataclasses.replace(self._line, on_hold=on_hold, since_ms=since_ms)

    def _without_lost(self, block: Block) -> Block:
        """Holes that we or the broker made are coverage, never a fault of the line: detectors do not see them."""
        self._lost = [e for e in self._lost if (e.until_ms or e.at_ms) > block.start_ms]
        mine = [e for e in self._lost if e.at_ms < block.end_ms]
        if not mine:
            return block
        for event in mine:
            self._note_lost(event, block.start_ms, block.end_ms)
        gaps = tuple(
            () if any(e.party in (party, None) for e in mine) else block.gaps[i] for i, party in enumerate(PARTIES)
        )
        return dataclasses.replace(block, gaps=(gaps[0], gaps[1]))

    def _note_lost(self, event: CallEvent, from_ms: int, to_ms: int) -> None:
        """The part of a lost stretch that lies between the two, for the coverage record."""
        interval = {
            "party": event.party.value if event.party else None,
            "from_ms": max(event.at_ms, from_ms),
            "to_ms": min(event.until_ms or event.at_ms, to_ms),
            "reason": event.reason if event.reason in set(Reason) else Reason.AUDIO_LOST.value,
        }
        self._open["gaps"].append(interval)

    def _explained(self, measure: Measure, block: Block) -> bool:
        """Whether a graver finding says the same: one fault, one alert."""
        if measure.metric == "same_audio_ms":
            self._same_audio = measure.value > 0
        if measure.metric in ("echo_ms", "crosstalk_ms"):
            return self._same_audio and measure.value > 0
        if measure.metric == "one_way_ms" and measure.party is not None:
            return not block.attached[PARTIES.index(measure.party)]
        return False

    def _follow(self, measure: Measure) -> None:
        """Remember what later steps and the measurement need of the detectors' findings."""
        if measure.party is None:
            return
        i = PARTIES.index(measure.party)
        if measure.metric == "hold_music_ms":
            plays = measure.value > 0 and measure.since_ms >= self._resumed_ms
            if plays and self._music_since_ms[i] is None:
                self.levels.forget_noise(i, measure.until_ms - measure.since_ms)
            self._music_since_ms[i] = measure.since_ms if plays else None
        elif measure.metric == "ringback_ms":
            self._ringing = measure.value > 0
        elif measure.metric == "clipped_runs_10s":
            self._open["clipped"][i] = int(measure.value)
        elif measure.metric in self._last:
            self._last[measure.metric][i] = measure.value

    def _converse(self, facts: FrameFacts) -> list[Measure]:
        speech = facts.speech
        for detector in self.detectors:
            if isinstance(detector, EchoDetector):
                speech = speech & ~detector.explained
        if self._same_audio:
            # One voice on both legs: nobody talks over anybody.
            speech = np.stack([speech[0], speech[1] & ~speech[0]])
        music = [i for i in (0, 1) if self._music_since_ms[i] is not None]
        if music:
            speech = speech.copy()
            speech[music] = False
        since_ms = None if self._hold_event or not music else min(s for s in self._music_since_ms if s is not None)
        blind = self._ringing or not facts.block.present.any()
        before = (self.conversation.overlap_ms, self.conversation.silence_ms)
        loud = facts.level_dbov.max(axis=0) > self.settings.conversation.silence_loud_dbov
        measures = self.conversation.push(
            speech, self._line, blind=blind, hold_since_ms=since_ms, loud_frames=int(np.count_nonzero(loud))
        )
        self._open["overlap_ms"] += self.conversation.overlap_ms - before[0]
        self._open["silence_ms"] += self.conversation.silence_ms - before[1]
        return measures

    def _utter(self, span: Any, out: Outputs) -> None:
        number = f"{span.party.value[0]}{span.number}"
        utterance_id = f"{self.call.call_id}:{number}"
        self._open["utterances"].append(
            {"id": utterance_id, "party": span.party.value, "start_ms": span.start_ms, "end_ms": span.end_ms}
        )
        out.speech.append(
            SpeechPiece(
                self.call.call_id,
                utterance_id,
                span.party,
                span.start_ms,
                span.end_ms,
                span.samples,
                span.audio_from_ms,
                self.call.language,
            )
        )

    def _interims(self, block: Block) -> list[InterimPiece]:
        """What has come of the open utterances, once in `interim_ms` of each. Holds no state: where a piece begins follows
        from where its utterance did."""
        out = []
        every_ms = max(self.settings.interim_ms, INTERIM_MS_MIN)
        for party, number, start_ms in self.segmenter.opened:
            part = (block.end_ms - start_ms) // every_ms - 1
            if part < 0 or part == (block.start_ms - start_ms) // every_ms - 1:
                continue
            # The piece before came with the first block that ended after its time.
            from_ms = -(-(start_ms + part * every_ms) // BLOCK_MS) * BLOCK_MS
            if part == 0:
                from_ms = start_ms - self.settings.segmenter.air_ms
            samples, audio_from_ms = self.segmenter.audio(party, from_ms, block.end_ms)
            utterance_id = f"{self.call.call_id}:{party.value[0]}{number}"
            times = start_ms, block.end_ms
            out.append(
                InterimPiece(
                    self.call.call_id, utterance_id, party, *times, samples, audio_from_ms, self.call.language, part
                )
            )
        return out

    def _tally(self, facts: FrameFacts) -> None:
        block, now = facts.block, self._open
        if now["blocks"] == 0:
            now["start_ms"] = block.start_ms
        now["blocks"] += 1
        now["end_ms"] = block.end_ms
        for i, levels in enumerate(facts.level_dbov.tolist()):
            now["power"][i] += sum(10.0 ** (level / 10) for level in levels)
            now["speech_ms"][i] += int(np.count_nonzero(facts.speech[i])) * FRAME_MS
            now["missing_ms"][i] += sum(stop - start for start, stop in block.gaps[i]) * 1000 // block.rate_hz[i]
        now["frames"] += block.frames

    def _follow_gaps(self, block: Block) -> list[Measure]:
        """Turn runs of missing audio into the intervals of the coverage record; blindness is measured as it lasts."""
        if self.call.mono:
            return []
        self._attached = list(block.attached)
        for i, party in enumerate(PARTIES):
            absent = bool(block.gaps[i] or not block.attached[i]) and not block.present[i].any()
            lost = any(event.party in (party, None) and event.at_ms < block.end_ms for event in self._lost)
            if absent and not lost:
                if self._gap_from_ms[i] is None:
                    self._gap_from_ms[i] = block.start_ms
            else:
                self._close_gap(i, party, block.start_ms)
        starts = [start for start in self._gap_from_ms if start is not None]
        before_ms, now_ms = self._open["unwatched_ms"], block.end_ms
        blind_ms = self._open["unwatched_ms"] = now_ms - max(starts) if len(starts) == 2 else 0
        if not blind_ms and not before_ms:
            return []
        return [Measure("unwatched_ms", None, blind_ms, now_ms - blind_ms, now_ms)]

    def _close_gap(self, i: int, party: Party, now_ms: int) -> None:
        from_ms = self._gap_from_ms[i]
        self._gap_from_ms[i] = None
        if from_ms is None or now_ms - from_ms < self.settings.coverage_gap_ms_min:
            return
        reason = Reason.AUDIO_GAP if self._attached[i] else Reason.NO_AUDIO
        self._open["gaps"].append({"party": party.value, "from_ms": from_ms, "to_ms": now_ms, "reason": reason})

    def _observe(self, now_ms: int, measures: list[Measure], out: Outputs) -> None:
        out.alerts += self._note(self.engine.observe(now_ms, measures))

    def _note(self, alerts: list[Record]) -> list[Record]:
        """Alert changes ride in the measurements too, for health and summary."""
        self._open["alerts"] += alerts
        return alerts

    def _measurement(self, *, last: bool, reason: str | None = None) -> Record:
        now, c = self._open, self.conversation
        frames = max(1, now["frames"])
        spans = c.take_spans()
        parties: Record = {}
        for i, party in enumerate(PARTIES):
            level = 10 * np.log10(now["power"][i] / frames + 1e-10)
            parties[party.value] = {
                "level_dbov": round(float(level), 1),
                "active_level_dbov": _rounded(self._last["level_dbov"][i]),
                "snr_db": _rounded(self._last["snr_db"][i]),
                "speech_ms": now["speech_ms"][i],
                "clipped": now["clipped"][i],
                "gaps_ms": now["missing_ms"][i],
                "music": self._music_since_ms[i] is not None,
            }
        record: Record = {
            "call_id": self.call.call_id,
            "seq": self._seq,
            "start_ms": now["start_ms"],
            "end_ms": now["end_ms"],
            "parties": parties,
            "overlap_ms": now["overlap_ms"],
            "silence_ms": now["silence_ms"],
            "hold": self._line.on_hold,
            "speech": spans,
            "utterances": now["utterances"],
            "gaps": now["gaps"],
            "unwatched_ms": now["unwatched_ms"],
            "alerts": now["alerts"],
            "last": last,
        }
        if last:
            record["end"] = {"reason": reason, "totals": self._totals()}
        self._seq += 1
        self._open = _fresh(now["end_ms"], now["unwatched_ms"])
        return record

    def _totals(self) -> Record:
        """What only the whole call can say, for the summary."""
        c, agent, customer = self.conversation, *(self.conversation[p] for p in PARTIES)
        talk_ms = agent.talk_ms + customer.talk_ms
        known = not self.call.mono
        return {
            "duration_ms": self._open["end_ms"],
            "agent_talk_ms": agent.talk_ms if known else None,
            "customer_talk_ms": customer.talk_ms if known else None,
            "overlap_ms": c.overlap_ms if known else None,
            "silence_ms": c.silence_ms if known else None,
            "hold_ms": c.hold_ms if known else None,
            "talk_ratio": round(agent.talk_ms / talk_ms, 4) if known and talk_ms else None,
            "interruptions_agent": agent.interruptions if known else None,
            "interruptions_customer": customer.interruptions if known else None,
            "monologue_ms_agent": agent.monologue_ms_longest if known else None,
            "monologue_ms_customer": customer.monologue_ms_longest if known else None,
            "response_ms_agent": _mean(agent.responses_ms_total, agent.responses) if known else None,
            "late_samples": sum(self.framer.late_samples),
            "vad": self.silero.version,
        }


def _fresh(start_ms: int = 0, unwatched_ms: int = 0) -> dict[str, Any]:
    """The open second of a measurement."""
    return {
        "start_ms": start_ms,
        "end_ms": start_ms,
        "blocks": 0,
        "frames": 0,
        "power": [0.0, 0.0],
        "speech_ms": [0, 0],
        "missing_ms": [0, 0],
        "clipped": [0, 0],
        "overlap_ms": 0,
        "silence_ms": 0,
        "unwatched_ms": unwatched_ms,
        "utterances": [],
        "gaps": [],
        "alerts": [],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _mean(total: int, count: int) -> int | None:
    return round(total / count) if count else None


assert BLOCK_MS * BLOCKS_PER_MEASUREMENT == 1_024
