"""Phrases by what labelled utterances have taught, beside the patterns of the catalogue.

Patterns find what their authors thought of. A network over the words in their order (network.py) and what words and pairs speak for by
themselves (wording.py), fitted on this project's own utterances, add what is said in other words when they are sure, and take a
pattern's match back when the rest of the utterance speaks clearly against it. A category that a catalogue of a user's own replaces
or lacks is left alone, and what the user's own patterns find always stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.language.catalogue import Catalogue, Entry, default_catalogue
from streams.language.identify import is_darija
from streams.language.lexicon import MIXED_WITH
from streams.language.network import Understood, understand, weights
from streams.language.phrases import Phrase
from streams.language.text import language_code, vocabulary
from streams.language.weights import Floats
from streams.language.wording import spoken_for

if TYPE_CHECKING:
    from streams.language.reading import Heard


KNOWN_SHARE = 0.25
"""Ordinary words of the language among all of an utterance, from which on they count: to them, what is foreign says nothing."""
WORDS_MIN = 3
FAMILIAR_SHARE = 0.4
"""Ordinary words of three letters or more among all of an utterance, from which on its words may speak against a match."""
FRENCH_SHARE = 0.6
"""Ordinary French words of three letters or more among all of an utterance of an Arabic call, from which on it is taken for French, if
they are more than the Arabic ones: French has many shorter words, and its vocabulary has some of Darija's."""


class LearntPhrases:
    """Adds to and takes from what the patterns of one catalogue found.

    Attributes:
        add_min: log-odds from which on a category is said though no pattern matches.
        keep_min: log-odds below which a pattern's match is taken back; `keep_named_min` of the categories `named`, in whose patterns
            stand words that are hardly said of anything else, and which have more ways to be said than the models have heard, or
            (a disclosure) whose absence is what an alert tells, or (an escalation) which is the worst to miss.
        wording: what the words and pairs themselves count (wording.py), of 1; the network counts the rest.
    """

    add_min, keep_min, keep_named_min = 0.8, -1.8, -3.0
    wording = 0.3
    named = frozenset({"abuse", "cancellation", "disclosure", "escalation", "repeated_contact"})

    def __init__(self, catalogue: Catalogue) -> None:
        bundled = set(default_catalogue().entries)
        own = [entry for entry in catalogue.entries if entry not in bundled]
        self._numbers = {category: at for at, category in enumerate(weights().categories)}
        self.set_thresholds(self.add_min, self.keep_min, self.keep_named_min)
        self._order = {category: number for number, category in enumerate(catalogue.categories)}
        self._touched = {(entry.category, entry.language) for entry in own}
        self._parties = _parties(entry for entry in catalogue.entries if entry in bundled)

    def set_thresholds(self, add_min: float, keep_min: float, keep_named_min: float) -> None:
        """In place of those in force: `recipe/try_thresholds.py` tries them."""
        self.add_min, self.keep_min, self.keep_named_min = add_min, keep_min, keep_named_min
        self._keep_min = np.array([keep_named_min if name in self.named else keep_min for name in self._numbers])

    def refine(self, heard: Sequence[Heard]) -> list[Heard]:
        """The utterances with the phrases that they are taken to say; a backchannel says what its pattern says."""
        return [self._by_words(in_its_language(one)) if one.words and not one.backchannel else one for one in heard]

    def _by_words(self, one: Heard, meant: Floats | None = None, share: float = 0.0) -> Heard:
        """With its phrases by what the words come to; `meant` are log-odds from elsewhere, which count `share` beside the words'."""
        code = language_code(one.language)
        understood = self._understood(one, code)
        odds = self._odds(one, code, understood)
        if meant is not None:
            odds = share * meant + (1 - share) * odds
        return one._replace(phrases=self._phrases(one, code, understood, odds), understood=understood)

    def _odds(self, one: Heard, code: str, understood: Understood) -> Floats:
        """By category: the network's, and beside them those of the words themselves where enough of the words are known."""
        if not self.wording or _ordinary(one, code) < KNOWN_SHARE * len(one.words):
            return understood.categories
        return self.wording * spoken_for(one.words, code, one.party) + (1 - self.wording) * understood.categories

    @staticmethod
    def _understood(one: Heard, code: str) -> Understood:
        """By the network; where it is not known who speaks, each category by the likelier speaker."""
        if one.party is not None:
            return understand(one.words, code, one.party)
        customer, agent = (understand(one.words, code, party) for party in ("customer", "agent"))
        return replace(
            customer,
            categories=np.maximum(customer.categories, agent.categories),
            against=customer.against & agent.against,
        )

    def _phrases(self, one: Heard, code: str, understood: Understood, odds: Floats) -> Sequence[Phrase]:
        """What the patterns found, less what is not meant, and what is meant beside it; `odds` by category."""
        sure = [number for number, value in enumerate(odds.tolist()) if value >= self.add_min]
        if not sure and not one.phrases:
            return one.phrases
        sure = sure if _has_enough(one) else []
        doubted = self._doubted(one, code, odds < self._keep_min, understood) if one.phrases else ()
        kept = [phrase for phrase in one.phrases if self._stands(phrase["category"], code, doubted)]
        if not sure and len(kept) == len(one.phrases):
            return one.phrases
        said = {phrase["category"] for phrase in one.phrases} | one.denied
        for category, parties in self._parties[code].items():
            number = self._numbers[category]
            if number in sure and category not in said and (one.party is None or one.party in parties):
                kept.append(phrase_of(one, category, _run(understood.shares(number))))
        return self._in_order(kept)

    def _in_order(self, phrases: Iterable[Phrase]) -> list[Phrase]:
        return sorted(phrases, key=lambda phrase: (phrase["start"], self._order[phrase["category"]]))

    def _doubted(self, one: Heard, code: str, unlikely: NDArray[np.bool_], understood: Understood) -> Collection[int]:
        """The categories of which a match is not believed. Words of another language speak against nothing, and no word against itself;
        Darija in the midst of another language must be unlikely in Arabic, too."""
        if len(one.words) == 1 or not unlikely.any():
            return ()
        if not _is_familiar(one, code):
            unlikely = unlikely & understood.against
        guest = MIXED_WITH.get(code)
        if guest == "ar" and any(is_darija(token.word) for token in one.words):
            unlikely = unlikely & (self._odds(one, guest, self._understood(one, guest)) < self._keep_min)
        return set(np.flatnonzero(unlikely).tolist())

    def _stands(self, category: str, code: str, doubted: Collection[int]) -> bool:
        if self._numbers.get(category) not in doubted:
            return True
        # Patterns of both languages are looked for in a call that mixes them.
        return not self._touched.isdisjoint({(category, code), (category, MIXED_WITH.get(code, code))})


