"""Sound to words behind one narrow interface: any faster-whisper model, the demonstration model, or a recording.

The rest of the system knows `Transcriber` and nothing of Whisper. An utterance goes in alone; what comes out has passed
the gates of `gates`, or says in `dropped` which of them held it back. The same samples give the same text: greedy at
temperature 0, no conditioning on earlier text, no sampling.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from audio.chunk import WIDE_RATE_HZ, Float32Array
from audio.errors import VigieError
from audio.whisper.gates import Decoded, GateSettings, sound_fault, text_fault

RECORDED = "recorded:"
DEMO_FOLDER = Path(__file__).parent / "demo_model"


DEMO_CONFIDENCE_MIN = 0.8
"""Mean token probability under which the demonstration model's words are dropped (seen on the bundled calls)."""


class Word(NamedTuple):
    """One word with its place in the utterance's samples."""

    word: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said; `dropped` names the gate that left it empty. `confidence` is 0 to 1."""

    text: str
    language: str | None
    confidence: float
    words: tuple[Word, ...] = ()
    dropped: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriberSettings:
    """Defaults are for live use on a CPU; batch quality comes from a larger model and `beam_size` 5."""

    beam_size: int = 1
    word_timestamps: bool = True
    cpu_threads: int = 2
    device: str = "auto"
    compute_type: str | None = None
    """None: int8 on a CPU, float16 on CUDA."""
    languages: tuple[str, ...] = ("fr", "ar", "en", "pt", "es")
    """Detection chooses among these: a call centre does not answer in Welsh."""
    tokens_per_s_max: float = 25.0
    """A decoder that runs away on bad audio is stopped here; Arabic needs 12 to 15."""
    tokens_min: int = 24
    local_files_only: bool = False
    gates: GateSettings = field(default_factory=GateSettings)


class Transcriber(Protocol):
    """What the engine needs of a transcriber."""

    @property
    def name(self) -> str: ...

    @property
    def dropped(self) -> Counter[str]:
        """Utterances held back so far, by reason."""
        ...

    def transcribe(self, samples: Float32Array, language: str | None, *, utterance_id: str = "") -> Transcript:
        """Words of one utterance: float32 mono `(n,)` at 16 kHz in [-1, 1). `language` None: detected."""
        ...


class WhisperTranscriber:
    """A faster-whisper model."""

    def __init__(self, model: Any, name: str, settings: TranscriberSettings, *, suppress_default: bool = True) -> None:
        self.name = name
        self.settings = settings
        self.dropped: Counter[str] = Counter()
        self._model = model
        self._suppressed = [-1] if suppress_default else []

    def detect_language(self, samples: Float32Array) -> tuple[str, float]:
        """The most likely of the settings' languages in voiced audio, and its share of their probability."""
        if not self._model.model.is_multilingual:
            return "en", 1.0
        _, _, everything = self._model.detect_language(audio=samples)
        known = [(code, share) for code, share in everything if code in self.settings.languages] or everything
        code, share = max(known, key=lambda pair: pair[1])
        total = sum(part for _, part in known)
        return code, share / total if total > 0 else 0.0

    def transcribe(self, samples: Float32Array, language: str | None, *, utterance_id: str = "") -> Transcript:
        """See `Transcriber`. Audio that cannot be transcribed is a dropped transcript, never an exception."""
        del utterance_id
        samples = np.ascontiguousarray(samples, dtype=np.float32)
        fault = sound_fault(samples, self.settings.gates)
        if fault:
            return self._drop(fault, language)
        known = language.lower().replace("_", "-").split("-")[0] if language else self.detect_language(samples)[0]
        if known not in self._model.supported_languages:
            known = self.detect_language(samples)[0]
        return self._gated(self._decode(samples, known), known)

    def _decode(self, samples: Float32Array, language: str) -> list[tuple[Decoded, Any]]:
        seconds = samples.size / WIDE_RATE_HZ
        budget = self.settings.tokens_min + int(min(seconds, 30.0) * self.settings.tokens_per_s_max)
        segments, _ = self._model.transcribe(
            samples,
            language=language,
            beam_size=self.settings.beam_size,
            best_of=1,
            temperature=[0.0],
            condition_on_previous_text=False,
            vad_filter=False,
            without_timestamps=True,
            word_timestamps=self.settings.word_timestamps,
            suppress_tokens=self._suppressed,
            max_new_tokens=min(budget, 440),
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
        )
        return [
            (Decoded(part.text, min(part.end, seconds) - part.start, part.avg_logprob, part.no_speech_prob), part)
            for part in segments
        ]

    def _gated(self, parts: list[tuple[Decoded, Any]], language: str) -> Transcript:
        kept, reason = [], "no_words"
        for decoded, part in parts:
            fault = text_fault(decoded, language, self.settings.gates)
            if fault:
                reason = fault
            else:
                kept.append((decoded, part))
        if not kept:
            return self._drop(reason, language)
        words = tuple(
            Word(word.word.strip(), float(word.start), float(word.end), float(word.probability))
            for _, part in kept
            for word in part.words or ()
        )
        sizes = [max(1, len(part.tokens)) for _, part in kept]
        belief = sum(d.avg_log_prob * size for (d, _), size in zip(kept, sizes, strict=True)) / sum(sizes)
        text = " ".join(" ".join(decoded.text.split()) for decoded, _ in kept)
        return Transcript(text, language, round(min(1.0, math.exp(belief)), 4), words)

    def _drop(self, reason: str, language: str | None) -> Transcript:
        self.dropped[reason] += 1
        return Transcript("", language, 0.0, dropped=reason)


