"""Gates between sound and words: silence, noise and loops never become a transcript.

A Whisper model always writes something. About one transcript in a hundred holds invented phrases, mostly on stretches
without a voice (arXiv 2402.08021), so gates stand before the model (is there a voice at all?) and after it (does it
believe itself, does it loop, does it say what it says in silence, could anybody speak so fast?). faster-whisper skips
its own no-speech test where the average log-probability is good; here the two are judged together, never one for the other.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio.chunk import WIDE_RATE_HZ, Float32Array

FRAME_SAMPLES = 512


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Starting values are Whisper's published defaults where it has one, else noted."""

    duration_ms_min: int = 96
    """Three frames; "oui" lasts 150 ms."""
    level_dbov_min: float = -60.0
    """Loudest tenth of the frames. Telephone speech is over -45 dBov, an idle line under -65."""
    voiced_level_dbov_min: float = -55.0
    voiced_share_min: float = 0.05
    no_speech_prob_max: float = 0.6
    no_speech_log_prob_max: float = -0.5
    """A transcript is silence when both say so: no-speech over its limit and log-probability under this one."""
    no_speech_prob_certain: float = 0.95
    no_speech_certain_log_prob_max: float = -0.25
    log_prob_min: float = -1.0
    word_log_prob_min: float = -math.inf
    """Asked, beside `log_prob_min`, of a text of one word: a click or a chirp is soon taken for a "yes"."""
    compression_ratio_max: float = 2.4
    loop_repeats_max: int = 3
    """Times that two or more words may follow themselves ("non non écoutez non non écoutez")."""
    word_repeats_max: int = 6
    """Times that one word may follow itself; "hello hello hello" is a caller, "zero zero zero zero" a number."""
    words_per_s_max: float = 8.0
    """The fastest speakers reach 6 to 7."""
    rate_duration_ms_min: int = 300
    phrase_no_speech_prob_min: float = 0.25
    """Polite phrases that are also true ("thank you") are dropped only when the model doubts that anybody spoke."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the model said of one stretch: text, and its own opinion of it."""

    text: str
    duration_s: float
    avg_log_prob: float
    no_speech_prob: float


INVENTED = {
    "en": (
        "thanks for watching",
        "thank you for watching",
        "please subscribe",
        "subscribe to my channel",
        "like and subscribe",
        "subtitles by",
        "transcribed by",
        "amara org",
        "see you in the next video",
    ),
    "fr": (
        "sous titres realises par",
        "sous titrage",
        "sous titres par",
        "amara org",
        "merci d avoir regarde",
        "abonnez vous",
        "n oubliez pas de vous abonner",
        "radio canada",
    ),
    "pt": ("legendas pela comunidade", "obrigado por assistir", "inscreva se no canal", "amara org", "legendado por"),
    "es": ("subtitulos realizados por", "subtitulos por", "gracias por ver", "suscribete", "amara org"),
    "ar": (
        "اشتركوا في القناه",
        "ترجمه نانسي",
        "شكرا للمشاهده",
        "شكرا على المشاهده",
        "ترجمة نانسي",
        "اشتركوا في القناة",
    ),
}
"""Phrases that Whisper learnt from subtitles and writes on silence; nobody says them on a service call."""

DOUBTFUL = frozenset(
    (
        "thank you",
        "thanks",
        "you",
        "bye",
        "bye bye",
        "merci",
        "au revoir",
        "obrigado",
        "gracias",
        "شكرا",
        "the end",
        "so",
    )
)
"""Whole transcripts that are as often invented as said."""

_WORD = re.compile(r"[^\W_]+")


def sound_fault(samples: Float32Array, settings: GateSettings) -> str | None:
    """Why there is nothing to transcribe in `samples` (float32 mono at 16 kHz in [-1, 1)), or None.

    Reasons: `empty`, `bad_audio` (not finite, or not one row of samples), `too_short`, `too_quiet`, `not_voiced`.
    """
    if samples.size == 0:
        return "empty"
    if samples.ndim != 1 or not bool(np.isfinite(samples).all()):
        return "bad_audio"
    if samples.size * 1000 < settings.duration_ms_min * WIDE_RATE_HZ:
        return "too_short"
    whole = samples.size - samples.size % FRAME_SAMPLES
    frames = samples[:whole].reshape(-1, FRAME_SAMPLES).astype(np.float64)
    powers = np.maximum(np.square(frames).mean(axis=1), 1e-10)
    levels = 10 * np.log10(powers)
    loudest = np.sort(powers)[-max(1, len(powers) // 10) :]
    if 10 * np.log10(loudest.mean()) < settings.level_dbov_min:
        return "too_quiet"
    if float((levels >= settings.voiced_level_dbov_min).mean()) < settings.voiced_share_min:
        return "not_voiced"
    return None


def text_fault(decoded: Decoded, language: str | None, settings: GateSettings) -> str | None:
    """Why a transcript is not to be believed, or None.

    Reasons: `no_words`, `invented_phrase`, `no_speech`, `low_confidence`, `repetition`, `impossible_rate`.
    """
    words = folded_words(decoded.text)
    if not words:
        return "no_words"
    doubt, belief = decoded.no_speech_prob, decoded.avg_log_prob
    if _invented(words, language, doubt, settings):
        return "invented_phrase"
    if doubt > settings.no_speech_prob_max and belief < settings.no_speech_log_prob_max:
        return "no_speech"
    if doubt > settings.no_speech_prob_certain and belief < settings.no_speech_certain_log_prob_max:
        return "no_speech"
    if not belief >= settings.log_prob_min or (len(words) == 1 and belief < settings.word_log_prob_min):
        return "low_confidence"
    if _loops(words, settings) or compression_ratio(decoded.text) > settings.compression_ratio_max:
        return "repetition"
    seconds = max(decoded.duration_s, settings.rate_duration_ms_min / 1000)
    if len(words) / seconds > settings.words_per_s_max:
        return "impossible_rate"
    return None


def folded_words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(sign for sign in plain if not unicodedata.combining(sign)))


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes of its deflated form, as in Whisper's `decoding.py`."""
    data = text.encode("utf-8", errors="replace")
    return len(data) / len(zlib.compress(data)) if data else 0.0


def _invented(words: Sequence[str], language: str | None, doubt: float, settings: GateSettings) -> bool:
    joined = " ".join(words)
    if joined in DOUBTFUL:
        return doubt >= settings.phrase_no_speech_prob_min
    own = INVENTED.get((language or "")[:2].lower())
    phrases = own if own else tuple(phrase for some in INVENTED.values() for phrase in some)
    return any(f" {phrase} " in f" {joined} " for phrase in phrases)


def _loops(words: Sequence[str], settings: GateSettings) -> bool:
    """Whether one to six words follow themselves more often than people do."""
    count = len(words)
    for length in range(1, 7):
        allowed = settings.word_repeats_max if length == 1 else settings.loop_repeats_max
        same = 0
        for at in range(length, count):
            same = same + 1 if words[at] == words[at - length] else 0
            if same >= length * allowed and len(set(words[at - length + 1 : at + 1])) >= min(length, 2):
                return True
    return False
