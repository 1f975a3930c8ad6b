"""The voices that speak the demonstration model's corpus: accents made at random, and SVOX Pico where it is there."""

import ctypes
import importlib
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RECIPE = Path(__file__).parent.parent / "audio/whisper/recipe"
# What makes espeak-ng's en-gb-scotland and fr-be: a table of phonemes, a rule of the dictionary.
SCOTTISH_TABLE, BELGIAN_RULE = "phonemes en-sc", "dictrules 2"

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to make a library with")

# Speaks as many samples as the text has letters, each of them the pitch in percent; knows a voice by its file.
PICO = """
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef bool (*heard_t)(void *, uint32_t, uint32_t, int, uint8_t *, uint32_t, bool);
typedef struct { heard_t heard; int rate, pitch; } engine_t;
engine_t *TtsEngine_Create(const char *folder, const char *language, heard_t heard) {
    char path[4096];
    snprintf(path, sizeof path, "%s%s_ta.bin", folder, language);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fclose(file);
    engine_t *engine = calloc(1, sizeof *engine);
    engine->heard = heard;
    return engine;
}
int TtsEngine_SetRate(engine_t *engine, int rate) { return engine->rate = rate; }
int TtsEngine_SetPitch(engine_t *engine, int pitch) { return engine->pitch = pitch; }
bool TtsEngine_Speak(engine_t *engine, const char *text, void *user) {
    for (size_t k = 0; k < strlen(text); k++) {
        int16_t sample = (int16_t)(engine->pitch * 100);
        engine->heard(user, 16000, 0, 1, (uint8_t *)&sample, sizeof sample, false);
    }
    return engine->heard(user, 16000, 0, 1, NULL, 0, true);
}
"""


@pytest.fixture
def voices(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(RECIPE))
    module = importlib.import_module("voices")
    monkeypatch.setattr(module, "_espeak", None)
    monkeypatch.setattr(module, "_pico", None)
    return module


@pytest.fixture(scope="module")
def espeak() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPE))
        engine = importlib.import_module("voices").Espeak()  # one in a process: the library does not start a third time
    yield engine
    engine.folder.cleanup()


@pytest.fixture
def pico_folder(tmp_path: Path) -> Path:
    (tmp_path / "pico.c").write_text(PICO, encoding="utf-8")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "libpico.so", tmp_path / "pico.c"], check=True)
    return tmp_path


@pytest.mark.parametrize("language", ["en", "fr"])
def test_an_accent_is_itself_again_and_never_of_the_held_out_voices(voices: Any, language: str) -> None:
    accents = [voices.accent(language, number) for number in range(voices.ACCENTS)]
    assert accents == [voices.accent(language, number) for number in range(voices.ACCENTS)]
    assert len({"\n".join(accent.splitlines()[2:]) for accent in accents}) > voices.ACCENTS // 2
    for accent in accents:
        lines = accent.splitlines()
        assert SCOTTISH_TABLE not in lines
        assert language == "en" or BELGIAN_RULE not in lines


def test_training_hears_accents_and_held_out_speech_only_its_own_voices(voices: Any) -> None:
    rng = random.Random(5)
    for language in ("en", "fr"):
        trained = {voices.voice_for(language, rng, heldout=False, pico=False) for _ in range(3000)}
        held_out = {voices.voice_for(language, rng, heldout=True, pico=True) for _ in range(3000)}
        assert not trained & held_out
        assert sum("-accent" in voice for voice in trained) > 400
        assert not [voice for voice in held_out if "-accent" in voice or voice.startswith("pico ")]
        assert {"en": "en-gb-scotland", "fr": "fr-be"}[language] in held_out


def test_pico_speaks_only_where_it_is_asked_to(voices: Any) -> None:
    rng = random.Random(6)
    for language in ("en", "fr"):
        without, beside = (
            [voices.voice_for(language, rng, heldout=False, pico=pico) for _ in range(1000)] for pico in (False, True)
        )
        assert not [voice for voice in without if voice.startswith("pico ")]
        assert {voice for voice in beside if voice.startswith("pico ")} == {
            f"pico {name}" for name in voices.PICO_VOICES[language]
        }


