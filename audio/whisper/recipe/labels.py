"""What a decoder is to say of spoken utterances, and when each token is heard: made by speak.py's processes or by train.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from tokenizers import Tokenizer

RATE_HZ = 8000
CHARACTERS = " '-abcdefghijklmnopqrstuvwxyzàâçèéêëîïôùûœ"  # the order of the CTC head, whose last output is the blank
NO_SPEECH = 2


def word_times(text: str, marks: str, length: int, tokens: list[tuple[int, int]]) -> np.ndarray:
    """Start and end in seconds of character ranges of a text, widened by how far the marks can be trusted: (tokens, 2)."""
    points = [(int(c), int(s)) for c, s in (m.split(":") for m in marks.split()) if int(c) >= 0]
    margin, kept = 0.08 if points else 0.35, [(0, 0)]
    for c, s in points:
        if c > kept[-1][0] and s > kept[-1][1]:
            kept.append((c, s))
    kept.append((len(text), max(length - 600, kept[-1][1] + 1)))
    at = np.interp(np.array(tokens, dtype=float), [k[0] for k in kept], [k[1] for k in kept]) / RATE_HZ
    return at + np.array([-margin, margin])


def label(raw: Any, tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Labels of speak.py's arrays.

    Returns:
        `rows` (utterances, 7): start and length of audio, tokens and characters, and the language (0 en, 1 fr, 2 no speech);
        `tokens`, `characters`: of all utterances, end to end; `spans` (tokens, 2): seconds from the utterance's start.
    """
    texts, marks, languages = ([str(value) for value in raw[name]] for name in ("texts", "marks", "languages"))
    ends = raw["ends"]
    starts = np.concatenate([[0], ends[:-1]])
    rows, tokens, spans, characters = [], list[int](), [np.zeros((0, 2))], list[int]()
    for i, coded in enumerate(tokenizer.encode_batch([" " + t for t in texts])):
        length, ids = int(ends[i] - starts[i]), coded.ids if texts[i] else []
        language = ("en", "fr").index(languages[i]) if ids else NO_SPEECH
        rows.append((starts[i], length, len(tokens), len(ids), len(characters), len(texts[i]), language))
        if ids:
            spans.append(word_times(texts[i], marks[i], length, [(max(0, a - 1), b - 1) for a, b in coded.offsets]))
            tokens += ids
            characters += [CHARACTERS.index(c) for c in texts[i]]
    return {"rows": np.array(rows, np.int64), "tokens": np.array(tokens, np.int64), "characters": np.array(characters, np.int64),
            "spans": np.concatenate(spans).astype(np.float32)}
