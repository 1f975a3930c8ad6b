"""The one error family that a user can cause."""

from __future__ import annotations


class VigieError(Exception):
    """A mistake that a user, a file or a producer made, told with its remedy.

    `where` names the file (with its line, where there is one) or the record; `field` the part of it that is wrong.
    The command line prints `str(error)` and exits with 2; a worker writes it to a report line or a dead letter.
    """

    def __init__(self, problem: str, *, remedy: str, where: str | None = None, field: str | None = None) -> None:
        self.problem, self.remedy, self.where, self.field = problem, remedy, where, field
        super().__init__(problem)

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.where, self.field) if part)
        return f"{place + ': ' if place else ''}{self.problem}. {self.remedy}"
