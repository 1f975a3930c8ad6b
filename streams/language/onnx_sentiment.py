"""Sentiment by a sequence-classification model of the Hugging Face form, run by ONNX Runtime.

A folder or a name on the Hub with `config.json`, `tokenizer.json` and an ONNX file. What the labels mean is read from
`id2label`: negative / neutral / positive in any order and wording, stars from 1 to 5, or bare `LABEL_0` … in rising order.
The words that decided are found by occlusion: each word is left out in turn, as one batch, and those whose absence moves
the score most are quoted. Utterances of more words than that is done for quote the lexicon's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio.errors import VigieError
from streams.language.lexicon import lexicon
from streams.language.sentiment import BECAUSE_MAX, Sentiment, evidence_of

if TYPE_CHECKING:
    from streams.language.reading import Heard

ONNX_FILES = ("model_quantized.onnx", "model.onnx")
TOKENS_MAX = 128
"""An utterance is some 60 tokens at most; a model's own limit is 512."""
BATCH = 32
OCCLUDED_WORDS_MAX = 16
"""Words of an utterance for which occlusion is tried: one more run of the model for each."""
MOVES_MIN = 0.05
"""A word decides if the score without it is so much less."""
_STARS = re.compile(r"\b([1-5])\b|\b(one|two|three|four|five)\b")
_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_MEANINGS = (("neg", -1.0), ("pos", 1.0), ("neu", 0.0), ("mixed", 0.0), ("bad", -1.0), ("good", 1.0))


