"""The list of alerts and the alert that is open, in a real browser before the real feed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from tests.browser.stage import Stage

ROWS = ".rows .row"
COUNT_TONES = """window.tones = 0;
AudioContext.prototype.createOscillator = new Proxy(AudioContext.prototype.createOscillator, {
    apply(make, context, given) { window.tones += 1; return make.apply(context, given); }
}); null"""


def expect(thing: Any) -> Any:
    from playwright.sync_api import expect as playwright_expect

    return playwright_expect(thing)


def ids(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(ROWS, "rows => rows.map(row => row.dataset.id)")
    return found


def test_a_new_alert_arrives_without_reload_in_words_a_person_understands(
    floor: Stage, visit: Callable[..., Any]
) -> None:
    floor.call("c1", site="dakar", queue="billing", agent="amina")
    page = visit()
    expect(page.locator(".connection.live")).to_be_visible()
    expect(page.locator(".empty")).to_be_visible()
    floor.alert("c1", "one-way-audio")
    row = page.locator(ROWS)
    expect(row).to_have_count(1)
    for told in (
        "Critical",
        "One-way audio: the customer cannot be heard",
        "amina",
        "billing",
        "dakar",
        "c1",
        "Technology",
    ):
        expect(row).to_contain_text(told)
    expect(page).to_have_title(re.compile(r"^\(1\) Alerts"))
    expect(page.locator("#live")).to_contain_text("One-way audio")


def test_the_worst_come_first_and_a_change_of_severity_moves_an_alert(floor: Stage, visit: Callable[..., Any]) -> None:
    for number, rule in enumerate(("one-way-audio", "dead-air", "greeting-missing")):
        floor.alert(floor.call(f"c{number}"), rule)
        time.sleep(0.005)  # each a moment of its own: what comes first among equals is told by the clock
    page = visit()
    expect(page.locator(ROWS)).to_have_count(3)
    assert ids(page) == ["c0-one-way-audio", "c1-dead-air", "c2-greeting-missing"]
    floor.alert("c2", "greeting-missing", revision=2, state="escalated", severity="critical")
    # Of two that are as bad the newer one comes first.
    expect(page.locator(ROWS).first).to_have_attribute("data-id", "c2-greeting-missing")
    expect(page.locator(ROWS)).to_have_count(3)


def test_an_alert_that_ends_leaves_the_open_ones(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "dead-air")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(1)
    floor.alert("c1", "dead-air", revision=2, state="cleared", cleared_ms=9000)
    expect(page.locator(ROWS)).to_have_count(0)
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.locator(ROWS)).to_have_count(1)


def test_what_the_pointer_is_on_stays_where_it_is(floor: Stage, visit: Callable[..., Any]) -> None:
    for number in range(30):
        floor.alert(floor.call(f"c{number:02}"), "dead-air")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(30)
    row = page.locator(ROWS).nth(3)
    held = row.get_attribute("data-id")
    row.hover()
    before = page.locator(f'[data-id="{held}"]').bounding_box()["y"]
    for number in range(5):
        floor.alert(floor.call(f"worse{number}"), "one-way-audio")
    expect(page.locator(ROWS)).to_have_count(35)
    assert abs(page.locator(f'[data-id="{held}"]').bounding_box()["y"] - before) < 1
    expect(page.locator(".pill")).to_be_visible()
    # What stood above goes away: the row still does not move, though nothing is left to scroll by.
    for name in ids(page)[:8]:
        if name != held:
            call, _, rule = name.partition("-")
            floor.alert(call, rule, revision=2, state="cleared", cleared_ms=9000)
    expect(page.locator(ROWS)).to_have_count(27)
    assert abs(page.locator(f'[data-id="{held}"]').bounding_box()["y"] - before) < 1


def test_the_focus_stays_on_its_row_while_others_come_and_go(floor: Stage, visit: Callable[..., Any]) -> None:
    for number in range(6):
        floor.alert(floor.call(f"c{number}"), "dead-air")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(6)
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.closest('li').dataset.id")
    floor.alert(floor.call("worse"), "one-way-audio")
    expect(page.locator(ROWS)).to_have_count(7)
    assert page.evaluate("document.activeElement.closest('li').dataset.id") == focused


def test_an_acknowledgement_in_one_browser_shows_in_another(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.alert(floor.call("c1"), "escalation-request")
    first, second = visit(), visit()
    for page in (first, second):
        expect(page.locator(ROWS)).to_have_count(1)
    first.locator(ROWS).hover()
    first.get_by_role("button", name="Acknowledge").click()
    expect(second.locator(".row.taken")).to_have_count(1)
    expect(second.locator(".row .hands")).to_contain_text("demo")
    expect(second).to_have_title(re.compile("^Alerts"))
    first.get_by_role("button", name="Undo").click()
    expect(second.locator(".row.taken")).to_have_count(0)


def test_every_action_is_done_and_told(floor: Stage, visit: Callable[..., Any]) -> None:
    alert_id = floor.alert(floor.call("c1"), "escalation-request")
    page = visit(f"?alert={alert_id}")
    panel = page.locator(".alert-panel")
    panel.get_by_role("button", name="Note").click()
    page.get_by_label("What colleagues should know").fill("the line is being changed")
    page.get_by_role("button", name="Save the note").click()
    expect(panel.locator(".log")).to_contain_text("the line is being changed")
    panel.get_by_role("button", name="Assign").click()
    page.get_by_label("To whom").fill("karim")
    page.get_by_role("dialog").get_by_role("button", name="Assign").click()
    expect(panel.locator(".log")).to_contain_text("Assigned to karim")
    page.keyboard.press("m")
    expect(page.get_by_role("dialog")).to_contain_text("Leave it empty")
    page.get_by_label("To whom").fill("")
    page.keyboard.press("Enter")
    expect(panel.locator(".log")).to_contain_text("demo took back the assignment")
    page.get_by_role("button", name="Undo").last.click()
    expect(panel.locator(".log")).to_contain_text("Assigned to karim")
    panel.get_by_role("button", name="Snooze").click()
    page.get_by_role("dialog").get_by_role("button", name="Snooze").click()
    expect(page.locator(ROWS)).to_have_count(0)
    panel.get_by_role("button", name="Reopen").click()
    expect(page.locator(ROWS)).to_have_count(1)
    panel.get_by_role("button", name="Dismiss").click()
    page.get_by_label("Known already").check()
    page.get_by_role("dialog").get_by_role("button", name="Dismiss").click()
    expect(panel.locator(".log")).to_contain_text("Known already")
    expect(page.locator(ROWS)).to_have_count(0)


def test_an_opened_alert_says_why_shows_the_call_and_the_words_as_they_come(
    floor: Stage, visit: Callable[..., Any]
) -> None:
    floor.call("c1")
    floor.seconds("c1", "aaaccc............")
    said = floor.words("c1", "customer", "let me speak to your manager now", at_ms=3000, score=-0.8)
    quoted = {"text": "speak to your manager", "utterance_id": said, "party": "customer", "confidence": 0.9}
    evidence = {"metric": "mutual_silence_ms", "unit": "ms", "value": 12_000, "threshold": 10_000, "window_ms": 12_000}
    alert_id = floor.alert(
        "c1", "dead-air", evidence={**evidence, "words": [quoted], "audio": {"from_ms": 0, "to_ms": 18_000}}
    )
    floor.alert("c1", "talk-over")
    page = visit(f"?alert={alert_id}")
    panel = page.locator(".alert-panel")
    expect(panel.locator(".why-plot .limit")).to_have_count(1)
    expect(panel.locator(".why-plot .course")).to_have_count(1)
    expect(panel.locator(".why-plot")).to_have_attribute("aria-label", re.compile("Nobody speaks for: 12.*limit 10"))
    expect(panel.locator(".timeline rect.silence")).to_have_count(1)
    expect(panel.locator("mark.trigger")).to_have_text("speak to your manager")
    expect(panel.locator(".for")).to_contain_text("a wait was announced")
    expect(panel.locator(".against")).to_contain_text("no fault of the line")
    expect(panel.locator(".earlier")).to_contain_text("Both parties have been speaking")
    floor.words("c1", "agent", "my account number is [account], thank you")
    expect(panel.locator(".transcript")).to_contain_text("thank you")
    expect(panel.locator(".redacted")).to_contain_text("account")
    before = panel.locator(".timeline").get_attribute("aria-label")
    floor.seconds("c1", "xxxx")
    expect(panel.locator(".timeline rect.overlap")).to_have_count(1)
    assert panel.locator(".timeline").get_attribute("aria-label") != before


def test_words_that_look_like_markup_stay_words(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1", agent="<b>amina</b>")
    floor.words("c1", "customer", "<img src=x onerror=alert(1)> hello", at_ms=1000)
    alert_id = floor.alert("c1", "dead-air", message={"en": "<i>silence</i>", "fr": "<i>silence</i>"})
    page = visit(f"?alert={alert_id}")
    expect(page.locator(".transcript")).to_contain_text("<img src=x")
    expect(page.locator("#alert-title")).to_have_text("<i>silence</i>")
    assert page.locator(".transcript img, #alert-title i, .row b").count() == 0


def test_an_alert_that_is_not_there_is_told_with_a_remedy_until_it_comes(
    floor: Stage, visit: Callable[..., Any], watched: Any
) -> None:
    page = visit("?alert=c1-dead-air")
    expect(page.locator(".failure")).to_contain_text("There is no such")
    expect(page.locator(".failure")).to_contain_text("expired")
    assert watched.errors == []
    floor.alert(floor.call("c1"), "dead-air")
    expect(page.locator("#alert-title")).to_contain_text("Dead air")
    expect(page.locator(".failure")).to_have_count(0)


def test_a_long_list_is_capped_and_the_rest_is_there_on_request(floor: Stage, visit: Callable[..., Any]) -> None:
    floor.call("c1")
    for number in range(230):
        floor.alert("c1", "dead-air", alert_id=f"a{number:03}")
    page = visit()
    expect(page.locator(ROWS)).to_have_count(200)
    expect(page.locator(".count")).to_have_text("230 alerts")
    page.get_by_role("button", name="Show 30 more").click()
    expect(page.locator(ROWS)).to_have_count(230)
    expect(page.locator(".more")).to_be_hidden()


def test_sound_is_off_until_it_is_asked_for(floor: Stage, visit: Callable[..., Any]) -> None:
    page = visit()
    page.evaluate(COUNT_TONES)
    floor.alert(floor.call("c1"), "dead-air")
    expect(page.locator(ROWS)).to_have_count(1)
    assert page.evaluate("tones") == 0
    sound = page.get_by_role("button", name="Sound for new alerts")
    sound.click()
    expect(sound).to_have_attribute("aria-pressed", "true")
    asked = page.evaluate("tones")
    assert asked == 1
    page.wait_for_timeout(3_100)  # many at once are one sound
    floor.alert(floor.call("c2"), "one-way-audio")
    expect(page.locator(ROWS)).to_have_count(2)
    assert page.evaluate("tones") == asked + 2
