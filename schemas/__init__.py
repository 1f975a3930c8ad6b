"""The shapes of what crosses a topic or is written to a file: JSON Schemas, draft 2020-12, and their validators."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from audio.errors import VigieError

NAMES = ("measurement", "utterance", "alert", "summary")


def load(name: str) -> dict[str, Any]:
    """The schema of that name (a copy: the caller may change it).

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


@lru_cache(maxsize=16)
def _schema(name: str) -> dict[str, Any]:
    if name not in NAMES:
        raise VigieError(f"no schema is named {name!r}", remedy=f"Use one of: {', '.join(NAMES)}.")
    text = resources.files(__name__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
