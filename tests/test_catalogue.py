"""Catalogues of phrases: a user's own file and its mistakes, patterns, mended words, and what any text may do to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.errors import VigieError
from streams.alerts.reading import RuleFileError
from streams.cli import main
from streams.language import analyse, is_backchannel
from streams.language.backchannels import is_hesitation
from streams.language.catalogue import CATEGORIES, default_catalogue, load_catalogue, parse_catalogue
from streams.language.fuzzy import Mender, distance, enough
from streams.language.patterns import Line, PatternSet, compile_pattern
from streams.language.phrases import find_phrases
from streams.language.sentiment import LABELS, label_of
from streams.language.spelling import arabizi, spelled
from streams.language.text import LANGUAGES, fold, tokens

OWN = """version: 1
extends: default
phrases:
  - category: loyalty
    language: fr
    party: customer
    say: ["(client|cliente) depuis .. (ans|annees)"]
    unless: ["pas client"]
"""


def categories(text: str, language: str, party: str | None, source: str = OWN) -> set[str]:
    catalogue = parse_catalogue(source.encode(), "own.yaml")
    return {phrase["category"] for phrase in find_phrases(text, tokens(text), language, party, catalogue)}


def test_an_own_category_joins_the_bundled_ones() -> None:
    said = "je suis client depuis dix ans et je veux résilier mon contrat"
    assert categories(said, "fr", "customer") == {"loyalty", "cancellation"}
    assert "loyalty" not in categories(said, "fr", "agent")
    assert "loyalty" not in categories("pas client depuis dix ans", "fr", "customer")
    far = (
        "mon mari n'est pas client mais voyez vous madame moi je suis chez vous depuis toujours cliente depuis dix ans"
    )
    assert "loyalty" in categories(far, "fr", "customer"), "an exception is about what stands near it"
    alone = OWN.replace("extends: default\n", "")
    assert categories(said, "fr", "customer", alone) == {"loyalty"}


def test_an_entry_may_take_the_place_of_the_bundled_one() -> None:
    own = OWN.replace("category: loyalty", "category: greeting\n    replace: true").replace("customer", "agent")
    assert "greeting" not in categories("bonjour madame", "fr", "agent", own)
    assert "greeting" in categories("good morning", "en", "agent", own)


@pytest.mark.parametrize(
    ("change", "line", "problem"),
    [
        (("version: 1\n", ""), 1, "missing"),
        (("language: fr", "language: de"), 5, "'de'"),
        (("party: customer", "party: caller"), 6, "'caller'"),
        (("(client|cliente)", "(client|cliente"), 7, "brackets"),
        (("..", "..99"), 7, "skips 99 words"),
        (('["pas client"]', "[]"), 8, "empty"),
        (("category: loyalty", "category: Loyal Ty"), 4, "no category name"),
        (("say:", "says:"), 4, "unknown key"),
    ],
)
def test_mistakes_name_their_line(change: tuple[str, str], line: int, problem: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        parse_catalogue(OWN.replace(*change).encode(), "own.yaml")
    assert (caught.value.mistakes[0].line, problem in str(caught.value)) == (line, True), str(caught.value)


def test_a_file_is_checked_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(OWN, encoding="utf-8")
    bad.write_text(OWN.replace("fr", "xx"), encoding="utf-8")
    assert main(["explain", "--check", str(good)]) == 0
    assert main(["explain", "--check", str(bad)]) == 2
    assert "bad.yaml:5" in capsys.readouterr().err
    with pytest.raises(VigieError, match="cannot be read"):
        load_catalogue(tmp_path / "absent.yaml")


def test_every_language_has_every_category_for_somebody() -> None:
    have = {(entry.category, entry.language) for entry in default_catalogue().entries}
    assert have == {(category, language) for category in CATEGORIES for language in LANGUAGES}


def test_only_patterns_filed_under_a_word_are_run() -> None:
    patterns = PatternSet([(f"(word{number}|term{number}) .. end", number) for number in range(3000)])
    line = Line(tokens("the word17 and the end"))
    assert list(patterns.search(line)) == [(1, 5, 17)]
    assert not any(patterns._called("the"))


def test_a_pattern_is_run_where_each_of_its_places_has_a_word() -> None:
    patterns = PatternSet([("(red~|the blue) .. (car|cars) [x] _ fast", 1), ("a|car b", 2)])
    for text, found in (
        ("a redder car goes fast", [(1, 5, 1), (0, 1, 2)]),
        ("the blue cars x go fast", [(0, 6, 1)]),
        ("the red car goes slow", []),
        ("blue fast car b", [(2, 4, 2)]),
    ):
        assert list(patterns.search(Line(tokens(text)))) == found, text


def test_a_pattern_is_not_run_where_a_further_word_that_it_needs_is_missing() -> None:
    patterns = PatternSet([("cancel~ .. (contract|policy) .. (today|now)", 1), ("cancel~ [my] contract", 2)])
    for text, to_run in (
        ("cancelling the contract today", 0b11),
        ("cancel my contract", 0b10),
        ("cancel the policy", 0),
        ("the policy today", 0),
    ):
        assert patterns._to_run([token.word for token in tokens(text)], None) == to_run


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("transfer~ [the] call", "i am transferring call", True),
        ("^ hello _ $", "hello there", True),
        ("^ hello _ $", "hello there you", False),
        ("speak .. manager", "speak to a line manager", True),
        ("speak ..1 manager", "speak to a manager", False),
    ],
)
def test_patterns(pattern: str, text: str, matches: bool) -> None:
    assert (compile_pattern(pattern).expression.search(Line(tokens(text)).joined()) is not None) is matches


@pytest.mark.parametrize("pattern", ["", "..", "[maybe]", "(a|)", "(a]", "a)", "_"])
def test_a_pattern_that_could_match_anything_or_nothing_is_refused(pattern: str) -> None:
    if pattern == "[maybe]":
        assert list(PatternSet([(pattern, 1)]).search(Line(tokens("zzz")))) == []
        return
    with pytest.raises(ValueError, match="pattern"):
        compile_pattern(pattern)


@pytest.mark.parametrize("spellings", [("mezyan", "mzyan", "mezian"), ("bezzaf", "bzaf"), ("kheddam", "khdam")])
def test_the_many_spellings_of_arabizi_are_one(spellings: tuple[str, ...]) -> None:
    assert len({arabizi(word) for word in spellings}) == 1


@pytest.mark.parametrize(
    "spellings",
    [
        ("3ayet", "3eyyett", "3iyt", "ayet"),
        ("mochkil", "mouchkel", "mchkil"),
        ("mas2oul", "masoul", "mes2ol"),
        ("d9i9a", "dqiqa", "da9i9a"),
        ("شخصيا", "شخصي"),
        ("بزاااف", "بزاف"),
        ("نثق", "نتق"),
    ],
)
def test_darija_is_compared_by_its_consonants(spellings: tuple[str, ...]) -> None:
    assert len({spelled(word) for word in spellings}) == 1


@pytest.mark.parametrize("words", [("chef", "chouf"), ("خط", "خطأ"), ("dir", "dar"), ("golti", "goltou"), ("2", "3")])
def test_short_words_keep_what_tells_them_apart(words: tuple[str, str]) -> None:
    assert spelled(fold(words[0])) != spelled(fold(words[1]))


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("+3ayet~ .. merrat", "ma kan3eyyetch ghir jouj merrat", True),
        ("+عيط~", "وغنعيط ليكم", True),
        ("+عيط~", "الخياط", False),
        ("+chouf", "ghadi nchouf", True),
        ("+chouf", "lchef", False),
        ("modir", "m3a l modir dyalkom", True),
        ("مدير", "وبالمدير ديالكم", True),
        ("=الو", "والو", False),
        ("الو", "والو", True),
    ],
)
def test_patterns_of_arabic_know_its_fronts(pattern: str, text: str, matches: bool) -> None:
    patterns = PatternSet([(pattern, None)], latin_arabic=True)
    assert bool(list(patterns.search(Line(tokens(text))))) is matches


def test_darija_is_looked_for_in_french_that_has_some() -> None:
    assert "escalation" in categories("bonjour bghit nhder m3a lmas2oul dyalkom", "fr", "customer")
    known = default_catalogue().of("fr")
    assert [guest is not None and guest("bonjour") for guest in known.guests] == [False, False]
    assert [guest is not None and guest("bghit") for guest in known.guests] == [False, True]


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("same", "same", 0), ("manager", "manger", 1), ("recieve", "receive", 1), ("", "abc", 3)],
)
def test_edits(one: str, other: str, edits: int) -> None:
    assert distance(one, other) == distance(other, one) == edits


def test_only_unknown_words_near_the_catalogue_are_mended() -> None:
    mender = Mender(["supervisor", "cancel"], lambda word: word == "canal")
    assert mender.mend("superviser") == "supervisor"
    assert mender.mend("supervisory") == "supervisor"
    assert mender.mend("cancle") == "cancel"
    assert mender.mend("canal") is None
    assert mender.mend("weather") is None


@pytest.mark.parametrize(
    ("words", "mended", "is_enough"),
    [
        (["speak", "supervisor"], [False, True], True),
        (["to", "manager"], [False, True], False),
        (["supervisor"], [True], True),
        (["manager"], [True], False),
        (["speak"], [False], False),
    ],
)
def test_a_mended_word_needs_something_around_it(words: list[str], mended: list[bool], is_enough: bool) -> None:
    assert enough(words, mended) is is_enough


@pytest.mark.parametrize(
    ("language", "text", "category"),
    [
        ("en", "i want to speak to your superviser", "escalation"),
        ("fr", "je veux parler à un responsble", "escalation"),
        ("es", "quiero cancelar mi suscripsion", "cancellation"),
    ],
)
def test_misheard_words_are_still_recognised(language: str, text: str, category: str) -> None:
    phrases = analyse(text, language, "customer").phrases
    assert category in {phrase["category"] for phrase in phrases}
    assert all(text[phrase["start"] : phrase["end"]] == phrase["text"] for phrase in phrases)


def test_hesitations_do_not_make_an_acknowledgement_an_answer() -> None:
    assert is_hesitation("euh ben alors", "fr")
    assert is_backchannel("euh oui d'accord euh bien", "fr")
    assert is_backchannel("wakha safi", "fr")
    assert not is_backchannel("euh oui mais la facture", "fr")


@given(st.text(max_size=120), st.sampled_from([*LANGUAGES, None, "zz"]), st.sampled_from(["agent", "customer", None]))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_and_spans_fit(text: str, language: str | None, party: str | None) -> None:
    found = analyse(text, language, party)
    assert -1 <= found.sentiment["score"] <= 1
    assert 0 <= found.sentiment["confidence"] <= 1
    assert label_of(found.sentiment["score"]) in LABELS
    for phrase in found.phrases:
        assert 0 <= phrase["start"] < phrase["end"] <= len(found.text)
        assert found.text[phrase["start"] : phrase["end"]] == phrase["text"]


WORDS = [
    "خدمة",
    "واخا",
    "je",
    "résilier",
    "mon",
    "contrat",
    "ma",
    "khdamch",
    "manager",
    "ﷺ",
    "[card]",
    "ـ",
    "½",
    "é",
    "🙂",
    "شُكْرًا",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.sampled_from(LANGUAGES))
@settings(max_examples=200, deadline=None)
def test_mixed_scripts_are_read(text: str, language: str) -> None:
    found = analyse(text, language, "customer")
    assert all(found.text[p["start"] : p["end"]] == p["text"] for p in found.phrases)
    is_backchannel(text, language)


@given(st.text(alphabet="ab()[]|.~^$_ 123", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_pattern_is_compiled_or_refused(pattern: str) -> None:
    try:
        compiled = compile_pattern(pattern)
    except ValueError:
        return
    compiled.expression.search("a b a b ")
