"""Accounts, sessions and tokens in the store. Passwords are argon2, cookies and tokens are kept as hashes only."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from audio.errors import VigieError
from streams.feed import tables_access as ta
from streams.feed.access import Role, Scope, limited
from streams.feed.clock import wall_ms
from streams.feed.database import Database

IDLE_MS = 12 * 3_600_000
"""A session nobody uses for so long is over: a shift, and its overtime."""
LIFE_MS = 7 * 86_400_000
SEEN_EVERY_MS = 60_000
PASSWORD_MIN = 10
PASSWORD_MAX = 500
NAME = re.compile(r"[\w.@+-]{1,100}")
TOKEN_PREFIX = "vigie_"
POWERS = ("alerts", "words", "audio", "act", "admin")
"""What a token may be given: alerts and calls without words; words; sound; actions; administration."""
_hasher = PasswordHasher()
_nobody = _hasher.hash(secrets.token_urlsafe(16))
"""Checked against for accounts that are not there, so that an answer takes as long."""


@dataclass(frozen=True, slots=True)
class Session:
    scope: Scope
    csrf: str


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def add_account(
    database: Database,
    name: str,
    password: str | None,
    role: str,
    sites: Iterable[str] | None = None,
    queues: Iterable[str] | None = None,
) -> None:
    """Raises VigieError: the name is taken or none, the role is unknown, or the password is too short."""
    if not NAME.fullmatch(name):
        raise VigieError(
            f"{name[:40]!r} is no account's name", remedy="Use letters, digits and . _ - @ +", field="name"
        )
    values = {
        "name": name,
        "password": None if password is None else hashed(password),
        "role": role_named(role),
        "sites": None if sites is None else sorted(set(sites)),
        "queues": None if queues is None else sorted(set(queues)),
        "created_at": wall_ms(),
    }
    with database.writing() as connection:
        known = sa.select(ta.accounts.c.name).where(ta.accounts.c.name == name)
        if connection.execute(known).first():
            raise VigieError(f"the account {name} is there already", remedy="Use `vigie accounts set`", field="name")
        connection.execute(ta.accounts.insert(), values)


def change_account(database: Database, name: str, changes: dict[str, Any]) -> None:
    """Change some columns; a new password or place ends the account's sessions. Raises VigieError."""
    with database.writing() as connection:
        found = connection.execute(ta.accounts.update().where(ta.accounts.c.name == name).values(**changes)).rowcount
        if not found:
            raise _unknown(name)
        connection.execute(sa.delete(ta.sessions).where(ta.sessions.c.name == name))


def remove_account(database: Database, name: str) -> None:
    with database.writing() as connection:
        if not connection.execute(sa.delete(ta.accounts).where(ta.accounts.c.name == name)).rowcount:
            raise _unknown(name)
        connection.execute(sa.delete(ta.sessions).where(ta.sessions.c.name == name))


def _unknown(name: str) -> VigieError:
    return VigieError(f"there is no account {name[:80]}", remedy="See `vigie accounts list`", field="name")


def listed(database: Database) -> list[dict[str, Any]]:
    """Every account, without its password."""
    columns = [column for column in ta.accounts.c if column.name != "password"]
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(sa.select(*columns).order_by(ta.accounts.c.name)).mappings()]