class OnnxSentiment:
    """Engine 2. Loading needs the packages `onnxruntime` and `tokenizers`, quantising `onnx` as well."""

    def __init__(
        self,
        model: str | Path,
        *,
        quantise: bool = False,
        batch: int = BATCH,
        occluded_words_max: int = OCCLUDED_WORDS_MAX,
    ) -> None:
        """Load a model.

        Raises:
            VigieError: the folder or name holds no such model, or its labels cannot be read.
        """
        from onnxruntime import InferenceSession, SessionOptions
        from tokenizers import Tokenizer

        folder = _folder_of(model)
        self.name = f"onnx:{Path(model).name}"
        self.batch, self.occluded_words_max = max(1, batch), occluded_words_max
        self.values = label_values(_read_config(folder), folder)
        file = _onnx_file(folder)
        if quantise and "quantized" not in file.name:
            file = _quantised(file)
        options = SessionOptions()
        options.intra_op_num_threads = 1  # utterances of many calls share the machine
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # both libraries raise bare exceptions of their own
            problem = f"the sentiment model cannot be loaded ({type(error).__name__})"
            raise VigieError(problem, remedy=_EXPORT, where=str(folder)) from None
        self._tokenizer.enable_truncation(TOKENS_MAX)
        self._inputs = {item.name for item in self._session.get_inputs()}

    def judge(self, utterances: Sequence[Heard]) -> list[Sentiment]:
        """One sentiment for each utterance, in their order; an empty one is neutral and unsure."""
        spoken = [one for one in utterances if one.words]
        chances = iter(self._chances([one.text for one in spoken]))
        return [
            self._sentiment(one, next(chances)) if one.words else Sentiment(score=0.0, confidence=0.0, because=[])
            for one in utterances
        ]

    def _sentiment(self, one: Heard, chances: np.ndarray) -> Sentiment:
        score = float(chances @ self.values)
        return Sentiment(
            score=round(max(-1.0, min(1.0, score)), 3),
            confidence=round(float(chances.max()), 3),
            because=self._because(one, score),
        )

    def _because(self, one: Heard, score: float) -> list[str]:
        if abs(score) < MOVES_MIN:
            return []
        said = [one.text[token.start : token.end] for token in one.words]
        if not 1 < len(said) <= self.occluded_words_max:
            evidence = evidence_of(one.words, lexicon(one.language), one.line)
            told = sorted((item for item in evidence if item.weight * score > 0), key=lambda item: -abs(item.weight))
            return list(dict.fromkeys(item.said for item in told))[:BECAUSE_MAX]
        without = [" ".join(said[:at] + said[at + 1 :]) for at in range(len(said))]
        moves = [
            (score - float(chances @ self.values)) * (1 if score > 0 else -1) for chances in self._chances(without)
        ]
        order = sorted(range(len(said)), key=lambda at: -moves[at])
        return list(dict.fromkeys(said[at].lower() for at in order if moves[at] >= MOVES_MIN))[:BECAUSE_MAX]

    def _chances(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Probabilities of the labels, by text; texts of about the same length share a batch."""
        found: dict[int, np.ndarray] = {}
        encoded = [self._tokenizer.encode(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda at: len(encoded[at].ids))
        for start in range(0, len(order), self.batch):
            chosen = order[start : start + self.batch]
            longest = max(1, *(len(encoded[at].ids) for at in chosen))
            ids = np.zeros((len(chosen), longest), np.int64)
            mask = np.zeros((len(chosen), longest), np.int64)
            for row, at in enumerate(chosen):
                ids[row, : len(encoded[at].ids)] = encoded[at].ids
                mask[row, : len(encoded[at].ids)] = 1
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            logits = np.asarray(self._session.run(None, {k: v for k, v in given.items() if k in self._inputs})[0])
            raised = np.exp(logits - logits.max(axis=1, keepdims=True))
            for row, at in enumerate(chosen):
                found[at] = raised[row] / raised[row].sum()
        return [found[at] for at in range(len(texts))]


_EXPORT = "Give a folder with config.json, tokenizer.json and model.onnx; `optimum-cli export onnx --model NAME DIR` makes one"


def _folder_of(model: str | Path) -> Path:
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.exists() or str(model).count("/") > 1 or str(model).startswith((".", "/", "~")):
        raise VigieError("no folder with a sentiment model", remedy=_EXPORT, where=str(path))
    try:
        from huggingface_hub import snapshot_download

        wanted = ["config.json", "tokenizer.json", "*.onnx", "onnx/*.onnx", "*.onnx_data"]
        return Path(snapshot_download(str(model), allow_patterns=wanted))
    except Exception as error:  # names, networks and caches fail in many ways
        problem = f"the sentiment model cannot be fetched ({type(error).__name__})"
        raise VigieError(problem, remedy="Give a name on the Hugging Face Hub, or a folder", where=str(model)) from None


def _onnx_file(folder: Path) -> Path:
    for place in (folder, folder / "onnx"):
        for name in ONNX_FILES:
            if (place / name).is_file():
                return place / name
    raise VigieError("no ONNX file in the sentiment model", remedy=_EXPORT, where=str(folder))


def _quantised(file: Path) -> Path:
    """The model with 8-bit weights (dynamic quantisation), made once beside the file it comes from."""
    out = file.with_name("model_quantized.onnx")
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(str(file), str(out), weight_type=QuantType.QInt8)
    except ImportError:
        remedy = "Install the package onnx, or leave the model as it is"
        raise VigieError("quantising needs a package that is not there", remedy=remedy, where=str(file)) from None
    except OSError as error:
        problem = f"the quantised model cannot be written ({type(error).__name__})"
        remedy = "Make the folder writable, or quantise elsewhere and give that folder"
        raise VigieError(problem, remedy=remedy, where=str(out)) from None
    return out


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = f"config.json cannot be read ({type(error).__name__})"
        raise VigieError(problem, remedy=_EXPORT, where=str(folder)) from None
    return content if isinstance(content, dict) else {}


def label_values(config: dict[str, Any], where: str | Path = "") -> np.ndarray:
    """What each label is worth, -1 to 1, in the order of the model's outputs.

    Raises:
        VigieError: there are not 2, 3 or 5 labels, or what they mean cannot be told.
    """
    named = config.get("id2label") or {str(at): f"LABEL_{at}" for at in range(int(config.get("num_labels") or 0))}
    try:
        labels = [str(named[key]).lower() for key in sorted(named, key=int)]
    except (ValueError, TypeError, AttributeError):
        labels = []
    if len(labels) in (2, 3, 5):
        if all(re.fullmatch(r"label_\d+", label) for label in labels):
            return np.linspace(-1, 1, len(labels))
        values = [_meaning(label, len(labels)) for label in labels]
        if None not in values and len(set(values)) == len(values):
            return np.array(values, float)
    problem = f"labels {labels[:6]} of the sentiment model are not understood"
    remedy = "Name 2, 3 or 5 labels in id2label: negative, neutral, positive, or 1 to 5 stars"
    raise VigieError(problem, remedy=remedy, where=str(where) or None)


def _meaning(label: str, count: int) -> float | None:
    if count == 5:
        stars = _STARS.search(label)
        if stars:
            return (int(stars[1] or _COUNTS[stars[2]]) - 3) / 2
        scale = 1.0 if "very" in label or "strong" in label else 0.5
        return next((value * scale for part, value in _MEANINGS if part in label), None)
    return next((value for part, value in _MEANINGS if part in label), None)
