"""Redaction of one party's utterances, in order, before anything of them is published.

Callers pause inside a card number, and each pause ends an utterance. So an utterance that ends in a number, or inside
an address, waits for the next: up to 5 s of media time by that party's own clock. What the other party says in between
("mm-hm", "go on") is no sign that ours is silent, for an utterance is known only when it is over: by the other's clock a
number that is being dictated waits 10 s more. Twelve utterances at most are held.

What comes later than that cannot be taken back from a topic. Its digits still count together with those that were
published, so the rest is hidden; and its record names, as `earlier`, the spans and the audio of what went before, so that
a clip that is not yet cut mutes them and a store that can still hide them does.

Waiting records are kept as they came; a snapshot of a `Redactor` therefore holds unredacted words and belongs where
calls.speech belongs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audio.state import Stateful
from streams.language.announcements import Announcements, announcements, codes_for
from streams.language.cards import begun_card, is_part_of_card, is_told_part
from streams.language.emails import unfinished
from streams.language.marking import redacted_words
from streams.language.marks import marked
from streams.language.modes import Mode, RedactionSettings, Secret
from streams.language.number_words import number_words
from streams.language.numbers import LEADING_WORDS_MAX, STRANGE_WORDS_MAX, NumberRun, number_runs
from streams.language.secrets import find_secrets
from streams.language.text import Line, Token, tidy, tokens

Record = dict[str, Any]
_UNREAD = ("sentiment", "phrases", "redactions")
"""What is read from the words as they are published."""
DICTATED_DIGITS_MIN = 3
READ_BACK_DIGITS_MIN = 4
HALF_DIGITS = range(4, 13)
"""So many may be part of a card; a strange word behind them ("4062 ktebti") may lead on."""
_CLOSING = frozenset(["please", "thanks", "thank", "merci", "obrigado", "obrigada", "gracias", "شكرا", "chokran"])
_HEARD_DIGITS_MAX = 40
CARD_STRANGE_MAX = 4
"""Words that mean something else, between the parts of a card that is being dictated ("je tourne la carte")."""


def redact_text(
    text: str, language: str | None, settings: RedactionSettings | None = None, expected: str | None = None
) -> tuple[str, list[Record]]:
    """`text` with marks such as [card] in place of secrets, and `{kind, start, end}` of each mark in the new text."""
    text = tidy(text)
    words = tokens(text)
    settings = (settings or RedactionSettings()).for_utterance(language)
    secrets, _ = find_secrets(text, words, language, settings, expected)
    return marked(text, words, secrets)


def apply_earlier(utterances: Iterable[Record]) -> list[Record]:
    """The utterances of a call with the spans that later ones name as `earlier` hidden as well.

    For stores that have not let go of a call yet; the last span of a text is hidden first, so that offsets hold.
    """
    out = [dict(utterance) for utterance in utterances]
    spans: dict[str, list[Record]] = {}
    for utterance in out:
        for span in utterance.get("earlier") or ():
            spans.setdefault(span["utterance_id"], []).append(span)
    for utterance in out:
        for span in sorted(spans.get(utterance.get("utterance_id", ""), ()), key=lambda s: -s["start"]):
            _hide(utterance, span)
    return out


def _hide(utterance: Record, span: Record) -> None:
    mark = f"[{span['kind']}]"
    start, end = span["start"], span["end"]
    text, shift = utterance["text"], len(mark) - (end - start)
    utterance["text"] = text[:start] + mark + text[end:]
    words = [dict(word) for word in utterance.get("words") or ()]
    for word in words[span["word_from"] : span["word_to"]] if "word_from" in span else ():
        word["word"] = mark
    utterance["words"] = words
    kept = [
        {**item, "start": item["start"] + shift, "end": item["end"] + shift} if item["start"] >= end else item
        for item in utterance.get("redactions") or ()
    ]
    own = {key: value for key, value in span.items() if key != "utterance_id"}
    kept.append({**own, "end": start + len(mark)})
    utterance["redactions"] = sorted(kept, key=lambda item: item["start"])
    for name in ("phrases",):
        utterance[name] = [
            {**p, "start": p["start"] + shift, "end": p["end"] + shift} if p.get("start", 0) >= end else p
            for p in utterance.get(name) or ()
            if not (p.get("start", 0) < end and start < p.get("end", 0))
        ]


class Redactor(Stateful):
    """One party of one call. What goes in through `push` comes out, in order, redacted, from `push` or `flush`."""

    STATE = (
        "_held",
        "_expected",
        "_expected_until_ms",
        "_published_digits",
        "_published_until_ms",
        "_published",
        "_other_digits",
        "_other_until_ms",
    )

    def __init__(self, settings: RedactionSettings | None = None, language: str | None = None) -> None:
        self.settings = settings or RedactionSettings()
        self.language = language
        self._held: list[Record] = []
        self._expected: str | None = None
        self._expected_until_ms = 0
        self._published_digits = 0
        self._published_until_ms = 0
        self._published: list[Record] = []
        """Spans of those published digits, as a later record may name them."""
        self._other_digits = ""
        self._other_until_ms = 0

    def guarded(self, at_ms: int) -> bool:
        """Whether a secret may be on its way: asked for, or begun."""
        return bool(self._held) or (self._expected is not None and at_ms <= self._expected_until_ms)

    @property
    def holding(self) -> bool:
        return bool(self._held)

    def push(self, utterance: Record) -> list[Record]:
        """The records that may be published now that `utterance` has come (often itself; none while a number is held).

        A record needs `start_ms`, `end_ms`, `text`; `language`, `text_language`, `confidence` and `words` (`{word, start_ms, end_ms, …}`)
        are used when they are there. Redacted records gain `redactions`: `{kind, start, end, word_from, word_to,
        from_ms, to_ms}`, characters and words (`word_to` exclusive) of the redacted record, and the stretch of audio to
        mute (the whole utterance when word times are unknown). `sentiment` and `phrases` of the words as they were are
        taken away.
        """
        record = {key: value for key, value in utterance.items() if key not in _UNREAD}
        record["text"] = tidy(str(record.get("text") or ""))
        if self.settings.mode is Mode.OFF:
            return [{**record, "words": [dict(word) for word in record.get("words") or ()], "redactions": []}]
        released = self.flush(int(utterance["start_ms"]))
        words = tokens(record["text"])
        if not self._held and words and self._is_plain(words, record):
            return [*released, self._untouched(record)]
        if self._held and words and not self._leads_on(words, record):
            released += self._release(len(self._held))
        self._held.append(record)
        return released + self._release(self._ready(words))

    def _is_plain(self, words: list[Token], record: Record) -> bool:
        """Whether nothing in these words can be a secret, or announce one: true of most utterances."""
        awaits = self._expected in ("password", "email") and int(record["start_ms"]) <= self._expected_until_ms
        if awaits or "@" in record["text"]:
            return False
        settings = self._settings(record)
        known = self._known(record, settings.strict)
        return not known.heat(words) and not (words[-1].word in known.dot and unfinished(words, known))

    def _untouched(self, record: Record) -> Record:
        self._published_digits, self._published = 0, []
        words, _ = redacted_words(record, None, [], self._language(record), self.settings)
        return {**record, "words": words, "redactions": []}

    def flush(self, now_ms: int | None, by_other: bool = False) -> list[Record]:
        """What has waited long enough at `now_ms`; everything when it is None (the call has ended).

        `by_other`: that is when the other party fell silent, and ours may be speaking.
        """
        if not self._held:
            return []
        wait_ms = self.settings.hold_ms
        if by_other and now_ms is not None and self._is_dictating():
            wait_ms += self.settings.talked_over_ms
        if now_ms is None or now_ms - int(self._held[-1]["end_ms"]) >= wait_ms:
            return self._release(len(self._held))
        return []

    def overheard(self, utterance: Record) -> None:
        """What the other party said: after "the card number please" a short number is a secret too, and so is one that
        is read back."""
        if self.settings.mode is Mode.OFF:
            return
        text = tidy(str(utterance.get("text") or ""))
        words, language = tokens(text), self._language(utterance)
        known = self._known(utterance)
        if not known.heat(words) and not known.credentials.asks(Line(words)):
            return
        end_ms = int(utterance["end_ms"])
        _, kind = find_secrets(text, words, language, self.settings)
        if known.asks_password(words):
            kind = "password"
        elif kind is None and known.asks_dictation(words):
            kind = "code"
        if kind:
            self._expect(kind, end_ms)
        runs = [run for run in number_runs(words, language) if run.digits_max >= DICTATED_DIGITS_MIN]
        if runs:
            fresh = self._other_digits if int(utterance["start_ms"]) <= self._other_until_ms else ""
            self._other_digits = (fresh + runs[-1].digits)[-_HEARD_DIGITS_MAX:]
            self._other_until_ms = end_ms + self.settings.continued_ms

    def _expect(self, kind: str, at_ms: int) -> None:
        self._expected, self._expected_until_ms = kind, at_ms + self.settings.expected_ms

    def _language(self, record: Record) -> str | None:
        """What was said to be spoken; where the words tell another language surely, that one."""
        return (record.get("text_language") or record).get("language") or self.language

    def _known(self, record: Record, strict: bool = False) -> Announcements:
        said = record.get("language") or self.language
        return announcements(codes_for(self._language(record), said, every=strict))

    def _settings(self, record: Record) -> RedactionSettings:
        return self.settings.for_utterance(self._language(record), record.get("confidence"))

    def _leads_on(self, words: list[Token], record: Record) -> bool:
        """Whether these words may go on with what is held: they begin with a number, or are no more than a breath."""
        language = self._language(record)
        known = number_words(language)
        runs = number_runs(words, language)
        lead = words[: runs[0].first] if runs else words
        strange = sum(token.word not in known.continues for token in lead)
        if strange == 0 or (lead and self._address_held()):
            return True
        if not self._is_dictating():
            return False
        if runs and strange <= CARD_STRANGE_MAX:
            _, held, _, breaks = self._joined(len(self._held))
            before = number_runs(held, language, breaks)
            if is_part_of_card(held, before, lead, self._known(self._held[-1]), known):
                return True
        return strange <= STRANGE_WORDS_MAX or (self._settings(record).strict and len(lead) <= 5)

    def _address_held(self) -> bool:
        last = self._held[-1]
        return unfinished(tokens(last["text"]), self._known(last)) or self._awaits_address()

    def _awaits_address(self) -> bool:
        return self._expected == "email" and int(self._held[0]["start_ms"]) <= self._expected_until_ms

    def _is_dictating(self) -> bool:
        """Whether what is held is more than some number at the end of a sentence."""
        start_ms = int(self._held[0]["start_ms"])
        if (self._expected and start_ms <= self._expected_until_ms) or len(self._held) > 1:
            return True
        runs = number_runs(tokens(self._held[-1]["text"]), self._language(self._held[-1]))
        return bool(runs) and runs[-1].digits_max >= DICTATED_DIGITS_MIN

    def _ready(self, newest: list[Token]) -> int:
        """How many of the held records, from the oldest on, have nothing more to wait for."""
        count = len(self._held)
        if count > self.settings.held_utterances_max:
            return count
        language = self._language(self._held[-1])
        known = self._known(self._held[-1])
        if count == 1 and newest and not known.heat(newest):
            return 0 if unfinished(newest, known) or (self._awaits_address() and len(newest) <= 6) else 1
        _, words, owners, breaks = self._joined(count)
        if words and (unfinished(words, known) or (self._awaits_address() and len(words) <= 6)):
            return owners[-1]
        runs = number_runs(words, language, breaks)
        if not words or not runs:
            return count
        last: NumberRun = runs[-1]
        numbers = number_words(language)
        after = words[last.last + 1 :]
        if after and after[0].word in numbers.units:
            return count  # "the code of three digits is"
        strange = [token.word for token in after if token.word not in numbers.continues]
        half = last.digits_max in HALF_DIGITS and len(after) <= 2 and _CLOSING.isdisjoint(strange)
        most = STRANGE_WORDS_MAX if half else 0
        asked = self._expected == "card" and int(self._held[0]["start_ms"]) <= self._expected_until_ms
        if len(strange) > most and is_told_part(words, last, after, known, numbers, asked):
            most = CARD_STRANGE_MAX if _CLOSING.isdisjoint(strange) else most
        if len(after) > LEADING_WORDS_MAX or len(strange) > most:
            return count
        lone = last.first == last.last and words[last.last].word in numbers.articles
        if lone and last.first > 0 and not self._expected:
            return count
        begun = begun_card(words, runs, numbers) if asked or not known.cards.isdisjoint(w.word for w in words) else None
        return owners[last.first] if begun is None else count if begun[1] else owners[runs[begun[0]].first]

    def _joined(self, count: int) -> tuple[str, list[Token], list[int], list[int]]:
        """The first `count` held texts as one, its words, which record each word is of, and where records begin."""
        text = ""
        words: list[Token] = []
        owners: list[int] = []
        breaks: list[int] = []
        for index, record in enumerate(self._held[:count]):
            found = tokens(record["text"])
            breaks += [len(words)] if index else []
            words += [Token(token.word, token.start + len(text), token.end + len(text)) for token in found]
            owners += [index] * len(found)
            text += record["text"] + " "
        return text, words, owners, breaks

    def _release(self, count: int) -> list[Record]:
        """The oldest `count` records, redacted in sight of everything that is held."""
        if count == 0:
            return []
        text, words, owners, breaks = self._joined(len(self._held))
        start_ms = int(self._held[0]["start_ms"])
        expected = self._expected if start_ms <= self._expected_until_ms else None
        before = self._published_digits if start_ms <= self._published_until_ms else 0
        language = self._language(self._held[-1])
        said = self._held[-1].get("language") or self.language
        strictest = [settings for record in self._held if (settings := self._settings(record)).strict]
        settings = strictest[0] if strictest else self.settings
        secrets, following = find_secrets(text, words, language, settings, expected, before, said, breaks)
        secrets = self._read_back(secrets, words, language, start_ms, breaks)
        released = []
        for index, record in enumerate(self._held[:count]):
            own = [position for position, owner in enumerate(owners) if owner == index]
            mine: list[Secret] = []
            if own:
                first, last = own[0], own[-1]
                mine = [
                    Secret(kind, max(start, first) - first, min(end, last) - first)
                    for kind, start, end in secrets
                    if start <= last and end >= first and not self._is_breath(kind, words[first : last + 1], record)
                ]
            out = self._redacted(record, mine, settings)
            if before and mine and mine[0].first <= 8 and index == 0 and self._published:
                out["earlier"] = [{**span, "kind": mine[0].kind} for span in self._published]
            released.append(out)
            if following and own and index == count - 1:
                self._expect(following, int(record["end_ms"]))
            elif expected == "password" and mine:
                self._expected = None  # told
        self._remember(words, owners, count, language, secrets, released)
        del self._held[:count]
        return released

    def _is_breath(self, kind: str, words: list[Token], record: Record) -> bool:
        """Whether an utterance inside a number says nothing of it: "yes"."""
        if kind in ("email", "password") or self._known(record).heat(words):
            return False
        numbers = number_words(self._language(record))
        return not any(numbers.begins(token.word) or numbers.sounds_like.get(token.word) for token in words)

    def _read_back(
        self, secrets: list[Secret], words: list[Token], language: str | None, start_ms: int, breaks: list[int]
    ) -> list[Secret]:
        """Also what repeats the digits the other party has just dictated."""
        if not self._other_digits or start_ms > self._other_until_ms:
            return secrets
        if len(self._other_digits) <= self.settings.digits_max:
            return secrets
        more = [
            Secret("number", run.first, run.last)
            for run in number_runs(words, language, breaks)
            if run.digits_max >= READ_BACK_DIGITS_MIN
            and run.digits in self._other_digits
            and not any(secret.first <= run.last and run.first <= secret.last for secret in secrets)
        ]
        return sorted([*secrets, *more], key=lambda secret: secret.first)

    def _remember(
        self,
        words: list[Token],
        owners: list[int],
        count: int,
        language: str | None,
        secrets: list[Secret],
        released: list[Record],
    ) -> None:
        """Count the digits that the last released words end in: a number may go on after the hold."""
        gone = [token for token, owner in zip(words, owners, strict=True) if owner < count]
        runs = number_runs(gone, language)
        trailing = bool(runs) and runs[-1].last >= len(gone) - 4
        self._published_digits = runs[-1].digits_max if trailing else 0
        self._published_until_ms = int(self._held[count - 1]["end_ms"]) + self.settings.continued_ms
        self._published = []
        if not trailing or any(s.first <= runs[-1].last and runs[-1].first <= s.last for s in secrets):
            return
        for index in range(owners[runs[-1].first], owners[runs[-1].last] + 1):
            own = [position for position, owner in enumerate(owners) if owner == index]
            if not own:
                continue  # silence between two parts of a number
            first, last = max(runs[-1].first, own[0]) - own[0], min(runs[-1].last, own[-1]) - own[0]
            self._published.append(self._span(self._held[index], released[index], first, last))

    def _span(self, record: Record, released: Record, first: int, last: int) -> Record:
        """Words `first..last` of a record, as they lie in what was released of it."""
        found = tokens(record["text"])
        probe = self._redacted(record, [Secret("number", first, last)], self.settings)["redactions"][0]
        shift = len(released["text"]) - len(record["text"])  # marks stand before the trailing digits
        times = {key: probe[key] for key in ("from_ms", "to_ms", "word_from", "word_to") if key in probe}
        start, end = found[first].start + shift, found[last].end + shift
        return {"utterance_id": record.get("utterance_id"), "start": start, "end": end, **times}

    def _redacted(self, record: Record, secrets: list[Secret], settings: RedactionSettings) -> Record:
        found = tokens(record["text"])
        text, marks = marked(record["text"], found, secrets)
        words, places = redacted_words(record, found, secrets, self._language(record), settings)
        start_ms, end_ms = int(record["start_ms"]), int(record["end_ms"])
        for mark, place in zip(marks, places, strict=True):
            from_ms, to_ms = start_ms, end_ms
            if place is not None:
                mark["word_from"], mark["word_to"] = place
                first, last = record["words"][place[0]], record["words"][place[1] - 1]
                if first.get("start_ms") is not None and last.get("end_ms") is not None:
                    from_ms = max(start_ms, int(first["start_ms"]) - settings.mute_margin_ms)
                    to_ms = min(end_ms, int(last["end_ms"]) + settings.mute_margin_ms)
            mark["from_ms"], mark["to_ms"] = from_ms, max(from_ms, to_ms)
        return {**record, "text": text, "words": words, "redactions": marks}
