"""The OpenAPI document against what is served: whatever is sent, the answer is one that the document promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from streams.feed import accounts, api
from streams.feed.app import create_app
from streams.feed.sessions import Access
from streams.feed.source import LocalSource
from tests.feed import postgres
from tests.feed.conftest import Store
from tests.feed.records import alert, measurement, utterance
from tests.feed.test_access import NEEDS, AnyClips

load_all_checks()
positive_data_acceptance = CHECKS.get_one("positive_data_acceptance")
negative_data_rejection = CHECKS.get_one("negative_data_rejection")
KNOWN = {"alert_id": "alert-0", "call_id": "call-0"}
EXAMPLES = 20
"""A question; two stores and all endpoints take about half a minute together."""


async def _one_heartbeat(*_: Any) -> AsyncIterator[bytes]:
    """What stands in for the event stream, which would go on for ever: what it was asked is checked all the same."""
    yield b": still here\n\n"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def document(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of an application over some calls, asked by a program that may do everything."""
    if request.param == "sqlite":
        url = str(tmp_path_factory.mktemp("openapi") / "feed.db")
    else:
        url = postgres.fresh(request.getfixturevalue("postgresql"))
    store = Store(url)
    for number in range(3):
        call = f"call-{number}"
        store.take(*(("measurements", measurement(call, n)) for n in range(3)))
        store.take(("alerts", alert(call, f"alert-{number}")), ("utterances", utterance(call, 1, "la ligne coupe")))
    token = accounts.add_token(store.database, "all", list(accounts.POWERS), None, None, None)
    access = Access(store.database, secure=False)
    app = create_app(store.database, store.absorber, LocalSource(store.absorber), AnyClips(), access=access)
    found = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(api, "_encoded", _one_heartbeat)
        yield found, {"Authorization": f"Bearer {token}"}
    store.database.close()


@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_every_answer_is_one_that_the_document_promises(document: Any, method: str, path: str) -> None:
    """Of questions that the document allows, about what is there and what is not, and of those it does not allow."""
    found, headers = document
    operation = found[path][method]
    ask(operation, schemathesis.GenerationMode.POSITIVE, {}, headers)
    if "{" in path:
        ask(operation, schemathesis.GenerationMode.POSITIVE, KNOWN, headers)
    if len(operation.query.items) or len(operation.body.items):
        ask(operation, schemathesis.GenerationMode.NEGATIVE, {}, headers)


def ask(operation: Any, mode: schemathesis.GenerationMode, known: dict[str, str], headers: dict[str, str]) -> None:
    # Whether a cursor is one of ours, and what an action must bring, is more than a schema can say.
    # A question in an address has no types: an empty list and an empty text are written alike, and may be allowed.
    excluded = [positive_data_acceptance] if operation.method == "post" else [negative_data_rejection]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,  # a landing must not fail by luck
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def asked(case: schemathesis.Case) -> None:
        case.path_parameters = {**case.path_parameters, **{k: v for k, v in known.items() if f"{{{k}}}" in case.path}}
        opaque = [positive_data_acceptance] if "cursor" in (case.query or {}) else []
        case.call_and_validate(headers=headers, excluded_checks=[*excluded, *opaque])

    asked()


@pytest.mark.parametrize("path", ["/api/calls?site=%00", "/api/calls/%00", "/api/calls?q=%00", "/api/audit?who=%00"])
def test_a_nul_is_refused_and_does_not_reach_the_store(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 422


def test_a_nul_in_a_login_or_a_note_is_refused(store: Store, client: TestClient) -> None:
    store.take(("alerts", alert("call-1", "alert-1")))
    for text in (b"a\\u0000b", b"a\\ud800b"):
        sent = b'{"text": "%s"}' % text
        headers = {"Content-Type": "application/json"}
        assert client.post("/api/alerts/alert-1/note", content=sent, headers=headers).status_code == 422
    assert client.post("/login", data={"name": "a\0b"}).status_code == 422
