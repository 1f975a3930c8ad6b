"""Who may see what. The one place where it is decided: pages, API, events and audio all ask a `Scope`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa


class Role(StrEnum):
    SUPERVISOR = "supervisor"
    """Sees and acts on the calls of their sites and queues."""
    ANALYST = "analyst"
    """Sees, and acts on nothing."""
    ADMIN = "admin"
    """A supervisor who also manages accounts, tokens and webhooks, and reads the audit log."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A person's or a token's view of the world. `sites` or `queues` None: all of them.

    A call that names no site (or queue) belongs to none, and is seen by those only who see all.
    """

    user: str
    role: Role = Role.SUPERVISOR
    sites: frozenset[str] | None = None
    queues: frozenset[str] | None = None
    powers: frozenset[str] | None = None
    """Of a token: the scopes it was given. None: all that the role may."""

    def may(self, power: str) -> bool:
        """Whether `alerts`, `words`, `audio`, `act` or `admin` is allowed."""
        if self.powers is not None and power not in self.powers and "admin" not in self.powers:
            return False
        if power == "act":
            return self.role is not Role.ANALYST
        return self.role is Role.ADMIN if power == "admin" else True

    @property
    def administers(self) -> bool:
        return self.may("admin")

    @property
    def acts(self) -> bool:
        return self.may("act")

    def allows(self, site: str | None, queue: str | None) -> bool:
        return (self.sites is None or site in self.sites) and (self.queues is None or queue in self.queues)

    def where(self, table: sa.Table) -> list[Any]:
        """What a query over a table with `site` and `queue` must add to its conditions."""
        found: list[Any] = []
        if self.sites is not None:
            found.append(table.c.site.in_(sorted(self.sites)))
        if self.queues is not None:
            found.append(table.c.queue.in_(sorted(self.queues)))
        return found


def everything(user: str = "demo", role: Role = Role.ADMIN) -> Scope:
    """Loopback without login, and the store's own work."""
    return Scope(user, role)


def limited(user: str, role: str, sites: Iterable[str] | None, queues: Iterable[str] | None) -> Scope:
    return Scope(
        user,
        Role(role),
        None if sites is None else frozenset(sites),
        None if queues is None else frozenset(queues),
    )
