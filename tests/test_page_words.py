"""The page's words: the same keys, values and plurals in every language, and a word for all that records may name."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from streams.alerts.coverage import Reason
from streams.alerts.metrics import METRICS
from streams.alerts.rules import load_rules
from streams.language.catalogue import CATEGORIES
from streams.language.modes import KINDS

PAGE = Path(str(resources.files("streams.feed"))) / "page"
PLURALS = {
    "en": {"one", "other"},
    "fr": {"one", "many", "other"},
    "ar": {"zero", "one", "two", "few", "many", "other"},
    "pt": {"one", "many", "other"},
}
"""The categories of Unicode's plural rules, which the browser chooses by."""
MARK = re.compile(r"\{(\w+)\}")
LITERAL = re.compile(r"""\bt\("([a-z_.]+[a-z_])\"""")
SIZE_MAX = 400


def words(language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PAGE / "i18n" / f"{language}.json").read_text(encoding="utf-8"))
    return found


def scripts() -> list[Path]:
    return sorted(PAGE.glob("*.js"))


@pytest.mark.parametrize("language", ["fr", "ar", "pt"])
def test_every_language_has_every_key(language: str) -> None:
    assert words(language).keys() == words("en").keys()


@pytest.mark.parametrize("language", list(PLURALS))
def test_every_sentence_fills_in_the_same_values_and_every_plural_is_whole(language: str) -> None:
    english = words("en")
    for key, told in words(language).items():
        if isinstance(told, dict):
            assert told.keys() == PLURALS[language], key
            assert isinstance(english[key], dict), key
            wanted = set(MARK.findall(english[key]["other"]))
            assert set(MARK.findall(told["other"])) == wanted, key
        else:
            assert told.strip(), key
            wanted = set(MARK.findall(english[key]))
            # A sentence may leave out a value where its language tells it otherwise, never name one that is not there.
            assert set(MARK.findall(told)) <= wanted, key


def test_every_literal_key_of_the_scripts_has_words() -> None:
    known = words("en")
    asked = {key for script in scripts() for key in LITERAL.findall(script.read_text(encoding="utf-8"))}
    assert len(asked) > 100
    assert sorted(asked - known.keys()) == []


def test_all_that_records_may_name_has_words() -> None:
    known = words("en")
    for rule in load_rules(None).rules:
        assert f"rule.{rule.id}" in known
        assert f"say.{rule.id}" in known
    for reason in Reason:
        assert f"reason_watch.{reason}" in known
        assert f"remedy_watch.{reason}" in known
    for category in CATEGORIES:
        assert f"phrase.{category}" in known
    for kind in KINDS:
        assert f"redaction.{kind}" in known
    for metric in METRICS:
        assert f"metric.{metric}" in known


def test_the_page_has_nothing_inline_and_names_no_other_host() -> None:
    for path in [*PAGE.glob("*.html"), *PAGE.glob("*.css"), *scripts()]:
        text = path.read_text(encoding="utf-8")
        hosts = set(re.findall(r"https?://[\w.-]+", text)) - {"http://www.w3.org"}
        assert not hosts, path.name
        assert not re.search(r"\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path.name
        if path.suffix == ".html":
            assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son\w+=", text), path.name


def test_files_of_the_page_fit_one_sitting() -> None:
    for path in [*PAGE.glob("*.css"), *scripts()]:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= SIZE_MAX, path.name
