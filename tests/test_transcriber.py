"""The transcriber for real: a Whisper of random weights made here, the demonstration model where it is, recordings."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.errors import VigieError
from audio.whisper.gates import GateSettings
from audio.whisper.transcriber import (
    DEMO_FOLDER,
    RecordedTranscriber,
    TranscriberSettings,
    Transcript,
    WhisperTranscriber,
    load_transcriber,
)

OPEN_GATES = GateSettings(
    no_speech_prob_max=1.1,
    no_speech_prob_certain=1.1,
    log_prob_min=-1e9,
    compression_ratio_max=1e9,
    loop_repeats_max=10_000,
    word_repeats_max=10_000,
    words_per_s_max=1e9,
)
SETTINGS = TranscriberSettings(cpu_threads=1, device="cpu", local_files_only=True, languages=("en", "fr"))
LANGUAGES = ("en", "fr")


def random_whisper(folder: Path, seed: int = 3) -> Path:
    """A one-layer Whisper of width 16 in CTranslate2's form: it babbles, and everything around it is real."""
    from ctranslate2.specs import whisper_spec
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES)]
    special += [
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]
    times = [f"<|{step * 0.02:.2f}|>" for step in range(1501)]
    tokenizer = Tokenizer(models.BPE(vocab={sign: at for at, sign in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(times)
    vocabulary = [tokenizer.id_to_token(at) for at in range(tokenizer.get_vocab_size())]
    vocabulary[letters.index("\u0100")] = ""
    rng = np.random.default_rng(seed)
    width = 16

    def weights(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.3).astype(np.float32)

    def norm(part: Any) -> None:
        part.gamma, part.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def linear(part: Any, out: int, into: int) -> None:
        part.weight, part.bias = weights(out, into), np.zeros(out, np.float32)

    def attention(part: Any, sizes: list[int]) -> None:
        norm(part.layer_norm)
        for layer, size in zip(part.linear, sizes, strict=True):
            linear(layer, size, width)

    def feed_forward(part: Any) -> None:
        norm(part.layer_norm)
        linear(part.linear_0, 4 * width, width)
        linear(part.linear_1, width, 4 * width)

    spec = whisper_spec.WhisperSpec(1, 2, 1, 2)
    for conv, size in ((spec.encoder.conv1, 80), (spec.encoder.conv2, width)):
        conv.weight, conv.bias = weights(width, size, 3), np.zeros(width, np.float32)
    spec.encoder.position_encodings.encodings = weights(1500, width)
    spec.decoder.position_encodings.encodings = weights(448, width)
    spec.decoder.scale_embeddings = False
    spec.decoder.embeddings.weight = weights(len(vocabulary), width)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    for half, more in ((spec.encoder, False), (spec.decoder, True)):
        norm(half.layer_norm)
        attention(half.layer[0].self_attention, [3 * width, width])
        if more:
            attention(half.layer[0].attention, [width, 2 * width, width])
        feed_forward(half.layer[0].ffn)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.alignment_heads = [(0, 0)]
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{code}|>") for code in LANGUAGES]
    spec.validate()
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80, "sampling_rate": 16_000}))
    return folder


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> WhisperTranscriber:
    folder = random_whisper(tmp_path_factory.mktemp("whisper"))
    loaded = load_transcriber(str(folder), replace(SETTINGS, gates=OPEN_GATES))
    assert isinstance(loaded, WhisperTranscriber)
    return loaded


def sound(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * 16_000)) / 16_000
    return (0.2 * np.sin(2 * np.pi * 220 * time) * (np.sin(2 * np.pi * 3 * time) > 0)).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 4.0])
def test_a_real_model_gives_the_same_words_for_the_same_sound(babbler: WhisperTranscriber, seconds: float) -> None:
    first, second = (babbler.transcribe(sound(seconds), "fr") for _ in range(2))
    assert first.text == second.text
    assert first.language == "fr"
    assert 0 <= first.confidence <= 1
    assert all(0 <= word.start_s <= word.end_s for word in first.words)


