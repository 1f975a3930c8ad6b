"""What a suite of words says of the engine: sentiment, phrases, redaction and language of an utterance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams import language as engine
from streams.evaluation.words_suite import SENTIMENTS, Item, turns
from streams.language.sentiment import label_of
from streams.language.text import tidy

OFTEN_MIN = 4
"""Labels of a category below which it is not called the worst: one miss would make it so."""
PAUSE_MS = 800
"""Between two utterances of a turn in the suite: a caller who reads a number in groups."""
WORD_MS = 300
SAME_KIND = {"secret": {"secret", "code", "password", "cvv", "expiry", "account", "number"}}
"""Marks of the engine that mean a kind of the suite, where the names differ."""
Hidden = tuple[int, int, str]
"""Characters `start..end` of a text, and the mark that stands for them."""
_MARK = re.compile(r"\[[a-z_]+\]")


@dataclass(slots=True)
class Count:
    """True, false and missed findings."""

    hits: int = 0
    false: int = 0
    missed: int = 0

    def report(self) -> dict[str, Any]:
        found, wanted = self.hits + self.false, self.hits + self.missed
        precision = self.hits / found if found else None
        recall = self.hits / wanted if wanted else None
        return {"precision": _rounded(precision), "recall": _rounded(recall), "of": wanted, "found": found}

    @classmethod
    def together(cls, counts: Iterable[Count]) -> Count:
        every = cls()
        for count in counts:
            every.hits, every.false = every.hits + count.hits, every.false + count.false
            every.missed += count.missed
        return every


@dataclass(slots=True)
class Score:
    """Everything counted for one language; `failures` are sentences about items."""

    items: int = 0
    sentiments: Counter[tuple[str, str]] = field(default_factory=Counter)
    phrases: dict[str, Count] = field(default_factory=lambda: {name: Count() for name in engine.CATEGORIES})
    redaction: Count = field(default_factory=Count)
    kinds_missed: Counter[str] = field(default_factory=Counter)
    kinds_right: int = 0
    words_outside: int = 0
    words_lost: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        every = Count.together(self.phrases.values())
        by_category = {name: count.report() for name, count in self.phrases.items()}
        often = [name for name, count in self.phrases.items() if count.hits + count.missed >= OFTEN_MIN]
        worst = min(often or self.phrases, key=lambda name: f1(self.phrases[name]))
        return {
            "utterances": self.items,
            "sentiment_macro_f1": _rounded(macro_f1(self.sentiments)),
            "neutral_mistaken": _share(self._neutral(mistaken=True), self._neutral()),
            "phrases": {
                **every.report(),
                "false_in_100": round(100 * every.false / self.items, 2) if self.items else None,
                "worst": worst,
                "worst_f1": _rounded(f1(self.phrases[worst])),
            },
            "phrases_by_category": by_category,
            "redaction": {
                **self.redaction.report(),
                "kind_right": _share(self.kinds_right, self.redaction.hits),
                "missed_by_kind": dict(self.kinds_missed),
                "other_words_hidden": _share(self.words_lost, self.words_outside),
            },
            "language": {
                "accuracy": _share(self.languages["right"], self.languages.total()),
                "answered": _share(self.languages.total() - self.languages["unsure"], self.languages.total()),
            },
        }

    def _neutral(self, *, mistaken: bool = False) -> int:
        """Utterances labelled neutral, or those of them that were taken for another."""
        counts = ((found, count) for (is_, found), count in self.sentiments.items() if is_ == "neutral")
        return sum(count for found, count in counts if not mistaken or found != "neutral")


def f1(count: Count) -> float:
    """1 for a category that is neither there nor found."""
    size = 2 * count.hits + count.false + count.missed
    return 2 * count.hits / size if size else 1.0


def macro_f1(pairs: Counter[tuple[str, str]], labels: Sequence[str] = SENTIMENTS) -> float:
    """Mean over the labels of F1, from counts of (labelled, found)."""
    total = 0.0
    for label in labels:
        hits = pairs[label, label]
        found = sum(count for (_, said), count in pairs.items() if said == label)
        wanted = sum(count for (is_, _), count in pairs.items() if is_ == label)
        total += 2 * hits / (found + wanted) if found + wanted else 0.0
    return total / len(labels)


def score_items(
    items: Sequence[Item], *, words: bool = True, secrets: bool = True, reader: engine.WordReader | None = None
) -> dict[str, Score]:
    """Scores by language, of the engine as it is, in its default redaction mode, told the language of the utterance; of the
    words (sentiment, phrases and language) and of the secrets, as far as they are labelled."""
    scores: dict[str, Score] = {}
    for chain in turns(items):
        score = scores.setdefault(chain[0].language, Score())
        score.items += len(chain)
        if secrets:
            for item, hidden in zip(chain, hidden_spans(chain), strict=True):
                _score_redaction(item, hidden, score)
        for item in chain:
            if words:
                _score_words(item, score, reader)
                _score_language(item, score)
    return scores


def _score_words(item: Item, score: Score, reader: engine.WordReader | None) -> None:
    said = engine.analyse(item.text, item.language, item.party, reader=reader)
    found = label_of(said.sentiment["score"])
    score.sentiments[item.sentiment, found] += 1
    if found != item.sentiment:
        score.failures.append(
            f"{item.id} sentiment {item.sentiment}, found {found} {said.sentiment['score']} "
            f"{said.sentiment['because']}: {item.text}"
        )
    categories = {phrase["category"] for phrase in said.phrases}
    for name, count in score.phrases.items():
        count.hits += name in categories & item.phrases
        count.false += name in categories - item.phrases
        count.missed += name in item.phrases - categories
    for name in sorted(categories ^ item.phrases):
        score.failures.append(f"{item.id} phrase {'false' if name in categories else 'missed'} {name}: {item.text}")


def _score_language(item: Item, score: Score) -> None:
    found, _ = engine.identify(item.text)
    score.languages["unsure" if found is None else "right" if found == item.language else "wrong"] += 1
    if found not in (None, item.language):
        score.failures.append(f"{item.id} language {item.language}, found {found}: {item.text}")


def _score_redaction(item: Item, hidden: Sequence[Hidden], score: Score) -> None:
    gone = {at for start, end, _ in hidden for at in range(start, end)}
    secret = {at for label in item.secrets for at in range(label.start, label.end)}
    for label in item.secrets:
        left = [at for at in range(label.start, label.end) if item.text[at].isalnum() and at not in gone]
        score.redaction.hits += not left
        score.redaction.missed += bool(left)
        marks = {kind for start, end, kind in hidden if start < label.end and label.start < end}
        score.kinds_right += not left and bool(marks & SAME_KIND.get(label.kind, {label.kind}))
        if left:
            score.kinds_missed[label.kind] += 1
            score.failures.append(f"{item.id} redaction missed {item.text[label.start : label.end]!r}: {item.text}")
    for start, end, _ in hidden:
        if not secret & set(range(start, end)):
            score.redaction.false += 1
            score.failures.append(f"{item.id} redaction false {item.text[start:end]!r}: {item.text}")
    for word in re.finditer(r"\S+", item.text):
        outside = not secret & set(range(*word.span()))
        score.words_outside += outside
        score.words_lost += outside and word.start() in gone


def hidden_spans(chain: Sequence[Item]) -> list[list[Hidden]]:
    """What redaction hides of each utterance of a turn: characters of its text, as the workers would publish it."""
    redactor = engine.Redactor(language=chain[0].language)
    published: list[dict[str, Any]] = []
    at_ms = 0
    for item in chain:
        if item.asked:
            asked_until_ms = at_ms + WORD_MS * len(item.asked.split())
            asked = {"text": item.asked, "language": item.language, "start_ms": at_ms, "end_ms": asked_until_ms}
            redactor.overheard(asked)
            at_ms = asked_until_ms + PAUSE_MS
        words = []
        for word in item.text.split():
            words.append({"word": word, "start_ms": at_ms, "end_ms": at_ms + WORD_MS})
            at_ms += WORD_MS
        record = {
            "id": item.id,
            "start_ms": at_ms - WORD_MS * len(words),
            "end_ms": at_ms,
            "text": item.text,
            "language": item.language,
            "party": item.party,
            "words": words,
        }
        at_ms += PAUSE_MS
        published += redactor.push(record)
    published += redactor.flush(None)
    texts = {record["id"]: record["text"] for record in published}
    return [spans_between(tidy(item.text), texts[item.id]) for item in chain]


def spans_between(text: str, redacted: str) -> list[Hidden]:
    """The characters of `text` that the marks of `redacted` stand for; none where the two do not agree."""
    if text == redacted:
        return []
    kept = _MARK.split(redacted)
    match = re.fullmatch("(.+?)".join(map(re.escape, kept)), text, re.DOTALL)
    kinds = [mark.strip("[]") for mark in _MARK.findall(redacted)]
    return [(*match.span(group), kinds[group - 1]) for group in range(1, len(kept))] if match else []


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
