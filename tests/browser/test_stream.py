"""The page's own reader of event streams: the format, however it is cut up, and a line that has fallen silent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.stage import Stage
from tests.browser.test_alerts import ROWS, expect

READ = """async (pieces) => {
    const { Parser } = await import('/page/stream.js');
    const out = [];
    const parser = new Parser((kind, data, id) => out.push([kind, data, id]));
    for (const piece of pieces) parser.feed(piece);
    return out;
}"""
TEXT = (
    ': heartbeat\n\nretry: 1500\n\nid: 7\nevent: alert\ndata: {"a":\ndata: 1}\n\n'
    "event: measurement\ndata: é\n\r\nid:8\r\nevent:call\r\ndata:x\r\n\r\ndata: alone\r\rid: 9\nevent: reset\ndata\n\ndata: cut off"
)
EVENTS = [
    ["alert", '{"a":\n1}', "7"],
    ["measurement", "é", ""],
    ["call", "x", "8"],
    ["message", "alone", ""],
    ["reset", "", "9"],
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_the_stream_is_cut(visit: Callable[..., Any], size: int) -> None:
    page = visit()
    pieces = [TEXT[i : i + size] for i in range(0, len(TEXT), size)]
    assert page.evaluate(READ, pieces) == EVENTS, json.dumps(pieces[:5])


def test_a_line_that_has_fallen_silent_is_noticed_and_replaced(floor: Stage, visit: Callable[..., Any]) -> None:
    page = visit()
    page.clock.install()
    page.reload()
    expect(page.locator(".connection.live")).to_be_visible()
    floor.line.hold()
    floor.alert(floor.call("c1"), "dead-air")
    page.clock.fast_forward(41_000)
    expect(page.locator(".connection.live")).to_have_count(0)
    expect(page.locator(ROWS)).to_have_count(0)
    floor.line.mend()
    for _ in range(20):
        page.clock.fast_forward(5_000)
        if page.locator(ROWS).count():
            break
        page.wait_for_timeout(100)
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator(".connection.live")).to_be_visible()
