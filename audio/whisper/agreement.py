"""Interim texts that do not flicker: a word is stable once two hypotheses in a row agree on everything up to it.

LocalAgreement-2, as in Whisper-Streaming (arXiv 2307.14743), over the whole utterance so far. What was stable once stays
shown as it was; the final text, which is made of all the audio, may still correct it.
"""

from __future__ import annotations

from audio.whisper.gates import folded_words


class Agreement:
    """The hypotheses of one utterance, in order."""

    def __init__(self) -> None:
        self.stable: list[str] = []
        self._last: list[str] = []

    def push(self, text: str) -> tuple[str, int]:
        """Take the next hypothesis; returns the text to show, and how many of its words are stable."""
        words = text.split()
        agreed = 0
        for one, other in zip(words, self._last, strict=False):
            if folded_words(one) != folded_words(other):
                break
            agreed += 1
        self._last = words
        if agreed > len(self.stable):
            self.stable += words[len(self.stable) : agreed]
        shown = self.stable + words[len(self.stable) :]
        return " ".join(shown), len(self.stable)
