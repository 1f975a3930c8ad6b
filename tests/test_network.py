"""The network that reads words in their order: its arithmetic, its size, and that no text upsets it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.language import network
from streams.language.catalogue import CATEGORIES
from streams.language.network import (
    LABELS,
    REACH,
    SIDES,
    SLOTS,
    WORDS_MAX,
    part_slots,
    side_of,
    understand,
    word_features,
)
from streams.language.recipe.labelled import CORPUS, SUITE, corpus_mark, read_all
from streams.language.text import LANGUAGES, words_of
from streams.language.weights import NETWORK_FILE


def plainly(text: str, language: str, party: str) -> np.ndarray:
    """The same odds as written in fit_network.py, one number after another."""
    with np.load(NETWORK_FILE, allow_pickle=False) as stored:
        parts, scale, near, bias, side, out, out_bias = (
            stored[name].astype(np.float64)
            for name in ("parts", "scale", "near", "near_bias", "side", "out", "out_bias")
        )
    who = side[side_of(language, party)]
    words = [
        sum(parts[slot] * scale for slot in part_slots(language, token.word)) + who
        for token in words_of(text, language)
    ]
    places = near.reshape(len(scale), REACH, len(bias))
    found = []
    for at in range(len(words)):
        total = bias.copy()
        for place in range(REACH):
            other = at + place - REACH // 2
            if 0 <= other < len(words):
                total += words[other] @ places[:, place]
        found.append(np.maximum(total, 0))
    features = np.array(found)
    return out @ np.concatenate([features.max(axis=0), features.sum(axis=0) / len(words) ** 0.5, who]) + out_bias


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("merci", "fr"),
        ("passez moi votre responsable tout de suite", "fr"),
        ("i have told three of your colleagues already and nothing", "en"),
        ("بغيت نهضر مع المسؤول ديالك", "ar"),
        ("vou apresentar queixa no livro de reclamações", "pt"),
        ("me doy de baja y me paso a otra compañía hoy mismo que ya está bien hombre", "es"),
    ],
)
@pytest.mark.parametrize("party", ["agent", "customer"])
def test_the_quick_way_gives_what_the_plain_one_gives(text: str, language: str, party: str) -> None:
    read = understand(words_of(text, language), language, party)
    odds = [*read.categories.tolist(), *read.labels]
    assert odds == pytest.approx(plainly(text, language, party).tolist(), abs=2e-3)


def test_the_file_is_what_the_code_expects() -> None:
    known = network.weights()
    assert known.categories == CATEGORIES
    assert known.parts.shape == (SLOTS, len(known.scale))
    assert known.out.shape == (2 * known.side.shape[1] // REACH, len(CATEGORIES) + LABELS)
    assert known.side.shape[0] == SIDES == 2 * len(LANGUAGES)


def test_runs_of_letters_are_learnt_once_for_all_languages_and_words_for_each() -> None:
    french, in_arabic_calls = part_slots("fr", "annulation"), part_slots("ar", "annulation")
    assert french[0] != in_arabic_calls[0]
    assert set(french[1:]) <= set(in_arabic_calls)
    assert not set(part_slots("en", "cat")[:1]) & set(part_slots("es", "cat"))


def test_the_file_was_fitted_on_the_corpus_as_it_is() -> None:
    with np.load(NETWORK_FILE, allow_pickle=False) as stored:
        mark = corpus_mark(read_all(SUITE, CORPUS, judged=False))
        assert str(stored["corpus"]) == mark, "python -m streams.language.recipe.fit_network"


def test_the_recipe_learns_what_only_the_order_of_words_tells() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from streams.language.recipe import fit_network
    from streams.language.recipe.labelled import Labelled

    names = ["anna", "bob", "carl", "dora", "emil", "fritz", "gina", "hans"]
    items = [
        Labelled(f"{one} {verb} {two}", "en", "customer", 1, "corpus", frozenset({"abuse"} if verb == order else ()))
        for one in names
        for two in names
        for verb, order in (("hits not", "hits not"), ("not hits", "hits not"))
    ]
    examples = fit_network.Examples(items)
    rows = np.arange(len(items))
    odds = fit_network.odds_of([fit_network.fit(examples, rows, 120, 1)], examples, rows)
    number = CATEGORIES.index("abuse")
    assert ((odds[:, number] > 0) == examples.said[:, number]).mean() > 0.95


def test_of_two_utterances_in_one_breath_the_one_that_feels_tells_the_label() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from streams.language.recipe import fit_network
    from streams.language.recipe.labelled import Labelled

    labels = {"one": 0, "two": 1, "three": 2, "four": -1}
    items = [Labelled(text, "en", "customer", label, "corpus") for text, label in labels.items()]
    examples = fit_network.Examples(items)
    rows = np.repeat(np.arange(len(items)), 200)
    _, (_, felt, is_felt), alone = examples.training_batch(rows, examples.followers(rows))
    negative, neutral, positive, unknown = (rows == number for number in range(4))
    assert 0.3 < (~alone).mean() < 0.5
    assert not is_felt[unknown].any()
    assert set(felt[negative & is_felt].argmax(axis=1)) == {0}
    assert set(felt[positive & is_felt].argmax(axis=1)) == {2}
    assert set(felt[neutral & is_felt & ~alone].argmax(axis=1)) == {0, 1, 2}
    assert set(felt[neutral & alone].argmax(axis=1)) == {1}
    assert is_felt[alone & ~unknown].all()
    assert 0 < is_felt[negative & ~alone].mean() < 1


def test_the_recipe_brings_together_what_the_vectors_say_is_alike() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from streams.language.recipe import fit_network
    from streams.language.recipe.labelled import Labelled

    rng = np.random.default_rng(1)
    words = ["bab", "deg", "fik", "gom", "kur", "lyx", "mec", "paf"]
    heads = rng.normal(size=(2, fit_network.MEANING_SIZE)).astype(np.float32)
    said = [(f"{one} {word} {two}", at % 2) for at, word in enumerate(words) for one in words for two in words[:4]]
    items = [Labelled(text, "en", "customer", 1, "corpus") for text, _ in said]
    kind = np.array([number for _, number in said])
    vectors = heads[kind]
    vectors[::5] = 0  # not known
    alike = []
    for known in (None, vectors):
        examples = fit_network.Examples(items, known)
        rows = np.arange(len(items))
        features = fit_network.fit(examples, rows, 200, 1)(*examples.batch(rows))[1].detach().numpy()
        features -= features.mean(axis=0)
        near = np.corrcoef(features)
        same = np.equal.outer(kind, kind)
        alike.append(near[same].mean() - near[~same].mean())
    assert alike[1] > alike[0] + 0.1


def test_several_networks_are_stored_as_one_that_says_their_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from streams.language.recipe import fit_network
    from streams.language.recipe.labelled import Labelled

    texts = ["i want your manager now", "good morning to you", "it was never delivered"]
    items = [Labelled(text, "en", "customer", 1, "corpus", frozenset({"escalation"})) for text in texts * 50]
    examples, rows = fit_network.Examples(items), np.arange(len(items))
    networks = [fit_network.fit(examples, rows, 40, seed) for seed in (1, 2)]
    np.savez(tmp_path / "two.npz", allow_pickle=False, **fit_network.stored(networks))
    one, other = (fit_network.odds_of([fitted], examples, rows[:3]) for fitted in networks)
    with monkeypatch.context() as patched:
        patched.setattr(network, "NETWORK_FILE", tmp_path / "two.npz")
        _forget()
        read = [understand(words_of(text, "en"), "en", "customer") for text in texts]
    _forget()
    assert not np.allclose(one, other, atol=0.3)
    odds = np.array([[*each.categories, *each.labels] for each in read])
    assert odds == pytest.approx((one + other) / 2, abs=0.1)


def _forget() -> None:
    network.weights.cache_clear()
    word_features.cache_clear()


def test_vectors_are_read_by_utterance_and_less_what_a_language_has_in_common(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from streams.language.recipe import fit_network
    from streams.language.recipe.labelled import Labelled

    texts = ["good morning", "goodbye then", "bonjour"]
    kept = np.arange(3 * fit_network.MEANING_SIZE, dtype=np.float32).reshape(3, -1)
    np.savez(tmp_path / "kept.npz", texts=np.array(texts), vectors=kept)
    said = [("bonjour", "fr"), ("goodbye then", "en"), ("never seen", "en"), ("good morning", "en")]
    items = [Labelled(text, code, "customer", 1, "corpus") for text, code in said]
    found = fit_network.read_vectors(items, tmp_path / "kept.npz")
    half = fit_network.MEANING_SIZE / 2
    assert found.tolist() == [[0.0] * len(kept[0]), [half] * len(kept[0]), [0.0] * len(kept[0]), [-half] * len(kept[0])]


def test_words_that_were_never_heard_speak_against_nothing_and_other_words_do() -> None:
    number = CATEGORIES.index("escalation")
    unknown = understand(words_of("zzq wvk xjy pqq kxw vvz qqj wzx", "fr"), "fr", "customer")
    known = understand(words_of("je voudrais juste connaître le montant de la facture de mars", "fr"), "fr", "customer")
    assert known.against[number]
    assert float(unknown.categories[number]) > float(known.categories[number])


def test_what_the_words_speak_for_a_category_comes_to_its_odds() -> None:
    text = "i want to speak to your manager right now please"
    read = understand(words_of(text, "en"), "en", "customer")
    told = network.weights().told[side_of("en", "customer")]
    for number, _ in enumerate(CATEGORIES):
        assert sum(read.shares(number)) + told[number] == pytest.approx(float(read.categories[number]), abs=1e-3)
    shares = read.shares(CATEGORIES.index("escalation"))
    assert max(range(len(shares)), key=shares.__getitem__) in range(2, 8)


def test_who_speaks_and_the_order_of_words_count() -> None:
    words = words_of("thank you for holding", "en")
    assert understand(words, "en", "agent").labels != understand(words, "en", "customer").labels
    turned = understand(words[::-1], "en", "agent")
    assert turned.labels != understand(words, "en", "agent").labels


def test_a_word_is_the_same_whatever_was_read_before() -> None:
    words = words_of("je veux résilier mon contrat", "fr")
    network.word_features.cache_clear()
    first = understand(words, "fr", "customer")
    understand(words_of("résilier non merci", "fr"), "fr", "agent")
    again = understand(words, "fr", "customer")
    assert first.labels == again.labels
    assert np.array_equal(first.categories, again.categories)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.sampled_from(LANGUAGES), st.sampled_from(["agent", "customer"]))
def test_any_text_has_finite_odds(text: str, language: str, party: str) -> None:
    words = words_of(text, language)
    if words:
        read = understand(words, language, party)
        assert np.isfinite(read.categories).all()
        assert all(np.isfinite(read.labels))


def test_of_a_very_long_utterance_only_the_first_words_are_read() -> None:
    words = words_of("no " * 5000, "en")
    assert len(understand(words, "en", "customer").found) == WORDS_MAX


def test_of_a_very_long_word_only_the_first_letters_are_read_and_kept() -> None:
    network.word_features.cache_clear()
    long, short = (understand(words_of(f"i want {'m' * count}", "en"), "en", "customer") for count in (5000, 24))
    assert long.categories.tolist() == short.categories.tolist()
    assert network.word_features.cache_info().currsize == 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_word_of_the_corpus_adds_fits_into_its_units(language: str) -> None:
    lines = (CORPUS / f"{language}.txt").read_text(encoding="utf-8").splitlines()[::11]
    words = {token.word for line in lines for token in words_of(line.split("\t")[2], language)}
    most = max(int(np.abs(word_features(language, "customer", word)).max()) for word in words)
    assert most < np.iinfo(np.int16).max
