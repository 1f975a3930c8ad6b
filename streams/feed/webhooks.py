"""Alerts to other systems: signed, retried with back-off, once over several instances; what fails for good is kept.

An alert's change of state becomes a delivery in the transaction that absorbed it, so that neither a kill nor a second
instance loses or doubles it. Only what is fresh is sent: a store that is rebuilt from the topics sends nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import logging
import random
import re
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa

from audio.errors import VigieError
from streams.feed import tables_hooks as th
from streams.feed.clock import wall_ms
from streams.feed.database import Database, insert
from streams.feed.views import Row

KINDS = ("json", "slack", "teams")
SEVERITIES = ("info", "warning", "critical")
FRESH_MS = 10 * 60_000
"""An alert that is older when it is absorbed is history: no webhook."""
ATTEMPTS_MAX = 16
WAIT_MS_FIRST, WAIT_MS_MAX = 2_000, 30 * 60_000
"""Some two hours in all: what is mended within a long lunch costs no alert."""
CLAIM_MS = 60_000
"""An instance that dies in the midst of a delivery has it taken over after this."""
AT_ONCE = 8
OF_ONE_AT_ONCE = 2
"""A receiver that hangs must not take the places of the others."""
TIMEOUT_S = 10.0
ROUND_S = 1.0
SENT_KEPT_MS = 7 * 86_400_000
NAME = re.compile(r"[\w.-]{1,60}")
COLOURS = {"critical": "Attention", "warning": "Warning", "info": "Accent"}
log = logging.getLogger("vigie.feed")


def add_webhook(
    database: Database,
    name: str,
    url: str,
    kind: str = "json",
    *,
    severity: str = "warning",
    rules: Sequence[str] = (),
    sites: Sequence[str] = (),
    queues: Sequence[str] = (),
    inside: bool = False,
) -> str:
    """A new webhook; returns the secret that signs its requests, which is told this once.

    Args:
        severity: this bad and worse.
        inside: the address may be one of this network (loopback, private).

    Raises:
        VigieError: the name, kind or severity is none of ours, or the address may not be called.
    """
    if not NAME.fullmatch(name):
        raise VigieError(f"{name[:40]!r} is no webhook's name", remedy="Use letters, digits and . _ -", field="name")
    if kind not in KINDS:
        raise VigieError(f"{kind[:40]!r} is no kind", remedy=f"Use one of: {', '.join(KINDS)}", field="kind")
    if severity not in SEVERITIES:
        remedy = f"Use one of: {', '.join(SEVERITIES)}"
        raise VigieError(f"{severity[:40]!r} is no severity", remedy=remedy, field="severity")
    check_address(url, inside=inside)
    secret = secrets.token_hex(32)
    chosen = {
        "severity": severity,
        "rules": list(rules),
        "sites": list(sites),
        "queues": list(queues),
        "inside": inside,
    }
    values = {"name": name, "url": url, "kind": kind, "secret": secret, "filter": chosen, "created_at": wall_ms()}
    with database.writing() as connection:
        if connection.execute(sa.select(th.webhooks.c.name).where(th.webhooks.c.name == name)).first():
            raise VigieError(f"there is a webhook {name} already", remedy="Remove it first", field="name")
        connection.execute(th.webhooks.insert(), values)
    return secret


def remove_webhook(database: Database, name: str) -> None:
    with database.writing() as connection:
        if not connection.execute(sa.delete(th.webhooks).where(th.webhooks.c.name == name)).rowcount:
            raise VigieError(f"there is no webhook {name[:60]}", remedy="See `vigie webhooks list`", field="name")
        connection.execute(sa.delete(th.deliveries).where(th.deliveries.c.webhook == name))


def check_address(url: str, *, inside: bool) -> str:
    """The network address to call. An address of this network is refused unless `inside`: a webhook must not become a
    way to ask what only this machine may ask.

    Raises:
        VigieError: it is no address, cannot be found, or is of this network.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise VigieError("that is no address", remedy="Give https://HOST/PATH", field="url")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = {str(info[4][0]) for info in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)}
    except (OSError, ValueError):
        raise VigieError(f"{parts.hostname[:80]} cannot be found", remedy="Check the name", field="url") from None
    if not inside and not all(ipaddress.ip_address(address).is_global for address in found):
        remedy = "Use a public address, or --inside where you trust it"
        raise VigieError(f"{parts.hostname[:80]} is in this network", remedy=remedy, field="url")
    return sorted(found)[0]


