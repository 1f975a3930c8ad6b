"""The arrows of the house: audio <- streams engine <- surfaces <- command line, and nothing the other way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(p for folder in ("audio", "streams", "schemas") for p in (ROOT / folder).rglob("*.py"))
SURFACES = (
    "streams.cli",
    "streams.demo",
    "streams.replay",
    "streams.evaluation",
    "streams.bench",
    "streams.kafka",
    "streams.feed",
    "streams.settings",
    "streams.__main__",
)
ENGINE = ("streams.events", "streams.conversation", "streams.listen", "streams.supervise", "streams.monitor")
NO_CLOCK = ("audio", *ENGINE, "streams.alerts", "streams.language")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_the_modules_are_found() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_arrows_point_one_way(path: Path) -> None:
    name, imports = name_of(path), list(imports_of(path))
    if inside(name, ("audio",)):
        assert not [i for i in imports if inside(i, ("streams", "schemas"))]
    elif inside(name, ("streams",)) and not inside(name, SURFACES) and not name.endswith("command"):
        if "recipe" in path.parts:
            pytest.skip("the training recipe is a script, as a command is")
        assert not [i for i in imports if inside(i, SURFACES)]


@pytest.mark.parametrize("path", [p for p in MODULES if "recipe" not in p.parts], ids=name_of)
def test_nothing_that_runs_needs_a_recipe(path: Path) -> None:
    assert not [i for i in imports_of(path) if "recipe" in i.split(".")]


@pytest.mark.parametrize("path", [p for p in MODULES if inside(name_of(p), NO_CLOCK)], ids=name_of)
def test_the_core_has_no_clock_no_network_and_no_kafka(path: Path) -> None:
    if "recipe" in path.parts:
        pytest.skip("the training recipe is a script, not part of the core")
    banned = (
        "time",
        "datetime",
        "socket",
        "asyncio",
        "http",
        "urllib.request",
        "requests",
        "faust",
        "kafka",
        "aiokafka",
    )
    assert not [i for i in imports_of(path) if inside(i, banned)]


@pytest.mark.parametrize("path", sorted(ROOT.glob("[!.]*/**/*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_longer_than_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_no_script_or_lock_file_names_a_package_index() -> None:
    for path in [*ROOT.glob("*.txt"), *ROOT.glob("*.toml"), ROOT / "Makefile", ROOT / ".ci" / "run"]:
        text = path.read_text(encoding="utf-8")
        assert "index-url" not in text, path
        assert "/simple" not in text, path
