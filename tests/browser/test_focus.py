"""Who goes by keyboard or screen reader keeps their place, whatever is drawn again under them, and however badly the line fares."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from streams.feed.forget import forget
from tests.browser.stage import Stage
from tests.browser.test_alerts import ROWS, expect

OPENED = ".alert-panel:not([aria-busy])"
DRAW_ALL_AGAIN = "import('/page/live.js').then(({ live }) => live.dispatchEvent(new Event('reset')))"


def test_an_opened_alert_keeps_the_focus_whatever_is_drawn_again(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit()
    page.locator(ROWS).first.locator("a").click()
    expect(page.locator(OPENED)).to_be_visible()
    expect(page.locator("#alert-title")).to_be_focused()  # the details, which came after it, took it out of the page
    floor.alert("c1", "dead-air", revision=2, severity="critical")
    expect(page.locator(".alert-panel .sev.critical")).to_be_visible()
    expect(page.locator("#alert-title")).to_be_focused()

    page.locator("[data-action=acknowledge]").press("Enter")
    expect(page.locator("[data-action=unacknowledge]")).to_be_focused()  # what stands there now

    first = floor.alert("c1", "talk-over")
    earlier = page.locator(f'.earlier [data-alert="{first}"]')
    earlier.focus()
    floor.alert("c1", "one-way-audio")
    expect(page.locator(".earlier li")).to_have_count(2)
    expect(earlier).to_be_focused()


def test_an_alert_that_is_not_there_keeps_the_focus_as_it_comes(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    page = visit("alerts/c1-dead-air")
    expect(page.locator(".failure")).to_be_visible()
    expect(page.locator("#alert-title")).to_be_focused()
    floor.alert("c1", "dead-air")
    expect(page.locator(OPENED)).to_be_visible()
    expect(page.locator("#alert-title")).to_be_focused()


def test_a_call_and_the_floor_keep_the_focus_as_alerts_come(floor: Stage, visit: Callable[..., Any]) -> None:
    first = floor.alert(floor.call("c1"), "dead-air")
    call = visit("?view=call&call=c1")
    link = call.locator(f'.compact [data-alert="{first}"]')
    link.focus()
    watched = visit("?view=floor")
    watched.locator(".tile").focus()
    floor.alert("c1", "one-way-audio")
    expect(call.locator(".compact .row")).to_have_count(2)
    expect(link).to_be_focused()
    expect(watched.locator(".tile .dot.critical")).to_have_count(1)
    expect(watched.locator(".tile")).to_be_focused()


def test_of_two_links_to_one_alert_the_focus_stays_on_its_own(floor: Stage, visit: Callable[..., Any]) -> None:
    first = floor.alert(floor.call("c1"), "talk-over")
    fact = {"kind": "alert", "name": "talk-over", "party": None, "value": None, "from_ms": 1000, "alert_id": first}
    cause = {"verdict": "process", "for": [{**fact, "text": {"en": "both spoke"}}], "against": []}
    floor.alert("c1", "dead-air", cause=cause)
    page = visit("?alert=c1-dead-air")
    expect(page.locator(OPENED)).to_be_visible()
    expect(page.locator(f'.box-cause [data-alert="{first}"]')).to_be_visible()
    earlier = page.locator(f'.earlier [data-alert="{first}"]')
    earlier.focus()
    floor.alert("c1", "one-way-audio")
    expect(page.locator(".earlier li")).to_have_count(2)
    expect(earlier).to_be_focused()


def test_of_two_links_to_one_call_the_focus_stays_on_its_own(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    page = visit("?view=floor")
    in_table = page.locator(".floor table a")
    in_table.focus()
    floor.alert("c1", "one-way-audio")
    expect(page.locator(".tile .dot.critical")).to_have_count(1)
    expect(in_table).to_be_focused()


def test_the_focus_stays_in_its_incident_as_others_of_the_same_calls_come(
    floor: Stage, visit: Callable[..., Any]
) -> None:
    def incident(number: int) -> dict[str, Any]:
        told = {"incident_id": f"i{number}", "open": True, "scope": {"kind": "site", "value": f"site {number}"}}
        told |= {"rule_id": "dead-air", "title": "dead-air", "severity": "warning", "message": {}, "verdict": "process"}
        return told | {"calls": ["c1"], "alerts": ["a"], "share": 0.5, "since_at": 1.764e12, "last_at": 1.764e12}

    items = [incident(0), incident(1)]
    page = visit("login")
    page.route("**/api/incidents", lambda route: route.fulfill(json={"items": items}))
    page.goto(floor.address + "?view=incidents")
    mine = page.locator('details[data-id="i1"]')
    mine.locator("summary").click()
    mine.get_by_role("link", name="c1").focus()
    items.insert(0, incident(2))
    floor.alert(floor.call("c1"), "dead-air")
    expect(page.locator("details")).to_have_count(3)
    expect(mine.get_by_role("link", name="c1")).to_be_focused()


def test_a_dialog_gives_the_focus_to_what_was_drawn_again_behind_it(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit("?alert=c1-dead-air")
    expect(page.locator(OPENED)).to_be_visible()
    page.locator("[data-action=note]").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    floor.alert("c1", "dead-air", revision=2, severity="critical")
    expect(page.locator(".alert-panel .sev.critical")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("[data-action=note]")).to_be_focused()


def test_a_notice_that_closes_leaves_the_focus_with_what_is_shown(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit("?alert=c1-dead-air")
    expect(page.locator(OPENED)).to_be_visible()
    page.locator("[data-action=acknowledge]").press("Enter")
    page.locator(".toast").get_by_role("button", name="Undo").press("Enter")
    expect(page.locator("[data-action=acknowledge]")).to_be_visible()
    expect(page.locator("#alert-title")).to_be_focused()


def test_an_alert_that_is_opened_from_a_call_has_the_focus(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit("?view=call&call=c1")
    page.locator(".compact a").press("Enter")
    expect(page.locator(OPENED)).to_be_visible()
    expect(page.locator("#alert-title")).to_be_focused()


def test_back_from_an_alert_the_focus_is_on_its_row(floor: Stage, visit: Callable[..., Any]) -> None:
    for call_id in ("c1", "c2"):
        floor.alert(floor.call(call_id), "dead-air")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(2)
    link = page.locator(ROWS).nth(1).locator("a")
    link.press("Enter")
    expect(page.locator("#alert-title")).to_be_focused()
    page.go_back()
    expect(page.locator(".alert-panel")).to_have_count(0)
    expect(link).to_be_focused()


def test_filters_keep_the_focus_as_they_are_pressed(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit("?site=dakar")
    expect(page.locator(ROWS)).to_have_count(1)
    page.get_by_role("button", name="All", exact=True).press("Enter")
    expect(page).to_have_url(re.compile("state=all"))
    expect(page.get_by_role("button", name="All", exact=True)).to_be_focused()
    page.locator("button.clear").press("Enter")
    expect(page.locator("button.clear")).to_be_hidden()
    expect(page.get_by_role("button", name="Severity")).to_be_focused()  # the first of what was cleared


def test_a_search_goes_on_when_the_whole_page_is_drawn_again(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit("?alert=c1-dead-air")
    expect(page.locator(OPENED)).to_be_visible()
    page.keyboard.press("/")
    page.evaluate(DRAW_ALL_AGAIN)
    expect(page.locator(OPENED)).to_be_visible()
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("am")
    expect(page).to_have_url(re.compile("q=am$"))
    page.evaluate(DRAW_ALL_AGAIN)
    page.keyboard.type("ina")
    expect(page).to_have_url(re.compile("q=amina$"))


def test_a_day_can_be_typed(visit: Callable[..., Any]) -> None:
    """Each digit of its year is a day of its own, which the page looks for."""
    page = visit("?view=history")
    day = page.locator("#day-from")
    day.focus()
    page.keyboard.type("11112026")  # the same by month and by day
    expect(page).to_have_url(re.compile("from=2026-11-11$"))
    expect(day).to_be_focused()
    page.locator(".nav [data-view=history]").click()
    expect(day).to_have_value("")


def test_who_asks_for_more_alerts_reads_on_where_they_begin(floor: Stage, visit: Callable[..., Any]) -> None:
    for number in range(210):
        floor.alert(floor.call(f"c{number:03}"), "dead-air")
    page = visit()
    page.get_by_text("210 alerts", exact=True).wait_for()
    page.locator("button.more").press("Enter")
    expect(page.locator(ROWS)).to_have_count(210)
    expect(page.locator(ROWS).nth(200).locator("a")).to_be_focused()


def test_who_asks_for_more_of_history_reads_on_where_it_begins(floor: Stage, visit: Callable[..., Any]) -> None:
    for number in range(55):
        floor.call(f"c{number:02}")
    page = visit("?view=floor")
    expect(page.locator(".tile")).to_have_count(55)
    for number in range(55):
        floor.end(f"c{number:02}")
    expect(page.locator(".tile")).to_have_count(0)
    page.keyboard.press("5")
    expect(page.locator("table.calls tbody tr")).to_have_count(50)
    page.locator("button.more").press("Enter")
    expect(page.locator("table.calls tbody tr")).to_have_count(55)
    expect(page.locator("table.calls tbody tr").nth(50).locator("a")).to_be_focused()


def test_coverage_keeps_the_focus_as_calls_come(floor: Stage, visit: Callable[..., Any]) -> None:
    for call_id in ("c1", "c2"):
        floor.seconds(floor.call(call_id), "aaaaaaaaaaaa")
    floor.end("c1", coverage="partial")
    page = visit("?view=coverage")
    page.get_by_role("link", name="c1").focus()
    floor.end("c2", coverage="partial")
    expect(page.get_by_role("link", name="c2")).to_be_visible()
    expect(page.get_by_role("link", name="c1")).to_be_focused()


def test_a_call_that_leaves_the_floor_leaves_the_focus_there(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    page = visit("?view=floor")
    page.locator(".tile").focus()
    floor.end("c1")
    expect(page.locator(".tile")).to_have_count(0)
    expect(page.locator("#view-title")).to_be_focused()


def test_words_keep_the_focus_as_their_call_ends(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.seconds(floor.call("c1"), "aaaa")
    floor.words("c1", "customer", "hello there", at_ms=1000)
    page = visit("?view=call&call=c1")
    at = page.locator(".turn .at")
    at.focus()
    at.evaluate("node => { node.dataset.old = 'yes'; }")
    floor.end("c1")
    expect(page.locator(".turn .at[data-old]")).to_have_count(0)
    expect(at).to_be_focused()


def test_words_keep_the_focus_as_they_become_final(visit: Callable[..., Any]) -> None:
    page = visit("?view=history")
    expect(page.locator(".connection.live")).to_be_visible()
    page.evaluate("""async () => {
        const { Words } = await import('/page/words.js');
        const words = new Words();
        const said = { utterance_id: 'u1', party: 'agent', start_ms: 1000, end_ms: 2000, text: 'good', state: 'interim' };
        document.body.append(words.element);
        words.show([said], null);
        words.element.querySelector('.at').focus();
        words.take({ ...said, text: 'goodbye', state: 'final', final: true });
    }""")
    expect(page.get_by_text("goodbye")).to_be_visible()
    expect(page.locator(".turn .at")).to_be_focused()


def test_an_erased_call_leaves_the_focus_with_what_tells_of_it(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.seconds(floor.call("c1"), "aaaa")
    floor.words("c1", "customer", "hello", at_ms=1000)
    page = visit("?view=call&call=c1")
    page.locator(".transcript").focus()
    forget(floor.feed.database, "c1", "admin", None, {})
    expect(page.locator(".failure button")).to_be_focused()


def test_what_is_never_answered_is_told_and_can_be_tried_again(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit("login")
    page.add_init_script("""window.late = [];
        AbortSignal.timeout = (ms) => {
            const one = new AbortController();
            late.push(() => one.abort(new DOMException(`${ms} ms are over`, 'TimeoutError')));
            return one.signal;
        };""")
    held: list[Any] = []
    of_the_list = re.compile(r"/api/alerts\?state=open&limit=200$")
    page.route(of_the_list, lambda route: held.append(route), times=1)
    with page.expect_request(of_the_list):
        page.goto(floor.address)
    page.evaluate("for (const over of late) over()")
    expect(page.locator(".failure")).to_contain_text("The server cannot be reached.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(ROWS)).to_have_count(1)


@pytest.mark.parametrize(("error", "told"), [("DOMException('', 'AbortError')", "AbortError"), ("TypeError()", 0)])
def test_what_breaks_off_half_way_is_no_answer(visit: Callable[..., Any], error: str, told: str | int) -> None:
    """And what the page itself no longer asks for is no failure."""
    page = visit("?view=history")
    expect(page.locator(".connection.live")).to_be_visible()
    asked = f"""async () => {{
        const {{ get }} = await import('/page/api.js');
        Response.prototype.json = async () => {{ throw new {error}; }};
        return get('/api/calls').then(() => 'an answer', (error) => error.status ?? error.name);
    }}"""
    assert page.evaluate(asked) == told
