"""A real browser before the real feed: headless Chromium of the system, which talks to nobody else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.stage import Stage, stage

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--autoplay-policy=no-user-gesture-required",
]
IN_CI = os.environ.get("CI") == "true"
PATIENCE_MS = 15_000  # what never comes fails all the same; what comes late on a busy machine is no fault of the page


def _lacking(what: str) -> None:
    if IN_CI:
        pytest.fail(f"{what}: .ci/run installs it")
    pytest.skip(what)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running Chromium (Playwright's Browser); a module's, since Playwright keeps an event loop running in this thread
    for as long, in which no other test could have its own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        _lacking("no chromium on this machine")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        _lacking("playwright is not installed")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


class Watched:
    """What a page asked of hosts, and what it complained of."""

    def __init__(self) -> None:
        self.foreign: list[str] = []
        self.errors: list[str] = []

    def watch(self, page: Any, home: str) -> None:
        page.on("request", lambda request: self._ask(request.url, home))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._told(message))

    def _ask(self, url: str, home: str) -> None:
        if not url.startswith((home, "data:", "blob:")):
            self.foreign.append(url)

    def _told(self, message: Any) -> None:
        # A server that is down, or a clip that is not there, is told by the browser itself.
        if message.type == "error" and "Failed to load resource" not in message.text and "net::ERR" not in message.text:
            self.errors.append(message.text)


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Every test ends with this: no request to another host, nothing refused by the policy, no error of the page."""
    made = Watched()
    yield made
    assert made.foreign == []
    assert made.errors == []


@pytest.fixture
def visit(chromium: Any, floor: Stage, watched: Watched) -> Iterator[Callable[..., Any]]:
    """`visit("?view=floor", lang="ar")`: a new browser profile, looking at the floor."""
    contexts: list[Any] = []

    def look(query: str = "", *, lang: str = "en-GB", width: int = 1280, height: int = 800, **context: Any) -> Any:
        made = chromium.new_context(locale=lang, viewport={"width": width, "height": height}, **context)
        contexts.append(made)
        page = made.new_page()
        page.set_default_timeout(PATIENCE_MS)
        watched.watch(page, floor.address)
        page.goto(floor.address + query)
        return page

    yield look
    for made in contexts:
        for page in made.pages:
            page.unroute_all(behavior="ignoreErrors")  # a route still in flight would fail the test that comes next
        made.close()
