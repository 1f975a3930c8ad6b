"""Redaction of one party's utterances, in order, before anything of them is published.

Callers pause inside a card number, and each pause ends an utterance. So an utterance that ends in a number waits, up to
5 s of media time, for the next: the number is then seen whole. Waiting records are kept as they came; a snapshot of a
`Redactor` therefore holds unredacted words and belongs where calls.speech belongs.
"""

from __future__ import annotations

from typing import Any

from audio.state import Stateful
from streams.language.numbers import NumberRun, number_runs, number_words
from streams.language.secrets import RedactionSettings, Secret, find_secrets
from streams.language.text import Token, tidy, tokens

Record = dict[str, Any]


def redact_text(
    text: str, language: str | None, settings: RedactionSettings | None = None, expected: str | None = None
) -> tuple[str, list[Record]]:
    """`text` with marks such as [card] in place of secrets, and `{kind, start, end}` of each mark in the new text."""
    text = tidy(text)
    words = tokens(text)
    secrets, _ = find_secrets(text, words, language, settings or RedactionSettings(), expected)
    return _marked(text, words, secrets)


def _marked(text: str, words: list[Token], secrets: list[Secret]) -> tuple[str, list[Record]]:
    parts: list[str] = []
    marks: list[Record] = []
    length = copied = 0
    for secret in secrets:
        before = text[copied : words[secret.first].start]
        mark = f"[{secret.kind}]"
        parts += [before, mark]
        length += len(before)
        marks.append({"kind": secret.kind, "start": length, "end": length + len(mark)})
        length += len(mark)
        copied = words[secret.last].end
    parts.append(text[copied:])
    return "".join(parts), marks