class RecordedTranscriber:
    """Transcripts made before, by utterance id: for tests of equality and for replays without a model."""

    def __init__(self, records: Mapping[str, Transcript], name: str = "recorded") -> None:
        self.name = name
        self.dropped: Counter[str] = Counter()
        self._records = records

    @classmethod
    def from_ndjson(cls, path: Path) -> RecordedTranscriber:
        """Read utterance records, one JSON object a line (`utterance_id`, `text`; `words` in ms, as in utterances.ndjson).

        Raises:
            VigieError: the file cannot be read, or a line is no utterance.
        """
        records: dict[str, Transcript] = {}
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise VigieError(
                "the transcripts cannot be read",
                remedy="Give an utterances.ndjson that `vigie replay` wrote.",
                where=f"{path} ({type(error).__name__})",
            ) from None
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                records.setdefault(str(record["utterance_id"]), _recorded(record))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise VigieError(
                    f"this line is no utterance ({type(error).__name__})",
                    remedy="Each line is a JSON object with utterance_id and text.",
                    where=f"{path}:{number}",
                ) from None
        return cls(records, name=f"recorded:{path.name}")

    def transcribe(self, samples: Float32Array, language: str | None, *, utterance_id: str = "") -> Transcript:
        del samples
        known = self._records.get(utterance_id)
        if known is None:
            self.dropped["not_recorded"] += 1
            return Transcript("", language, 0.0, dropped="not_recorded")
        if known.dropped:
            self.dropped[known.dropped] += 1
        return known


def _recorded(record: Mapping[str, Any]) -> Transcript:
    start_ms = float(record.get("start_ms") or 0)
    words = tuple(
        Word(
            str(word["word"]),
            (float(word["start_ms"]) - start_ms) / 1000,
            (float(word["end_ms"]) - start_ms) / 1000,
            float(word.get("probability", 1.0)),
        )
        for word in record.get("words") or ()
        if word.get("start_ms") is not None and word.get("end_ms") is not None
    )
    text = str(record["text"] or "")
    confidence = record.get("confidence")
    dropped = record.get("dropped") or (None if text.strip() else "no_words")
    return Transcript(text, record.get("language"), 1.0 if confidence is None else float(confidence), words, dropped)


def load_transcriber(name_or_path: str, settings: TranscriberSettings | None = None) -> Transcriber | None:
    """The transcriber that a user named: "none" (None), "demo", a folder, a model size, a Hub id "owner/model", or
    "recorded:FILE", an utterances.ndjson of an earlier run.

    Raises:
        VigieError: no such model, a folder that holds none, or a download that is not possible; with the remedy.
    """
    settings = settings or TranscriberSettings()
    if name_or_path == "none":
        return None
    if name_or_path.startswith(RECORDED):
        return RecordedTranscriber.from_ndjson(Path(name_or_path.removeprefix(RECORDED)).expanduser())
    if name_or_path == "demo":
        if not (DEMO_FOLDER / "model.bin").is_file():
            raise VigieError(
                "the demonstration model is not in this installation",
                remedy="Install the complete package, name another model (--model small), or use --model none.",
                where=str(DEMO_FOLDER),
            )
        # The demonstration model often guesses, and knows when: what it is unsure of is left out, not invented.
        gates = dataclasses.replace(
            settings.gates, log_prob_min=max(settings.gates.log_prob_min, math.log(DEMO_CONFIDENCE_MIN))
        )
        settings = dataclasses.replace(settings, gates=gates)
        return WhisperTranscriber(_load(str(DEMO_FOLDER), settings), "demo", settings, suppress_default=False)
    folder = Path(name_or_path).expanduser()
    if folder.exists() or name_or_path.startswith((".", "/", "~")):
        if not (folder / "model.bin").is_file():
            raise VigieError(
                "no CTranslate2 Whisper model is there (model.bin is missing)",
                remedy="Give the folder that ct2-transformers-converter wrote, or a model name such as small.",
                where=str(folder),
            )
        return WhisperTranscriber(_load(str(folder), settings), folder.name, settings)
    return WhisperTranscriber(_load(name_or_path, settings), name_or_path, settings)


def _load(name: str, settings: TranscriberSettings) -> Any:
    import ctranslate2
    from faster_whisper import WhisperModel
    from faster_whisper.utils import available_models

    if "/" not in name and not Path(name).is_dir() and name not in available_models():
        raise VigieError(
            f"no model is named {name!r}",
            remedy=f"Use demo, none, a folder, owner/model of the Hub, or one of {', '.join(available_models())}.",
            field="model",
        )
    device = settings.device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
    compute_type = settings.compute_type or ("float16" if device == "cuda" else "int8")
    try:
        return WhisperModel(
            name,
            device=device,
            compute_type=compute_type,
            cpu_threads=settings.cpu_threads,
            local_files_only=settings.local_files_only,
        )
    except Exception as error:
        # The Hub client, CTranslate2 and the tokenizer each have their own exceptions; to the user it is one mistake.
        problem = f"the model could not be loaded ({type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''})"
        remedy = (
            "The folder is damaged or was made for another version: convert the model again."
            if Path(name).is_dir()
            else "Check the name and the network, download the model once where there is one, or use --model demo."
        )
        raise VigieError(problem, remedy=remedy, where=name, field="model") from None
