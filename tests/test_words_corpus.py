"""The training corpus holds its format, repeats nothing, and shares no text with the suite that judges what is learnt from it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from streams.evaluation.words_suite import load_suite
from streams.language.catalogue import CATEGORIES

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "streams" / "language" / "recipe" / "corpus"
LANGUAGES = sorted(path.stem for path in CORPUS.glob("*.txt"))
UTTERANCES_MIN = 700
WORDINGS_MIN = 15


def _rows(language: str) -> list[tuple[str, str, str]]:
    lines = (CORPUS / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    parted = [line.split("\t") for line in lines]
    assert [
        n for n, parts in enumerate(parted, 1) if len(parts) != 3 and parts[3:] not in (["agent"], ["customer"])
    ] == []
    return [(sentiment, phrases, text) for sentiment, phrases, text, *_ in parted]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_is_known_and_every_text_stands_once(language: str) -> None:
    rows = _rows(language)
    assert {"n", "0", "p"} <= {sentiment for sentiment, _, _ in rows} <= {"n", "0", "p", "-"}
    said = Counter(name for _, phrases, _ in rows for name in phrases.split(",") if phrases)
    assert set(said) == set(CATEGORIES)
    assert min(said.values()) >= WORDINGS_MIN
    assert [text for text, count in Counter(_plain(text) for _, _, text in rows).items() if count > 1 or not text] == []
    assert len(rows) >= UTTERANCES_MIN


@pytest.mark.parametrize("part", ["dev", "heldout", "ordinary", "settings", "later"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_of_the_suite_is_trained_on(language: str, part: str) -> None:
    judged = {_plain(item.text) for item in load_suite(part, languages=[language])}
    assert judged
    shared = [number for number, (_, _, text) in enumerate(_rows(language), 1) if _plain(text) in judged]
    assert shared == [], "lines of the corpus to reword"
