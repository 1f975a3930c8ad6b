"""Coming in, seeing one's own calls alone, and leaving: the page before a feed with accounts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from streams.feed import accounts
from streams.feed.sessions import Access
from tests.browser.stage import Stage
from tests.browser.test_alerts import ROWS, expect

PASSWORD = "correct horse battery"


@pytest.fixture
def guarded(floor: Stage) -> Stage:
    """The floor with a door: a supervisor and an analyst of Dakar, and a call with an alert in Dakar and in Tunis."""
    database = floor.feed.database
    accounts.add_account(database, "amina", PASSWORD, "supervisor", ["dakar"])
    accounts.add_account(database, "karim", PASSWORD, "analyst", ["dakar"])
    floor.feed.app.state.access = Access(database, loopback=False, secure=False)
    for site in ("dakar", "tunis"):
        floor.alert(floor.call(f"of-{site}", site=site), "dead-air")
    return floor


def come_in(page: Any, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_a_deep_link_survives_the_login_and_shows_ones_own_calls_alone(
    guarded: Stage, visit: Callable[..., Any]
) -> None:
    page = visit("?severity=warning&alert=of-dakar-dead-air")
    expect(page).to_have_url(re.compile("/login"))
    come_in(page, "amina", "not the password")
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")
    come_in(page, "amina")
    expect(page.locator("#alert-title")).to_contain_text("Dead air")
    assert "severity=warning" in page.url
    expect(page.locator(ROWS)).to_have_count(1)
    guarded.alert("of-tunis", "one-way-audio")
    guarded.alert("of-dakar", "talk-over")
    expect(page.locator(ROWS)).to_have_count(2)
    page.locator(".alert-panel").get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".log")).to_contain_text("amina acknowledged it")
    page.goto(f"{guarded.address}?alert=of-tunis-dead-air")
    expect(page.locator(".failure")).to_contain_text("There is no such thing, or not for you")


def test_leaving_ends_the_session(guarded: Stage, visit: Callable[..., Any]) -> None:
    page = visit()
    come_in(page, "amina")
    expect(page.locator(ROWS)).to_have_count(1)
    page.locator(".account-button").click()
    expect(page.locator(".account-menu")).to_contain_text("dakar")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile("/login"))
    page.goto(guarded.address)
    expect(page).to_have_url(re.compile("/login"))


@pytest.mark.usefixtures("guarded")
def test_an_analyst_looks_and_cannot_act(visit: Callable[..., Any]) -> None:
    page = visit("?alert=of-dakar-dead-air")
    come_in(page, "karim")
    panel = page.locator(".alert-panel")
    expect(panel.get_by_role("button", name="Acknowledge")).to_be_disabled()
    expect(panel).to_contain_text("Your role looks and does not act.")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator(".row-ack")).to_have_count(0)


def test_a_page_whose_session_has_ended_leads_to_the_door(guarded: Stage, visit: Callable[..., Any]) -> None:
    page = visit()
    come_in(page, "amina")
    expect(page.locator(".connection.live")).to_be_visible()
    accounts.change_account(guarded.feed.database, "amina", {"enabled": False})
    guarded.line.cut()
    guarded.line.mend()
    expect(page).to_have_url(re.compile("/login"), timeout=20_000)


@pytest.mark.usefixtures("guarded")
def test_a_shift_without_a_mouse_from_the_door_to_the_last_action(visit: Callable[..., Any]) -> None:
    page = visit()
    expect(page.get_by_label("Name")).to_be_focused()
    keys = page.keyboard
    keys.type("amina")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    row = page.locator(ROWS)
    expect(row).to_have_count(1)
    keys.press("j")
    keys.press("Enter")
    expect(page.locator("#alert-title")).to_be_focused()
    log = page.locator(".log")

    def dialog() -> Any:
        found = page.get_by_role("dialog")
        expect(found).to_be_visible()
        return found

    keys.press("a")
    expect(log).to_contain_text("amina acknowledged it")
    keys.press("m")
    dialog()
    keys.press("Enter")  # oneself is offered
    expect(log).to_contain_text("Assigned to amina")
    keys.press("n")
    dialog()
    keys.type("called back")
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")
    expect(log).to_contain_text("called back")
    keys.press("d")
    dialog()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(row).to_have_count(0)
    expect(log).to_contain_text("amina dismissed it")
    keys.press("u")
    expect(row).to_have_count(1)
    keys.press("s")
    dialog()
    keys.press("ArrowUp")
    keys.press("Enter")
    expect(row).to_have_count(0)
    keys.press("u")
    expect(row).to_have_count(1)
    keys.press("Escape")
    expect(page.locator("#alert-title")).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.alert") == "of-dakar-dead-air"


def test_of_two_browsers_in_the_same_instant_one_has_it_and_both_show_the_same(
    guarded: Stage, visit: Callable[..., Any]
) -> None:
    accounts.add_account(guarded.feed.database, "fatou", PASSWORD, "supervisor", ["dakar"])
    pages = {name: visit("?alert=of-dakar-dead-air") for name in ("amina", "fatou")}
    for name, page in pages.items():
        come_in(page, name)
        expect(page.locator("[data-action=acknowledge]")).to_be_visible()
        expect(page.locator(".log, .box-log")).to_have_count(1)
    # Neither has heard of the other: both requests leave before either answer comes, at one moment of the clock that both have.
    moment = next(iter(pages.values())).evaluate("Date.now() + 3000")
    for page in pages.values():
        page.evaluate(
            "at => { setTimeout(() => document.querySelector('[data-action=acknowledge]').click(), at - Date.now()) }",
            moment,
        )
    late = {}
    for name, page in pages.items():
        expect(page.locator(".toast")).to_be_visible()
        expect(page.locator("[data-action=unacknowledge]")).to_be_visible()
        late[name] = "error" in (page.locator(".toast").get_attribute("class") or "")
    assert sorted(late.values()) == [False, True]
    (winner,) = [name for name, was_late in late.items() if not was_late]
    (loser,) = [name for name, was_late in late.items() if was_late]
    expect(pages[loser].locator(".toast")).to_contain_text(winner)
    for page in pages.values():
        expect(page.locator(".log")).to_contain_text(f"{winner} acknowledged it")
