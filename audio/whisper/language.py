"""Which language a party speaks: pinned, or detected over their first utterances and then locked.

A model tells the languages' probabilities for each utterance. They are multiplied, weighted by how much was said, until
one language is sure enough or enough was heard; then it is locked. Where a locked language gives low confidence several
times in a row, detection begins anew: the caller was handed over, or the first guess was wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from audio.state import Stateful


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    share_min: float = 0.95
    """Locked when one language has this share of the probability …"""
    speech_s_min: float = 3.0
    """… over so much speech, or in any case after `utterances_max`."""
    utterances_max: int = 5
    weight_s: float = 2.0
    """An utterance of this length or more counts in full, a shorter one in proportion."""
    floor: float = 1e-3
    """No single utterance rules a language out."""
    doubt_confidence_max: float = 0.5
    doubts_max: int = 3
    """So many utterances in a row under that confidence, and detection begins anew."""


class LanguageTracker(Stateful):
    """One party of one call. `language` is None until it is locked."""

    STATE = ("language", "_scores", "_heard_s", "_utterances", "_doubts")

    def __init__(self, settings: LanguageSettings = LanguageSettings()) -> None:
        self.settings = settings
        self.language: str | None = None
        self._scores: dict[str, float] = {}
        self._heard_s = 0.0
        self._utterances = 0
        self._doubts = 0

    @property
    def prior(self) -> dict[str, float]:
        """Log scores of what was heard so far, for the detection of the next utterance."""
        return dict(self._scores)

    @property
    def ahead(self) -> int:
        """Of so many utterances, from the next one on, the language does not hang on what the others turn out to be."""
        return 1 if self.language is None else self.settings.doubts_max - self._doubts

    def heard(self, shares: Mapping[str, float], seconds: float, confidence: float | None) -> None:
        """What the model made of one utterance: shares by language (empty: none was detected), its text's confidence.

        `confidence` None: it had no words, and tells nothing of the language either.
        """
        s = self.settings
        if self.language is not None:
            doubtful = confidence is not None and confidence < s.doubt_confidence_max
            self._doubts = self._doubts + 1 if doubtful else (self._doubts if confidence is None else 0)
            if self._doubts >= s.doubts_max:
                self.language, self._scores, self._heard_s, self._utterances, self._doubts = None, {}, 0.0, 0, 0
            return
        if not shares or confidence is None:
            return
        weight = min(1.0, seconds / s.weight_s)
        for code, share in shares.items():
            self._scores[code] = self._scores.get(code, 0.0) + weight * math.log(max(share, s.floor))
        self._heard_s += seconds
        self._utterances += 1
        best = max(self._scores, key=lambda code: (self._scores[code], code))
        share = 1 / sum(math.exp(score - self._scores[best]) for score in self._scores.values())
        if (share >= s.share_min and self._heard_s >= s.speech_s_min) or self._utterances >= s.utterances_max:
            self.language, self._doubts = best, 0


def chosen(shares: Mapping[str, float], prior: Mapping[str, float], seconds: float, weight_s: float) -> str:
    """The language of an utterance, from its own shares and what its speaker's earlier ones told."""
    weight = min(1.0, seconds / weight_s)
    return max(shares, key=lambda code: (prior.get(code, 0.0) + weight * math.log(max(shares[code], 1e-3)), code))
