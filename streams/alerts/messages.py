"""The sentence of an alert, in each language that its rule gives."""

from __future__ import annotations

import re
from collections.abc import Mapping

PLACEHOLDERS = ("value", "threshold", "party", "seconds", "words")
REQUIRED_LANGUAGES = ("en", "fr")

_PARTIES: dict[str, dict[str, str]] = {
    "en": {"agent": "the agent", "customer": "the customer", "both": "both parties", "": "the call"},
    "fr": {"agent": "l'agent", "customer": "le client", "both": "les deux parties", "": "l'appel"},
    "es": {"agent": "el agente", "customer": "el cliente", "both": "ambas partes", "": "la llamada"},
    "pt": {"agent": "o agente", "customer": "o cliente", "both": "ambas as partes", "": "a chamada"},
    "ar": {"agent": "الموظف", "customer": "العميل", "both": "الطرفان", "": "المكالمة"},
}
_COMMA_LANGUAGES = ("fr", "es", "pt")
_BRACES = re.compile(r"\{([^{}]*)\}")


def unknown_placeholders(template: str) -> list[str]:
    """What stands between braces in a message and is no placeholder; a lone brace counts as one."""
    found = [name for name in _BRACES.findall(template) if name not in PLACEHOLDERS]
    rest = _BRACES.sub("", template)
    return found + [brace for brace in "{}" if brace in rest]


def render(
    templates: Mapping[str, str], *, value: float, threshold: float, party: str | None, seconds: float, words: str
) -> dict[str, str]:
    """The message in every language; values are put in as text, so words with braces stay what they are."""
    return {
        language: _sentence(template, language.partition("-")[0], value, threshold, party, seconds, words)
        for language, template in templates.items()
    }


def _sentence(
    template: str, language: str, value: float, threshold: float, party: str | None, seconds: float, words: str
) -> str:
    parts = {
        "value": _number(value, language),
        "threshold": _number(threshold, language),
        "party": _PARTIES.get(language, _PARTIES["en"])[party or ""],
        "seconds": _number(round(seconds) if seconds >= 10 else round(seconds, 1), language),
        # Isolated: a quotation in another script must not turn an Arabic sentence around.
        "words": f"\u2068{words or '…'}\u2069" if language == "ar" else words or "…",
    }
    text = _BRACES.sub(lambda match: parts[match[1]], template)
    return text[:1].upper() + text[1:]


def _number(value: float, language: str) -> str:
    rounded = round(value, 2) if abs(value) < 10 else round(value, 1)
    text = f"{rounded:.2f}".rstrip("0").rstrip(".")
    return text.replace(".", ",") if language in _COMMA_LANGUAGES else text
