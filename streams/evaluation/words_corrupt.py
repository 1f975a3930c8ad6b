"""A seeded imitation of recognition errors, at a given word error rate.

Each word is hit with the probability asked for, by what fits it, in this order of frequency: a word of the same sound or
almost (from `words_sounds.yaml`, then from the words of the suite in the same language that share its sound key or differ
from it by one sound), a dropped short word, an inserted short word, two words written as one, one written as two; where
no such thing exists, a vowel misheard. Labels of sentiment and phrases stay as they are.

**Secrets.** A recogniser that mishears a digit has destroyed the secret itself: there is nothing left to count. So inside
a labelled secret nothing is dropped and no digit is changed; it is hit, with the same probability a word, only in ways
after which a reader still reads it: number words written as their homophones ("for", "to", "sans", "set"), groups of
digits joined or parted, a hesitation put in between. Names in e-mail addresses and passwords stay. Words around the
secret, its announcement among them, are hit like all others. Every secret therefore counts in the recall, in its new
spelling.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from audio.errors import VigieError
from streams.evaluation.words_suite import Item, Secret
from streams.language.text import fold

NEAR, DROP, INSERT, MERGE, SPLIT = "near", "drop", "insert", "merge", "split"
OPERATIONS = {NEAR: 55, DROP: 15, INSERT: 12, MERGE: 10, SPLIT: 8}
"""How often each is tried, per cent: substitutions are most of a recogniser's errors, then deletions."""
SHORT = 3
SPLIT_MIN = 6
NUMERIC_KINDS = ("card", "iban", "phone", "national_id", "secret")


@lru_cache(maxsize=1)
def _sounds() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("words_sounds.yaml").read_text(encoding="utf-8"))
    return found


