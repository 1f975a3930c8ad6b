"""Whisper models of the true sizes with random weights, made on the spot: for measuring speed, and for nothing else.

Written straight in CTranslate2's form, with a tokenizer of the true size whose words are numbers. Layers differ, or a
processor's cache would hold what a real model must fetch: each takes another stretch of one pool of random numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Size:
    """Of OpenAI's model card: layers of encoder and decoder, width, heads, mel channels, vocabulary."""

    encoder: int
    decoder: int
    width: int
    heads: int
    n_mels: int = 80
    languages: int = 99


SIZES = {
    "tiny": Size(4, 4, 384, 6),
    "base": Size(6, 6, 512, 8),
    "small": Size(12, 12, 768, 12),
    "medium": Size(24, 24, 1024, 16),
    "large-v3-turbo": Size(32, 4, 1280, 20, 128, 100),
}
WORD_TOKENS = 50_257
POOL = 24_000_000


class _Weights:
    """Stretches of one pool of random numbers, never twice from the same place."""

    def __init__(self, seed: int) -> None:
        self._pool = (np.random.default_rng(seed).standard_normal(POOL, dtype=np.float32) * 0.02).astype(np.float16)
        self._at = 0

    def __call__(self, *shape: int) -> Any:
        count = int(np.prod(shape))
        if count > POOL // 2:  # the vocabulary of a large model
            return np.resize(self._pool, shape)
        if self._at + count > POOL:
            self._at = (self._at * 7 + 101) % (POOL // 2)
        self._at += count
        return self._pool[self._at - count : self._at].reshape(shape).copy()


def write_model(folder: Path, name: str, seed: int = 1) -> Path:
    """Write a model of that size into `folder`, in float16; CTranslate2 makes int8 of it when it is loaded so."""
    from ctranslate2.specs import whisper_spec

    size = SIZES[name]
    tokenizer = _tokenizer(size)
    vocabulary = [tokenizer.id_to_token(at) for at in range(tokenizer.get_vocab_size())]
    vocabulary[tokenizer.token_to_id("\u0100")] = ""  # by an empty token CTranslate2 knows a multilingual model
    weights = _Weights(seed)
    spec = whisper_spec.WhisperSpec(size.encoder, size.heads, size.decoder, size.heads)
    for conv, channels in ((spec.encoder.conv1, size.n_mels), (spec.encoder.conv2, size.width)):
        conv.weight, conv.bias = weights(size.width, channels, 3), np.zeros(size.width, np.float16)
    spec.encoder.position_encodings.encodings = weights(1500, size.width)
    spec.decoder.position_encodings.encodings = weights(448, size.width)
    spec.decoder.scale_embeddings = False
    spec.decoder.embeddings.weight = weights(len(vocabulary), size.width)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    for half, crosses in ((spec.encoder, False), (spec.decoder, True)):
        _norm(half.layer_norm, size.width)
        for layer in half.layer:
            _layer(layer, size.width, weights, crosses=crosses)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.alignment_heads = [(size.decoder - 1, 0)]
    first = tokenizer.token_to_id("<|en|>")
    spec.config.lang_ids = list(range(first, first + size.languages))
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": size.n_mels, "sampling_rate": 16_000}))
    return folder


def _layer(layer: Any, width: int, weights: _Weights, *, crosses: bool) -> None:
    attentions: list[tuple[Any, tuple[int, ...]]] = [(layer.self_attention, (3 * width, width))]
    if crosses:
        attentions.append((layer.attention, (width, 2 * width, width)))
    for attention, sizes in attentions:
        _norm(attention.layer_norm, width)
        for linear, out in zip(attention.linear, sizes, strict=True):
            linear.weight, linear.bias = weights(out, width), np.zeros(out, np.float16)
    _norm(layer.ffn.layer_norm, width)
    for linear, out, into in ((layer.ffn.linear_0, 4 * width, width), (layer.ffn.linear_1, width, 4 * width)):
        linear.weight, linear.bias = weights(out, into), np.zeros(out, np.float16)


def _norm(part: Any, width: int) -> None:
    part.gamma, part.beta = np.ones(width, np.float16), np.zeros(width, np.float16)


def _tokenizer(size: Size) -> Any:
    """Whisper's special tokens at the end of a vocabulary of the true size; what is spelt with them has no meaning."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"Ġ{number}" for number in range(WORD_TOKENS - len(letters)))]
    tokenizer = Tokenizer(models.BPE(vocab={word: at for at, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    codes = [code for code in _LANGUAGE_CODES if code != "yue"] + (["yue"] if size.languages == 100 else [])
    codes = ["en", *(code for code in codes if code != "en")]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    marks = ["endoftext", "startoftranscript", *codes[: size.languages], *tasks]
    tokenizer.add_special_tokens([f"<|{mark}|>" for mark in marks])
    tokenizer.add_tokens([f"<|{step * 0.02:.2f}|>" for step in range(1501)])
    return tokenizer
