"""From which log-odds on phrases are added and taken back: what each choice comes to on utterances that no pattern and no fit has seen.

    python -m streams.language.recipe.try_thresholds                  # single utterances (tests/words/settings)
    python -m streams.language.recipe.try_thresholds --part ordinary  # whole calls, in which hardly anything is said
    python -m streams.language.recipe.try_thresholds --semantic yes   # either by words and meaning

Prints precision, recall and F1 of all languages together for the thresholds in force (`learnt.py`, `semantic.py`) and for the choices
within a hair of the best. Nothing is written: what is better on the one part may be worse on the other, and a false phrase may be a
false alert.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from streams.evaluation.words_scores import Count, f1
from streams.evaluation.words_suite import ORDINARY, SETTINGS, SUITE_DIR, Item, load_suite
from streams.language.embedding import Embedder, load_embedder
from streams.language.learnt import LearntPhrases
from streams.language.reading import SEMANTIC, Heard, WordReader
from streams.language.semantic import Semantics

ADD = (-0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
KEEP = (-0.4, -0.7, -1.0, -1.3, -1.6, -2.0, -2.5, -3.0)
NAMED = (-1.0, -1.5, -2.0, -2.7, -3.5, -5.0)
NEAR_BEST = 0.001


class Choice(NamedTuple):
    """Log-odds from which on a category is added, below which a match is taken back, and below which one of those named is."""

    add: float
    keep: float
    named: float


def counted(refined: Sequence[Heard], items: Sequence[Item]) -> Count:
    count = Count()
    for one, item in zip(refined, items, strict=True):
        found = {phrase["category"] for phrase in one.phrases}
        count.hits += len(found & item.phrases)
        count.false += len(found - item.phrases)
        count.missed += len(item.phrases - found)
    return count


class Unrefined:
    """What the patterns found, as it is."""

    def refine(self, heard: Sequence[Heard]) -> list[Heard]:
        return list(heard)


def choices(items: Sequence[Item], embedder: Embedder | None) -> Iterator[tuple[Choice, Count]]:
    """Each choice, the one in force first, and what is found with it; by words, or with an embedder by meaning too."""
    reader = WordReader(refiner=Unrefined())
    heard = [reader.hear(item.text, item.language, item.party) for item in items]
    refiner = Semantics(embedder, reader.catalogue) if embedder else LearntPhrases(reader.catalogue)
    in_force = Choice(refiner.add_min, refiner.keep_min, refiner.keep_named_min)
    for choice in (in_force, *map(Choice._make, product(ADD, KEEP, NAMED))):
        refiner.set_thresholds(*choice)
        yield choice, counted(refiner.refine(heard), items)


def told(choice: Choice, count: Count) -> str:
    chosen, report = "  ".join(f"{name} {value:4.1f}" for name, value in choice._asdict().items()), count.report()
    return f"{chosen}  P {report['precision']} R {report['recall']} F1 {f1(count):.4f}"


def tried_on(description: str | None, arguments: Sequence[str] | None) -> tuple[list[Item], Embedder | None]:
    """What the command line says: the utterances, and the embedder where meaning counts too."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, default=SUITE_DIR)
    parser.add_argument("--part", choices=(SETTINGS, ORDINARY), default=SETTINGS)
    parser.add_argument("--semantic", choices=SEMANTIC, default="no")
    args = parser.parse_args(arguments)
    return load_suite(args.part, args.words), load_embedder() if args.semantic == "yes" else None


def main(arguments: Sequence[str] | None = None) -> None:
    in_force, *found = choices(*tried_on(__doc__, arguments))
    print(f"in force: {told(*in_force)}")
    found.sort(key=lambda one: -f1(one[1]))
    for choice, count in found:
        if f1(count) >= f1(found[0][1]) - NEAR_BEST:
            print(f"          {told(choice, count)}")


if __name__ == "__main__":
    main()
