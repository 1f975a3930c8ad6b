"""Rule files: the bundled one, every mistake with its line, and hostile bytes."""

from __future__ import annotations

import argparse
import json
import random
import re
from pathlib import Path

import pytest

from audio.errors import VigieError
from streams.alerts import command
from streams.alerts.messages import render
from streams.alerts.metrics import Domain
from streams.alerts.model import Rule, leaves
from streams.alerts.reading import RuleFileError
from streams.alerts.rules import DEFAULT_PATH, load_rules, parse_rules
from streams.events import CallInfo

IDS = [
    "one-way-audio",
    "missing-leg",
    "dropouts",
    "clipping",
    "level-low",
    "level-high",
    "noise",
    "echo",
    "crosstalk",
    "same-audio",
    "dead-air",
    "long-hold",
    "talk-over",
    "interruptions",
    "monologue",
    "talk-ratio",
    "slow-response",
    "speaking-rate",
    "negative-sentiment",
    "sentiment-drop",
    "escalation-request",
    "cancellation",
    "legal-threat",
    "abuse",
    "repeated-contact",
    "hearing-trouble",
    "greeting-missing",
    "call-degrading",
    "not-watched",
]

GOOD = """version: 7
rules:
  - id: quiet
    condition: {metric: mutual_silence_ms, at_least: 5000, clear: 0}
    severity: warning
    cause: process
    message: {en: "Quiet {seconds}", fr: "Calme {seconds}"}
"""


def mistakes_of(text: str) -> list[tuple[int, str, str, str]]:
    with pytest.raises(RuleFileError) as caught:
        parse_rules(text.encode(), "f.yaml")
    return [(item.line, item.field, item.problem, item.remedy) for item in caught.value.mistakes]


def test_the_bundled_rules_are_those_of_the_plan() -> None:
    assert [rule.id for rule in load_rules().rules] == IDS


@pytest.mark.parametrize("rule", load_rules().rules, ids=lambda rule: rule.id)
def test_a_bundled_rule_speaks_five_languages_and_tells_the_same_in_each(rule: Rule) -> None:
    assert list(rule.message) == ["en", "fr", "ar", "pt", "es"]
    quoting = {language: "{words}" in text for language, text in rule.message.items()}
    assert len(set(quoting.values())) == 1, quoting
    marks = {language: set(re.findall(r"{(\w+)}", text)) for language, text in rule.message.items()}
    assert all(told == marks["en"] for told in marks.values()), marks
    said = render(rule.message, value=2.5, threshold=1, party="customer", seconds=12, words="je veux résilier")
    assert all(re.search(r"[{}]", text) is None for text in said.values())
    assert re.search("[\u0600-\u06ff]", said["ar"])
    if quoting["ar"]:
        assert "\u2068je veux résilier\u2069" in said["ar"]


def test_bundled_sound_rules_look_at_sound_alone() -> None:
    for rule in load_rules().rules:
        words = any(leaf.metric.domain is Domain.WORDS for leaf in leaves(rule.condition))
        assert rule.domain is (Domain.WORDS if words else Domain.SOUND)


def test_a_good_file_names_its_version_in_each_rule() -> None:
    rules = parse_rules(GOOD.encode(), "f.yaml")
    assert [(rule.id, rule.version, rule.line) for rule in rules.rules] == [("quiet", "7", 3)]


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "says"),
    [
        ("severity: warning", "severty: warning", 5, "quiet.severty", "unknown key"),
        ("severity: warning", "severity: grave", 5, "quiet.severity", "not one of"),
        ("mutual_silence_ms", "mutual_silence", 4, "quiet.condition.metric", "unknown metric"),
        ("at_least: 5000", "at_least: soon", 4, "quiet.condition.at_least", "expected a number"),
        ("at_least: 5000", "at_least: .nan", 4, "quiet.condition.at_least", "expected a number"),
        ("clear: 0", "clear: 5000", 4, "quiet.condition.clear", "wrong side"),
        ("clear: 0", "clear: 6000", 4, "quiet.condition.clear", "wrong side"),
        ("at_least: 5000, clear: 0", "at_least: 5000, at_most: 1", 4, "quiet.condition", "exclude each other"),
        ("at_least: 5000, clear: 0", "party: call", 4, "quiet.condition", "no threshold"),
        ("clear: 0", "party: agent", 4, "quiet.condition.party", "measured for the call"),
        ("clear: 0", "for_ms: -1", 4, "quiet.condition.for_ms", "out of range"),
        ("clear: 0", "after_ms: 9, until_ms: 9", 4, "quiet.condition.until_ms", "not after"),
        ('{seconds}", fr', '{secs}", fr', 7, "quiet.message.en", "unknown placeholder"),
        ('{seconds}", fr', '{", fr', 7, "quiet.message.en", "unknown placeholder"),
        (', fr: "Calme {seconds}"', "", 7, "quiet.message.fr", "missing"),
        ('fr: "', 'french!: "', 7, "quiet.message.french!", "not a language code"),
        (
            "cause: process",
            "escalate: [{at_least: 5000, severity: critical}]",
            6,
            "quiet.escalate[0].at_least",
            "no worse",
        ),
        ("cause: process", "escalate: [{after_ms: 9, severity: info}]", 6, "quiet.escalate[0]", "no step up"),
        ("cause: process", "scope: {language: [french!]}", 6, "quiet.scope.language", "no language code"),
    ],
)
def test_each_mistake_is_told_with_its_line(old: str, new: str, line: int, field: str, says: str) -> None:
    assert old in GOOD
    found = mistakes_of(GOOD.replace(old, new, 1))
    assert any(item[0] == line and item[1] == field and says in item[2] for item in found), found
    assert all(item[3] for item in found)


