"""The labelled utterances: well-formed, true to their labels, held-out apart from development; and what measures them.

Failures name ids only: nothing here prints a held-out text.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import phonenumbers
import pytest
import yaml
from stdnum import iban, luhn
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.pt import cc, nif
from stdnum.us import ssn

from audio.errors import VigieError
from streams.cli import main
from streams.evaluation import words_report
from streams.evaluation.words_corrupt import Corruptor, corrupt
from streams.evaluation.words_scores import Count, f1, hidden_spans, macro_f1, score_items, spans_between
from streams.evaluation.words_suite import (
    LANGUAGES,
    LATER,
    ORDINARY,
    PARTS,
    SENTIMENTS,
    SETTINGS,
    SUITE_DIR,
    Item,
    Secret,
    load_suite,
    turns,
)
from streams.language import CATEGORIES
from streams.language.text import fold, tidy, tokens

SUITES = {part: load_suite(part) for part in PARTS}
EVERY = [item for part in PARTS for item in SUITES[part]]
ORDINARY_CALLS = load_suite(ORDINARY)
SINGLE = {part: load_suite(part) for part in (SETTINGS, LATER)}
MORE = [item for part in SINGLE.values() for item in part]
UTTERANCES_MIN = {"dev": 220, "heldout": 110, "settings": 300, "later": 300}
ORDINARY_MIN, NOTHING_SAID = 1_000, (0.8, 0.9)
"""Turns of ordinary calls a language, and the share of them without a phrase: with more a call has no greeting and no end."""
SECRETS_MIN, POSITIVES_MIN, SENTIMENT_SHARE_MIN = 30, 6, 0.15
REGIONS = ("FR", "MA", "PT", "TN", "SN", "CI", "CM", "GB", "ES", "US")
NATIONAL_IDS = (nir, nif, cc, dni, nie, ssn, nhs)


def written(kind: str) -> list[tuple[str, str]]:
    """Secrets of a kind in figures, whole within one utterance: (id, their letters and digits in ASCII)."""
    parts_of_turns = {item.id for chain in turns(EVERY) if len(chain) > 1 for item in chain}
    found = []
    for item in EVERY:
        for secret in item.secrets:
            text = item.text[secret.start : secret.end].replace(" ", "")
            figures = "".join(str(int(sign)) if sign.isdecimal() else sign for sign in text)
            spoken = any(len(run) > 4 for run in re.findall(r"[^\W\d_]+", text)) or re.search(r"[a-z]\d[a-z]", text)
            if secret.kind == kind and item.id not in parts_of_turns and len(figures) >= 6 and not spoken:
                found.append((item.id, figures))
    return found


@pytest.mark.parametrize("part", [*PARTS, *SINGLE])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_has_enough_of_each_language_and_of_each_sentiment(part: str, language: str) -> None:
    items = [item for item in {**SUITES, **SINGLE}[part] if item.language == language]
    assert len(items) >= UTTERANCES_MIN[part]
    assert {name for item in items for name in item.phrases} == set(CATEGORIES)
    sentiments = Counter(item.sentiment for item in items)
    assert min(sentiments[label] for label in SENTIMENTS) >= SENTIMENT_SHARE_MIN * len(items)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_category_and_enough_secrets_are_there_in_both_parts(language: str) -> None:
    both = Counter(name for item in EVERY if item.language == language for name in item.phrases)
    assert min(both[name] for name in CATEGORIES) >= POSITIVES_MIN
    for part in PARTS:
        items = [item for item in SUITES[part] if item.language == language]
        assert {name for item in items for name in item.phrases} == set(CATEGORIES)
        assert {secret.kind for item in items for secret in item.secrets} >= {
            "card",
            "iban",
            "phone",
            "email",
            "secret",
        }
    assert sum(len(item.secrets) for item in EVERY if item.language == language) >= SECRETS_MIN


def test_half_of_the_arabic_is_in_latin_letters() -> None:
    items = [item for item in EVERY if item.language == "ar"]
    latin = sum(not any("\u0600" <= sign <= "\u06ff" for sign in item.text) for item in items)
    assert 0.35 < latin / len(items) < 0.65


def test_no_text_is_twice_in_the_suite_and_none_is_in_both_parts() -> None:
    folded = Counter((item.language, " ".join(token.word for token in tokens(item.text))) for item in EVERY)
    assert not [item.id for item in EVERY if item.text != tidy(item.text) or item.text.strip() != item.text]
    assert max(folded.values()) == 1
    assert len({item.id for item in EVERY}) == len(EVERY)


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_ordinary_calls_most_turns_say_nothing_and_no_text_stands_in_another_part(language: str) -> None:
    items = [item for item in ORDINARY_CALLS if item.language == language]
    assert len(items) >= ORDINARY_MIN
    assert NOTHING_SAID[0] < sum(not item.phrases for item in items) / len(items) < NOTHING_SAID[1]
    assert {item.party for item in items} == {"agent", "customer"}
    elsewhere = {" ".join(token.word for token in tokens(item.text)) for item in EVERY if item.language == language}
    items += [item for item in MORE if item.language == language]
    folded = [" ".join(token.word for token in tokens(item.text)) for item in items]
    assert len(set(folded)) == len(folded)
    assert not [item.id for item, words in zip(items, folded, strict=True) if words in elsewhere]


def test_texts_look_like_a_transcribers() -> None:
    """No capitals outside secrets, no sentence punctuation."""
    odd = []
    for item in [*EVERY, *ORDINARY_CALLS, *MORE]:
        plain = item.text
        for secret in item.secrets:
            plain = plain.replace(item.text[secret.start : secret.end], "")
        if plain != plain.lower() or any(sign in plain for sign in ".,;:!?؟،"):
            odd.append(item.id)
    assert not odd


def test_categories_are_only_given_to_the_party_that_may_say_them() -> None:
    agent = {"greeting", "disclosure", "transfer", "help_offer", "apology", "empathy"}
    customer = {"escalation", "cancellation", "legal_threat", "regulator_press", "repeated_contact"}
    everywhere = [*EVERY, *ORDINARY_CALLS, *MORE]
    assert not [item.id for item in everywhere if item.phrases & (customer if item.party == "agent" else agent)]


def test_cards_in_figures_pass_luhn() -> None:
    cards = [(name, figures) for name, figures in written("card") if len(figures) > 4]
    assert len(cards) > 15
    assert not [name for name, figures in cards if not luhn.is_valid(figures)]


def test_ibans_in_figures_have_their_check_digits() -> None:
    ibans = written("iban")
    assert len(ibans) > 15
    assert not [name for name, text in ibans if iban.calc_check_digits(text.upper()) != text[2:4]]


def test_phones_in_figures_are_valid_where_somebody_served_lives() -> None:
    def valid(figures: str) -> bool:
        national = any(phonenumbers.is_valid_number(phonenumbers.parse(figures, region)) for region in REGIONS)
        return national or phonenumbers.is_valid_number(phonenumbers.parse("+" + figures, None))

    phones = written("phone")
    assert len(phones) > 30
    assert not [name for name, figures in phones if not valid(figures)]


def test_national_ids_in_figures_are_valid_but_for_the_moroccan_that_no_library_knows() -> None:
    numbers = [(name, text) for name, text in written("national_id") if not name.startswith("ar-") or len(text) > 9]
    assert len(numbers) > 10
    assert not [name for name, text in numbers if not any(kind.is_valid(text) for kind in NATIONAL_IDS)]


def test_cards_over_several_utterances_are_whole_when_joined() -> None:
    joined = []
    for chain in turns(EVERY):
        secrets = [item.text[label.start : label.end] for item in chain for label in item.secrets]
        figures = "".join("".join(secrets).split())
        if len(chain) > 1 and figures.isdecimal():
            joined.append(figures)
    assert len(joined) >= len(LANGUAGES)
    assert all(luhn.is_valid(figures) for figures in joined)


def suite_of(tmp_path: Path, entries: object) -> Path:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "en.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
    return tmp_path


GOOD = {
    "id": "x1",
    "text": "my pin is 7042",
    "language": "en",
    "party": "customer",
    "sentiment": "neutral",
    "phrases": [],
    "redactions": [{"kind": "secret", "text": "7042"}],
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"party": "nobody"}, "party"),
        ({"language": "fr"}, "language"),
        ({"sentiment": "sad"}, "sentiment"),
        ({"phrases": ["shouting"]}, "phrases"),
        ({"redactions": [{"kind": "secret", "text": "7043"}]}, "redactions"),
        ({"redactions": [{"kind": "shoe", "text": "7042"}]}, "redactions"),
        ({"after": "x0"}, "after"),
    ],
)
def test_a_wrong_label_is_told_with_its_field(tmp_path: Path, change: dict[str, object], field: str) -> None:
    with pytest.raises(VigieError) as told:
        load_suite("dev", suite_of(tmp_path, [GOOD | change]), ["en"])
    assert told.value.field == field


def test_an_id_used_twice_or_no_list_is_refused(tmp_path: Path) -> None:
    folder = suite_of(tmp_path, [GOOD, GOOD])
    with pytest.raises(VigieError, match="twice"):
        load_suite("dev", folder, ["en"])
    (folder / "dev" / "en.yaml").write_text("words: none", encoding="utf-8")
    with pytest.raises(VigieError, match="no list"):
        load_suite("dev", folder, ["en"])


def test_macro_f1_and_counts_by_hand() -> None:
    pairs = Counter({("negative", "negative"): 2, ("negative", "neutral"): 1, ("neutral", "neutral"): 1})
    assert macro_f1(pairs) == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    assert f1(Count(hits=1, false=1, missed=0)) == pytest.approx(2 / 3)
    assert Count(hits=3, false=1, missed=2).report() == {"precision": 0.75, "recall": 0.6, "of": 5, "found": 4}


def test_spans_are_read_back_from_marks() -> None:
    text = "my pin is 7042 and the card 4111 1111"
    assert spans_between(text, "my pin is [code] and the card [card]") == [(10, 14, "code"), (28, 37, "card")]
    assert spans_between(text, text) == []
    assert spans_between(text, "something else [code]") == []


def item(text: str, secret: str | None = None, name: str = "a", after: str | None = None) -> Item:
    at = text.find(secret) if secret else 0
    labels = (Secret("card", at, at + len(secret)),) if secret else ()
    return Item(name, text, "en", "customer", "neutral", frozenset(), labels, after)


def test_a_redaction_counts_only_when_nothing_is_left_and_a_needless_one_costs_precision() -> None:
    card = "4111 1111 1111 1111"
    whole = score_items([item(f"it is {card} okay", card)])["en"]
    assert (whole.redaction.hits, whole.redaction.missed, whole.redaction.false) == (1, 0, 0)
    too_wide = score_items([item(f"it is {card} okay", "is " + card)])["en"]
    assert (too_wide.redaction.hits, too_wide.redaction.missed, too_wide.redaction.false) == (0, 1, 0)
    unlabelled = score_items([item(f"it is {card} okay")])["en"]
    assert (unlabelled.redaction.false, unlabelled.words_lost) == (1, 4)


def test_a_card_over_two_utterances_is_judged_as_the_workers_publish_it() -> None:
    chain = [item("it is 4111 1111", "4111 1111"), item("1111 1111", "1111 1111", "b", "a")]
    assert turns(chain) == [chain]
    assert [bool(spans) for spans in hidden_spans(chain)] == [True, True]
    assert hidden_spans([item("thanks a lot")]) == [[]]


def test_the_corruptor_repeats_itself_by_seed_and_hits_about_as_many_words_as_asked() -> None:
    items = SUITES["dev"]
    once, shares = corrupt(items, 0.1, 7)
    assert once == corrupt(items, 0.1, 7)[0]
    assert once != corrupt(items, 0.1, 8)[0]
    assert all(0.07 < share < 0.13 for share in shares.values()), shares
    assert corrupt(items, 0.0, 7)[0] == list(items)


def test_the_corruptor_leaves_the_digits_of_secrets_readable_and_labels_in_place() -> None:
    for rate in (0.1, 1.0):
        changed, _ = corrupt(SUITES["dev"], rate, 3)
        for old, new in zip(SUITES["dev"], changed, strict=True):
            assert (new.id, new.sentiment, new.phrases, len(new.secrets)) == (
                old.id,
                old.sentiment,
                old.phrases,
                len(old.secrets),
            )
            for was, now in zip(old.secrets, new.secrets, strict=True):
                before, after = old.text[was.start : was.end], new.text[now.start : now.end]
                assert [sign for sign in before if sign.isdecimal()] == [sign for sign in after if sign.isdecimal()]
                assert after
                assert after == after.strip()


@pytest.mark.parametrize(
    ("language", "word", "alike"),
    [
        ("fr", "cent", "sans"),
        ("en", "their", "there"),
        ("es", "vaya", "valla"),
        ("pt", "cem", "sem"),
        ("ar", "daba", "dab"),
    ],
)
def test_words_of_the_same_sound_are_known(language: str, word: str, alike: str) -> None:
    assert alike in Corruptor(language, []).near(word)


def test_a_word_is_misheard_as_another_of_the_same_sound_key() -> None:
    corruptor = Corruptor("fr", ["le beau bateau", "un bato"])
    assert corruptor.sound("bateau") == corruptor.sound("bato")
    assert corruptor.near("bateau") == ["bato"]


def test_any_words_can_be_corrupted_at_any_rate() -> None:
    rng = random.Random(1)
    for language in LANGUAGES:
        corruptor = Corruptor(language, [])
        for rate in (0.0, 0.5, 1.0):
            for words in ([], ["x"], ["٠٦", "12", "bcdf"], ["été", "ولا", "anticonstitutionnellement"] * 5):
                out, errors = corruptor.words(list(words), rate, rng)
                assert errors <= len(words)
                assert (out == words) or errors
                assert all(fold(word) for word in out)


def test_a_rate_that_is_no_share_is_refused() -> None:
    with pytest.raises(VigieError, match="share"):
        corrupt(SUITES["dev"][:1], 1.5, 1)


def test_held_out_utterances_are_not_shown_and_development_ones_are() -> None:
    with pytest.raises(VigieError, match="not shown"):
        words_report.run_words(SUITE_DIR, "heldout", 0.0, 1, failures=True)
    shown = words_report.run_words(SUITE_DIR, "dev", 0.1, 1, failures=True)
    assert set(shown["languages"]) == set(LANGUAGES)
    assert shown["together"]["of"] == sum(row["phrases"]["of"] for row in shown["languages"].values())
    assert all(row["words_hit"] > 0 for row in shown["languages"].values())
    held = words_report.run_words(SUITE_DIR, "heldout", 0.0, 1, failures=False)
    assert "failures" not in held
    assert all(row["redaction"]["of"] >= 25 for row in held["languages"].values())


def test_ordinary_calls_are_measured_without_secrets_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in (ORDINARY, LATER):
        with pytest.raises(VigieError, match=f"{part} utterances are not shown"):
            words_report.run_words(SUITE_DIR, part, 0.0, 1, failures=True)
    (tmp_path / ORDINARY).mkdir()
    for language in LANGUAGES:
        turns_of = "customer\t\tit is four five six seven\t0\nagent\tclosing\tgoodbye then\t0\n\n"
        turns_of += "customer\t\tgoodbye\tp\ncustomer\t\tthe worst service ever it is a disgrace\t0\n"
        (tmp_path / ORDINARY / f"{language}.tsv").write_text(turns_of, encoding="utf-8")
    report = words_report.run_words(tmp_path, ORDINARY, 0.0, 1, failures=False)["languages"]["en"]
    assert report["utterances"] == 4
    assert (report["redaction"]["of"], report["redaction"]["found"]) == (0, 0)
    assert report["neutral_mistaken"] == pytest.approx(1 / 3, abs=0.001), "the worst service is labelled neutral here"
    assert report["phrases"]["of"] == 1
    assert report["phrases"]["false_in_100"] == 25.0, "the customer's goodbye"
    misheard = words_report.run_words(tmp_path, ORDINARY, 0.3, 1, failures=False)["languages"]["en"]
    assert misheard["words_hit"] > 0
    assert main(["eval", "--words", str(tmp_path), "--part", "ordinary"]) == 0
    assert "secrets" not in capsys.readouterr().out
    assert main(["eval", "--part", "ordinary"]) == 2
    assert "Add --words" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("customer\t\tno sentiment", "four fields"),
        ("customer\t\t \t0", "text is empty"),
        ("caller\t\tgood morning\t0", "party is none of"),
        ("agent\tjoy\tgood morning\t0", "unknown categories"),
        ("agent\t\tgood morning\tx", "sentiment is none of"),
    ],
)
def test_a_wrong_line_of_an_ordinary_call_is_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / ORDINARY).mkdir()
    path = tmp_path / ORDINARY / "en.tsv"
    path.write_text(f"agent\t\tgood morning\t0\n\n{line}\n", encoding="utf-8")
    with pytest.raises(VigieError, match=told) as refused:
        load_suite(ORDINARY, tmp_path, ["en"])
    assert "en-o0003" in str(refused.value)
    assert str(path) in str(refused.value)


def test_the_command_prints_a_table_of_every_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--words", "--part", "heldout"]) == 0
    shown = capsys.readouterr().out
    assert all(f"│ {language} " in shown for language in LANGUAGES)
    for category in CATEGORIES:  # the name of the weakest is shown, and may hold a short text
        shown = shown.replace(category, "")
    assert not any(item.text in shown for item in SUITES["heldout"])
    assert main(["eval", "--words", "--part", "heldout", "--show-failures"]) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_gained_on_ordinary_calls_stays(language: str) -> None:
    items = [item for item in ORDINARY_CALLS if item.language == language]
    report = score_items(items, secrets=False)[language].report()
    assert report["neutral_mistaken"] < 0.13
    assert report["phrases"]["false_in_100"] < 3.2
    assert report["phrases"]["recall"] > 0.85
