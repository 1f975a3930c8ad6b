"""What is compared: faster-whisper as it comes, its batched pipeline, and this project's decoder with two kinds of window.

All decode greedily, without word times and second tries, the same utterances with the same model: (a) and (b) with both
cores on one utterance, (c), (d) and (e), the encoder alone, with a worker a core. With a model of random weights every
utterance gets the same number of tokens, for a model that says nothing would say it for ever.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from audio.whisper.batcher import BatchSettings
from audio.whisper.decoder import BatchDecoder
from audio.whisper.gates import GateSettings
from audio.whisper.request import Request, TranscriberSettings, Transcript
from audio.whisper.windows import WHOLE_FRAMES, WindowSettings
from streams.bench.speech import Utterance

OPEN_GATES = GateSettings(
    duration_ms_min=0,
    level_dbov_min=-200.0,
    voiced_level_dbov_min=-200.0,
    no_speech_prob_max=1.1,
    no_speech_prob_certain=1.1,
    log_prob_min=-1e9,
    compression_ratio_max=1e9,
    loop_repeats_max=10_000,
    word_repeats_max=10_000,
    words_per_s_max=1e9,
    phrase_no_speech_prob_min=1.1,
)
"""All text is kept: it is the models that are compared, not what Vigie thinks of them."""
TOKENS_PER_S = 4.0
SIDE_S = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One model on one device.

    Attributes:
        tokens: of every utterance of a random model; None: the model decides.
        suppress_default: Whisper's own list of tokens that are no speech (the demonstration model has none).
    """

    model: str
    device: str
    compute_type: str
    cores: int
    windows: WindowSettings
    tokens: int | None
    suppress_default: bool = True
    batch_size: int = 8


@dataclass(slots=True)
class Outcome:
    """What one contender did: seconds of wall clock and CPU, its texts, and the most memory its process had."""

    name: str
    wall_s: float
    cpu_s: float
    texts: list[str]
    rss_mb: float


class FixedDecoder(BatchDecoder):
    """Decodes as many tokens of every utterance as the plan says, whatever the model would."""

    def __init__(self, model: Any, settings: TranscriberSettings, plan: Plan) -> None:
        super().__init__(model, settings, suppress_default=plan.suppress_default)
        self._tokens = plan.tokens

    def _suppressed(self, tokenizer: Any) -> Any:
        return [tokenizer.eot] if self._tokens else super()._suppressed(tokenizer)


class Ours:
    """The part of `WhisperTranscriber` that an `Engine` needs, with open gates."""

    def __init__(self, model: Any, plan: Plan) -> None:
        fixed: dict[str, Any] = {"tokens_min": plan.tokens, "tokens_per_s_max": 0.0} if plan.tokens else {}
        self.settings = TranscriberSettings(
            word_timestamps=False,
            # On a GPU one thread makes features while the other has the device.
            workers=2 if plan.device == "cuda" else plan.cores,
            fallbacks=(),
            gates=OPEN_GATES,
            windows=plan.windows,
            batch=BatchSettings(size_max=plan.batch_size, window_s_max=plan.batch_size * 30.0),
            **fixed,
        )
        self.decoder = FixedDecoder(model, self.settings, plan)

    def unheard(self, request: Request) -> Transcript | None:  # noqa: ARG002  (all of it is speech)
        return None

    def run(self, requests: Sequence[Request]) -> list[Transcript]:
        return self.decoder.hear(requests)


def load(plan: Plan, *, shared: bool) -> Any:
    """The model: one worker with all cores, or (`shared`) a worker a core. On a GPU it is one model for all."""
    workers = plan.cores if shared and plan.device == "cpu" else 1
    threads = 1 if shared or plan.device == "cuda" else plan.cores
    return _loaded(plan.model, plan.device, plan.compute_type, threads, workers)


@lru_cache(maxsize=1)
def _loaded(model: str, device: str, compute_type: str, threads: int, workers: int) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(
        model,
        device=device,
        compute_type=compute_type,
        cpu_threads=threads,
        num_workers=workers,
        local_files_only=True,
    )


def sequential(plan: Plan) -> Callable[[Sequence[Utterance]], list[str]]:
    """(a) `WhisperModel.transcribe`, utterance by utterance."""
    model = load(plan, shared=False)

    def run(utterances: Sequence[Utterance]) -> list[str]:
        texts = []
        for utterance in utterances:
            segments, _ = model.transcribe(utterance.samples, language=utterance.language, **_options(model, plan, 1))
            texts.append(" ".join(" ".join(segment.text for segment in segments).split()))
        return texts

    return run


def pipeline(plan: Plan) -> Callable[[Sequence[Utterance]], list[str]]:
    """(b) `BatchedInferencePipeline`, utterance by utterance: it takes one audio at a time."""
    from faster_whisper import BatchedInferencePipeline

    model = load(plan, shared=False)
    batched = BatchedInferencePipeline(model)

    def run(utterances: Sequence[Utterance]) -> list[str]:
        texts = []
        for utterance in utterances:
            segments, _ = batched.transcribe(
                utterance.samples,
                language=utterance.language,
                vad_filter=False,
                batch_size=plan.batch_size,
                **_options(model, plan, 1),
            )
            texts.append(" ".join(" ".join(segment.text for segment in segments).split()))
        return texts

    return run


