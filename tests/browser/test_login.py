"""The login page: what it sends, what it says when refused, and where it leads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

import streams.feed.app
from tests.browser.stage import Stage
from tests.browser.test_accessibility import axe, violations
from tests.browser.test_alerts import expect

__all__ = ["axe"]
PAGE = Path(streams.feed.app.__file__).parent / "page" / "login.html"
POLICY = {"Content-Security-Policy": streams.feed.app.CSP}


@pytest.fixture
def door(floor: Stage, visit: Callable[..., Any]) -> Callable[..., tuple[Any, list[dict[str, list[str]]]]]:
    """The login page with a server part that writes down what it is sent."""

    def open_door(query: str = "", **more: Any) -> tuple[Any, list[dict[str, list[str]]]]:
        sent: list[dict[str, list[str]]] = []
        page = visit(**more)

        def login(route: Any) -> None:
            if route.request.method == "POST":
                sent.append(parse_qs(route.request.post_data))
                route.fulfill(status=200, body="in", content_type="text/plain")
            else:
                route.fulfill(status=200, body=PAGE.read_text(), content_type="text/html", headers=POLICY)

        data = {"csrf": "token", "oidc": {"name": "Corporate", "url": "/oidc/start"}}
        page.route(re.compile(r"127[^/]*/login(\?|$)"), login)
        page.route("**/api/login", lambda route: route.fulfill(body=json.dumps(data), content_type="application/json"))
        page.goto(f"{floor.address}login{query}")
        return page, sent

    return open_door


def test_the_form_sends_name_password_token_and_where_one_was(door: Callable[..., Any]) -> None:
    page, sent = door("?next=%2F%3Fview%3Dfloor")
    page.get_by_label("Name").fill("amina")
    page.get_by_label("Password").fill("long enough a secret")
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_text("in")
    assert sent == [
        {"name": ["amina"], "password": ["long enough a secret"], "csrf": ["token"], "next": ["/?view=floor"]}
    ]


def test_nobody_is_sent_to_another_site(door: Callable[..., Any]) -> None:
    for outside in ("https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example"):
        page, _ = door(f"?next={outside}")
        expect(page.locator("input[name=next]")).to_have_value("/")


def test_a_refusal_is_told_in_words(door: Callable[..., Any]) -> None:
    page, _ = door("?error=rate&retry_after=45", lang="fr-FR")
    expect(page.get_by_role("alert")).to_contain_text("Attendez 45 s")
    page, _ = door("?error=%3Cb%3E")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")


def test_another_way_in_is_offered_in_every_language(door: Callable[..., Any], axe: str) -> None:
    page, _ = door("?next=%2F%3Fview%3Dfloor")
    expect(page.get_by_role("link", name="Log in with Corporate")).to_have_attribute(
        "href", "/oidc/start?next=%2F%3Fview%3Dfloor"
    )
    assert violations(page, axe) == []
    page.get_by_role("button", name="العربية").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.get_by_role("link")).to_contain_text("Corporate")
