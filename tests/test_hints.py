"""What the transcriber is told beforehand, and what a machine is known to carry: files, and the mistakes in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audio.errors import VigieError
from streams.capacity import Admission, Capacity, doubt, load_capacity
from streams.events import CallInfo
from streams.hints import CHARS_MAX, Hints, load_hints

BOOK = """
- hotwords: [Vigie]
- scope: {tenant: acme, queue: [sales, billing]}
  language: fr
  prompt: Appel au service client.
  hotwords: [Acmephone, Vigie]
- scope: {queue: billing}
  prompt: Facturation.
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "hints.yaml"
    path.write_text(text)
    return path


def test_all_entries_that_fit_a_call_hold_and_the_call_itself_comes_first(tmp_path: Path) -> None:
    book = load_hints(written(tmp_path, BOOK))
    assert book.for_call(CallInfo("c")) == Hints(None, "", "Vigie")
    sales = book.for_call(CallInfo("c", tenant="acme", queue="sales"))
    assert sales == Hints("fr", "Appel au service client.", "Vigie, Acmephone")
    assert book.for_call(CallInfo("c", tenant="acme", queue="billing", language="en")) == Hints(
        "en", "Facturation.", "Vigie, Acmephone"
    )
    assert load_hints(None).for_call(CallInfo("c", language="pt")) == Hints("pt")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1", "no list"),
        ("- 3", "no entry"),
        ("- {promt: x}", "promt"),
        ("- {scope: {city: x}}", "scope"),
        ("- {language: 5}", "language"),
        ("- {hotwords: [{a: 1}]}", "hotwords"),
        (f"- {{prompt: {'x' * (CHARS_MAX + 1)}}}", "too long"),
        ("- {", "not YAML"),
    ],
)
def test_a_mistake_names_file_entry_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(VigieError, match=told) as caught:
        load_hints(written(tmp_path, text))
    assert "hints.yaml" in str(caught.value)


def test_a_file_that_is_not_there_is_a_users_mistake(tmp_path: Path) -> None:
    for load in (load_hints, load_capacity):
        with pytest.raises(VigieError, match="none"):
            load(tmp_path / "none")


def test_a_capacity_is_read_and_doubted_where_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "capacity.json"
    path.write_text(json.dumps({"model": "small", "device": "cpu", "calls": 12, "p95_s": 2.5}))
    capacity = load_capacity(path)
    assert capacity == Capacity("small", "cpu", 12, 2.5)
    assert doubt(capacity, "small", 12) is None
    assert "13 calls" in (doubt(capacity, "small", 13) or "")
    assert "not with base" in (doubt(capacity, "base", 0) or "")
    assert doubt(None, "base", 99) is None
    path.write_text("{}")
    with pytest.raises(VigieError, match="bench asr"):
        load_capacity(path)


def test_going_beyond_what_was_measured_is_said_once_each_time() -> None:
    admission = Admission(Capacity("small", "cpu", 10, 2.5))
    told = [admission.look(calls) is not None for calls in (9, 10, 11, 12, 10, 11, 9, 11)]
    assert told == [False, False, True, False, False, False, False, True]
    assert Admission(None).look(10**6) is None
