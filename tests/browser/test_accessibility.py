"""axe-core in every view, light and dark: no serious violation, and none of contrast."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.stage import Stage
from tests.browser.test_alerts import expect

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = {
    "alerts": "",
    "alert": "?alert=c1-dead-air",
    "floor": "?view=floor",
    "call": "?view=call&call=c1",
    "incidents": "?view=incidents",
    "coverage": "?view=coverage",
    "history": "?view=history",
    "search": "?view=history&q=account",
}
RUN = """async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}))
    .violations.map(v => `${v.impact} ${v.id}: ${v.nodes.map(n => n.html.slice(0, 160)).slice(0, 3).join(' | ')}`)"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail("axe-core is not installed: .ci/run installs it")
        pytest.skip("no axe-core: npm install --prefix tests/browser")
    return AXE.read_text(encoding="utf-8")


def violations(page: Any, axe: str) -> list[str]:
    # The policy of the page lets no script in from outside; the debugger's own evaluation is not bound by it.
    page.evaluate(axe)
    found: list[str] = page.evaluate(RUN)
    return [told for told in found if told.startswith(("serious", "critical"))]


def prepared(floor: Stage) -> None:
    floor.busy_floor(24)
    floor.call("c1")
    floor.seconds("c1", "aaacccxx..........hh")
    floor.talk("c1")
    floor.alert("c1", "talk-over")
    floor.alert("c1", "dead-air")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_violation(floor: Stage, visit: Callable[..., Any], axe: str, scheme: str) -> None:
    prepared(floor)
    page = visit(color_scheme=scheme)
    for view, query in VIEWS.items():
        page.goto(floor.address + query)
        expect(page.locator(".loading")).to_have_count(0)
        page.wait_for_timeout(300)
        assert violations(page, axe) == [], view


def test_neither_on_a_phone_in_arabic_nor_in_a_dialog(floor: Stage, visit: Callable[..., Any], axe: str) -> None:
    prepared(floor)
    page = visit("?alert=c1-dead-air", lang="ar", width=375, height=720)
    expect(page.locator(".timeline")).to_be_visible()
    assert violations(page, axe) == []
    for key in ("d", "?"):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()
        assert violations(page, axe) == [], key
        page.keyboard.press("Escape")
    page.locator(".account-button").click()
    assert violations(page, axe) == []
