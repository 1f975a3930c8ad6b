"""The shapes of what crosses a topic or is written to a file: JSON Schemas (draft 2020-12) and Avro schemas."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from audio.errors import VigieError

NAMES = ("measurement", "utterance", "alert", "summary", "feedback", "dead-letter")
"""JSON Schemas; each is one topic's value, and the first four are also the lines of a replay's files."""
AVRO_NAMES = ("audio", "speech")
"""Avro unions: what carries sound."""


def load(name: str) -> dict[str, Any]:
    """The JSON Schema of that name (a copy: the caller may change it).

    Raises:
        VigieError: there is no such schema.
    """
    return copy.deepcopy(_schema(name))


@lru_cache(maxsize=16)
def validator(name: str) -> Draft202012Validator:
    """A validator for records of that name; `validator(name).iter_errors(record)` tells what is wrong.

    Raises:
        VigieError: there is no such schema.
    """
    return Draft202012Validator(_schema(name))


def avro(name: str) -> list[dict[str, Any]]:
    """The current Avro schema of that name, a union of records.

    Raises:
        VigieError: there is no such schema.
    """
    _known(name, AVRO_NAMES)
    union: list[dict[str, Any]] = _read(f"{name}.avsc")
    return union


def avro_history(name: str) -> list[list[dict[str, Any]]]:
    """Every published version of that Avro schema, oldest first: what a reader may still meet.

    Raises:
        VigieError: there is no such schema.
    """
    _known(name, AVRO_NAMES)
    return [_read(f"history/{name}.{version}.avsc") for version in versions(name)]


def history(name: str) -> list[dict[str, Any]]:
    """Every published version of that JSON Schema, oldest first.

    Raises:
        VigieError: there is no such schema.
    """
    _known(name, NAMES)
    return [_read(f"history/{name}.{version}.schema.json") for version in versions(name)]


def versions(name: str) -> list[int]:
    """The published versions of a schema, in order."""
    files = (resource.name for resource in resources.files(__name__).joinpath("history").iterdir())
    return sorted(int(file.split(".")[1]) for file in files if file.split(".")[0] == name)


@lru_cache(maxsize=16)
def _schema(name: str) -> dict[str, Any]:
    _known(name, NAMES)
    schema: dict[str, Any] = _read(f"{name}.schema.json")
    return schema


def _known(name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise VigieError(f"no schema is named {name[:40]!r}", remedy=f"Use one of: {', '.join(names)}")


def _read(path: str) -> Any:
    return json.loads(resources.files(__name__).joinpath(path).read_text(encoding="utf-8"))
