"""The sound behind an alert: a bundled call played through the real engine, cut by the rules of the evidence role."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from streams.replay.manifest import read_manifest
from streams.replay.playback import EngineSetup, LoadedEngine, play
from tests.browser.stage import Stage, stage
from tests.browser.test_alerts import expect

CALL = "en-good"
SPAN = {"from_ms": 12_000, "to_ms": 21_000}
"""In it the customer tells an account number."""


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Stage]:
    """A call with a secret in it, played to its end, and an alert over the moment at which the number is said."""
    sources, _ = read_manifest(Path(str(resources.files("audio.synth"))) / "calls" / "manifest.csv")
    source = next(source for source in sources if source.call.call_id == CALL)
    engine = LoadedEngine(EngineSetup(None, "demo", 1))
    with stage(tmp_path, [source]) as made:
        made.adopt(CALL)
        raised = False
        for step in play(source, engine):
            for record in step.outputs.measurements:
                made.second_of(record)
            for record in step.utterances:
                made.feed.put("utterances", record)
            if step.now_ms >= SPAN["to_ms"] and not raised:
                raised = True
                made.alert(CALL, "dead-air", evidence=_evidence())
            if step.outputs.summary is not None:
                made.feed.put("summaries", step.outputs.summary)
        yield made


def _evidence() -> dict[str, Any]:
    return {
        "metric": "mutual_silence_ms",
        "unit": "ms",
        "value": 12_000,
        "threshold": 10_000,
        "window_ms": 9_000,
        "words": [],
        "audio": SPAN,
    }


def until(page: Any, condition: str) -> None:
    """Wait for a condition of the page; its policy forbids the waiting that the driver brings along."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"it never came to {condition}")


def test_the_evidence_plays_per_party_with_its_muted_spans_marked(visit: Callable[..., Any]) -> None:
    page = visit(f"?alert={CALL}-dead-air")
    player = page.locator(".player")
    expect(player.locator(".play")).to_be_visible()
    expect(player.locator(".muted-strip i").first).to_be_visible()
    expect(player).to_contain_text("Muted for privacy")
    audio = "document.querySelector('.player audio')"
    until(page, f"{audio}.readyState >= 1")
    told_s = float(player.locator("input[type=range]").get_attribute("max") or 0) / 1000
    assert told_s >= (SPAN["to_ms"] - SPAN["from_ms"]) / 1000
    assert abs(page.evaluate(f"{audio}.duration") - told_s) < 0.2
    player.get_by_role("button", name="Play").click()
    until(page, f"{audio}.currentTime > 0.4 && !{audio}.paused")
    expect(player.locator(".place")).not_to_have_text(re.compile("^0:11"))
    assert float(page.locator(".timeline .cursor").get_attribute("x1")) > 0
    player.get_by_role("button", name="Pause").click()
    until(page, f"{audio}.paused")
    for party in ("Agent", "Customer"):
        player.get_by_text(party, exact=True).click()
        until(page, f"{audio}.src.endsWith('party={party.lower()}') && {audio}.readyState >= 1")
        assert page.evaluate(f"{audio}.error") is None
    page.keyboard.press("Escape")
    expect(page.locator(".player")).to_have_count(0)


def test_a_secret_is_hidden_in_the_words(visit: Callable[..., Any]) -> None:
    page = visit(f"?view=call&call={CALL}")
    expect(page.locator(".transcript .redacted").first).to_contain_text("account")
    expect(page.locator(".transcript")).not_to_contain_text("[account]")
