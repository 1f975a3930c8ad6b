"""How much is hidden, by tenant, site and queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio.errors import VigieError
from streams.alerts.reading import RuleFileError
from streams.events import CallInfo
from streams.language import Mode, RedactionSettings
from streams.redaction_policy import load_policy, parse_policy
from streams.replay.playback import EngineSetup, LoadedEngine
from streams.transcribe import CallTranscription

GOOD = """version: 1
mode: standard
regions: [MA, FR]
redaction:
  - {scope: {tenant: bank}, mode: strict}
  - {scope: {site: [lisbon, porto], queue: sales}, regions: [PT, BR]}
  - {scope: {tenant: lab}, mode: off}
"""


@pytest.mark.parametrize(
    ("call", "mode", "first"),
    [
        (CallInfo("c"), Mode.STANDARD, "MA"),
        (CallInfo("c", tenant="bank"), Mode.STRICT, "MA"),
        (CallInfo("c", tenant="lab"), Mode.OFF, "MA"),
        (CallInfo("c", site="porto", queue="sales"), Mode.STANDARD, "PT"),
        (CallInfo("c", site="porto", queue="care"), Mode.STANDARD, "MA"),
        (CallInfo("c", tenant="bank", site="porto", queue="sales"), Mode.STRICT, "MA"),
    ],
)
def test_the_first_entry_that_covers_a_call_counts(call: CallInfo, mode: Mode, first: str) -> None:
    settings = parse_policy(GOOD.encode(), "f.yaml").for_call(call)
    assert (settings.mode, settings.regions[0]) == (mode, first)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_mode_alone_is_a_policy(mode: Mode) -> None:
    assert load_policy(mode.value).for_call(CallInfo("c")) == RedactionSettings(mode=mode)


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "says"),
    [
        ("mode: strict", "mode: strikt", 5, "redaction[0].mode", "not one of"),
        ("mode: standard", "mode: none", 2, "mode", "not one of"),
        ("regions: [MA, FR]", "regions: [Morocco]", 3, "regions", "no country"),
        ("regions: [MA, FR]", "regions: []", 3, "regions", "empty"),
        ("scope: {tenant: bank}, ", "", 5, "redaction[0]", "no scope"),
        ("tenant: bank", "tennant: bank", 5, "redaction[0].scope.tennant", "unknown key"),
        ("version: 1\n", "", 1, "version", "missing"),
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, line: int, field: str, says: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        parse_policy(GOOD.replace(old, new).encode(), "f.yaml")
    mistake = caught.value.mistakes[0]
    assert (mistake.line, mistake.field) == (line, field)
    assert says in mistake.problem


def test_what_is_neither_mode_nor_file_is_refused_with_both() -> None:
    with pytest.raises(VigieError, match="strict"):
        load_policy("strickt")


def test_policies_that_differ_have_other_fingerprints(tmp_path: Path) -> None:
    file = tmp_path / "redaction.yaml"
    file.write_text(GOOD)
    prints = {load_policy(named).fingerprint for named in ("standard", "strict", "off", str(file))}
    assert len(prints) == 4
    assert load_policy(str(file)).fingerprint == load_policy(str(file)).fingerprint


def test_a_replayed_call_gets_its_tenants_mode(tmp_path: Path) -> None:
    file = tmp_path / "redaction.yaml"
    file.write_text(GOOD)
    engine = LoadedEngine(EngineSetup(model="demo", redaction=str(file)))
    words = engine.words(CallInfo("c", tenant="bank"))
    assert isinstance(words, CallTranscription)
    assert {redactor.settings.mode for redactor in words._redactors.values()} == {Mode.STRICT}