def test_language_is_one_of_those_we_speak(babbler: WhisperTranscriber) -> None:
    assert babbler.transcribe(sound(2), None).language in LANGUAGES
    assert babbler.transcribe(sound(2), "xx").language in LANGUAGES


def test_what_a_babbling_model_says_does_not_pass_the_gates(babbler: WhisperTranscriber) -> None:
    strict = WhisperTranscriber(babbler.decoder.model, "strict", SETTINGS)
    transcript = strict.transcribe(sound(2), "en")
    assert transcript.text == ""
    assert strict.dropped[transcript.dropped or ""] == 1


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.zeros(32_000, np.float32), "too_quiet"),
        (np.full(32_000, np.nan, np.float32), "bad_audio"),
    ],
)
def test_bad_audio_is_dropped_with_its_reason(babbler: WhisperTranscriber, samples: np.ndarray, reason: str) -> None:
    assert babbler.transcribe(samples, None) == Transcript("", None, 0.0, dropped=reason)


def test_none_is_no_transcriber() -> None:
    assert load_transcriber("none") is None


@pytest.mark.parametrize("name", ["enormous-v9", "./no/such/folder", "/nowhere"])
def test_an_unknown_model_is_a_users_mistake(name: str) -> None:
    with pytest.raises(VigieError) as caught:
        load_transcriber(name, SETTINGS)
    assert caught.value.remedy


def test_a_model_that_is_not_here_without_network_is_a_users_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(VigieError, match="network"):
        load_transcriber("nobody/no-such-whisper", SETTINGS)


def test_a_damaged_model_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(VigieError, match="convert"):
        load_transcriber(str(tmp_path), SETTINGS)


def test_the_demonstration_model_loads_and_hears_no_words_in_silence() -> None:
    if not (DEMO_FOLDER / "model.bin").is_file():
        with pytest.raises(VigieError, match="demonstration"):
            load_transcriber("demo", SETTINGS)
        if os.environ.get("CI") == "true":
            pytest.fail("the demonstration model must be in the repository")
        pytest.skip("the demonstration model is not in this tree")
    demo = load_transcriber("demo", SETTINGS)
    assert demo is not None
    assert demo.transcribe(np.zeros(48_000, np.float32), "en").dropped == "too_quiet"
    hum = (0.1 * np.sin(2 * np.pi * 50 * np.arange(48_000) / 16_000)).astype(np.float32)
    assert len(demo.transcribe(hum, "en").text.split()) <= 8


def test_recorded_transcripts_are_given_by_utterance(tmp_path: Path) -> None:
    path = tmp_path / "utterances.ndjson"
    word = {"word": "bonjour", "start_ms": 1100, "end_ms": 1500, "probability": 0.9}
    record = {"utterance_id": "c:a1", "start_ms": 1000, "text": "bonjour", "language": "fr", "words": [word]}
    path.write_text(json.dumps(record) + "\n\n" + json.dumps({"utterance_id": "c:c1", "text": ""}) + "\n")
    recorded = RecordedTranscriber.from_ndjson(path)
    said = recorded.transcribe(sound(1), None, utterance_id="c:a1")
    assert (said.text, said.language, said.words[0].start_s) == ("bonjour", "fr", 0.1)
    assert recorded.transcribe(sound(1), None, utterance_id="c:c1").dropped == "no_words"
    assert recorded.transcribe(sound(1), None, utterance_id="c:a9").dropped == "not_recorded"


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "x"}', '{"utterance_id": "u", "text": "x", "words": [1]}'])
def test_a_line_that_is_no_utterance_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.ndjson"
    path.write_text(line)
    with pytest.raises(VigieError, match=r"bad\.ndjson:1"):
        RecordedTranscriber.from_ndjson(path)
