"""Engine 2 of the sentiment: a tiny network that this test makes, loaded by the real code; and `vigie explain`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audio.errors import VigieError
from streams.cli import main
from streams.language import WordReader, analyse
from streams.language.onnx_sentiment import OnnxSentiment, label_values

WORDS = {"[UNK]": 0, "good": 1, "bad": 2, "the": 3, "service": 4, "very": 5}
WORTH = {"good": 4.0, "bad": -4.0}


def write_model(folder: Path, labels: tuple[str, ...]) -> Path:
    """A network that adds up what each word says for each label; `labels` may come in any order."""
    onnx = pytest.importorskip("onnx", reason="the package onnx builds the model of this test")
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    values = label_values({"id2label": dict(enumerate(labels))})
    table = np.zeros((len(WORDS), len(labels)), np.float32)
    for word, worth in WORTH.items():
        table[WORDS[word]] = worth * values
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["embedded", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["summed"], keepdims=0),
        helper.make_node("MatMul", ["summed", "same"], ["logits"]),
    ]
    tensor = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"]) for name in ("input_ids", "attention_mask")
    ]
    made = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.eye(len(labels), dtype=np.float32), "same"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
        numpy_helper.from_array(np.array([1], np.int64), "middle"),
    ]
    out = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(labels)])]
    graph = helper.make_graph(nodes, "tiny", tensor, out, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(exist_ok=True)
    onnx.save(model, str(folder / "model.onnx"))
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"id2label": {str(i): label for i, label in enumerate(labels)}}))
    return folder


@pytest.mark.parametrize(
    "labels",
    [
        ("NEGATIVE", "POSITIVE"),
        ("positive", "neutral", "negative"),
        ("LABEL_0", "LABEL_1", "LABEL_2"),
        ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
    ],
)
def test_a_model_of_two_three_or_five_labels_is_read(tmp_path: Path, labels: tuple[str, ...]) -> None:
    reader = WordReader(OnnxSentiment(write_model(tmp_path, labels)))
    good = analyse("the service very good", "en", "customer", reader=reader).sentiment
    bad = analyse("bad the service", "en", "customer", reader=reader).sentiment
    assert good["score"] > 0.5 > -0.5 > bad["score"]
    assert good["because"] == ["good"]
    assert bad["because"] == ["bad"]


def test_a_batch_gives_what_single_utterances_give(tmp_path: Path) -> None:
    engine = OnnxSentiment(write_model(tmp_path, ("NEGATIVE", "POSITIVE")), batch=2)
    reader = WordReader(engine)
    texts = ["good", "the very bad service", "", "the the the the the good", "…", "service"]
    heard = [reader.hear(text, "en", "customer") for text in texts]
    assert engine.judge(heard) == [engine.judge([one])[0] for one in heard]
    assert engine.judge(heard)[2] == {"score": 0.0, "confidence": 0.0, "because": []}


def test_long_utterances_quote_the_lexicon(tmp_path: Path) -> None:
    engine = OnnxSentiment(write_model(tmp_path, ("NEGATIVE", "POSITIVE")), occluded_words_max=3)
    felt = engine.judge([WordReader().hear("the the the very bad service", "en", "customer")])[0]
    assert felt["because"] == ["very bad"]


def test_a_quantised_model_says_the_same(tmp_path: Path) -> None:
    folder = write_model(tmp_path, ("NEGATIVE", "POSITIVE"))
    one = WordReader().hear("the service very good", "en", "customer")
    plain, small = OnnxSentiment(folder).judge([one]), OnnxSentiment(folder, quantise=True).judge([one])
    assert (folder / "model_quantized.onnx").is_file()
    assert small[0]["score"] == pytest.approx(plain[0]["score"], abs=0.05)


@pytest.mark.parametrize("labels", [{}, {"0": "joy", "1": "anger"}, {"0": "neg", "1": "negative"}, {"0": "a"}])
def test_labels_that_cannot_be_told_are_refused(labels: dict[str, str]) -> None:
    with pytest.raises(VigieError, match="labels"):
        label_values({"id2label": labels})


def test_a_folder_without_a_model_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"num_labels": 2}')
    with pytest.raises(VigieError, match=r"model\.onnx"):
        OnnxSentiment(tmp_path)
    with pytest.raises(VigieError, match="no folder"):
        OnnxSentiment(tmp_path / "absent")


def test_explain_shows_feeling_phrases_and_redactions(capsys: pytest.CaptureFixture[str]) -> None:
    said = "c'est inadmissible je veux résilier mon contrat ma carte est 4532 0151 1283 0366"
    assert main(["explain", said, "--language", "fr", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sentiment"]["label"] == "negative"
    assert found["sentiment"]["because"]
    assert "cancellation" in {phrase["category"] for phrase in found["phrases"]}
    assert found["redactions"]
    assert "4532" not in json.dumps(found)


def test_explain_tells_the_language_and_writes_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "muchas gracias por la ayuda de verdad ha quedado todo perfecto"]) == 0
    out = capsys.readouterr().out
    assert "language    es" in out
    assert "positive" in out


@pytest.mark.parametrize(
    "arguments", [["explain"], ["explain", "bonjour", "--language", "de"], ["explain", "a" * 10_001]]
)
def test_explain_refuses_what_it_cannot_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err
