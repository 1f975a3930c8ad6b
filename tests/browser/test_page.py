"""The page as a whole: addresses, keyboard, languages, other views, and a connection that breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.stage import Stage
from tests.browser.test_alerts import ROWS, expect, ids
from tests.browser.test_focus import OPENED


def test_filters_are_in_the_address_and_a_deep_link_shows_what_its_sender_saw(
    floor: Stage, visit: Callable[..., Any]
) -> None:
    for number, site in enumerate(("dakar", "tunis", "dakar")):
        floor.alert(floor.call(f"c{number}", site=site, queue="billing" if number else "internet"), "dead-air")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(3)
    page.get_by_role("button", name="Site").click()
    page.get_by_role("checkbox", name="dakar").check()
    expect(page.locator(ROWS)).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Queue", exact=True).click()
    page.get_by_role("checkbox", name="billing").check()
    expect(page.locator(ROWS)).to_have_count(1)
    page.keyboard.press("Escape")
    page.locator(ROWS).locator("a").click()
    expect(page.locator("#alert-title")).to_contain_text("Dead air")
    link = page.url
    assert "site=dakar" in link
    assert "alert=c2-dead-air" in link
    other = visit(link.removeprefix(floor.address))
    expect(other.locator(ROWS)).to_have_count(1)
    expect(other.locator("#alert-title")).to_contain_text("Dead air")
    floor.alert(floor.call("c9", site="tunis"), "one-way-audio")
    floor.alert(floor.call("c8", site="dakar"), "one-way-audio")
    expect(other.locator(ROWS)).to_have_count(2)
    page.go_back()
    expect(page.locator("#alert-title")).to_have_count(0)
    page.go_back()
    page.go_back()
    expect(page.locator(ROWS)).to_have_count(5)


def test_the_search_field_filters_and_keeps_the_cursor(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1", agent="amina"), "dead-air")
    floor.alert(floor.call("c2", agent="karim"), "dead-air")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("ami")
    expect(page.locator(ROWS)).to_have_count(1)
    page.keyboard.type("na")
    expect(page).to_have_url(re.compile("q=amina"))
    expect(page.locator("#search")).to_have_value("amina")


def test_everything_can_be_done_with_the_keyboard_alone(floor: Stage, visit: Callable[..., Any]) -> None:
    for number, rule in enumerate(("one-way-audio", "dead-air", "talk-over")):
        floor.alert(floor.call(f"c{number}"), rule)
    page = visit()
    expect(page.locator(ROWS)).to_have_count(3)
    order = ids(page)

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    def focused() -> Any:
        return page.evaluate("document.activeElement.closest('li')?.dataset.id ?? document.activeElement.id")

    press("j")
    assert focused() == order[0]
    press("j", "k", "j")
    assert focused() == order[1]
    press("a")
    expect(page.locator(".row.taken")).to_have_count(1)
    assert focused() == order[1]
    press("u")
    expect(page.locator(".row.taken")).to_have_count(0)
    press("Enter")
    expect(page.locator(OPENED)).to_be_visible()
    expect(page.locator("#alert-title")).to_be_focused()
    press("n")
    page.keyboard.type("seen")
    press("Tab", "Tab", "Enter")
    expect(page.locator(".log")).to_contain_text("seen")
    press("Escape")
    expect(page.locator("#alert-title")).to_have_count(0)
    assert focused() == order[1]
    press("d")
    expect(page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard")
    press("Escape", "2")
    expect(page.locator("#view-title")).to_have_text("Floor")
    expect(page.locator(".tile")).to_have_count(3)
    press("j", "Enter")
    expect(page).to_have_url(re.compile("call=c"))


def test_single_keys_can_be_switched_off(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(1)
    page.keyboard.press("?")
    page.get_by_label("Single keys do something").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.keyboard.press("j")
    assert "view=floor" not in page.url
    assert page.evaluate("document.activeElement.closest('li')") is None


def test_a_dropped_connection_is_shown_and_resumes_without_loss_or_duplicate(
    floor: Stage, visit: Callable[..., Any]
) -> None:
    floor.alert(floor.call("c0"), "dead-air")
    page = visit()
    page.evaluate(
        "window.heard = []; import('/page/live.js').then(m => m.live.addEventListener('alert', e => heard.push(e.detail.changed)))"
    )
    expect(page.locator(ROWS)).to_have_count(1)
    for number in range(1, 4):
        floor.alert(floor.call(f"c{number}"), "dead-air")
    expect(page.locator(ROWS)).to_have_count(4)
    floor.line.cut()
    expect(page.locator(".connection.waiting")).to_be_visible()
    expect(page.locator(".connection")).to_contain_text("Disconnected")
    for number in range(4, 9):
        floor.alert(floor.call(f"c{number}"), "dead-air")
    floor.line.mend()
    expect(page.locator(".connection.live")).to_be_visible(timeout=30_000)
    expect(page.locator(ROWS)).to_have_count(9)
    floor.alert(floor.call("c9"), "one-way-audio")
    expect(page.locator(ROWS)).to_have_count(10)
    heard = page.evaluate("heard")
    assert len(heard) == len(set(heard)) == 9
    assert heard == sorted(heard)
    assert len(ids(page)) == len(set(ids(page)))


def test_addresses_that_people_write_down_lead_there(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit("floor?site=dakar")
    expect(page.locator("#view-title")).to_have_text("Floor")
    expect(page).to_have_url(f"{floor.address}?site=dakar&view=floor")
    expect(visit("calls/c1").locator("#view-title")).to_have_text("c1")
    expect(visit("alerts/c1-dead-air").locator("#alert-title")).to_contain_text("Dead air")


def test_the_floor_follows_its_calls(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.busy_floor(20)
    page = visit("?view=floor")
    live = page.locator(".tile")
    expect(live).to_have_count(18)
    floor.call("late", site="rabat")
    expect(live).to_have_count(19)
    floor.end("late")
    expect(live).to_have_count(18)
    page.get_by_role("button", name="Site").click()
    page.get_by_role("checkbox", name="dakar").check()
    expect(page.locator(".site")).to_have_count(1)
    page.locator(".tile").first.click()
    expect(page.locator(".call-view .timeline")).to_be_visible()


def test_coverage_says_who_was_not_watched_and_why(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.end(floor.call("seen"))
    floor.end(floor.call("half"), coverage="partial")
    page = visit("?view=coverage")
    expect(page.locator("table.calls")).to_contain_text("half")
    expect(page.locator(".coverage-body")).to_contain_text("the source stopped sending")
    expect(page.locator(".coverage-body")).to_contain_text("Check the gateway")
    floor.end(floor.call("blind"), coverage="unmonitored")
    expect(page.locator("table.calls")).to_contain_text("blind")


def test_history_finds_words_and_leads_to_the_call(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("old")
    floor.words("old", "customer", "my invoice is wrong and nobody answers", at_ms=2000)
    floor.end("old")
    page = visit("?view=history")
    expect(page.locator("table.calls")).to_contain_text("old")
    page.keyboard.press("/")
    page.keyboard.type("invoi")
    expect(page.locator(".hit mark")).to_have_text("invoice")
    page.locator(".hit a").click()
    expect(page.locator("#view-title")).to_have_text("old")
    expect(page.locator(".transcript")).to_contain_text("nobody answers")


def test_many_calls_with_one_fault_are_an_incident(floor: Stage, visit: Callable[..., Any]) -> None:
    for number in range(12):
        floor.call(f"c{number}", site="dakar" if number < 4 else "tunis", agent=f"agent{number}")
    page = visit("?view=incidents")
    expect(page.locator(".empty")).to_be_visible()
    for number in range(4):
        floor.alert(f"c{number}", "one-way-audio")
    expect(page.locator(".incident").first).to_contain_text("One-way audio")
    expect(page.locator(".incident").first).to_contain_text("4 calls")


@pytest.mark.parametrize(
    ("lang", "says"), [("fr-FR", "Blanc"), ("en-GB", "Dead air"), ("ar", "صمت تام"), ("pt-PT", "Silêncio")]
)
def test_the_page_speaks_its_four_languages(floor: Stage, visit: Callable[..., Any], lang: str, says: str) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    for query in (
        "",
        "?view=floor",
        "?view=incidents",
        "?view=coverage",
        "?view=history",
        "?view=call&call=c1",
        "?alert=c1-dead-air",
    ):
        page = visit(query, lang=lang)
        if query in ("", "?alert=c1-dead-air"):
            expect(page.locator(".row .what")).to_contain_text(says)
        expect(page.locator(".loading")).to_have_count(0)
        text = page.locator("body").inner_text()
        # A key without words, or a plural or a value that was not filled in, would stand there as such.
        assert not re.search(
            r"\b(nav|label|filter|action|alert|list|cause|severity)\.[a-z_]+\b|\{\w+\}|\[object", text
        ), text


def test_an_alert_whose_words_have_expired_still_speaks_the_viewers_language(
    floor: Stage, visit: Callable[..., Any]
) -> None:
    title = "Asks for a supervisor"
    floor.alert(floor.call("c1"), "escalation-request", title=title, message=dict.fromkeys(("en", "fr", "ar"), title))
    expect(visit(lang="fr-FR").locator(".row .what")).to_contain_text("Le client demande un responsable")
    expect(visit(lang="ar").locator(".row .what")).to_contain_text("العميل يطلب مسؤول")


def test_arabic_is_really_mirrored(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    floor.seconds("c1", "aaaaacccccc")
    alert_id = floor.alert("c1", "dead-air")
    page = visit(f"?alert={alert_id}", lang="ar")
    expect(page.locator(".timeline")).to_be_visible()
    assert page.evaluate("document.documentElement.dir") == "rtl"
    box = {
        name: page.locator(name).first.bounding_box()
        for name in (".brand", ".tools", ".list-pane", ".side", ".row .sev", ".row .what")
    }
    assert box[".brand"]["x"] > box[".tools"]["x"]
    assert box[".list-pane"]["x"] > box[".side"]["x"]
    assert box[".row .sev"]["x"] > box[".row .what"]["x"]
    ticks = page.eval_on_selector_all(
        ".timeline .tick", "ticks => ticks.map(tick => [tick.textContent, +tick.getAttribute('x')])"
    )
    assert [x for _, x in ticks] == sorted((x for _, x in ticks), reverse=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?alert=c1-dead-air",
        "?view=floor",
        "?view=call&call=c1",
        "?view=incidents",
        "?view=coverage",
        "?view=history",
    ],
)
@pytest.mark.parametrize("lang", ["fr-FR", "ar"])
def test_nothing_overflows_a_phone(floor: Stage, visit: Callable[..., Any], query: str, lang: str) -> None:
    floor.busy_floor(24)
    floor.alert(floor.call("c1"), "dead-air")
    page = visit(query, lang=lang, width=375, height=720)
    expect(page.locator(".loading")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    expect(page.locator(".nav")).to_be_visible()


def test_language_and_theme_are_remembered(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    page = visit()
    page.locator(".account-button").click()
    page.get_by_label("Appearance").select_option("dark")
    page.get_by_label("Language").select_option("pt")
    expect(page.locator(".nav")).to_contain_text("Alertas")
    page.reload()
    expect(page.locator(".nav")).to_contain_text("Alertas")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    assert json.loads(page.evaluate("JSON.stringify(document.documentElement.dataset)")) == {"theme": "dark"}


def test_reduced_motion_is_kept_to(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit(reduced_motion="reduce")
    page.locator(ROWS).hover()
    page.keyboard.press("u")
    expect(page.locator(".toast")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0