def enqueue(connection: sa.Connection, alerts: Iterable[Row], views: Mapping[str, Any], now: int) -> int:
    """Make the deliveries of fresh changes, within the transaction that absorbed them."""
    fresh = [row for row in alerts if row["raised_at"] + _since_raised(row) > now - FRESH_MS]
    if not fresh:
        return 0
    hooks = connection.execute(sa.select(th.webhooks).where(th.webhooks.c.enabled)).mappings().all()
    made = 0
    for row in fresh:
        for hook in hooks:
            if not wanted(hook["filter"], row):
                continue
            values = {
                "webhook": hook["name"],
                "alert_id": row["alert_id"],
                "revision": row["revision"],
                "call_id": row["call_id"],
                "body": json.dumps(body_of(hook["kind"], views[row["alert_id"]]), ensure_ascii=False),
                "due_at": now,
                "at": now,
            }
            statement = insert(connection, th.deliveries).on_conflict_do_nothing()
            made += int(connection.execute(statement, values).rowcount)
    return made


def _since_raised(row: Row) -> int:
    return max(0, int(row["record"]["changed_ms"]) - int(row["record"]["raised_ms"]))


def wanted(chosen: Mapping[str, Any], row: Row) -> bool:
    if SEVERITIES.index(row["severity"]) < SEVERITIES.index(chosen["severity"]):
        return False
    pairs = ((chosen["rules"], "rule_id"), (chosen["sites"], "site"), (chosen["queues"], "queue"))
    return all(not values or row[name] in values for values, name in pairs)


