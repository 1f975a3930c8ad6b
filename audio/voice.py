"""Utterances: stretches of one party's speech, cut out with some air around them for a transcriber.

Each party is idle, or in an utterance. It enters at a probability of 0.50 and stays in down to 0.35; both need a level
that is not the line's noise. It leaves after `endpoint_ms` without speech. Endpoint and air belong to the cut alone:
the span's `start_ms` and `end_ms` are the speech itself, and talk time is counted elsewhere from raw frames.
A monologue is cut where speech was least likely, and no sample goes into two utterances. Its audio is held in 16-bit
steps, as it crosses a topic: in process and over Kafka a transcriber hears the very same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from audio.chunk import FRAME_MS, FRAMES_PER_BLOCK, PARTIES, Block, Float32Array, FrameFacts, Int16Array, Party
from audio.codec import as_heard, as_sent
from audio.state import Stateful

FRAME_SAMPLES = 512
_SAMPLES_PER_MS = FRAME_SAMPLES // FRAME_MS


@dataclass(frozen=True, slots=True)
class SegmenterSettings:
    """Where an utterance starts and ends.

    Attributes:
        enter_probability_min: Silero's probability that starts one (notes: 0.50).
        stay_probability_min: and that keeps it going (notes: 0.35).
        level_dbov_min: level that starts one (as raw speech: -50 dBov).
        over_floor_db: and by how much it must pass the noise floor (as raw speech: 6 dB).
        stay_level_dbov_min: level that keeps it going; word endings fall 10 dB under the start.
        endpoint_ms: pause that ends one; longer than most pauses within a sentence.
        utterance_ms_max: longest one; bounds memory and the wait for words.
        utterance_ms_min: shorter ones need `speech_ms_min` of speech to count.
        speech_ms_min: a "oui" or "non" has that much; a click has not.
        air_ms: audio before and after the speech, so that soft onsets and endings are heard.
    """

    enter_probability_min: float = 0.50
    stay_probability_min: float = 0.35
    level_dbov_min: float = -50.0
    over_floor_db: float = 6.0
    stay_level_dbov_min: float = -60.0
    endpoint_ms: int = 600
    utterance_ms_max: int = 12_000
    utterance_ms_min: int = 160
    speech_ms_min: int = 128
    air_ms: int = 200


@dataclass(frozen=True, slots=True)
class UtteranceSpan:
    """One utterance.

    Attributes:
        party: who speaks.
        number: counts the party's utterances from 1.
        start_ms: first speech, in media time.
        end_ms: end of the last speech.
        samples: float32 `(n,)` in [-1, 1) at 16 kHz in whole 16-bit steps, with up to 200 ms of air on either side.
        audio_from_ms: media time of the first sample.
    """

    party: Party
    number: int
    start_ms: int
    end_ms: int
    samples: Float32Array
    audio_from_ms: int


class _Speaker(Stateful):
    """One party. `_heard` holds the probability of every frame since `_start`, 0 where its level is too low."""

    STATE = ("_number", "_start", "_last", "_heard", "_free_from", "_sent", "_audio_start")

    def __init__(self, party: Party, settings: SegmenterSettings) -> None:
        self.party, self.settings = party, settings
        self._number = 0
        self._start: int | None = None
        self._last = 0
        self._heard: list[float] = []
        self._free_from = 0
        self._audio: deque[Int16Array | Block] = deque()
        """The audio from `_audio_start` on; a block whose sound nothing may ever ask for is kept as it came."""
        self._audio_start = 0
        self._endpoint_frames = -(-settings.endpoint_ms // FRAME_MS)
        self._frames_max = settings.utterance_ms_max // FRAME_MS

    def push(
        self, block: Block, probability: list[float], starts: list[bool], stays: list[bool]
    ) -> list[UtteranceSpan]:
        """Take the next block, and whether each of its frames can start or continue an utterance."""
        first = block.index * FRAMES_PER_BLOCK
        if not self._audio:
            self._audio_start = first
        self._audio.append(block)
        spans: list[UtteranceSpan] = []
        if self._start is not None or any(starts):
            for i, value in enumerate(probability):
                spans += self._frame(first + i, value, starts[i], stays[i])
        if self._start is not None:
            for place, piece in enumerate(self._audio):
                if isinstance(piece, Block):  # at 16 kHz it is no larger, and brings nothing else along
                    self._audio[place] = self._in_steps(piece)
        self._trim()
        return spans

    @property
    def open(self) -> bool:
        return self._start is not None

    @property
    def open_since_ms(self) -> int | None:
        return None if self._start is None else self._start * FRAME_MS

    @property
    def number(self) -> int:
        """The number of the utterance that is open, or of the next."""
        return self._number + 1

    def audio(self, from_ms: int, to_ms: int) -> tuple[Float32Array, int]:
        """See `Segmenter.audio`."""
        origin = self._audio_start * FRAME_SAMPLES
        begin = max(from_ms * _SAMPLES_PER_MS, self._free_from * FRAME_SAMPLES, origin)
        audio = np.concatenate(list(self._sent))[begin - origin : to_ms * _SAMPLES_PER_MS - origin]
        return as_heard(audio), begin // _SAMPLES_PER_MS

    @property
    def _sent(self) -> deque[Int16Array]:
        """The audio in 16-bit steps."""
        return deque(piece if isinstance(piece, np.ndarray) else self._in_steps(piece) for piece in self._audio)

    @_sent.setter
    def _sent(self, pieces: deque[Int16Array]) -> None:
        self._audio = deque(pieces)

    def _in_steps(self, block: Block) -> Int16Array:
        return as_sent(block.wide[PARTIES.index(self.party)])

    def close(self) -> list[UtteranceSpan]:
        """End the open utterance, if any, with the audio that there is."""
        if self._start is None:
            return []
        start, self._start = self._start, None
        return self._span(start, self._last, self._heard, None)

    def _frame(self, frame: int, probability: float, starts: bool, stays: bool) -> list[UtteranceSpan]:
        if self._start is None:
            if starts:
                self._start = self._last = frame
                self._heard = [probability]
            return []
        self._heard.append(probability if stays else 0.0)
        if stays:
            self._last = frame
        if frame - self._last >= self._endpoint_frames:
            return self.close()
        if len(self._heard) >= self._frames_max:
            return self._cut(self._start)
        return []

    def _cut(self, start: int) -> list[UtteranceSpan]:
        """Cut a monologue at the least likely frame of its second half; what follows goes on as the next utterance."""
        half = len(self._heard) // 2
        at = half + int(np.argmin(self._heard[half:]))
        before, after = self._heard[:at], self._heard[at:]
        stay = self.settings.stay_probability_min
        spoken = [i for i, value in enumerate(before) if value >= stay]
        spans = self._span(start, start + spoken[-1], before, start + at)
        self._free_from = start + at
        resumed = [i for i, value in enumerate(after) if value >= stay]
        self._start = start + at + resumed[0] if resumed else None
        self._heard = after[resumed[0] :] if resumed else []
        return spans

    def _span(self, start: int, last: int, heard: list[float], stop: int | None) -> list[UtteranceSpan]:
        """The utterance over frames `start`..`last`, if it is one; `stop` is the frame where its audio must end."""
        settings = self.settings
        length_ms = (last - start + 1) * FRAME_MS
        speech_ms = sum(value >= settings.stay_probability_min for value in heard) * FRAME_MS
        if length_ms < settings.utterance_ms_min and speech_ms < settings.speech_ms_min:
            return []
        air = settings.air_ms * _SAMPLES_PER_MS
        audio = np.concatenate(list(self._sent))
        origin = self._audio_start * FRAME_SAMPLES
        begin = max(start * FRAME_SAMPLES - air, self._free_from * FRAME_SAMPLES, origin) - origin
        end = (last + 1) * FRAME_SAMPLES + air - origin
        if stop is not None:
            end = min(end, stop * FRAME_SAMPLES - origin)
        self._number += 1
        samples = as_heard(audio[begin:end])
        from_ms = (begin + origin) // _SAMPLES_PER_MS
        return [UtteranceSpan(self.party, self._number, start * FRAME_MS, (last + 1) * FRAME_MS, samples, from_ms)]

    def _trim(self) -> None:
        """Let go of audio that no utterance can use any more: keep one block before what is open."""
        newest = self._audio_start + sum(map(_frames, self._audio))
        air_frames = -(-self.settings.air_ms // FRAME_MS)
        needed = (newest if self._start is None else self._start) - air_frames
        while len(self._audio) > 1 and self._audio_start + _frames(self._audio[0]) <= needed:
            self._audio_start += _frames(self._audio.popleft())


def _frames(piece: Int16Array | Block) -> int:
    return piece.frames if isinstance(piece, Block) else len(piece) // FRAME_SAMPLES


class Segmenter(Stateful):
    """Cuts both parties' speech into utterances."""

    STATE = ("_speakers",)

    def __init__(self, settings: SegmenterSettings = SegmenterSettings()) -> None:
        self.settings = settings
        self._speakers = (_Speaker(PARTIES[0], settings), _Speaker(PARTIES[1], settings))

    def push(self, facts: FrameFacts) -> list[UtteranceSpan]:
        """Take the facts of the next block.

        Returns:
            The utterances that ended in it, in (end_ms, party) order.
        """
        settings, block = self.settings, facts.block
        probability, level = facts.speech_probability, facts.level_dbov
        gate = np.maximum(np.float32(settings.level_dbov_min), facts.floor_dbov + settings.over_floor_db)[:, None]
        starts = (probability >= settings.enter_probability_min) & (level > gate)
        stays = (probability >= settings.stay_probability_min) & (level > settings.stay_level_dbov_min)
        spans: list[UtteranceSpan] = []
        for speaker, *heard in zip(self._speakers, probability.tolist(), starts.tolist(), stays.tolist(), strict=True):
            spans += speaker.push(block, *heard)
        return _in_order(spans) if spans else spans

    @property
    def open(self) -> bool:
        """Whether anybody is in an utterance now: its audio is held until it ends."""
        return any(speaker.open for speaker in self._speakers)

    @property
    def open_since_ms(self) -> int | None:
        """Where the earliest utterance that is open began; None: nobody is in one."""
        return min((ms for speaker in self._speakers if (ms := speaker.open_since_ms) is not None), default=None)

    @property
    def opened(self) -> list[tuple[Party, int, int]]:
        """The utterances that are open: who speaks, the number that it will have, where it began (ms)."""
        found = [(speaker.party, speaker.number, speaker.open_since_ms) for speaker in self._speakers]
        return [(party, number, since_ms) for party, number, since_ms in found if since_ms is not None]

    def audio(self, party: Party, from_ms: int, to_ms: int) -> tuple[Float32Array, int]:
        """Of an open utterance: float32 `(n,)` at 16 kHz between the two, and where that begins (its audio may not reach
        back so far)."""
        return self._speakers[PARTIES.index(party)].audio(from_ms, to_ms)

    def end(self) -> list[UtteranceSpan]:
        """The utterances that the end of the call ends."""
        return _in_order([span for speaker in self._speakers for span in speaker.close()])


def _in_order(spans: list[UtteranceSpan]) -> list[UtteranceSpan]:
    return sorted(spans, key=lambda span: (span.end_ms, PARTIES.index(span.party)))
