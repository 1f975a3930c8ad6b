"""What lets somebody in, said in words: passwords, answers to security questions, what is typed, drawn or spelled.

`passwords` knows the plain announcement ("my password is bluebird"). Here is the rest: what was chosen, what is typed when
the machine asks, what comes before it is said what it was, letters spelled one by one, and what is put right. Where the
words around say little, a value shows by its form ("lisbon 74") or by a word that ordinary calls do not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from streams.language.modes import Secret
from streams.language.spelled_out import GROUPS_MIN, spelled_out
from streams.language.text import language_code
from streams.language.values import VALUE_WORDS_MAX, Values

THING_REACH_MAX, VERB_REACH_MAX, BEHIND_WORDS_MAX = 10, 10, 8
ANSWER_WORDS_MAX = 24
TELLING = ("words", "letting", "topics", "asking", "knowing", "named", "stated")
"""Without one of these, where no thing is named, nothing is a value."""
_MIXED = re.compile(r"[^\W\d_]\d")
"""A letter before a figure, in one word."""
_OWN, _OF = frozenset(["mon", "ma", "mes", "notre", "my", "our", "mi", "meu", "minha"]), ("de", "of", "do", "da")
_OBJECTS = frozenset(["it", "ca", "me", "se"])
FOLLOWED_REACH_MAX = 3
RARE_DIGITS_MAX = 6
"""A longer number is a secret of its own, and the words are about it."""
_PARTICIPLES = {
    "fr": ("é", "ée", "és", "ées", "ez"), "en": ("ed", "ing"), "es": ("ado", "ada", "ido", "ida", "ando", "iendo"),
    "pt": ("ado", "ada", "ido", "ida", "ando", "endo"), "ar": ("ه", "ة", "ed", "ez"),
}  # fmt: skip


class Credentials(Values):
    """The values of one text."""

    def find(self) -> list[Secret]:
        if "[" in self.around.text and any(token.word[0] == "[" for token in self.around.words):
            return []  # looked through before
        concerns = self.known.concerns(self.around.line.tokens)
        mixed = _MIXED.search(self.around.text) is not None
        if not concerns and not mixed:
            return []
        if not concerns and not any(self.is_mixed(at) for at in range(self.count)):
            return list(spelled_out(self, sure=False)) if self._may_be_code() else []
        named = any(self.spans(name) for name in ("things", "frees", "spelled"))
        if not named and not mixed and not any(self.spans(name) for name in TELLING):
            return []
        found = spelled_out(self, sure=named) if named or self._may_be_code() else []
        found = [*found, *self._told(), *self._entered(), *self._behind(), *self._owned(), *self._corrected()]
        return found or self.rare()

    def _may_be_code(self) -> bool:
        """Whether some words are of letters and figures: "8C1F 77AD 02EB"."""
        if not self.around.runs:
            return False
        return sum(not token.word.isalpha() and not token.word.isdecimal() for token in self.around.words) >= GROUPS_MIN

    def rare(self, asked: bool = False) -> list[Secret]:
        """What ordinary calls do not say, where a thing is named, or was asked for, and nothing else was found."""
        if not asked and not any(self.spans(name) for name in ("things", "frees")):
            return []
        if any(run.digits_max > RARE_DIGITS_MAX for run in self.around.runs):
            return []
        for at in range(self.count):
            before = self.around.word(at - 1)
            small = asked and before in self.known.small
            joined = (
                before
                and not small
                and before not in _OBJECTS
                and (self._is_joining(before) or before in self.known.persons - _OBJECTS)
            )
            if not self.is_strange(at) or joined or self._is_participle(at) or self._is_topic(at):
                continue
            last = self.end(at)
            after = [run.last for run in self.around.runs if 0 < run.first - last <= VERB_REACH_MAX] if asked else []
            if self.may_be(at, last):
                return [Secret("password", at - small, max([last, *after]))]
        return []

    def mended(self, found: list[Secret]) -> list[Secret]:
        """What is told again, after "no sorry": "red kettle no wait red kennel"."""
        if not found:
            return []
        ends = {secret.last + 1 for secret in found}
        mends = self.spans("mends").items()
        return [
            *self._followed(ends),
            *(secret for start, end in mends if start in ends and (secret := self.value(end, whole=True))),
        ]

    def _followed(self, ends: set[int]) -> Iterator[Secret]:
        """The number that a value ends in: "azerty followed by my year 92"."""
        for start, end in self.spans("followed").items():
            run = next((run for run in self.around.runs if 0 <= run.first - end <= FOLLOWED_REACH_MAX), None)
            if start in ends and run is not None:
                yield Secret("password", run.first, run.last)

    def answer(self) -> tuple[int, int, bool]:
        """First and last word of an answer, and whether words that only lead to one came before it."""
        spelled = next(iter(spelled_out(self, sure=True)), None)
        if spelled is not None and spelled.first <= 3:
            return spelled.first, spelled.last, True
        at = self.begin(0)
        topics = self.spans("topics")
        while at < self.count:
            after = max((topics.get(place, 0) for place in range(at, min(at + 3, self.count))), default=0)
            if not after or self._is_told_before(at):
                break
            after = self.spans("is").get(after, after)
            at = self.begin(after)
        told = [end for end in topics.values() if end > at and end in self.spans("is")]
        if told:
            at = self.begin(self.spans("is")[told[0]])  # "my grandmother's name was rose"
        return at, self.end(at) if at < self.count else at, at > 0

    def _is_told_before(self, at: int) -> bool:
        """Whether a word that ordinary calls do not have stands before what it is: "gertrude my grandmother's name"."""
        return self.is_strange(at) and not self._is_topic(at)

    def is_explained(self, first: int, last: int) -> bool:
        """Whether a word or two come before it is said whose they are: "rex it was my first dog"."""
        return last - first < 3 and last + 1 in self.spans("is")

    def _told(self) -> Iterator[Secret]:
        """After what has a value: "the answer to my question would be biscuit", "mot de passe attendez dauphin"."""
        for name in ("frees", "things"):
            for start, end in self.spans(name).items():
                if any(self.around.word(at) in self.known.negated for at in range(start - 3, start)):
                    continue
                for beside in (start - 1, end):
                    if 0 <= beside < self.count and self.is_mixed(beside):
                        yield Secret("password", beside, beside)  # "doudou77 mot de passe de la box"
                at = self._copula(end)
                if at is not None and self.is_number(at + (self.around.word(at) in self.known.small)):
                    continue  # a number: not for here
                secret = self.value(at, name == "frees") if at is not None else None
                secret = secret or (self._sentence(at) if at is not None and name == "frees" else None)
                if secret is not None and self.is_state(secret.first, secret.last):
                    continue
                if secret is None:
                    secret = self._directly(start, end) or self._further(end)
                    secret = None if secret is not None and at is not None and secret.last >= at else secret
                if secret and not self._is_whose(secret.first):
                    yield secret
        for end in self.spans("words").values():
            if self.is_strange(end) and (secret := self.value(end)):
                yield secret

    def _is_whose(self, at: int) -> bool:
        """Whether this tells whose name it is, and not the name: "c'est le nom de | ma nourrice"."""
        return self.around.word(at) in _OWN and self.around.word(at - 1) in _OF and at > 1

    def _sentence(self, at: int) -> Secret | None:
        """A secret sentence about somebody: "la phrase secrète c'est il pleut sur nantes"."""
        last = self.end(at)
        said = [self.around.word(place) for place in range(at, last + 1)]
        told = len(said) > 2 and said[0] in self.known.persons and self.around.known.talk.isdisjoint(said)
        return Secret("password", at, last) if told and self.is_rare(at, last) else None

    def _copula(self, end: int) -> int | None:
        """The word after the "is" that follows a thing, or after a correction in its place."""
        copulas, mends = self.spans("is"), self.spans("mends")
        for at in range(end, min(end + THING_REACH_MAX, self.count)):
            if at in copulas and not self.is_and(at):
                return copulas[at]
            if at in mends:
                return mends[at]
            if self.around.word(at) in self.known.breaks:
                break
        return None

    def is_state(self, first: int, last: int) -> bool:
        """Whether this says how something is ("saved on the laptop"), in words of ordinary calls."""
        if self.is_rare(first, last) or self.has_form(first, last) or self.is_number(first):
            return False
        return self._is_participle(first) and (last > first or last + 1 < self.count)

    def _is_participle(self, at: int) -> bool:
        ends = _PARTICIPLES.get(language_code(self.around.language), ())
        token = self.around.words[at]
        return len(token.word) > 4 and self.around.text[token.start : token.end].lower().endswith(ends)

    def is_and(self, at: int) -> bool:
        """Whether a Portuguese "e" is "and", not "é": always so where accents are written."""
        token = self.around.words[at]
        if token.word != "e" or self.around.text[token.start : token.end] != "e":
            return False
        if not self.around.text.isascii() and language_code(self.around.language) == "pt":
            return True
        after = self.around.word(at + 1)
        return after in self.known.small or after in self.known.never

    def _directly(self, start: int, end: int) -> Secret | None:
        secret = self.value(end)
        if secret is None:
            return None
        idle = [self.around.word(at) for at in range(end, secret.first)]
        led = any(word in self.around.numbers.repairs or word in self.around.numbers.hesitations for word in idle)
        noted = any(self.around.word(at) in self.known.noting for at in range(start - 5, start))
        short = secret.last - secret.first < VALUE_WORDS_MAX
        strange = [at for at in (secret.first, secret.first + 1) if at <= secret.last and self.is_strange(at)]
        shown = self.has_form(secret.first, secret.last) or any(not self._is_participle(at) for at in strange)
        return secret if shown or (short and (led or noted or len(idle) > 2)) else None

    def _further(self, end: int) -> Secret | None:
        """A strange word that comes after what the thing belongs to: "dad's e-mail password jimmy 1938"."""
        for at in range(end + 1, min(end + THING_REACH_MAX, self.count)):
            word, before = self.around.word(at), self.around.word(at - 1)
            if word in self.known.breaks or word in self.known.persons:
                return None
            if self.is_strange(at) and not self._is_joining(before) and not self._is_topic(at):
                if self._is_participle(at):
                    continue
                last = self.end(at)
                ended = last + 1 == self.count or last + 1 in self.stops
                first = at - 1 if at - 2 >= end and not self._is_joining(self.around.word(at - 2)) else at
                return Secret("password", first, last) if ended and self.may_be(at, last) else None
        return None

    def _is_joining(self, word: str) -> bool:
        return word in self.known.small or word in self.known.of_my or word in self.known.never

    def _is_topic(self, at: int) -> bool:
        spans = [span for name in ("topics", "owner", "things", "frees") for span in self.spans(name).items()]
        return any(start <= at < end for start, end in spans)

    def _entered(self) -> Iterator[Secret]:
        """What is chosen or typed, where something says that it lets in."""
        choosing, being = self.spans("choosing"), self.spans("being")
        for start, end in [*choosing.items(), *self.spans("entering").items(), *being.items()]:
            if any(self.around.word(at) in self.known.negated for at in range(start - 2, start)):
                continue
            first = self.begin(end)
            if first >= self.count:
                continue
            last = self.end(first)
            opened = any(a.kind == "open" for a in self.around.announced)
            mixed = max((at for at in range(first, min(last + 1, first + 4)) if self.is_mixed(at)), default=None)
            if mixed is not None and not opened and self.may_be(first, mixed, whole=True):
                yield Secret("password", first, mixed)
                continue
            shown = self.has_form(first, last) or self.is_rare(first, last) or last + 1 in self.spans("mends")
            sure = self._is_sure(start, first, last, start in choosing, start in being)
            sure = sure or ((shown or last > first + 1) and start not in being and self._is_asked(start))
            if start in being and self._is_participle(first):
                continue
            if (sure or (shown and self._lets_in(first, last, start if start in being else -1))) and self.may_be(
                first, last, sure
            ):
                yield Secret("password", first, last)

    def _is_sure(self, start: int, first: int, last: int, chosen: bool, mere: bool) -> bool:
        if mere:
            return False
        if first > start and last - first < 4 and self._is_refused(last):
            return True
        if last + 1 in self.spans("named") or any(at > last for at in self.spans("knowing")):
            return True
        ends = [end for name in ("things", "frees") for end in self.spans(name).values()]
        near = [end for end in ends if 0 <= start - end <= VERB_REACH_MAX]
        return chosen and any(
            not any(self.around.word(at) in self.known.breaks for at in range(end, start)) for end in near
        )

    def _is_asked(self, start: int) -> bool:
        asking = self.spans("asking").items()
        return any(0 <= start - end <= VERB_REACH_MAX or at == start for at, end in asking)

    def _is_refused(self, last: int) -> bool:
        """Whether what follows says that it was a wrong password."""
        return any(at > last for at in self.spans("things")) and any(at > last for at in self.spans("letting"))

    def _lets_in(self, first: int, last: int, start: int = -1) -> bool:
        """Whether the words around these tell of a way in; `start`: where the "is" stands, before it a name is no password."""
        names = ("things", "frees", "letting", "topics")
        joined = self.around.word(last) in self.around.numbers.joiners or last + 1 in self.spans("ends")
        spans = [span for name in names for span in self.spans(name).items()]
        # "my login is dupont and my password": that is no password.
        things = {**self.spans("things"), **self.spans("frees")}
        spans = [span for span in spans if not (joined and span[0] in things and self._follows_and(last, span[0]))]
        spans = [span for span in spans if span[1] != start or span[0] in things]
        return any(end <= first or start > last for start, end in spans) and not any(
            start <= last and end > first for start, end in spans
        )

    def _follows_and(self, last: int, start: int) -> bool:
        and_words = {"and", "et", "y", "e", "o", "w", "و"}
        return last < start <= last + 3 and any(self.around.word(at) in and_words for at in range(last, start))

    def _behind(self) -> Iterator[Secret]:
        """What comes before it is said what it is: "peony that's what i put", "with azerty26 as the password"."""
        bounds = self._bounds()
        for name in ("stated", "opening", "named"):
            for start in self.spans(name):
                last = start - 1
                if self.around.word(last) in self.known.never:
                    continue
                while last > 0 and self.around.word(last) in self.around.numbers.hesitations:
                    last -= 1
                first = self.begin(max((bound for bound in bounds if bound <= last), default=0))
                talk = [at for at in range(first, last) if self._is_talk(at)]
                first = talk[-1] + 1 if talk else first
                if first > last or last - first >= BEHIND_WORDS_MAX:
                    continue
                beside = self.around.word(first - 1) in self.known.beside
                if name == "opening" and not (beside and self._lets_in(first, last)):
                    continue
                shown = self.has_form(first, last) or self.is_rare(first, last)
                if name == "named" and not shown:
                    continue
                said = {self.around.word(at) for at in range(first, last + 1)}
                whole = name != "named" and last > first + 1
                if self.around.word(first - 1) in self.known.persons:
                    continue  # "que je retrouve voila le mot de passe"
                if said.isdisjoint(self.known.persons) and self.may_be(first, last, whole):
                    yield Secret("password", first, last)

    def _is_talk(self, at: int) -> bool:
        word = self.around.word(at)
        talk = word in self.around.known.talk or (word in self.known.never and word not in self.known.of_my)
        return (talk or word in self.known.persons) and not self.is_letter(at) and word not in self.known.small

    def _corrected(self) -> Iterator[Secret]:
        """What is put right where a thing is named after it: "blood moon no hang on harvest moon the password"."""
        for start, end in self.spans("mends").items():
            first = self.begin(max((bound for bound in self._bounds() if bound < start), default=0))
            again = self.value(end)
            if again is None or not 0 < start - first <= VALUE_WORDS_MAX or not self._lets_in(first, again.last):
                continue
            if self.may_be(first, start - 1) and (self.is_rare(first, start - 1) or self.is_rare(*again[1:])):
                yield Secret("password", first, start - 1)
                yield again

    def _bounds(self) -> list[int]:
        """Where what comes before a value ends."""
        names = ("leads", "entering", "choosing", "being", "is", "ends")
        return [0, *(end for name in names for end in self.spans(name).values())]

    def _owned(self) -> Iterator[Secret]:
        """The name of somebody, and a number with it: "my cat's name liquorice followed by my house number 47"."""
        for end in self.spans("owner").values():
            secret = self.value(end)
            if secret is None or not self._lets_in(secret.first, secret.last):
                continue
            after = [run.last for run in self.around.runs if 0 < run.first - secret.last <= VERB_REACH_MAX]
            yield Secret("password", secret.first, max([secret.last, *after]))
