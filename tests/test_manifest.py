"""The manifest: what it may say, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio.errors import VigieError
from streams.replay.manifest import read_manifest
from tests.replay_fakes import write_wav


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav", "x_agent.wav", "x_caller.wav"):
        write_wav(tmp_path / name, 0.2)
    return tmp_path


def manifest(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "calls.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_every_column_reaches_the_call(folder: Path) -> None:
    text = (
        "call_id,file,agent_channel,agent,queue,site,trunk,language,started_at,campaign\n"
        "c1,a.wav,right,Lea,billing,Rabat,sip-1,fr-MA,2026-03-02T09:31:00Z,spring\n"
    )
    [source], failures = read_manifest(manifest(folder, text))
    call = source.call
    assert (call.call_id, call.agent, call.queue, call.site, call.trunk) == ("c1", "Lea", "billing", "Rabat", "sip-1")
    assert (call.language, call.started_at, source.agent_channel) == ("fr-ma", "2026-03-02T09:31:00Z", "right")
    assert call.attributes == {"campaign": "spring"}
    assert failures == []


def test_a_pair_needs_no_call_id_and_no_file_column(folder: Path) -> None:
    [source], _ = read_manifest(manifest(folder, "agent_file,customer_file\nx_agent.wav,x_caller.wav\n"))
    assert [path.name for path in source.paths] == ["x_agent.wav", "x_caller.wav"]
    assert source.call.call_id == "x_agent"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheet_may_separate_as_it_likes_and_mark_its_bytes(folder: Path, separator: str) -> None:
    text = "file,site\n\na.wav,Abidjan\n".replace(",", separator)
    [source], _ = read_manifest(manifest(folder, text, "utf-8-sig"))
    assert source.call.site == "Abidjan"


def test_what_the_command_says_holds_for_rows_that_say_nothing(folder: Path) -> None:
    path = manifest(folder, "file,language\na.wav,pt\nb.wav,\n")
    first, second = read_manifest(path, language="fr", agent_channel="right")[0]
    assert (first.call.language, second.call.language) == ("pt", "fr")
    assert first.agent_channel == "right"


@pytest.mark.parametrize(
    ("text", "line", "field", "word"),
    [
        ("file,agent\na.wav,x,y\n", 2, None, "cells"),
        ("call_id,file\nc,a.wav\nc,b.wav\n", 3, "call_id", "line 2"),
        ("call_id,file\nc,a.wav\nd,a.wav\n", 3, "file", "line 2"),
        ("file,agent_channel\na.wav,middle\n", 2, "agent_channel", "left or right"),
        ("file,language\n\na.wav,french please\n", 3, "language", "fr, ar or pt"),
        ("file,started_at\na.wav,yesterday\n", 2, "started_at", "2026-03-31"),
        ("file,agent\n,Lea\n", 2, "file", "where the call's audio is"),
        ("agent_file,customer_file\nx_agent.wav,\n", 2, "customer_file", "both"),
        ("file,agent_file,customer_file\na.wav,x_agent.wav,x_caller.wav\n", 2, "file", "either"),
        ("file,file\na.wav,b.wav\n", 1, "file", "twice"),
        ("agent,queue\nLea,billing\n", 1, None, "`file`"),
        ('file,agent\na.wav,"Lea\n', 2, None, "quotes"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_column(
    folder: Path, text: str, line: int, field: str | None, word: str
) -> None:
    with pytest.raises(VigieError) as caught:
        read_manifest(manifest(folder, text))
    assert f"calls.csv, line {line}" in str(caught.value)
    assert caught.value.field == field
    assert word in str(caught.value)


def test_a_recording_that_is_gone_costs_its_own_call_only(folder: Path) -> None:
    calls, [failure] = read_manifest(manifest(folder, "file\na.wav\ngone.wav\n"))
    assert len(calls) == 1
    assert "line 3, column file" in failure.reason
    assert failure.file.endswith("gone.wav")


def test_a_manifest_whose_recordings_are_all_gone_is_a_mistake(folder: Path) -> None:
    with pytest.raises(VigieError, match="none of the recordings"):
        read_manifest(manifest(folder, "file\ngone.wav\nlost.wav\n"))


@pytest.mark.parametrize("text", ["", "\n\n", "file\n"])
def test_a_manifest_without_calls_is_a_mistake(folder: Path, text: str) -> None:
    with pytest.raises(VigieError):
        read_manifest(manifest(folder, text))


def test_a_manifest_that_is_no_text_or_not_there_is_told(folder: Path) -> None:
    with pytest.raises(VigieError, match="UTF-8"):
        read_manifest(manifest(folder, "file,agent\na.wav,Zoé\n", "latin-1"))
    with pytest.raises(VigieError, match="cannot be read"):
        read_manifest(folder / "none.csv")
