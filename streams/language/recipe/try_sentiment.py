"""What the linear model and the network count in the sentiment, and what leans to neutral: what each choice comes to, language by language.

    python -m streams.language.recipe.try_sentiment                   # single utterances (tests/words/settings)
    python -m streams.language.recipe.try_sentiment --part ordinary   # whole calls, of whose turns nine in ten are neutral
    python -m streams.language.recipe.try_sentiment --semantic yes    # either by words and meaning

Prints macro-F1 for the choice in force (`fitted.py`), then for all that are tried, best first. Nothing is written: a lean that finds
more feeling among single utterances calls more turns of an ordinary call angry that are not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import product

from streams.evaluation.words_scores import macro_f1
from streams.evaluation.words_suite import Item
from streams.language.embedding import Embedder
from streams.language.fitted import IN_FORCE, NEUTRAL, Blend, judge
from streams.language.lexicon import lexicon
from streams.language.reading import Heard, WordReader
from streams.language.recipe.try_thresholds import tried_on
from streams.language.semantic import Semantics
from streams.language.sentiment import LABELS, Evidence, evidence_of, label_of
from streams.language.text import language_code

OWN = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 1.0)
LEAN = (0.6, 0.4, 0.25, 0.12, 0.0, -0.15, -0.3, -0.5, -0.8)
Scores = dict[str, float]
"""Macro-F1 by language."""


def choices(items: Sequence[Item], embedder: Embedder | None) -> Iterator[tuple[Blend, Scores]]:
    """Each choice, the one in force first, and what it comes to; by words, or with an embedder by meaning too."""
    reader = WordReader()
    if embedder:
        reader = WordReader(refiner=Semantics(embedder, reader.catalogue))
    read = [reader.hear(item.text, item.language, item.party) for item in items]
    heard = [(one, evidence_of(one.words, lexicon(one.language), one.line)) for one in read]
    for blend in (IN_FORCE, *map(Blend._make, product(OWN, LEAN))):
        found: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for item, (one, evidence) in zip(items, heard, strict=True):
            found[item.language][item.sentiment, felt_in(one, evidence, blend)] += 1
        yield blend, {language: macro_f1(pairs) for language, pairs in found.items()}


def felt_in(one: Heard, evidence: Sequence[Evidence], blend: Blend) -> str:
    """The label of an utterance of which it is known who says it."""
    assert one.party is not None  # every utterance of a suite has one
    if not one.words:
        return LABELS[NEUTRAL]
    code = language_code(one.language)
    judged = judge(one.words, code, evidence, one.party, one.phrases, one.understood, one.meaning, blend)
    return label_of(judged.score)


def told(blend: Blend, scores: Scores) -> str:
    by_language = " ".join(f"{language} {score:.3f}" for language, score in scores.items())
    return f"own {blend.own:.2f} neutral {blend.neutral_lean:5.2f}  {by_language}  mean {mean_of(scores):.3f}"


def mean_of(scores: Scores) -> float:
    return sum(scores.values()) / len(scores)


def main(arguments: Sequence[str] | None = None) -> None:
    in_force, *found = choices(*tried_on(__doc__, arguments))
    print(f"in force: {told(*in_force)}")
    for blend, scores in sorted(found, key=lambda one: -mean_of(one[1])):
        print(f"          {told(blend, scores)}")


if __name__ == "__main__":
    main()