class Redactor(Stateful):
    """One party of one call. What goes in through `push` comes out, in order, redacted, from `push` or `flush`."""

    STATE = ("_held", "_expected", "_expected_until_ms", "_published_digits", "_published_until_ms")

    def __init__(self, settings: RedactionSettings | None = None, language: str | None = None) -> None:
        self.settings = settings or RedactionSettings()
        self.language = language
        self._held: list[Record] = []
        self._expected: str | None = None
        self._expected_until_ms = 0
        self._published_digits = 0
        self._published_until_ms = 0

    @property
    def holding(self) -> bool:
        return bool(self._held)

    def push(self, utterance: Record) -> list[Record]:
        """The records that may be published now that `utterance` has come (often itself; none while a number is held).

        A record needs `start_ms`, `end_ms`, `text`; `language` and `words` (`{word, start_ms, end_ms, …}`) are used
        when they are there. Redacted records gain `redactions`: `{kind, start, end, word_from, word_to, from_ms, to_ms}`,
        characters and words (`word_to` exclusive) of the redacted record, and the stretch of audio to mute (the whole
        utterance when word times are unknown). `sentiment` and `phrases` of the words as they were are taken away.
        """
        released = self.flush(int(utterance["start_ms"]))
        record = {key: value for key, value in utterance.items() if key not in ("sentiment", "phrases", "redactions")}
        record["text"] = tidy(str(record.get("text") or ""))
        words = tokens(record["text"])
        if self._held and words and not self._begins_with_number(words, record):
            released += self._release(len(self._held))
        self._held.append(record)
        return released + self._release(self._ready())

    def flush(self, now_ms: int | None) -> list[Record]:
        """What has waited long enough at `now_ms`; everything when it is None (the call has ended)."""
        if self._held and (now_ms is None or now_ms - int(self._held[-1]["end_ms"]) >= self.settings.hold_ms):
            return self._release(len(self._held))
        return []

    def overheard(self, utterance: Record) -> None:
        """What the other party said: after "the card number please" a short number is a secret too."""
        text = tidy(str(utterance.get("text") or ""))
        _, kind = find_secrets(text, tokens(text), self._language(utterance), self.settings)
        if kind and kind != "password":
            self._expect(kind, int(utterance["end_ms"]))

    def _expect(self, kind: str, at_ms: int) -> None:
        self._expected, self._expected_until_ms = kind, at_ms + self.settings.expected_ms

    def _language(self, record: Record) -> str | None:
        return record.get("language") or self.language

    def _begins_with_number(self, words: list[Token], record: Record) -> bool:
        runs = number_runs(words, self._language(record))
        fillers = number_words(self._language(record)).fillers
        return bool(runs) and all(token.word in fillers for token in words[: runs[0].first])

    def _ready(self) -> int:
        """How many of the held records, from the oldest on, have nothing more to wait for."""
        if len(self._held) > self.settings.held_utterances_max:
            return len(self._held)
        _, words, owners = self._joined(len(self._held))
        language = self._language(self._held[-1])
        runs = number_runs(words, language)
        if not words or not runs or owners[-1] != owners[runs[-1].last]:
            return len(self._held)
        known = number_words(language)
        last: NumberRun = runs[-1]
        if any(token.word not in known.fillers for token in words[last.last + 1 :]):
            return len(self._held)
        lone = last.first == last.last and words[last.last].word in known.articles
        return len(self._held) if lone and last.first > 0 else owners[last.first]

    def _joined(self, count: int) -> tuple[str, list[Token], list[int]]:
        """The first `count` held texts as one, its words, and which record each word is of."""
        text = ""
        words: list[Token] = []
        owners: list[int] = []
        for index, record in enumerate(self._held[:count]):
            found = tokens(record["text"])
            words += [Token(token.word, token.start + len(text), token.end + len(text)) for token in found]
            owners += [index] * len(found)
            text += record["text"] + " "
        return text, words, owners

    def _release(self, count: int) -> list[Record]:
        """The oldest `count` records, redacted in sight of everything that is held."""
        if count == 0:
            return []
        text, words, owners = self._joined(len(self._held))
        start_ms = int(self._held[0]["start_ms"])
        expected = self._expected if start_ms <= self._expected_until_ms else None
        before = self._published_digits if start_ms <= self._published_until_ms else 0
        language = self._language(self._held[-1])
        secrets, following = find_secrets(text, words, language, self.settings, expected, before)
        released = []
        for index, record in enumerate(self._held[:count]):
            own = [position for position, owner in enumerate(owners) if owner == index]
            if own:
                first, last = own[0], own[-1]
                mine = [
                    Secret(kind, max(start, first) - first, min(end, last) - first)
                    for kind, start, end in secrets
                    if start <= last and end >= first
                ]
            else:
                mine = []
            released.append(self._redacted(record, mine))
            if following and own and index == count - 1:
                self._expect(following, int(record["end_ms"]))
        self._remember(words, owners, count, language)
        del self._held[:count]
        return released

    def _remember(self, words: list[Token], owners: list[int], count: int, language: str | None) -> None:
        """Count the digits that the last released words end in: a number may go on after the hold."""
        gone = [token for token, owner in zip(words, owners, strict=True) if owner < count]
        runs = number_runs(gone, language)
        trailing = runs and runs[-1].last >= len(gone) - 2
        self._published_digits = runs[-1].digits_max if trailing else 0
        self._published_until_ms = int(self._held[count - 1]["end_ms"]) + self.settings.continued_ms

    def _redacted(self, record: Record, secrets: list[Secret]) -> Record:
        found = tokens(record["text"])
        text, marks = _marked(record["text"], found, secrets)
        words, places = _redacted_words(record, found, secrets, self._language(record), self.settings)
        start_ms, end_ms = int(record["start_ms"]), int(record["end_ms"])
        for mark, place in zip(marks, places, strict=True):
            from_ms, to_ms = start_ms, end_ms
            if place is not None:
                mark["word_from"], mark["word_to"] = place
                first, last = record["words"][place[0]], record["words"][place[1] - 1]
                if first.get("start_ms") is not None and last.get("end_ms") is not None:
                    from_ms = max(start_ms, int(first["start_ms"]) - self.settings.mute_margin_ms)
                    to_ms = min(end_ms, int(last["end_ms"]) + self.settings.mute_margin_ms)
            mark["from_ms"], mark["to_ms"] = from_ms, max(from_ms, to_ms)
        return {**record, "text": text, "words": words, "redactions": marks}


def _redacted_words(
    record: Record, found: list[Token], secrets: list[Secret], language: str | None, settings: RedactionSettings
) -> tuple[list[Record], list[tuple[int, int] | None]]:
    """The record's words with secrets marked, and which words each secret covers (None: words and text disagree)."""
    words = [dict(word) for word in record.get("words") or ()]
    text, owners = "", []
    heard: list[Token] = []
    for index, word in enumerate(words):
        spoken = tokens(tidy(str(word.get("word", ""))))
        heard += [Token(token.word, token.start + len(text), token.end + len(text)) for token in spoken]
        owners += [index] * len(spoken)
        text += tidy(str(word.get("word", ""))) + " "
    places: list[tuple[int, int] | None] = [None] * len(secrets)
    if [token.word for token in heard] == [token.word for token in found]:
        marked = [(secret.kind, owners[secret.first], owners[secret.last] + 1) for secret in secrets]
        places = [(first, end) for _, first, end in marked]
    else:
        own, _ = find_secrets(text, heard, language, settings)
        marked = [(secret.kind, owners[secret.first], owners[secret.last] + 1) for secret in own]
        hidden = {token.word for secret in secrets for token in found[secret.first : secret.last + 1]}
        marked += [("number", at, at + 1) for at, token in zip(owners, heard, strict=True) if token.word in hidden]
    for kind, first, end in marked:
        for word in words[first:end]:
            word["word"] = f"[{kind}]"
    return words, places
