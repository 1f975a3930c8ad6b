"""The command line: help that answers at once, one clean line for a mistake, and exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from audio.errors import VigieError
from streams import cli
from streams.replay import command
from tests.replay_fakes import write_wav


def run(*arguments: str) -> tuple[int, str]:
    try:
        return cli.main(arguments), ""
    except SystemExit as stop:
        return int(stop.code or 0), ""


@pytest.mark.parametrize("name", ["demo", "replay", "rules", "rules check", "synth"])
def test_every_subcommand_helps_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = run(*name.split(), "--help")
    assert code == 0
    assert f"vigie {name}" in capsys.readouterr().out.partition("example")[2]


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from streams import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "try: cli.main(['replay', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'av', 'onnxruntime', 'pyarrow', 'faster_whisper', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = run("--version")
    assert code == 0
    assert capsys.readouterr().out.startswith("vigie ")


@pytest.mark.parametrize(
    "arguments",
    [[], ["replay"], ["nonsense"], ["replay", "x", "--out", "y", "--workers", "0"], ["replay", "x", "--out", ""]],
)
def test_a_command_that_is_no_command_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["{tmp}/none.wav"], "no such file or folder"),
        (["{tmp}"], "no recording is there"),
        ([], "nothing to replay is named"),
        (["--manifest", "{tmp}/none.csv"], "cannot be read"),
        (["{tmp}/a.txt", "--language", "not a code"], "--language"),
        (["{tmp}/a.txt", "--rules", "{tmp}/none.yaml"], "none.yaml"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(
    arguments: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("x")
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    code, _ = run("replay", *filled, "--out", str(tmp_path / "out"))
    told = capsys.readouterr().err
    assert code == 2
    assert told.startswith("vigie: ")
    assert told.count("\n") == 1
    assert word in told


def test_an_interruption_says_that_finished_calls_are_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", interrupted)
    assert cli.main(["replay", "x", "--out", "y"]) == 130
    assert "Finished calls are kept" in capsys.readouterr().err


def test_a_name_with_control_characters_cannot_paint_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: object) -> int:
        raise VigieError("bad\x1b[31m\nname", remedy="Rename it")

    monkeypatch.setattr(command, "run", refused)
    assert cli.main(["replay", "x", "--out", "y"]) == 2
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert told.count("\n") == 1


def test_an_output_folder_that_cannot_be_made_is_the_callers_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "a.wav", 0.2)
    (tmp_path / "out").write_text("a file")
    assert run("replay", str(tmp_path / "a.wav"), "--out", str(tmp_path / "out"))[0] == 2
    assert "--out" in capsys.readouterr().err
