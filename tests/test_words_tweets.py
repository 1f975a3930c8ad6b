"""`vigie eval --xlmt`: three ways to tell the sentiment of tweets, on made-up ones."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from audio.errors import VigieError
from streams.cli import main
from streams.evaluation.words_tweets import FOLDERS, compare

MISSING = [name for name in ("sklearn", "vaderSentiment") if find_spec(name) is None]
needs_both = pytest.mark.skipif(
    bool(MISSING) and not os.environ.get("CI"), reason=f"not installed here: {', '.join(MISSING)}"
)
TEXTS = {"zorg awful terrible": 0, "blip at noon": 1, "frab wonderful lovely": 2}


def made(folder: Path, repeats: int = 6) -> Path:
    for name in FOLDERS.values():
        (folder / name).mkdir(parents=True)
        for split in ("train", "val"):
            texts = list(TEXTS) * repeats
            (folder / name / f"{split}_text.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
            labels = "\n".join(str(TEXTS[text]) for text in texts)
            (folder / name / f"{split}_labels.txt").write_text(labels + "\n", encoding="utf-8")
    return folder


@needs_both
def test_every_language_is_compared_and_vader_in_english_alone(tmp_path: Path) -> None:
    report = compare(made(tmp_path))
    assert set(report) == set(FOLDERS)
    assert all(row["tfidf_logistic"] == 1.0 and row["tweets"] == 18 for row in report.values())
    assert report["en"]["vader"] == 1.0
    assert report["en"]["built_in"] > 0.5
    assert "vader" not in report["fr"]


@needs_both
def test_the_command_prints_json_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(tmp_path)
    assert main(["eval", "--xlmt", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pt"]["trained_on"] == 18
    assert main(["eval", "--xlmt", str(folder)]) == 0
    assert "VADER" in capsys.readouterr().out


def test_what_is_no_such_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(VigieError, match="cannot read the val split"):
        compare(tmp_path)
    (made(tmp_path) / "french" / "val_labels.txt").write_text("0\n1\n", encoding="utf-8")
    with pytest.raises(VigieError, match="18 texts but 2 labels"):
        compare(tmp_path)
