"""A page that is open all day: what is loaded again must not lose what has come meanwhile, or what one had opened."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from streams.feed import tables as t
from streams.feed.forget import forget
from tests.browser.stage import Stage
from tests.browser.test_alerts import expect

MINUTES_ARE_SECONDS = (
    "const every = setInterval; window.setInterval = (run, ms) => every(run, ms === 60_000 ? 1_000 : ms);"
)
"""What the page does once a minute, it does once a second."""


def stored_words(floor: Stage) -> int:
    with floor.feed.database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(t.utterances)).scalar_one())


def row(page: Any, alert_id: str) -> Any:
    return page.locator(f'li[data-id="{alert_id}"]')


def test_an_alert_that_comes_while_the_list_is_loaded_again_stays(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    floor.call("c2")
    floor.seconds("c1", "aaaaaaaaaaaa")
    first = floor.alert("c1", "dead-air")
    page = visit("login")
    page.add_init_script(MINUTES_ARE_SECONDS)
    held: list[tuple[Any, Any]] = []
    page.goto(floor.address)
    row(page, first).wait_for()
    page.route("**/api/alerts?*", lambda route: held.append((route, route.fetch())))
    page.wait_for_timeout(2_500)
    assert len(held) >= 2  # the list's own, and the figure's on the tab
    second = floor.alert("c2", "one-way-audio")
    row(page, second).wait_for()
    before = [(route, old) for route, old in held if second not in old.text()]
    assert len(before) >= 2
    for route, old in before:
        route.fulfill(response=old)
    page.wait_for_timeout(400)
    assert row(page, second).count() == 1
    assert page.locator("#nav-count").text_content() == "2"


def test_more_of_a_long_list_stays_when_it_is_loaded_again(floor: Stage, visit: Callable[..., Any]) -> None:
    for number in range(420):
        floor.call(f"c{number:03}")
        floor.alert(f"c{number:03}", "dead-air")
    page = visit("login")
    page.add_init_script(MINUTES_ARE_SECONDS)
    page.goto(floor.address)
    page.get_by_text("420 alerts", exact=True).wait_for()
    more = page.locator("button.more")
    more.click()
    expect(page.locator(".rows > li")).to_have_count(400)
    with page.expect_response(lambda answer: "/api/alerts?" in answer.url and "acknowledged" not in answer.url):
        pass
    page.wait_for_timeout(400)
    assert page.locator(".rows > li").count() == 400
    assert page.get_by_text("420 alerts", exact=True).is_visible()


def test_more_of_a_list_that_is_just_being_loaded_again_stays(floor: Stage, visit: Callable[..., Any]) -> None:
    for number in range(420):
        floor.call(f"c{number:03}")
        floor.alert(f"c{number:03}", "dead-air")
    page = visit()
    page.get_by_text("420 alerts", exact=True).wait_for()
    page.add_init_script(MINUTES_ARE_SECONDS)
    held: list[Any] = []
    of_the_list = re.compile(r"/api/alerts\?state=open&limit=200$")
    page.reload()  # those that came while one looked are all on the page
    page.get_by_text("420 alerts", exact=True).wait_for()
    page.route(of_the_list, lambda route: route.continue_() if held else held.append((route, route.fetch())))
    for _ in range(300):
        if not held:
            page.wait_for_timeout(50)
    page.locator("button.more").click()
    page.wait_for_timeout(400)  # the next page could come before the one that was asked for first
    route, old = held[0]
    route.fulfill(response=old)
    expect(page.locator(".rows > li")).to_have_count(400)
    page.wait_for_timeout(400)
    assert page.locator(".rows > li").count() == 400


def test_a_search_looks_through_all_alerts_not_only_those_on_the_screen(
    floor: Stage, visit: Callable[..., Any]
) -> None:
    floor.call("needle", agent="zineb")
    floor.alert("needle", "dead-air")
    for number in range(220):
        floor.call(f"c{number:03}")
        floor.alert(f"c{number:03}", "one-way-audio")
    page = visit()
    page.get_by_text("221 alerts", exact=True).wait_for()
    assert row(page, "needle-dead-air").count() == 0
    page.locator("#search").fill("zineb")
    row(page, "needle-dead-air").wait_for()
    page.get_by_text("1 alert", exact=True).wait_for()
    assert page.locator("button.more").is_hidden()


def test_a_call_of_hours_opens(floor: Stage, visit: Callable[..., Any]) -> None:
    """Work that grows with the square of the turns would keep the browser busy for minutes."""
    floor.call("long")
    for number in range(4_000):
        floor.words("long", "agent" if number % 2 else "customer", f"turn {number}", at_ms=4_000 * (4_000 - number))
    floor.seconds("long", "aaaa")
    # The page is to find the call whole: words that come while it looks are put in one by one, which is another matter.
    while stored_words(floor) < 4_000:
        time.sleep(0.05)
    page = visit("?view=call&call=long")
    page.get_by_text("turn 3999", exact=True).wait_for()
    times = page.evaluate("[...document.querySelectorAll('.turn')].map((turn) => Number(turn.dataset.at))")
    assert len(times) == 4_000
    assert times == sorted(times)


def test_an_incident_shows_without_a_reload(floor: Stage, visit: Callable[..., Any]) -> None:
    for number in range(12):
        floor.call(f"other-{number}", site="rabat", agent=f"agent {number}", queue=f"queue {number}")
        floor.seconds(f"other-{number}", "aaaa")
    page = visit("?view=incidents")
    page.get_by_text("No incident.").wait_for()
    for number in range(5):
        floor.call(f"c{number}", site="tunis", agent="amina", queue="internet")
        floor.seconds(f"c{number}", "aaaa")
        floor.alert(f"c{number}", "one-way-audio")
    page.locator("details.incident").first.wait_for()


def test_after_a_change_of_language_one_is_still_told_what_happened(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    floor.seconds("c1", "aaaaaaaaaaaa")
    alert_id = floor.alert("c1", "dead-air")
    page = visit()
    row(page, alert_id).hover()
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.locator(".toast").wait_for()
    page.locator(".account-button").click()
    page.locator(".account-menu select").first.select_option("fr")
    page.locator("html[lang=fr]").wait_for()
    row(page, alert_id).wait_for()
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.locator("#toasts .toast").wait_for()


def test_u_takes_back_what_the_opened_alert_offers_to(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    floor.seconds("c1", "aaaaaaaaaaaa")
    alert_id = floor.alert("c1", "dead-air")
    page = visit(f"?state=all&alert={alert_id}")
    page.locator('[data-action="dismiss"]').click()
    page.locator("dialog button.primary").click()
    page.locator('[data-action="reopen"]').wait_for()
    page.reload()
    page.locator('[data-action="reopen"]').wait_for()
    page.keyboard.press("u")
    page.locator('[data-action="acknowledge"]').wait_for()


@pytest.mark.parametrize("call_id", ["2026/11/26#7?a=b&c", "<img src=x onerror=alert(1)>"])
def test_a_call_of_any_name_opens_by_its_link(floor: Stage, visit: Callable[..., Any], call_id: str) -> None:
    floor.call(call_id, agent="<script>alert(1)</script>")
    floor.seconds(call_id, "aaaa")
    floor.words(call_id, "customer", "<b>bonjour</b> \u202eabc", at_ms=1000)
    page = visit(f"?view=call&call={quote(call_id, safe='')}")
    page.locator("#view-title", has_text=call_id).wait_for()
    page.get_by_text("<b>bonjour</b>").wait_for()
    page.goto(f"{floor.address}calls/{quote(call_id, safe='')}")
    page.locator("#view-title", has_text=call_id).wait_for()


def test_an_erased_call_goes_from_every_open_screen(floor: Stage, visit: Callable[..., Any]) -> None:
    for call in ("erased", "kept"):
        floor.call(call)
        floor.words(call, "customer", "my account number is [account]")
    gone, stays = floor.alert("erased", "dead-air"), floor.alert("kept", "dead-air")
    alerts, call_page, history = (
        visit(f"?alert={gone}"),
        visit("?view=call&call=erased"),
        visit("?view=history&q=account"),
    )
    alerts.locator(".alert-panel .transcript li").wait_for()
    call_page.locator(".transcript li").wait_for()
    history.locator(".hit").nth(1).wait_for()
    forget(floor.feed.database, "erased", "admin", None, {})
    row(alerts, gone).wait_for(state="detached")
    assert row(alerts, stays).count() == 1
    for page in (alerts, call_page):
        page.locator(".failure").wait_for()
        assert page.locator(".transcript li").count() == 0
    expect(history.locator(".hit")).to_have_count(1)
    assert "kept" in history.locator(".hit").text_content()
