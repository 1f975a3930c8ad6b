"""A settings part of the suite of words that says the same few lines in every language."""

from __future__ import annotations

from pathlib import Path

from streams.evaluation.words_suite import LANGUAGES, SETTINGS


def write_settings(folder: Path, lines: str) -> Path:
    """The suite's folder, with `lines` (party, phrases, text, sentiment) as each language's part."""
    (folder / SETTINGS).mkdir()
    for language in LANGUAGES:
        (folder / SETTINGS / f"{language}.tsv").write_text(lines, encoding="utf-8")
    return folder
