"""One batch of utterances through a Whisper model: features, one encoder pass, one decoder pass, the gates, second tries.

Built from faster-whisper's model, feature extractor, tokenizer and word alignment, and CTranslate2's `encode`, `generate`
and `align`. With the 30 s window this gives the text of `WhisperModel.transcribe` for each utterance by itself.

No utterance's text hangs on its neighbours: languages are told per utterance, a text that outgrows its own budget of
tokens is decoded again alone, and a second try runs alone, on the encoder output that the batch has left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from audio.chunk import WIDE_RATE_HZ, Float32Array
from audio.whisper.gates import Decoded, text_fault
from audio.whisper.language import LanguageSettings, chosen
from audio.whisper.request import Attempt, Request, TranscriberSettings, Transcript, Word
from audio.whisper.windows import WHOLE_FRAMES, window_frames

FRAME_SAMPLES = 160
WHOLE_SAMPLES = WHOLE_FRAMES * FRAME_SAMPLES
TOKENS_MAX = 224
"""Half of the decoder's positions: the other half is for the prompt."""
PUNCTUATION_BEFORE = "\"'“¿([{-"
PUNCTUATION_AFTER = "\"'.。,，!！?？:：”)]}、"
TRY_AGAIN = ("low_confidence", "repetition")
"""Faults of a text that another way of decoding may mend; of the others, silence stays silence."""


UNREAD = Decoded("", 0.0, -math.inf, 1.0)


class BatchKey(NamedTuple):
    """What utterances of one batch have in common. Language is not in it: each row of a batch has its own."""

    frames: int
    beam_size: int
    words: bool
    prompt: str
    hotwords: str


@dataclass(slots=True)
class _Row:
    """One window of one utterance: all of it, or 30 s of it."""

    owner: int
    features: Float32Array
    frames: int
    seconds: float
    budget: int
    language: str = ""
    shares: dict[str, float] = field(default_factory=dict)
    prompt: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    decoded: Decoded = UNREAD
    fault: str | None = None
    attempt: int = 0
    words: tuple[Word, ...] = ()