def test_a_misspelt_name_gets_its_neighbour_as_remedy() -> None:
    assert mistakes_of(GOOD.replace("severity", "severty"))[-1][3] == "Did you mean 'severity'?"


def test_all_mistakes_are_told_at_once_in_the_order_of_lines() -> None:
    text = GOOD.replace("5000", "x").replace("warning", "bad").replace("{seconds}", "{nope}")
    lines = [item[0] for item in mistakes_of(text)]
    assert lines == sorted(lines)
    assert set(lines) >= {4, 5, 7}


def test_a_doubled_id_names_the_first() -> None:
    twice = GOOD + GOOD.split("rules:\n")[1]
    assert (8, "rules[1].id", "'quiet' is given twice", "Line 3 has it already: choose another id.") in mistakes_of(
        twice
    )


def test_extends_default_replaces_by_id_and_disables() -> None:
    text = "extends: default\ndisable: [echo]\n" + GOOD.replace("id: quiet", "id: dead-air")
    rules = {rule.id: rule for rule in parse_rules(text.encode(), "f.yaml").rules}
    assert set(rules) == set(IDS) - {"echo"}
    assert (rules["dead-air"].version, rules["noise"].version) == ("7", "1")


def test_own_phrase_categories_are_declared() -> None:
    text = GOOD.replace("mutual_silence_ms, at_least: 5000, clear: 0", "phrase.loyalty, at_least: 1")
    assert "unknown metric" in mistakes_of(text)[0][2]
    assert parse_rules(("categories: [loyalty]\n" + text).encode(), "f.yaml").rules[0].domain is Domain.WORDS


@pytest.mark.parametrize(
    ("scope", "call", "covered"),
    [
        ("site: Tunis", CallInfo("c", site="Tunis"), True),
        ("site: Tunis", CallInfo("c", site="Dakar"), False),
        ("site: Tunis", CallInfo("c"), False),
        ("language: [fr]", CallInfo("c", language="fr-SN"), True),
        ("language: [fr]", CallInfo("c", language="frr"), False),
        ("tenant: [a, b]", CallInfo("c", tenant="b"), True),
    ],
)
def test_a_scope_covers_what_it_names(scope: str, call: CallInfo, covered: bool) -> None:
    rules = parse_rules(GOOD.replace("cause: process", f"scope: {{{scope}}}").encode(), "f.yaml")
    assert bool(rules.for_call(call).rules) is covered


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"a: &a [1,1]\nb: [*a,*a]\n",
        b"[" * 5000,
        b"{a: " * 900 + b"}" * 900,
        b"- " * 20000,
        b"x" * 1_000_001,
        b"!!python/object/apply:os.system [ls]",
        b"version: 1\nrules: [null, 3, [], {}]\n",
        b"version: 1\nrules: {a: b}\n",
        b"? [a]\n: b\n",
        b"\x00",
    ],
)
def test_hostile_bytes_are_a_users_mistake(data: bytes) -> None:
    with pytest.raises(VigieError):
        parse_rules(data, "f.yaml")


@pytest.mark.parametrize("seed", range(6))
def test_mangled_rule_files_fail_only_as_mistakes(seed: int) -> None:
    chance = random.Random(seed)
    source = DEFAULT_PATH.read_bytes()[:6000] if seed % 2 else GOOD.encode()
    for _ in range(40):
        data = bytearray(source)
        for _ in range(chance.randint(1, 12)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 6)] = bytes(chance.choices(b"{}[]:-&*!|>'\"\n\t #0e.\xc3\xff", k=3))
        try:
            parse_rules(bytes(data), "f.yaml")
        except VigieError as error:
            told = str(error)
        else:
            continue
        assert told


def test_an_unreadable_path_is_a_users_mistake(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, Path("a\x00b")):
        with pytest.raises(VigieError):
            load_rules(path)


def test_the_command_tells_mistakes_as_json_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    file = tmp_path / "r.yaml"
    file.write_text(GOOD.replace("warning", "grave"))
    assert command.run(parser.parse_args([str(file), "--json"])) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["mistakes"][0]["line"]) == (False, 5)
    file.write_text(GOOD)
    assert command.run(parser.parse_args([str(file)])) == 0
    assert "1 rules, version 7" in capsys.readouterr().out
