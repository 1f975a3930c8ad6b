"""IBANs among words, typed or spelled, right or with a digit lost."""

from __future__ import annotations

import re

from streams.language.around import LETTER_NAMES, SPELLED_MAX, Around, letter_of
from streams.language.identity import IBAN_COUNTRIES, is_iban
from streams.language.modes import Secret
from streams.language.numbers import number_groups

_IBAN_START = re.compile(r"[A-Z]$|[A-Z]{2}$|[A-Z]{2}\d$|[A-Z]{2}\d\d$|$")

_NO_WORDS = frozenset(("FR", "GB", "PT", "TN", "SN", "CM"))
"""Countries whose letters are no word in any of our languages, as "ma", "es" and "de" are."""


class Ibans:
    """Two letters, two digits and what follows, joined word by word until the check digits agree.

    Where they do not (a digit was lost, or heard otherwise), two letters before a number of 14 to 34 letters and digits
    are believed as well.
    """

    def __init__(self, around: Around) -> None:
        self.words, self.around = around.words, around
        self.atoms: list[str] = []
        self.ends: list[int] = []
        if not around.runs:
            return
        self._named = any(self._is_as(at) for at in range(len(self.words)))
        groups = {group.first: group for group in number_groups(around.words, around.numbers)}
        at = 0
        while at < len(self.words):
            part = groups.get(at)
            if part is not None and part.spoken:
                self.atoms.append(part.digits)
                at = part.last + 1
            else:
                self.atoms.append(self._atom(at, at + 1 in groups))
                at += 1
            self.ends.append(at - 1)

    def _atom(self, at: int, before_number: bool) -> str:
        """What a word that is no number adds to an account."""
        word, around = self.words[at].word, self.around
        if word in around.numbers.fillers and len(word) > 1 and word not in LETTER_NAMES:
            return ""
        if word in around.numbers.joiners and before_number and self._two_letters(at):
            return ""  # "p t e cinquenta"
        for named in (at, at - 1) if self._named else ():  # "f comme france"
            letter = around.word(around.beside(named - 1, -1))
            if self._is_as(named) and len(letter) == 1 and around.word(named + 1)[:1] == letter:
                return ""
        spelled = around.is_letters(around.beside(at - 1, -1)) or around.is_letters(around.beside(at + 1, 1))
        return letter_of(word) if spelled else word.upper()

    def _is_as(self, at: int) -> bool:
        return self.around.word(at) in self.around.known.credentials.as_in

    def _two_letters(self, at: int) -> bool:
        second = self.around.beside(at - 1, -1)
        return self.around.is_letters(second) and self.around.is_letters(self.around.beside(second - 1, -1))

    def find(self) -> list[Secret]:
        if not self.around.runs:
            return []
        found = []
        for index, atom in enumerate(self.atoms):
            if atom[:2].isalpha() and atom.isascii() and len(atom) <= 34:
                last = self._valid_end(index)
                if last is None and self._is_country(index):
                    last = self._likely_end(index)
                if last is not None:
                    found.append(Secret("iban", self.ends[index - 1] + 1 if index else 0, self.ends[last]))
        return found

    def _is_country(self, index: int) -> bool:
        """Whether "FR76", "f r" or an announced "fr" stands here, and not a word of two letters."""
        atom, following = self.atoms[index], next((atom for atom in self.atoms[index + 1 : index + 4] if atom), "")
        if len(atom) == 1:
            return len(following) == 1 and atom + following in IBAN_COUNTRIES
        if len(atom) > 2:
            return atom[:2] in IBAN_COUNTRIES and atom[2:3].isdigit()
        if atom in _NO_WORDS:
            return True
        return atom in IBAN_COUNTRIES and any(a.kind in ("iban", "account") for a in self.around.announced)

    def _valid_end(self, index: int) -> int | None:
        joined = ""
        for last in range(index, min(index + 40, len(self.atoms))):
            joined += self.atoms[last]
            if not _IBAN_START.match(joined[:4]) or len(joined) > 34:
                return None
            if is_iban(joined):
                return last
        return None

    def _likely_end(self, index: int) -> int | None:
        joined, end = "", None
        for last in range(index, min(index + 40, len(self.atoms))):
            atom = self.atoms[last]
            if not _IBAN_START.match((joined + atom)[:4]) or (atom.isalpha() and len(atom) > SPELLED_MAX):
                break
            joined += atom
            if any(sign.isdigit() for sign in atom):
                end = last
        told = any(a.kind in ("iban", "account") for a in self.around.announced)
        digits = sum(sign.isdigit() for sign in joined)
        return end if end is not None and 14 <= len(joined) <= 40 and digits >= (10 if told else 12) else None