class Corruptor:
    """Recognition errors for one language, drawn from the words of `texts` and the language's table of sounds."""

    def __init__(self, language: str, texts: Sequence[str]) -> None:
        table = _sounds()[language]
        self.short: list[str] = table["short"]
        self.hesitations: list[str] = table["hesitations"]
        self.numbers: dict[str, str] = {str(key): str(value) for key, value in table["numbers"].items()}
        self._rules = [(re.compile(pattern), str(to)) for pattern, to in table["sound"]]
        self._same: dict[str, list[str]] = defaultdict(list)
        for group in table["homophones"]:
            words = [str(word) for word in group.split()]
            for word in words:
                self._same[word] += [other for other in words if other != word]
        self._by_sound: dict[str, list[str]] = defaultdict(list)
        for word in sorted({word for text in texts for word in text.split() if word.isalpha()}):
            self._by_sound[self.sound(word)].append(word)
        self._near: dict[str, list[str]] = {}

    def sound(self, word: str) -> str:
        key = fold(word)
        for pattern, to in self._rules:
            key = pattern.sub(to, key)
        return re.sub(r"(.)\1+", r"\1", key)

    def near(self, word: str) -> list[str]:
        """Words that sound like `word`, most alike first kind only; never the word itself."""
        if word not in self._near:
            key = self.sound(word)
            found = self._same.get(word) or [other for other in self._by_sound.get(key, ()) if other != word]
            if not found and len(key) > 1:
                found = [other for near in _one_off(key, self._by_sound) for other in self._by_sound[near]]
            self._near[word] = found
        return self._near[word]

    def words(self, words: list[str], rate: float, rng: random.Random) -> tuple[list[str], int]:
        """`words` that are no secret, with errors, and how many errors."""
        out: list[str] = []
        errors = at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if rng.random() >= rate:
                out.append(word)
                continue
            errors += 1
            operation = rng.choices(list(OPERATIONS), list(OPERATIONS.values()))[0]
            if operation == DROP and len(word) <= SHORT:
                continue
            if operation == INSERT:
                out += [rng.choice(self.short), word]
            elif operation == MERGE and at < len(words):
                out.append(word + words[at])
                at += 1
            elif operation == SPLIT and len(word) >= SPLIT_MIN:
                cut = rng.randrange(2, len(word) - 2)
                out += [word[:cut], word[cut:]]
            else:
                out.append(rng.choice(self.near(word) or [_vowel_misheard(word, rng)]))
        return out, errors

    def secret(self, words: list[str], kind: str, rate: float, rng: random.Random) -> tuple[list[str], int]:
        """The words of a secret (or of its part) with errors after which its digits can still be read."""
        if kind not in NUMERIC_KINDS:
            return words, 0
        spoken = any(word in self.numbers for word in words)
        out: list[str] = []
        errors = 0
        for at, word in enumerate(words):
            hit = rng.random() < rate
            both = bool(out) and out[-1].isdecimal() and word.isdecimal()
            if hit and word in self.numbers:
                out.append(self.numbers[word])
            elif hit and both:
                out[-1] += word
            elif hit and word.isdecimal() and len(word) > SHORT:
                out += [word[: len(word) // 2], word[len(word) // 2 :]]
            elif hit and at and (spoken or both):
                out += [rng.choice(self.hesitations), word]
            else:
                out.append(word)
                hit = False
            errors += hit
        return out, errors


def corrupt(items: Sequence[Item], rate: float, seed: int) -> tuple[list[Item], dict[str, float]]:
    """The items with recognition errors, and the share of words hit by language. The same seed gives the same errors."""
    if not 0 <= rate <= 1:
        raise VigieError("a rate of word errors is a share of the words", remedy="0 to 1", field="--word-errors")
    by_language: dict[str, list[str]] = defaultdict(list)
    for item in items:
        by_language[item.language].append(item.text)
    corruptors = {language: Corruptor(language, texts) for language, texts in by_language.items()}
    errors: dict[str, int] = defaultdict(int)
    out = []
    for item in items:
        changed, count = _corrupt_item(item, corruptors[item.language], rate, random.Random(f"{seed} {item.id}"))
        errors[item.language] += count
        out.append(changed)
    words = {language: sum(len(text.split()) for text in texts) for language, texts in by_language.items()}
    return out, {language: round(errors[language] / words[language], 4) for language in words}


def _corrupt_item(item: Item, corruptor: Corruptor, rate: float, rng: random.Random) -> tuple[Item, int]:
    """The stretches between secrets and the secrets one by one, put together again with their new places."""
    words: list[str] = []
    secrets: list[Secret] = []
    errors = at = 0
    for label in (*item.secrets, None):
        part, count = corruptor.words(item.text[at : label.start if label else None].split(), rate, rng)
        words, errors = words + part, errors + count
        if label is None:
            break
        at = label.end
        part, count = corruptor.secret(item.text[label.start : label.end].split(), label.kind, rate, rng)
        start = len(" ".join([*words, ""]))
        secrets.append(Secret(label.kind, start, start + len(" ".join(part))))
        words, errors = words + part, errors + count
    return replace(item, text=" ".join(words), secrets=tuple(secrets)), errors


def _one_off(key: str, known: dict[str, list[str]]) -> list[str]:
    """Sound keys of `known` that differ from `key` by one sound, put in, left out or changed."""
    shape = re.compile(
        "|".join(
            [f"{re.escape(key[:at])}.{re.escape(key[at + 1 :])}" for at in range(len(key))]
            + [re.escape(key[:at] + key[at + 1 :]) for at in range(len(key))]
            + [f"{re.escape(key[:at])}.{re.escape(key[at:])}" for at in range(len(key) + 1)]
        )
    )
    return [other for other in known if other and other != key and shape.fullmatch(other)]


def _vowel_misheard(word: str, rng: random.Random) -> str:
    vowels = "اوي" if re.search(r"[\u0600-\u06ff]", word) else "aeiou"
    places = [at for at, sign in enumerate(word) if sign in vowels]
    if not places:
        return word + rng.choice(vowels)
    at = rng.choice(places)
    return word[:at] + rng.choice([vowel for vowel in vowels if vowel != word[at]]) + word[at + 1 :]