def in_its_language(one: Heard) -> Heard:
    """A French utterance of an Arabic call is understood as French."""
    return one._replace(language="fr") if language_code(one.language) == "ar" and _is_french(one) else one


def _is_french(one: Heard) -> bool:
    """Whether an utterance of an Arabic call is French from beginning to end."""
    french = _ordinary(one, "fr")
    if french < FRENCH_SHARE * len(one.words) or french <= _ordinary(one, "ar"):
        return False
    return not any(is_darija(token.word) for token in one.words)


def _is_familiar(one: Heard, code: str) -> bool:
    """Whether enough of the words are ordinary ones of the language."""
    return _ordinary(one, code) >= FAMILIAR_SHARE * len(one.words)


def _ordinary(one: Heard, code: str) -> int:
    known = _ordinary_words(code)
    return sum(token.word in known for token in one.words)


@lru_cache(maxsize=8)
def _ordinary_words(code: str) -> frozenset[str]:
    return frozenset(vocabulary(code))


def _has_enough(one: Heard) -> bool:
    """Whether there are words enough to tell what no pattern matches; figures are not."""
    return len({token.word for token in one.words if not token.word.isdecimal()}) >= WORDS_MIN


def _run(shares: Sequence[float]) -> tuple[int, int] | None:
    """The neighbouring words (first, end) that together speak most for a category; None where none does."""
    best, total, first = 0.0, 0.0, 0
    found: tuple[int, int] | None = None
    for at, share in enumerate(shares):
        if total <= 0:
            total, first = 0.0, at
        total += share
        if total > best:
            best, found = total, (first, at + 1)
    return found


def phrase_of(one: Heard, category: str, run: tuple[int, int] | None) -> Phrase:
    """The phrase on those words (first, end), or on all of them."""
    first, end = run or (0, len(one.words))
    start_at, end_at = one.words[first].start, one.words[end - 1].end
    return Phrase(category=category, text=one.text[start_at:end_at], start=start_at, end=end_at)


def _parties(entries: Iterable[Entry]) -> dict[str, dict[str, set[str]]]:
    """Who may say a category of the bundled catalogue, by language and category."""
    found: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for entry in entries:
        who = {"customer", "agent"} if entry.party == "both" else {entry.party}
        found[entry.language].setdefault(entry.category, set()).update(who)
    return found