def hashed(password: str) -> str:
    """Raises VigieError: it is too short or too long."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        remedy = f"Use {PASSWORD_MIN} to {PASSWORD_MAX} characters"
        raise VigieError("that is no password to use", remedy=remedy, field="password")
    return _hasher.hash(password)


def role_named(text: str) -> str:
    if text not in set(Role):
        raise VigieError(f"{text[:40]!r} is no role", remedy=f"Use one of: {', '.join(Role)}", field="role")
    return text


def check_password(database: Database, name: str, password: str) -> bool:
    """Whether they belong together; takes as long where there is no such account."""
    with database.reading() as connection:
        query = sa.select(ta.accounts.c.password).where(ta.accounts.c.name == name, ta.accounts.c.enabled)
        stored = connection.execute(query).scalar()
    try:
        right = _hasher.verify(stored or _nobody, password[:PASSWORD_MAX])
    except VerificationError:
        return False
    return right and stored is not None


def open_session(database: Database, name: str) -> str:
    """A new session; returns what its cookie holds."""
    cookie, now = secrets.token_urlsafe(32), wall_ms()
    values = {"digest": digest(cookie), "name": name, "csrf": secrets.token_urlsafe(24), "created_at": now}
    with database.writing() as connection:
        old = sa.or_(ta.sessions.c.seen_at < now - IDLE_MS, ta.sessions.c.created_at < now - LIFE_MS)
        connection.execute(sa.delete(ta.sessions).where(old))
        connection.execute(ta.sessions.insert(), {**values, "seen_at": now})
    return cookie


def close_session(database: Database, cookie: str) -> None:
    with database.writing() as connection:
        connection.execute(sa.delete(ta.sessions).where(ta.sessions.c.digest == digest(cookie)))


def session_of(database: Database, cookie: str) -> Session | None:
    """Whose cookie it is; None: nobody's, or no longer."""
    s, a, now = ta.sessions.c, ta.accounts.c, wall_ms()
    query = (
        sa.select(a.name, a.role, a.sites, a.queues, s.csrf, s.seen_at)
        .select_from(ta.sessions.join(ta.accounts, a.name == s.name))
        .where(s.digest == digest(cookie), a.enabled, s.seen_at > now - IDLE_MS, s.created_at > now - LIFE_MS)
    )
    with database.reading() as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    if row["seen_at"] < now - SEEN_EVERY_MS:
        with database.writing() as connection:
            connection.execute(ta.sessions.update().where(s.digest == digest(cookie)).values(seen_at=now))
    return Session(limited(row["name"], row["role"], row["sites"], row["queues"]), row["csrf"])


def add_token(
    database: Database,
    label: str,
    powers: Iterable[str],
    sites: Iterable[str] | None,
    queues: Iterable[str] | None,
    days: int | None,
) -> str:
    """A new token for a program; it is told once and kept as a hash. Raises VigieError."""
    powers = sorted(set(powers))
    if wrong := [power for power in powers if power not in POWERS]:
        raise VigieError(f"{wrong[0][:40]!r} is no scope", remedy=f"Use some of: {', '.join(POWERS)}", field="scopes")
    if not NAME.fullmatch(label):
        raise VigieError(f"{label[:40]!r} is no token's name", remedy="Use letters, digits and . _ - @ +", field="name")
    token, now = TOKEN_PREFIX + secrets.token_urlsafe(32), wall_ms()
    values = {
        "digest": digest(token),
        "label": label,
        "scopes": powers,
        "sites": None if sites is None else sorted(set(sites)),
        "queues": None if queues is None else sorted(set(queues)),
        "created_at": now,
        "expires_at": None if days is None else now + days * 86_400_000,
    }
    with database.writing() as connection:
        if connection.execute(sa.select(ta.tokens.c.label).where(ta.tokens.c.label == label)).first():
            raise VigieError(f"there is a token {label} already", remedy="Remove it, or use another name", field="name")
        connection.execute(ta.tokens.insert(), values)
    return token


def remove_token(database: Database, label: str) -> None:
    with database.writing() as connection:
        if not connection.execute(sa.delete(ta.tokens).where(ta.tokens.c.label == label)).rowcount:
            raise VigieError(f"there is no token {label[:80]}", remedy="See `vigie accounts list`", field="name")


def token_scope(database: Database, token: str) -> Scope | None:
    """What a token may do; None: nothing, or no longer."""
    now = wall_ms()
    query = sa.select(ta.tokens).where(ta.tokens.c.digest == digest(token))
    with database.reading() as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= now):
        return None
    if (row["used_at"] or 0) < now - SEEN_EVERY_MS:
        with database.writing() as connection:
            connection.execute(ta.tokens.update().where(ta.tokens.c.digest == row["digest"]).values(used_at=now))
    role = Role.ADMIN if "admin" in row["scopes"] else Role.SUPERVISOR if "act" in row["scopes"] else Role.ANALYST
    found = limited(f"token:{row['label']}", role, row["sites"], row["queues"])
    return Scope(found.user, found.role, found.sites, found.queues, frozenset(row["scopes"]))


def tokens_listed(database: Database) -> list[dict[str, Any]]:
    columns = [column for column in ta.tokens.c if column.name != "digest"]
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(sa.select(*columns).order_by(ta.tokens.c.label)).mappings()]
