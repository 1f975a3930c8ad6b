"""Writes `vocabulary/*.txt`: the words of ordinary service calls, a language, one a line.

    python -m streams.language.recipe.make_vocabulary

They are the words of this project's own utterances: the training corpus beside this file, the phrase catalogues, and what
holds no secret in the development part of tests/words (the held-out part is never read), as far as they are no rarer than one in
43,000: a rare word may well be somebody's password. Redaction asks whether a word is one of them where it must tell what
somebody typed from talk about typing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from streams.language.text import LANGUAGES, tokens

FOLDER = Path(__file__).parents[1] / "vocabulary"
CORPUS = Path(__file__).parent / "corpus"
SUITE = Path("tests/words/dev")
PHRASES = Path(__file__).parents[1] / "phrases"
ONCE_IN = 43_000
"""Words, in which an ordinary one comes up at least once: a corpus twice as large then takes no more rare words for ordinary."""


def texts(language: str) -> Iterator[str]:
    yield (CORPUS / f"{language}.txt").read_text(encoding="utf-8")
    yield (PHRASES / f"{language}.yaml").read_text(encoding="utf-8")
    for item in yaml.safe_load((SUITE / f"{language}.yaml").read_text(encoding="utf-8")):
        if not item["redactions"]:
            yield item["text"]


def vocabulary(language: str) -> str:
    words = Counter(token.word for text in texts(language) for token in tokens(text))
    ordinary = sorted(word for word, count in words.items() if count * ONCE_IN >= words.total())
    return "".join(f"{word}\n" for word in ordinary if len(word) > 2 and word.isalpha())


def main() -> None:
    for language in LANGUAGES:
        (FOLDER / f"{language}.txt").write_text(vocabulary(language), encoding="utf-8")


if __name__ == "__main__":
    main()