def body_of(kind: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent: the alert as the API has it, or a message for a chat."""
    if kind == "json":
        return {"type": "alert", "alert": dict(view)}
    message = (
        view["message"].get(view.get("language") or "")
        or view["message"].get("en")
        or next(iter(view["message"].values()))
    )
    place = ", ".join(str(view[name]) for name in ("site", "queue", "agent") if view.get(name))
    state = {"raised": "", "escalated": "↑ ", "cleared": "✓ "}[view["state"]]
    text = f"{state}{message}"
    if kind == "slack":
        head = f"*{_slack(view['severity'])}* · {_slack(view['rule_id'])} · {_slack(view['call_id'])}"
        return {"text": f"{head}\n{_slack(text)}\n_{_slack(place)}_ · cause: {_slack(view['cause']['verdict'])}"}
    facts = [{"title": name, "value": str(view.get(name) or "–")} for name in ("call_id", "site", "queue", "agent")]
    card = {
        "type": "AdaptiveCard",
        "version": "1.4",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "body": [
            {"type": "TextBlock", "weight": "Bolder", "color": COLOURS[view["severity"]], "text": view["rule_id"]},
            {"type": "TextBlock", "wrap": True, "text": text},
            {"type": "FactSet", "facts": [*facts, {"title": "cause", "value": view["cause"]["verdict"]}]},
        ],
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def _slack(text: str) -> str:
    """Slack reads these three as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`sha256=` and the hex HMAC of `TIMESTAMP.BODY`: a receiver checks both, and refuses an old timestamp."""
    mac = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"sha256={mac.hexdigest()}"


def back_off_ms(attempts: int, chance: random.Random) -> int:
    """Until the next attempt: twice as long each time, with a random part so that many do not come at once."""
    whole: int = min(WAIT_MS_MAX, WAIT_MS_FIRST << min(20, attempts - 1))
    return round(whole * chance.uniform(0.5, 1.0))


class Deliverer(threading.Thread):
    """Sends what is due, until `stop`; any instance may."""

    def __init__(self, database: Database, chance: random.Random | None = None) -> None:
        super().__init__(name="vigie-webhooks", daemon=True)
        self._database, self._chance = database, chance or random.Random()
        self._halt, self._new = threading.Event(), threading.Event()
        self._sending: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    def notice(self, _: int = 0, __: Any = None) -> None:
        self._new.set()

    def run(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, "vigie-webhook") as pool:
            while not self._halt.is_set():
                try:
                    for row in self.claim(wall_ms()):
                        self._begin(pool, row)
                except sa.exc.SQLAlchemyError as error:
                    log.error("webhooks wait for the store: %s", type(error).__name__)
                self._new.wait(ROUND_S)
                self._new.clear()
        self._client.close()

    def stop(self) -> None:
        self._halt.set()
        self._new.set()
        self.join(TIMEOUT_S + 5)

    def _begin(self, pool: ThreadPoolExecutor, row: dict[str, Any]) -> None:
        with self._lock:
            self._sending[row["webhook"]] += 1

        def ended(done: Future[None]) -> None:
            with self._lock:
                self._sending[row["webhook"]] -= 1
            if error := done.exception():
                # What became of it is not written down: it is due again once its claim is over.
                log.error("webhooks wait for the store: %s", type(error).__name__)
            self._new.set()

        pool.submit(self._deliver, row).add_done_callback(ended)

    def claim(self, now: int) -> list[dict[str, Any]]:
        """The next deliveries, of each webhook as many as it has places; while this instance sends them, no other does."""
        d = th.deliveries.c
        due = (d.state == "waiting", d.due_at <= now)
        with self._database.reading() as connection:
            hooks = list(connection.execute(sa.select(d.webhook).where(*due).distinct()).scalars())
        places = {hook: OF_ONE_AT_ONCE - self._sending[hook] for hook in hooks}
        if not any(free > 0 for free in places.values()):
            return []
        with self._database.writing() as connection:
            connection.execute(sa.delete(th.deliveries).where(d.state == "sent", d.at < now - SENT_KEPT_MS))
            rows = list[dict[str, Any]]()
            for hook, free in places.items():
                query = sa.select(th.deliveries).where(d.webhook == hook, *due).order_by(d.due_at, d.number)
                rows += [dict(row) for row in connection.execute(query.limit(max(0, free))).mappings()]
            rows = rows[: AT_ONCE - self._sending.total()]
            numbers = [row["number"] for row in rows]
            taken = {"attempts": d.attempts + 1, "due_at": now + CLAIM_MS}
            connection.execute(th.deliveries.update().where(d.number.in_(numbers)).values(**taken))
        return rows

    def _deliver(self, row: dict[str, Any]) -> None:
        error = self._send(row)
        attempts = row["attempts"] + 1
        if error is None:
            changes: dict[str, Any] = {"state": "sent", "error": None}
        elif attempts >= ATTEMPTS_MAX:
            changes = {"state": "dead", "error": error}
            log.error("a webhook is given up: %s: %s", row["webhook"], error)
        else:
            changes = {"error": error, "due_at": wall_ms() + back_off_ms(attempts, self._chance)}
        with self._database.writing() as connection:
            which = th.deliveries.c.number == row["number"]
            connection.execute(th.deliveries.update().where(which).values(**changes))

    def _send(self, row: dict[str, Any]) -> str | None:
        """Send one; returns what went wrong."""
        with self._database.reading() as connection:
            query = sa.select(th.webhooks).where(th.webhooks.c.name == row["webhook"])
            hook = connection.execute(query).mappings().one_or_none()
        if hook is None:
            return "the webhook was removed"
        body, timestamp = row["body"].encode(), wall_ms() // 1000
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "vigie",
            "X-Vigie-Delivery": f"{row['alert_id']}.{row['revision']}",
            "X-Vigie-Timestamp": str(timestamp),
            "X-Vigie-Signature": signature(hook["secret"], timestamp, body),
        }
        try:
            # Looked up again each time: a name may have moved into this network since.
            check_address(hook["url"], inside=hook["filter"]["inside"])
            with self._client.stream("POST", hook["url"], content=body, headers=headers) as answer:
                return None if answer.is_success else f"HTTP {answer.status_code}"
        except VigieError as error:
            return error.problem
        except (httpx.HTTPError, OSError) as error:
            return type(error).__name__


def listed(database: Database) -> list[dict[str, Any]]:
    """The webhooks without their secrets, and how many of their deliveries wait, were sent, are dead."""
    d = th.deliveries.c
    with database.reading() as connection:
        counted = connection.execute(sa.select(d.webhook, d.state, sa.func.count()).group_by(d.webhook, d.state)).all()
        rows = connection.execute(sa.select(th.webhooks).order_by(th.webhooks.c.name)).mappings().all()
    counts = {(hook, state): number for hook, state, number in counted}
    plain = [{name: value for name, value in row.items() if name != "secret"} for row in rows]
    return [
        {**row, **{state: counts.get((row["name"], state), 0) for state in ("waiting", "sent", "dead")}}
        for row in plain
    ]


def dead(database: Database) -> list[dict[str, Any]]:
    """What was given up, the newest first."""
    d = th.deliveries.c
    columns = (d.number, d.webhook, d.alert_id, d.revision, d.call_id, d.attempts, d.error, d.at)
    with database.reading() as connection:
        query = sa.select(*columns).where(d.state == "dead").order_by(d.number.desc()).limit(500)
        return [dict(row) for row in connection.execute(query).mappings()]


def again(database: Database, name: str | None) -> int:
    """Try what was given up once more; returns how many."""
    d = th.deliveries.c
    wanted_ones = [d.state == "dead", *([d.webhook == name] if name else [])]
    with database.writing() as connection:
        changes = {"state": "waiting", "attempts": 0, "due_at": wall_ms()}
        return int(connection.execute(th.deliveries.update().where(*wanted_ones).values(**changes)).rowcount)
