"""Acknowledgements and hesitations: what a party says without taking the floor.

"Oui", "mm hmm", "d'accord", "نعم" go along with the other's turn; "euh", "ya3ni" hold a place. An utterance of nothing
else is no turn, no interruption and no feeling.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from streams.language.lexicon import MIXED_WITH
from streams.language.patterns import Line, compile_pattern
from streams.language.text import Token, language_code, read_yaml, tokens

BACKCHANNEL_WORDS_MAX = 4
"""A longer one is an answer: hesitations do not count."""


@lru_cache(maxsize=8)
def _alone(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    content = [read_yaml(f"lexicon/{code}.yaml") for code in (language, MIXED_WITH.get(language)) if code]
    sources = [
        "|".join(
            compile_pattern(entry).expression.pattern
            for entry in sorted({str(entry) for part in content for entry in part[name]}, key=len, reverse=True)
        )
        for name in ("backchannels", "hesitations")
    ]
    return re.compile(f"(?:{sources[0]}|{sources[1]})+"), re.compile(sources[1])


def is_backchannel(text: str, language: str | None, words: Sequence[Token] | None = None) -> bool:
    """Whether the utterance only acknowledges ("oui", "mm hmm", "d'accord"): it does not take the floor.

    Args:
        words: its `words_of`, where they are known.
    """
    code = language_code(language)
    if words is None or code == "en":  # contractions are parted there
        words = tokens(text)
    if not 0 < len(words) <= 2 * BACKCHANNEL_WORDS_MAX:
        return False
    either, hesitations = _alone(code)
    line = Line(words).joined()
    if either.fullmatch(line) is None:
        return False
    return len(words) <= BACKCHANNEL_WORDS_MAX or len(hesitations.sub("", line).split()) <= BACKCHANNEL_WORDS_MAX


def is_hesitation(text: str, language: str | None) -> bool:
    """Whether the utterance only hesitates ("euh", "well you know", "يعني")."""
    words = tokens(text)
    if not 0 < len(words) <= 2 * BACKCHANNEL_WORDS_MAX:
        return False
    return not _alone(language_code(language))[1].sub("", Line(words).joined()).strip()