class BatchDecoder:
    """A loaded model; `hear` may be called from several threads when the model has several workers."""

    def __init__(self, model: Any, settings: TranscriberSettings, *, suppress_default: bool = True) -> None:
        self.model, self.settings = model, settings
        self.n_mels = int(model.model.n_mels)
        self._suppress_default = suppress_default
        self._tokenizers: dict[str, Any] = {}
        self._weight_s = LanguageSettings().weight_s
        known = list(model.supported_languages)
        self.languages = tuple(code for code in settings.languages if code in known) or tuple(known)

    def key(self, request: Request) -> BatchKey:
        """Requests of equal keys may be heard together."""
        frames = -(-min(request.samples.size, WHOLE_SAMPLES) // FRAME_SAMPLES)
        window = window_frames(frames, self.n_mels, self.settings.windows, loaded=request.loaded)
        greedy = request.greedy or request.interim
        words = self.settings.word_timestamps and not request.interim
        return BatchKey(window, 1 if greedy else self.settings.beam_size, words, request.prompt, request.hotwords)

    def known_language(self, language: str | None) -> str | None:
        """The model's code of a language such as fr-MA; None: it is to be detected."""
        code = language.lower().replace("_", "-").split("-")[0] if language else None
        return code if code in self.model.supported_languages else None

    def hear(self, requests: Sequence[Request]) -> list[Transcript]:
        """The transcripts of requests that share a key. What the gates hold back is empty, with the reason."""
        key = self.key(requests[0])
        rows = [row for owner, request in enumerate(requests) for row in self._rows(owner, request)]
        window = np.zeros((len(rows), self.n_mels, key.frames), np.float32)
        for at, row in enumerate(rows):
            window[at, :, : row.frames] = row.features[:, : row.frames]
        encoded = self.encode(window)
        self._tell_languages(rows, requests, encoded)
        for row in rows:
            row.prompt = self._prompt(row.language, key)
        self._decode(rows, encoded, key)
        for at, row in enumerate(rows):
            request = requests[row.owner]
            ran_away = len(row.tokens) >= row.budget < max(other.budget for other in rows)
            if ran_away or row.fault in TRY_AGAIN:
                self._try_again(row, _Kept(encoded, window, at, self.encode), key, request, ran_away)
        if key.words:
            self._align([(at, row) for at, row in enumerate(rows) if not row.fault], encoded, len(rows))
        return [self._joined([row for row in rows if row.owner == owner]) for owner in range(len(requests))]

    # Preparation ----------------------------------------------------------------------------------------------------

    def _rows(self, owner: int, request: Request) -> list[_Row]:
        samples = np.ascontiguousarray(request.samples, np.float32)
        features = self.model.feature_extractor(samples)
        frames = features.shape[-1] - 1
        rows = []
        for start in range(0, max(1, frames), WHOLE_FRAMES):
            count = min(WHOLE_FRAMES, frames - start)
            seconds = min(samples.size / WIDE_RATE_HZ - start / 100, WHOLE_FRAMES / 100)
            budget = self.settings.tokens_min + int(seconds * self.settings.tokens_per_s_max)
            rows.append(_Row(owner, features[:, start : start + count], count, seconds, min(budget, TOKENS_MAX)))
        return rows

    def encode(self, window: Float32Array) -> Any:
        """Encoder output of windows, float32 (windows, mels, frames). On a CPU one after another: together they would not fit its
        caches."""
        import ctranslate2

        if self.model.model.device == "cuda" or len(window) == 1:
            return self.model.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(window)))
        outputs = [self.encode(window[at : at + 1]) for at in range(len(window))]
        try:
            return ctranslate2.StorageView.from_array(np.concatenate([np.asarray(output) for output in outputs]))
        except (TypeError, ValueError, RuntimeError):  # numpy knows no bfloat16
            return self.model.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(window)))

    def _tell_languages(self, rows: list[_Row], requests: Sequence[Request], encoded: Any) -> None:
        unknown = []
        for at, row in enumerate(rows):
            known = self.known_language(requests[row.owner].language)
            if not self.model.model.is_multilingual:
                row.language = "en"
            elif known:
                row.language = known
            else:
                unknown.append((at, row))
        if not unknown:
            return
        told = self.model.model.detect_language(encoded)
        for at, row in unknown:
            shares = {token[2:-2]: share for token, share in told[at] if token[2:-2] in self.languages}
            total = sum(shares.values()) or 1.0
            row.shares = {code: share / total for code, share in shares.items()}
            row.language = chosen(row.shares, requests[row.owner].prior, row.seconds, self._weight_s)

    def _tokenizer(self, language: str) -> Any:
        if language not in self._tokenizers:
            from faster_whisper.tokenizer import Tokenizer

            multilingual = self.model.model.is_multilingual
            self._tokenizers[language] = Tokenizer(
                self.model.hf_tokenizer, multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]

    def _suppressed(self, tokenizer: Any) -> Any:
        from faster_whisper.transcribe import get_suppressed_tokens

        return get_suppressed_tokens(tokenizer, [-1]) if self._suppress_default else []

    def _prompt(self, language: str, key: BatchKey) -> list[int]:
        tokenizer = self._tokenizer(language)
        prompt: list[int] = []
        if key.prompt or key.hotwords:
            said = tokenizer.encode(" " + key.prompt.strip()) if key.prompt else []
            words = tokenizer.encode(" " + key.hotwords.strip()) if key.hotwords else []
            words = words[: self.settings.prompt_tokens_max]
            left = self.settings.prompt_tokens_max - len(words)
            prompt = [tokenizer.sot_prev, *words, *(said[-left:] if left else [])]
        return [*prompt, *tokenizer.sot_sequence, tokenizer.no_timestamps]

    # Decoding -------------------------------------------------------------------------------------------------------

    def _decode(self, rows: list[_Row], encoded: Any, key: BatchKey) -> None:
        budget = max(row.budget for row in rows)
        results = self._generate(encoded, rows, budget, Attempt(key.beam_size))
        for row, result in zip(rows, results, strict=True):
            self._read(row, result)

    def _generate(self, encoded: Any, rows: list[_Row], budget: int, how: Attempt) -> list[Any]:
        tokenizer = self._tokenizer(rows[0].language)
        sampling: dict[str, Any] = {"beam_size": how.beam_size}
        if how.temperature > 0:
            sampling = {"beam_size": 1, "sampling_topk": 0, "sampling_temperature": how.temperature}
        results: list[Any] = self.model.model.generate(
            encoded,
            [row.prompt for row in rows],
            # CTranslate2 stops at half of `max_length`, or where the prompt leaves no more.
            max_length=min(self.model.max_length, max(2 * budget, len(rows[0].prompt) + budget)),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed(tokenizer),
            repetition_penalty=how.repetition_penalty,
            no_repeat_ngram_size=how.no_repeat_ngram_size,
            **sampling,
        )
        return results

    def _read(self, row: _Row, result: Any) -> None:
        row.tokens = list(result.sequences_ids[0])
        length = len(row.tokens)
        text = self._tokenizer(row.language).decode(row.tokens)
        average = result.scores[0] * length / (length + 1)
        row.decoded = Decoded(text, row.seconds, average, result.no_speech_prob)
        row.fault = text_fault(row.decoded, row.language, self.settings.gates)

    def _try_again(self, row: _Row, kept: _Kept, key: BatchKey, request: Request, ran_away: bool) -> None:
        """Decode one row alone: within its own budget if it ran over it, then the fallbacks until one is believed."""
        encoded = kept.alone()
        if ran_away:
            self._read(row, self._generate(encoded, [row], row.budget, Attempt(key.beam_size))[0])
        if row.fault not in TRY_AGAIN or request.greedy or request.interim:
            return
        first = row.tokens, row.decoded, row.fault
        for number, how in enumerate(self.settings.fallbacks, 1):
            self._read(row, self._generate(encoded, [row], row.budget, how)[0])
            if not row.fault:
                row.attempt = number
                return
        row.tokens, row.decoded, row.fault = first

    # Words ----------------------------------------------------------------------------------------------------------

    def _align(self, rows: list[tuple[int, _Row]], encoded: Any, count: int) -> None:
        """Word times and probabilities, as faster-whisper finds them."""
        groups: dict[str, list[tuple[int, _Row]]] = {}
        for at, row in rows:
            groups.setdefault(row.language, []).append((at, row))
        for language, mine in groups.items():
            tokenizer = self._tokenizer(language)
            whole = len(mine) == count
            parts = [mine] if whole or encoded.device == "cpu" else [[pair] for pair in mine]
            for part in parts:
                views = encoded if whole else _rows_of(encoded, [at for at, _ in part])
                tokens = [[token for token in row.tokens if token < tokenizer.eot] for _, row in part]
                found = self.model.find_alignment(tokenizer, tokens, views, [row.frames for _, row in part])
                for (_, row), alignment in zip(part, found, strict=True):
                    row.words = self._timed(tokenizer, row, alignment)

    def _timed(self, tokenizer: Any, row: _Row, alignment: Any) -> tuple[Word, ...]:
        from faster_whisper import WhisperModel

        segment = {"tokens": row.tokens, "start": 0.0, "end": row.seconds, "seek": 0}
        WhisperModel.add_word_timestamps(
            _Found(alignment), [[segment]], tokenizer, None, row.frames, PUNCTUATION_BEFORE, PUNCTUATION_AFTER, 0.0
        )
        words: Any = segment.get("words") or ()
        return tuple(
            Word(w["word"].strip(), float(w["start"]), float(w["end"]), float(w["probability"])) for w in words
        )

    def _joined(self, rows: list[_Row]) -> Transcript:
        """One utterance's windows as one transcript."""
        kept = [(number, row) for number, row in enumerate(rows) if not row.fault]
        language, shares = rows[0].language, rows[0].shares
        doubt = round(min(row.decoded.no_speech_prob for row in rows), 4)
        if not kept:
            return Transcript("", language, 0.0, dropped=rows[-1].fault, no_speech=doubt, shares=shares)
        sizes = [max(1, len(row.tokens)) for _, row in kept]
        belief = sum(r.decoded.avg_log_prob * size for (_, r), size in zip(kept, sizes, strict=True)) / sum(sizes)
        words = tuple(
            Word(w.word, w.start_s + number * WHOLE_FRAMES / 100, w.end_s + number * WHOLE_FRAMES / 100, w.probability)
            for number, row in kept
            for w in row.words
        )
        return Transcript(
            " ".join(" ".join(row.decoded.text.split()) for _, row in kept),
            language,
            round(min(1.0, math.exp(belief)), 4),
            words,
            attempt=max(row.attempt for _, row in kept),
            no_speech=doubt,
            shares=shares,
        )


