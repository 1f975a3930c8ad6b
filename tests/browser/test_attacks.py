"""What a day on the floor does to a page: sessions that end, servers that fail, clocks that are wrong, hasty hands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.browser.stage import Stage
from tests.browser.test_accessibility import axe, violations
from tests.browser.test_alerts import ROWS, expect

__all__ = ["axe"]
TEXT = "Called back at noon, line is bad"


@pytest.fixture
def opened(floor: Stage, visit: Callable[..., Any]) -> Any:
    """A page with one alert open."""
    floor.call("c1")
    floor.seconds("c1", "aaaa....")
    floor.alert("c1", "dead-air")
    page = visit("?alert=c1-dead-air")
    expect(page.locator("#alert-title")).to_contain_text("Dead air")
    expect(page.locator(".alert-body")).to_be_visible()
    return page


def note(page: Any) -> Any:
    page.locator("[data-action=note]").click()
    return page.locator("dialog textarea")


def test_a_note_outlives_the_page_that_it_was_begun_in(opened: Any) -> None:
    note(opened).fill(TEXT)
    opened.reload()  # as the way to the login page and back does
    opened.locator(".toast button", has_text="Go on writing").click()
    expect(opened.locator("dialog textarea")).to_have_value(TEXT)
    opened.locator("dialog button.primary").click()
    expect(opened.locator(".log")).to_contain_text(TEXT)
    opened.reload()
    expect(opened.locator(".log")).to_contain_text(TEXT)
    assert opened.locator(".toast").count() == 0


@pytest.mark.parametrize("action", ["note", "dismiss"])
def test_a_text_that_the_server_has_is_not_offered_again(opened: Any, action: str) -> None:
    """Its answer was still on the way as the page went."""
    opened.route(f"**/{action}", lambda route: route.fetch())
    opened.locator(f"[data-action={action}]").click()
    opened.locator("dialog textarea").fill(TEXT)
    opened.locator("dialog button.primary").click()
    expect(opened.locator(".log")).to_contain_text(TEXT)
    opened.reload()
    expect(opened.locator(".log")).to_contain_text(TEXT)
    for _ in range(200):  # the policy of the page lets no text be evaluated again and again
        if opened.evaluate("sessionStorage.getItem('vigie.drafts')") == "[]":
            break
        opened.wait_for_timeout(50)
    assert opened.evaluate("sessionStorage.getItem('vigie.drafts')") == "[]"
    assert opened.locator(".toast").count() == 0


def test_a_note_that_the_server_did_not_take_is_still_there(opened: Any) -> None:
    opened.route("**/note", lambda route: route.abort())
    note(opened).fill(TEXT)
    opened.locator("dialog button.primary").click()
    expect(opened.locator(".toast.error")).to_contain_text("look before you repeat it")
    opened.unroute("**/note")
    opened.locator(".toast.error button").first.click()
    expect(opened.locator("dialog textarea")).to_have_value(TEXT)


def test_a_selection_drawn_out_of_a_dialog_leaves_it_open_and_a_click_beside_closes_it(opened: Any) -> None:
    field = note(opened)
    field.fill(TEXT)
    box = field.bounding_box()
    opened.mouse.move(box["x"] + 20, box["y"] + 10)
    opened.mouse.down()
    opened.mouse.move(5, 5)
    opened.mouse.up()
    expect(field).to_be_visible()
    opened.mouse.click(5, 5)
    expect(field).to_have_count(0)


def test_a_key_that_is_held_acts_once(opened: Any) -> None:
    sent: list[str] = []
    opened.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    opened.keyboard.down("a")
    expect(opened.locator("[data-action=unacknowledge]")).to_be_visible()
    for _ in range(3):
        opened.keyboard.down("a")  # Playwright sends these as repeats
    opened.keyboard.up("a")
    opened.keyboard.press("n")
    expect(opened.locator("dialog textarea")).to_be_visible()
    assert len(sent) == 1


def test_an_action_after_another_login_in_another_tab_is_done(opened: Any) -> None:
    told: list[int] = []
    opened.on("response", lambda answer: answer.request.method == "POST" and told.append(answer.status))
    opened.context.clear_cookies()
    other = opened.context.new_page()
    other.goto(opened.url)
    expect(other.locator("#alert-title")).to_contain_text("Dead air")
    opened.locator("[data-action=acknowledge]").click()
    expect(opened.locator("[data-action=unacknowledge]")).to_be_visible()
    # The stream may show it before its answer is here.
    for _ in range(100):
        if len(told) == 2:
            break
        opened.wait_for_timeout(50)
    assert told == [403, 200]


@pytest.mark.parametrize("off_min", [-20, 20])
def test_a_clock_that_is_wrong_changes_neither_the_list_nor_the_ages(
    floor: Stage, visit: Callable[..., Any], off_min: int
) -> None:
    floor.call("c1")
    floor.seconds("c1", "aaaa....")
    floor.alert("c1", "dead-air")
    floor.end("c1")
    page = visit("?view=floor")
    page.add_init_script(f"const real = Date.now; Date.now = () => real() + {off_min * 60_000};")
    page.goto(floor.address)
    expect(page.locator(".row time")).to_have_text(re.compile(r"^\d+\s?s$"))


def test_filters_that_there_are_none_of_are_as_none_and_can_be_cleared(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    floor.alert("c1", "dead-air")
    page = visit("?severity=fatal&party=nobody&cause=magic")
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".filters .clear").click()
    expect(page).to_have_url(floor.address)
    page.goto(floor.address + "?view=history&q=x&party=both")
    expect(page.locator(".history-body .failure")).to_have_count(0)
    expect(page.locator(".history-body")).not_to_be_empty()


@pytest.mark.parametrize("address", ["calls/%E0%A4%A", "calls/nobody/here", "alerts/gone", "?view=call&call=gone"])
def test_a_link_to_what_is_gone_says_so(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    expect(page.locator(".failure")).to_contain_text("There is no such thing")


def test_a_page_whose_server_is_behind_says_so_and_takes_it_back(floor: Stage, visit: Callable[..., Any]) -> None:
    page = visit()
    mark = page.locator("#connection")
    expect(mark).to_have_text("Live")
    hub = floor.feed.app.state.feed.hub
    hub._wrong = lambda: "the brokers do not answer"
    expect(mark).to_have_text("Not current")
    hub._wrong = lambda: None
    expect(mark).to_have_text("Live")


UNTOUCHED = """
localStorage.setItem("vigie.sound", "on");
let touched = false;
addEventListener("keydown", () => (touched = true), true);
Object.defineProperty(navigator, "userActivation", { get: () => ({ hasBeenActive: touched }) });
"""
"""What a browser says until a key is pressed; asked by a test, this one believes that somebody touched the page."""


def test_a_sound_that_the_browser_keeps_back_is_told(floor: Stage, visit: Callable[..., Any]) -> None:
    page = visit()
    page.add_init_script(UNTOUCHED)
    page.reload()
    button = page.locator(".sound")
    expect(button).to_have_class(re.compile("blocked"))
    page.keyboard.press("j")
    expect(button).not_to_have_class(re.compile("blocked"))
    assert floor.address in page.url


@pytest.mark.parametrize("lang", ["pt-PT", "ar", "fr-FR", "en-GB"])
@pytest.mark.parametrize("width", [320, 1100, 1280])
def test_no_line_of_the_list_is_wider_than_its_list_nor_a_name_of_a_cause_cut(
    floor: Stage, visit: Callable[..., Any], lang: str, width: int
) -> None:
    floor.call("c" * 120, agent="a" * 90, queue="q" * 90)
    for rule in ("escalation-request", "dead-air", "talk-over", "one-way-audio"):
        floor.alert("c" * 120, rule)
    page = visit(lang=lang, width=width)
    expect(page.locator(".row")).to_have_count(4)
    wide = """() => [document.documentElement, ...document.querySelectorAll('.list-scroll, .row .cause')]
        .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className + e.textContent.slice(0, 20))"""
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("action", ["assign", "snooze", "dismiss", "note"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_dialogs(opened: Any, axe: str, action: str, scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)
    opened.locator(f"[data-action={action}]").click()
    expect(opened.locator("dialog")).to_be_visible()
    assert violations(opened, axe) == []


def test_an_alert_is_printed_whole_and_light(opened: Any) -> None:
    opened.emulate_media(media="print", color_scheme="dark")
    expect(opened.locator(".actions")).to_be_hidden()
    assert opened.evaluate("getComputedStyle(document.querySelector('.side')).overflowY") == "visible"
    assert (
        opened.evaluate("getComputedStyle(document.querySelector('.alert-head')).backgroundColor")
        == "rgb(255, 255, 255)"
    )


LONG = {"site": "s" * 240, "queue": "file " * 50, "agent": "Dieudonné" * 30}


def test_names_without_a_space_widen_no_page_and_can_be_filtered_by(floor: Stage, visit: Callable[..., Any]) -> None:
    call_id = "x" * 256
    floor.seconds(floor.call(call_id, **LONG), "aacc")
    floor.words(call_id, "customer", "nobody answers")
    alert_id = floor.alert(call_id, "dead-air")
    floor.alert(floor.call("c2"), "dead-air")
    for width in (1280, 375):
        for query in (f"?alert={alert_id}", f"?view=call&call={call_id}", "?view=floor", "?view=history&q=nobody"):
            page = visit(query, width=width)
            expect(page.locator(".loading")).to_have_count(0)
            expect(page.locator("#alert-title, .call-head, .tile, .hit").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, query
            if query.startswith("?alert"):
                close = page.locator(".alert-head .close").bounding_box()
                assert close["x"] + close["width"] <= width
    page = visit()
    for name, value in LONG.items():
        page.goto(f"{floor.address}?{urlencode({name: value})}")
        expect(page.locator(ROWS)).to_have_count(1)


@pytest.mark.parametrize("call_id", [".", ".."])
def test_a_call_that_no_address_can_end_in_opens(floor: Stage, visit: Callable[..., Any], call_id: str) -> None:
    floor.seconds(floor.call(call_id), "aacc")
    floor.words(call_id, "customer", "nobody answers")
    for query in (f"?alert={floor.alert(call_id, 'dead-air')}", f"?view=call&call={call_id}"):
        expect(visit(query).locator(".transcript")).to_contain_text("nobody answers")


def test_what_other_filters_found_is_no_answer_to_these(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(1)
    page.route("**/api/alerts?*site=*", lambda route: route.abort())
    page.get_by_role("button", name="Site").click()
    page.get_by_role("checkbox", name="dakar").check()
    expect(page.locator(".failure")).to_be_visible()
    expect(page.locator(ROWS)).to_have_count(0)


def test_a_note_on_an_alert_far_down_the_list_is_no_new_alert(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    for number in range(520):
        floor.alert("c1", "dead-air", alert_id=f"a{number:03}")
    page = visit()
    expect(page.locator("#nav-count")).to_have_text("520")
    page.reload()  # those that came while one looked are all on the page
    expect(page.locator("#nav-count")).to_have_text("520")
    page.evaluate(
        """async () => {
          const { csrf } = await (await fetch("/api/me")).json();
          const { next } = await (await fetch("/api/alerts?limit=500")).json();
          const { items } = await (await fetch(`/api/alerts?limit=500&cursor=${next}`)).json();
          const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
          const address = `/api/alerts/${items.at(-1).alert_id}/note`;
          await fetch(address, { method: "POST", headers, body: '{"text": "seen"}' });
        }"""
    )
    new = floor.alert("c1", "one-way-audio")
    expect(page.locator(f'li[data-id="{new}"]')).to_be_visible()
    expect(page.locator("#live")).to_contain_text("New alert, Critical")
    expect(page.locator("#nav-count")).to_have_text("521")
    expect(page.locator(".count")).to_have_text("521 alerts")
