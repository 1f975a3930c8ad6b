"""Words that a transcriber misheard, mended to words of a catalogue: "resillier" is "résilier", "superviser" "supervisor".

By symmetric deletion (Garbe 2012): two words one edit apart share a word when a letter is taken out of either, so a
look-up costs as many steps as the word has letters. Only words that neither catalogue nor lexicon knows are mended, and a
phrase that rests on a mended word needs more around it (see `enough`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

LETTERS_MIN = 5
"""Shorter words are one edit apart from too many others."""
TWO_EDITS_LETTERS_MIN = 8
ALONE_LETTERS_MIN = 9
"""A mended word of so many letters may be a phrase by itself."""


class Mender:
    """Finds the catalogue's word that an unknown word was probably meant to be."""

    def __init__(self, vocabulary: Iterable[str], is_known: Callable[[str], bool]) -> None:
        self._is_known = is_known
        self._by_deletion: dict[str, list[str]] = {}
        for word in sorted(set(vocabulary)):
            if len(word) >= LETTERS_MIN and word.isalpha():
                for key in _deletions(word):
                    self._by_deletion.setdefault(key, []).append(word)
        self.mend = lru_cache(maxsize=50_000)(self._mend)

    def _mend(self, word: str) -> str | None:
        if len(word) < LETTERS_MIN or not word.isalpha() or self._is_known(word):
            return None
        edits_max = 2 if len(word) >= TWO_EDITS_LETTERS_MIN else 1
        near: dict[str, int] = {}
        for key in _deletions(word):
            for other in self._by_deletion.get(key, ()):
                if other not in near and other[0] == word[0]:
                    near[other] = distance(word, other)
        best = min(near, key=lambda other: (near[other], abs(len(other) - len(word)), other), default=None)
        return best if best is not None and near[best] <= min(edits_max, (len(best) - 1) // 4) else None


def _deletions(word: str) -> set[str]:
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def distance(one: str, other: str) -> int:
    """Edits between two words: letters put in, left out, replaced, or two neighbours swapped."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, sign in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, letter in enumerate(other, 1):
            steps = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (sign != letter))
            if last and j > 1 and sign == other[j - 2] and one[i - 2] == letter:
                steps = min(steps, last[j - 2] + 1)
            row.append(steps)
    return row[-1]


def enough(words: Sequence[str], mended: Sequence[bool]) -> bool:
    """Whether what was heard right carries what was mended: another content word, or one long word by itself."""
    right = [word for word, is_mended in zip(words, mended, strict=True) if not is_mended]
    letters = [len(word) for word, is_mended in zip(words, mended, strict=True) if is_mended]
    if not letters:
        return False
    if any(len(word) > 3 for word in right) or len(right) >= 2:
        return True
    return min(letters) >= ALONE_LETTERS_MIN
