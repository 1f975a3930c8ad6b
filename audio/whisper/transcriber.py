"""Sound to words behind one narrow interface: any faster-whisper model, the demonstration model, or a recording.

The rest of the system knows `Transcriber` and nothing of Whisper. Utterances of any calls go in, alone or many at once;
what comes out has passed the gates of `gates`, or says in `dropped` which of them held it back. The same samples give the
same text, whatever they were batched with: temperature 0, no conditioning on earlier text, no sampling.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from audio.chunk import Float32Array
from audio.errors import VigieError
from audio.whisper.batcher import BatchSettings
from audio.whisper.decoder import BatchDecoder, BatchKey
from audio.whisper.gates import sound_fault
from audio.whisper.request import Request, TranscriberSettings, Transcript, Word
from audio.whisper.windows import DEMO_WINDOWS, WindowSettings

__all__ = [
    "RecordedTranscriber",
    "Request",
    "Transcriber",
    "TranscriberSettings",
    "Transcript",
    "WhisperTranscriber",
    "Word",
    "hear",
    "load_transcriber",
]

RECORDED = "recorded:"
DEMO_FOLDER = Path(__file__).parent / "demo_model"


CUDA_BATCHES = BatchSettings(size_max=32, window_s_max=32 * 30.0)
DEMO_CONFIDENCE_MIN = 0.8
"""Mean token probability under which the demonstration model's words are dropped (seen on the bundled calls)."""
DEMO_WORD_CONFIDENCE_MIN = 0.92
"""The same where it heard one word: of 3,000 bits of recorded noise none gave one that sure; 13 of 295 words rightly heard were less."""


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
        self.settings = settings = _for_device(settings, model.model.device)
        self.decoder = BatchDecoder(model, settings, suppress_default=suppress_default)
        self.dropped: Counter[str] = Counter()

    def transcribe(self, samples: Float32Array, language: str | None, *, utterance_id: str = "") -> Transcript:
        """See `Transcriber`. Audio that cannot be transcribed is a dropped transcript, never an exception."""
        request = Request(samples, language, utterance_id=utterance_id)
        return self.unheard(request) or self.run([request])[0]

    def hear(self, requests: Sequence[Request]) -> list[Transcript | Exception]:
        """Many utterances, in fixed batches: the same requests make the same batches, and so the same text.

        An exception stands in the place of what the model failed on; the others are heard.
        """
        heard: list[Transcript | Exception | None] = [self.unheard(request) for request in requests]
        groups: dict[BatchKey, list[int]] = {}
        for at, request in enumerate(requests):
            if heard[at] is None:
                groups.setdefault(self.decoder.key(request), []).append(at)
        for key, places in groups.items():
            size = max(1, min(self.settings.batch.size_max, int(self.settings.batch.window_s_max * 100 / key.frames)))
            for start in range(0, len(places), size):
                batch = places[start : start + size]
                for at, result in zip(batch, run_safely(self.run, [requests[i] for i in batch]), strict=True):
                    heard[at] = result
        return [result for result in heard if result is not None]

    def unheard(self, request: Request) -> Transcript | None:
        """The transcript of audio that no model needs to hear: silence, noise below speech, no audio at all."""
        fault = sound_fault(np.asarray(request.samples, np.float32), self.settings.gates)
        if fault is None:
            return None
        self.dropped[fault] += 1
        return Transcript("", request.language, 0.0, dropped=fault)

    def run(self, requests: Sequence[Request]) -> list[Transcript]:
        """One batch of requests that share a key, now."""
        transcripts = self.decoder.hear(requests)
        for request, transcript in zip(requests, transcripts, strict=True):
            if transcript.dropped and not request.interim:
                self.dropped[transcript.dropped] += 1
        return transcripts


def _for_device(settings: TranscriberSettings, device: str) -> TranscriberSettings:
    """On a GPU batches are larger, and two threads take turns: one makes features while the other has the device."""
    if device != "cuda" or settings.batch != BatchSettings():
        return settings
    return dataclasses.replace(settings, workers=2, batch=CUDA_BATCHES)


def run_safely(
    run: Callable[[Sequence[Request]], list[Transcript]], requests: Sequence[Request]
) -> list[Transcript | Exception]:
    """Run one batch; where the model raises, each of its utterances alone, so that only the culprit is lost."""
    try:
        return [*run(requests)]
    except Exception as error:
        if len(requests) == 1:
            return [error]
        return [run_safely(run, [request])[0] for request in requests]


def hear(transcriber: Transcriber, requests: Sequence[Request]) -> list[Transcript | Exception]:
    """What a transcriber makes of these; in batches where it can, one by one where it is a recording."""
    if isinstance(transcriber, WhisperTranscriber):
        return transcriber.hear(requests)
    out: list[Transcript | Exception] = []
    for request in requests:
        try:
            out.append(
                transcriber.transcribe(request.samples, language=request.language, utterance_id=request.utterance_id)
            )
        except Exception as error:
            out.append(error)
    return out


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
            settings.gates,
            log_prob_min=max(settings.gates.log_prob_min, math.log(DEMO_CONFIDENCE_MIN)),
            word_log_prob_min=max(settings.gates.word_log_prob_min, math.log(DEMO_WORD_CONFIDENCE_MIN)),
        )
        windows = DEMO_WINDOWS if settings.windows == WindowSettings() else settings.windows
        settings = dataclasses.replace(settings, gates=gates, windows=windows, fallbacks=())
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
            # A GPU has one owner: its second thread only makes features meanwhile.
            num_workers=1 if device == "cuda" else settings.workers,
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
