"""The demonstration model's corpus: what is held out is held out, and is made of words that training hears."""

import importlib
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tokenizers import Tokenizer

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "audio/whisper/recipe"
WORLD = yaml.safe_load((RECIPE / "world.yaml").read_text(encoding="utf-8"))


def words_of(template: str, language: str) -> set[str]:
    words = set(re.sub(r"\{\w+\}", " ", template).split())
    for slot in re.findall(r"\{(\w+)\}", template):
        for fill in WORLD["slots"][language][slot]:
            words |= words_of(fill, language)
    return words


def trained_templates(language: str) -> list[str]:
    return [t for party in WORLD["sentences"][language].values() for group in party.values() for t in group]


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(RECIPE))
    return importlib.import_module


@pytest.mark.parametrize("language", ["en", "fr"])
def test_held_out_templates_are_new_sentences_of_known_words(language: str) -> None:
    known = set().union(*(words_of(template, language) for template in trained_templates(language)))
    held_out = WORLD["heldout"][language]
    assert len(held_out) >= 30
    assert not {word for template in held_out for word in words_of(template, language)} - known
    assert not set(held_out) & set(trained_templates(language))


def test_held_out_voices_are_not_training_voices(recipe: Any) -> None:
    speak = recipe("speak")
    for language, voices in speak.HELDOUT_VOICES.items():
        assert not set(voices) & set(speak.ESPEAK_VOICES[language])
    assert not set(speak.HELDOUT_VARIANTS) & set(speak.ESPEAK_VARIANTS)
    assert not set(speak.FLITE_HELDOUT) & set(speak.FLITE_VOICES)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_training_text_holds_no_held_out_sentence_not_even_by_splicing(recipe: Any, language: str) -> None:
    speak = recipe("speak")
    world = speak.World(str(RECIPE / "world.yaml"), speak.Mix(jumble=0.0, splice=0.5), "train")
    rng = random.Random(7)
    assert not [t for t in (world.utterance(language, rng)[0] for _ in range(1500)) if world.never[language].search(t)]
    held_out = speak.World(str(RECIPE / "world.yaml"), speak.Mix(jumble=0.0, splice=0.0), "templates")
    assert all(held_out.never[language].search(held_out.utterance(language, rng)[0]) for _ in range(200))


def test_every_token_has_the_time_of_its_word(recipe: Any) -> None:
    labels = recipe("labels")
    tokenizer = Tokenizer.from_file(str(ROOT / "audio/whisper/demo_model/tokenizer.json"))
    raw = {
        "texts": np.array(["i lost my card", ""]),
        "marks": np.array(["0:0 2:1600 7:4800 10:6400", ""]),
        "languages": np.array(["en", "none"]),
        "ends": np.array([12000, 20000]),
    }
    made = labels.label(raw, tokenizer)
    assert [tokenizer.id_to_token(i) for i in made["tokens"]] == ["Ġi", "Ġlost", "Ġmy", "Ġcard"]
    begins, ends = [0, 1600, 4800, 6400], [1600, 4800, 6400, 11400]  # samples; the last word ends 600 before the audio
    for (start_s, end_s), begin, end in zip(made["spans"], begins, ends, strict=True):
        assert start_s < (begin + end) / 2 / 8000 < end_s
        assert begin / 8000 - 0.25 < start_s < begin / 8000
        assert abs(end_s - end / 8000) < 0.25
    assert made["rows"][:, [0, 1, 3, 6]].tolist() == [[0, 12000, 4, 0], [12000, 8000, 0, 2]]