def test_a_folder_without_pico_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(RECIPE))
    speak = importlib.import_module("speak")
    monkeypatch.setattr("sys.argv", ["speak.py", "world.yaml", str(tmp_path / "out.npz"), "--pico", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        speak.main()
    assert stopped.value.code == 2
    assert f"{tmp_path} holds no libpico.so" in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()


@needs_gcc
def test_pico_without_its_voices_says_which_are_lacking(voices: Any, pico_folder: Path) -> None:
    (pico_folder / "en-GB_ta.bin").touch()
    with pytest.raises(ValueError, match=r"no voice of Pico's for en-US, fr-FR: copy the \.bin files"):
        voices.Pico(str(pico_folder))


@needs_gcc
def test_pico_speaks_by_its_library(voices: Any, pico_folder: Path) -> None:
    for name in ("en-GB", "en-US", "fr-FR"):
        (pico_folder / f"{name}_ta.bin").touch()
    pico = voices.Pico(str(pico_folder))
    samples = pico("trois mots courts", "fr-FR", 100, 120)
    assert samples.tolist() == pytest.approx([12000 / 32768] * 17)
    with pytest.raises(ValueError, match="said nothing"):
        pico("", "fr-FR", 100, 120)
    seed = next(k for k in range(1000) if voice_of(voices, k).startswith("pico "))
    samples, voice, marks = voices.speak("trois mots " * 200, "fr", random.Random(seed), False, str(pico_folder))
    assert (voice, marks, samples.dtype) == ("pico fr-FR", "", np.int16)
    assert len(samples) > 800  # 2,200 letters at 16 kHz, at 8 kHz


def voice_of(voices: Any, seed: int) -> str:
    """The voice that `speak` draws for this seed: after the change of speed."""
    rng = random.Random(seed)
    if rng.random() >= 0.25:
        rng.uniform(0, 1)
    return str(voices.voice_for("fr", rng, heldout=False, pico=True))


@needs_espeak
def test_espeak_speaks_with_its_own_voices_and_with_accents(espeak: Any) -> None:
    text, starts = "i lost my card on monday", [0, 2, 7, 10, 15, 18]
    seconds = {}
    for voice in ("en-us", "en-accent3", "en-accent4+f2"):
        samples, marks = espeak(text, voice, 160, 50)
        seconds[voice] = len(samples) / espeak.rate_hz
        assert 1 < seconds[voice] < 4
        assert float(np.abs(samples).max()) > 0.1
        times_ms = [ms for _, ms in marks]
        assert [character for character, _ in marks] == starts
        assert times_ms == sorted(times_ms)
    assert seconds["en-accent3"] < 0.97 * seconds["en-us"]  # its stresses are shorter
    with pytest.raises(ValueError, match="no voice en-nowhere"):
        espeak(text, "en-nowhere", 160, 50)


@needs_espeak
def test_every_accent_s_voice_file_is_taken_by_espeak(voices: Any, espeak: Any) -> None:
    for language in ("en", "fr"):
        for number in range(0, voices.ACCENTS, 20):
            name = espeak.file_of(f"{language}-accent{number}")
            assert espeak.library.espeak_SetVoiceByName(name.encode()) == 0
            assert voice_name(espeak) == f"accent {number}"


def voice_name(espeak: Any) -> str:
    """What the library calls the voice it speaks with: the first field of espeak_VOICE."""
    current = espeak.library.espeak_GetCurrentVoice
    current.restype = ctypes.POINTER(ctypes.c_char_p)
    return (current()[0] or b"").decode()


@needs_espeak
@pytest.mark.parametrize("heldout", [False, True])
def test_the_same_seed_speaks_with_the_same_voice(
    voices: Any, espeak: Any, monkeypatch: pytest.MonkeyPatch, heldout: bool
) -> None:
    monkeypatch.setattr(voices, "_espeak", espeak)
    text = "je vous rappelle vendredi"
    first, second, other = (voices.speak(text, "fr", random.Random(seed), heldout) for seed in (1, 1, 2))
    assert first[1] == second[1] != other[1]
    # espeak-ng keeps the phase of its voice: the samples are not the same, what is said is.
    assert len(first[0]) == pytest.approx(len(second[0]), rel=0.02)
    for samples, _, marks in (first, second):
        characters, times = zip(*(map(int, mark.split(":")) for mark in marks.split()), strict=True)
        assert list(characters)[-3:] == [3, 8, 17]  # "je" is not always announced
        assert list(times) == sorted(set(times))
        assert 0 <= times[0] < times[-1] < len(samples)
