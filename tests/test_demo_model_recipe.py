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
    voices = recipe("voices")
    for language, held_out in voices.HELDOUT_VOICES.items():
        assert not set(held_out) & set(voices.ESPEAK_VOICES[language])
    assert not set(voices.HELDOUT_VARIANTS) & set(voices.ESPEAK_VARIANTS)
    assert not set(voices.FLITE_HELDOUT) & set(voices.FLITE_VOICES)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_training_text_holds_no_held_out_sentence_not_even_by_splicing(recipe: Any, language: str) -> None:
    speak = recipe("speak")
    world = speak.World(str(RECIPE / "world.yaml"), speak.Mix(jumble=0.0, splice=0.5), "train")
    rng = random.Random(7)
    assert not [t for t in (world.utterance(language, rng)[0] for _ in range(1500)) if world.never[language].search(t)]
    held_out = speak.World(str(RECIPE / "world.yaml"), speak.Mix(jumble=0.0, splice=0.0), "templates")
    assert all(held_out.never[language].search(held_out.utterance(language, rng)[0]) for _ in range(200))


def written_sentences(language: str) -> list[str]:
    return (RECIPE / f"sentences.{language}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_written_sentences_are_of_the_world_s_words_and_no_held_out_template_is_said_by_them(
    recipe: Any, language: str
) -> None:
    lines = written_sentences(language)
    known = set().union(*(words_of(template, language) for template in trained_templates(language)))
    assert len(set(lines)) == len(lines) > 900
    assert not {word for line in lines for word in words_of(line, language)} - known
    assert not set(lines) & set(trained_templates(language))
    speak = recipe("speak")
    world = speak.World(str(RECIPE / "world.yaml"), speak.Mix(), "train")
    assert world.written[language] == lines  # none had to be left out
    fills = (world.filled(line, language, random.Random(k)) for line in lines for k in range(40 if "{" in line else 1))
    assert not [fill for fill in fills if world.never[language].search(fill)]


def test_a_written_sentence_that_a_held_out_template_could_say_is_left_out(recipe: Any, tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_bytes((RECIPE / "world.yaml").read_bytes())
    held_out = WORLD["heldout"]["en"][0]
    (tmp_path / "sentences.en.txt").write_text(f"well {held_out} then\n\ni lost my card\n", encoding="utf-8")
    speak = recipe("speak")
    world = speak.World(str(tmp_path / "world.yaml"), speak.Mix(), "train")
    assert world.written == {"en": ["i lost my card"], "fr": []}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_training_text_draws_on_the_written_sentences(recipe: Any, language: str) -> None:
    speak = recipe("speak")
    path, rng = str(RECIPE / "world.yaml"), random.Random(3)
    without_slots = {line for line in written_sentences(language) if "{" not in line}
    all_written, none_written, held_out = (
        speak.World(path, speak.Mix(jumble=0.0, splice=0.0, written=share), split)
        for share, split in ((1.0, "train"), (0.0, "train"), (1.0, "templates"))
    )
    said = [all_written.sentence(language, rng) for _ in range(300)]
    assert len(without_slots & set(said)) > 100
    for world in (none_written, held_out):
        assert not without_slots & {world.sentence(language, rng) for _ in range(300)}


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