@dataclass(slots=True)
class _Found:
    """Stands for the model in `WhisperModel.add_word_timestamps`, with an alignment that was found in a batch."""

    alignment: Any
    frames_per_second: int = 100

    def find_alignment(self, *_: Any) -> list[Any]:
        return [self.alignment]


class _Kept(NamedTuple):
    """The encoder output of a batch, and how to get at one row of it."""

    encoded: Any
    window: Float32Array
    at: int
    encode: Any

    def alone(self) -> Any:
        """That row; encoded anew where its memory cannot be read (bfloat16)."""
        try:
            return _rows_of(self.encoded, [self.at])
        except (TypeError, ValueError, RuntimeError, AttributeError):
            return self.encode(self.window[self.at : self.at + 1])


@dataclass(slots=True)
class _CudaRow:
    """One row of an array on a GPU, as other libraries read it, without a copy."""

    owner: Any
    at: int

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        whole = dict(self.owner.__cuda_array_interface__)
        shape, (pointer, read_only) = whole["shape"], whole["data"]
        row_bytes = math.prod(shape[1:]) * int(whole["typestr"][2:])
        return {**whole, "shape": (1, *shape[1:]), "data": (pointer + self.at * row_bytes, read_only), "strides": None}


def _rows_of(encoded: Any, places: list[int]) -> Any:
    """Some rows of an encoder output as one of their own; on a GPU one row at a time, in place."""
    import ctranslate2

    if encoded.device == "cpu":
        rows = np.asarray(encoded)
        return ctranslate2.StorageView.from_array(np.ascontiguousarray(rows[places]))
    (place,) = places
    return ctranslate2.StorageView.from_array(_CudaRow(encoded, place))
