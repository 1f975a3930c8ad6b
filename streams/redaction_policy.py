"""How much of a call's words is hidden, by tenant, site, queue and language, and the countries whose numbers are known.

One word (`standard`, `strict`, `off`) is a policy for all calls; a YAML file says more, with scopes as in rule files:

    version: 1
    mode: standard                     # of calls that nothing below covers
    regions: [MA, FR]                  # whose phone and identity numbers are recognised; the first counts first
    redaction:                         # the first entry that covers a call counts
      - {scope: {tenant: bank}, mode: strict}
      - {scope: {site: lisbon}, regions: [PT, BR]}
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from audio.errors import VigieError
from streams.alerts.model import Scope
from streams.alerts.reading import FILE_BYTES_MAX, Reader, RuleFileError, compose
from streams.events import CallInfo
from streams.language.modes import Mode, RedactionSettings

ENTRIES_MAX = 500
_REGION = re.compile(r"[A-Z]{2}\Z")


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """The settings of calls: those of the first entry whose scope covers a call, or `otherwise`."""

    otherwise: RedactionSettings = field(default_factory=RedactionSettings)
    entries: tuple[tuple[Scope, RedactionSettings], ...] = ()

    def for_call(self, call: CallInfo) -> RedactionSettings:
        return next((settings for scope, settings in self.entries if scope.covers(call)), self.otherwise)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def load_policy(named: str) -> RedactionPolicy:
    """The policy of a mode's name, or of a file.

    Raises:
        VigieError: it is neither, or the file has mistakes (`RuleFileError`, which holds all of them).
    """
    if named in tuple(Mode):
        return RedactionPolicy(RedactionSettings(mode=Mode(named)))
    path = Path(named).expanduser()
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a readable path"
        remedy = f"Say {', '.join(Mode)}, or give the path of a readable YAML file"
        raise VigieError(f"the redaction file cannot be read: {reason}", remedy=remedy, where=named) from None
    return parse_policy(data, str(path))


def parse_policy(data: bytes, file: str) -> RedactionPolicy:
    """The policy in YAML text; `file` names it in mistakes. Raises RuleFileError with every mistake found."""
    reading = _PolicyReader(file)
    policy = reading.policy_of(compose(data, file))
    if reading.mistakes:
        raise RuleFileError(reading.mistakes)
    return policy


class _PolicyReader(Reader):
    def policy_of(self, root: yaml.Node) -> RedactionPolicy:
        top = self.mapping(root, "", ("version", "mode", "regions", "redaction"))
        if "version" not in top and not self.mistakes:
            self.wrong(root, "version", "missing", "Name the version of this file, such as `version: 1`.")
        otherwise = self._settings(top, "", RedactionSettings())
        items = self.sequence(top["redaction"], "redaction") if "redaction" in top else []
        if len(items) > ENTRIES_MAX:
            self.wrong(top["redaction"], "redaction", f"{len(items)} entries", f"Keep it under {ENTRIES_MAX}.")
            items = []
        entries = []
        for number, item in enumerate(items):
            field = f"redaction[{number}]"
            keys = self.mapping(item, field, ("scope", "mode", "regions"))
            if "scope" not in keys:
                self.wrong(item, field, "no scope", "Say where it applies, such as `scope: {tenant: bank}`.")
                continue
            entries.append((self.scope(keys["scope"], f"{field}.scope"), self._settings(keys, field, otherwise)))
        return RedactionPolicy(otherwise, tuple(entries))

    def _settings(self, keys: dict[str, yaml.Node], field: str, base: RedactionSettings) -> RedactionSettings:
        before = f"{field}." if field else ""
        if "mode" in keys and (mode := self.choice(keys["mode"], f"{before}mode", tuple(Mode))):
            base = replace(base, mode=Mode(mode))
        if "regions" not in keys:
            return base
        named = [
            (node, self.text(node, f"{before}regions")) for node in self.sequence(keys["regions"], f"{before}regions")
        ]
        for node, region in named:
            if region and not _REGION.match(region):
                self.wrong(node, f"{before}regions", f"{region[:20]!r} is no country", "Use a code such as MA or FR.")
        if not named:
            self.wrong(keys["regions"], f"{before}regions", "the list is empty", "Name a country, or delete the line.")
            return base
        return replace(base, regions=tuple(region for _, region in named if region))