def pipeline_sides(plan: Plan) -> Callable[[Sequence[Utterance]], list[str]]:
    """(b) over whole sides of calls, their utterances joined into stretches of up to 30 s: after the call is over."""
    import numpy as np
    from faster_whisper import BatchedInferencePipeline

    model = load(plan, shared=False)
    batched = BatchedInferencePipeline(model)

    def run(utterances: Sequence[Utterance]) -> list[str]:
        sides: dict[tuple[str, str], list[Utterance]] = {}
        for utterance in utterances:
            sides.setdefault((utterance.call, utterance.party), []).append(utterance)
        texts = []
        for side in sides.values():
            clips, at_s, start_s = [], 0.0, 0.0
            for utterance in side:
                if at_s + utterance.seconds - start_s > SIDE_S and at_s > start_s:
                    clips.append({"start": start_s, "end": at_s})
                    start_s = at_s
                at_s += utterance.seconds
            clips.append({"start": start_s, "end": at_s})
            each = max(1, len(side) // len(clips))
            segments, _ = batched.transcribe(
                np.concatenate([utterance.samples for utterance in side]),
                language=side[0].language,
                clip_timestamps=clips,
                batch_size=plan.batch_size,
                **_options(model, plan, each),
            )
            texts.append(" ".join(" ".join(segment.text for segment in segments).split()))
        return texts

    return run


def ours(plan: Plan) -> Callable[[Sequence[Utterance]], list[str]]:
    """(c) or (d): batches of what is waiting, over as many threads as there are workers."""
    mine = Ours(load(plan, shared=True), plan)

    def run(utterances: Sequence[Utterance]) -> list[str]:
        requests = [Request(utterance.samples, utterance.language) for utterance in utterances]
        groups: dict[Any, list[int]] = {}
        for at, request in enumerate(requests):
            groups.setdefault(mine.decoder.key(request), []).append(at)
        size = mine.settings.batch.size_max
        batches = [places[at : at + size] for places in groups.values() for at in range(0, len(places), size)]
        texts = [""] * len(requests)

        def work(places: list[int]) -> None:
            for at, transcript in zip(places, mine.run([requests[i] for i in places]), strict=True):
                texts[at] = transcript.text

        _all(work, batches, mine.settings.workers)
        return texts

    return run


def encoder(plan: Plan) -> Callable[[Sequence[Utterance]], list[str]]:
    """(e) The encoder alone, over 30 s for each utterance, in the batches of (c): what (c) cannot be faster than."""
    import numpy as np

    mine = Ours(load(plan, shared=True), plan)

    def encode(utterances: Sequence[Utterance]) -> None:
        windows = np.zeros((len(utterances), mine.decoder.n_mels, WHOLE_FRAMES), np.float32)
        for window, utterance in zip(windows, utterances, strict=True):
            features = mine.decoder.model.feature_extractor(utterance.samples)[:, :WHOLE_FRAMES]
            window[:, : features.shape[1]] = features
        mine.decoder.encode(windows)

    def run(utterances: Sequence[Utterance]) -> list[str]:
        size = mine.settings.batch.size_max
        batches = [utterances[at : at + size] for at in range(0, len(utterances), size)]
        _all(encode, batches, mine.settings.workers)
        return [""] * len(utterances)

    return run


def _all(work: Callable[[Any], None], jobs: Sequence[Any], workers: int) -> None:
    """Do all the jobs, in so many threads; what one raises is raised."""
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(work, jobs):
            pass


def _options(model: Any, plan: Plan, utterances: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "beam_size": 1,
        "best_of": 1,
        "temperature": [0.0],
        "condition_on_previous_text": False,
        "without_timestamps": True,
        "suppress_tokens": [-1] if plan.suppress_default else [],
        "no_speech_threshold": None,
        "log_prob_threshold": None,
        "compression_ratio_threshold": None,
    }
    if plan.tokens:
        # CTranslate2 stops at half of prompt and new tokens together, and the prompt has four.
        options["max_new_tokens"] = min(440, 2 * plan.tokens * utterances - 4)
        options["suppress_tokens"] = [model.hf_tokenizer.token_to_id("<|endoftext|>")]
    return options


CONTENDERS: dict[str, Callable[[Plan], Callable[[Sequence[Utterance]], list[str]]]] = {
    "a": sequential,
    "b": pipeline,
    "b-side": pipeline_sides,
    "c": ours,
    "d": ours,
    "e": encoder,
}
LABELS = {
    "a": "(a) WhisperModel.transcribe, each utterance",
    "b": "(b) BatchedInferencePipeline, each utterance",
    "b-side": "(b) BatchedInferencePipeline, each call side",
    "c": "(c) Vigie, window of 30 s",
    "d": "(d) Vigie, short windows",
    "e": "(e) the encoder alone, window of 30 s",
}


def plan_for(plan: Plan, name: str) -> Plan:
    """The plan as this contender takes it."""
    return replace(plan, windows=replace(plan.windows, short=False)) if name == "c" else plan


def measure(name: str, plan: Plan, utterances: Sequence[Utterance], warm: int = 2) -> Outcome:
    """Run one contender once over the utterances, after a few to warm up."""
    run = CONTENDERS[name](plan_for(plan, name))
    run(utterances[:warm])
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    texts = run(utterances)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return Outcome(name, wall_s, cpu_s, texts, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def tokens_for(utterances: Sequence[Utterance]) -> int:
    """Tokens of a real transcript of an average one of these."""
    return max(4, round(TOKENS_PER_S * sum(u.seconds for u in utterances) / len(utterances)))


def cores() -> int:
    return len(os.sched_getaffinity(0))
