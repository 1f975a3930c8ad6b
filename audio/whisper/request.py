"""What a transcriber is asked and what it answers; its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from audio.chunk import Float32Array
from audio.whisper.batcher import BatchSettings
from audio.whisper.gates import GateSettings
from audio.whisper.windows import WindowSettings

TEMPERATURE_MAX = 0.6
"""Above this, sampling invents more than it mends."""
_NONE: Mapping[str, float] = {}


class Word(NamedTuple):
    """One word with its place in the utterance's samples."""

    word: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said; `dropped` names the gate that left it empty. `confidence` is 0 to 1.

    Attributes:
        attempt: which try this is: 0 the first, 1 and more a fallback; why it was kept is that this try passed the gates.
        no_speech: the model's probability that nobody spoke.
        shares: the probability of each language, where it was detected.
    """

    text: str
    language: str | None
    confidence: float
    words: tuple[Word, ...] = ()
    dropped: str | None = None
    attempt: int = 0
    no_speech: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One utterance to hear: float32 mono `(n,)` at 16 kHz in [-1, 1).

    Attributes:
        language: pinned or locked; None: detected, with `prior` from what its speaker said before.
        prompt: text that the model takes for what was said before: it sets spelling and style.
        hotwords: words that may come up (product names, agents' names).
        interim: a quick look at an utterance that goes on: greedy, no word times, no second try.
        greedy, loaded: under load: no beam and no second try; a window with the short margin.
    """

    samples: Float32Array
    language: str | None = None
    prior: Mapping[str, float] = field(default_factory=lambda: _NONE)
    prompt: str = ""
    hotwords: str = ""
    utterance_id: str = ""
    interim: bool = False
    greedy: bool = False
    loaded: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """A second try at an utterance whose first text is not to be believed.

    A temperature over 0 samples, and CTranslate2 cannot seed one utterance's sampling: the same call may then get another
    text. The defaults have none, so that a replay gives the same words.
    """

    beam_size: int = 5
    temperature: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= TEMPERATURE_MAX:
            raise ValueError(f"temperature lies between 0 and {TEMPERATURE_MAX}")


@dataclass(frozen=True, slots=True)
class TranscriberSettings:
    """Defaults are for live use on a CPU; batch quality comes from a larger model and `beam_size` 5."""

    beam_size: int = 1
    word_timestamps: bool = True
    workers: int = 1
    """Batches at the same time (CTranslate2's inter_threads): for volume on a CPU, one a core. A GPU takes one."""
    cpu_threads: int = 2
    """Of each worker."""
    device: str = "auto"
    compute_type: str | None = None
    """None: int8 on a CPU, float16 on CUDA."""
    languages: tuple[str, ...] = ("fr", "ar", "en", "pt", "es")
    """Detection chooses among these: a call centre does not answer in Welsh."""
    tokens_per_s_max: float = 25.0
    """A decoder that runs away on bad audio is stopped here; Arabic needs 12 to 15."""
    tokens_min: int = 24
    prompt_tokens_max: int = 200
    """Of prompt and hotwords together: what they take, the text cannot have."""
    fallbacks: tuple[Attempt, ...] = (Attempt(), Attempt(repetition_penalty=1.1, no_repeat_ngram_size=3))
    local_files_only: bool = False
    gates: GateSettings = field(default_factory=GateSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
