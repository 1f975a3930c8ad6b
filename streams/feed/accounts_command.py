"""`vigie accounts`: who may see the supervisors' page, and which programs may ask its API."""

from __future__ import annotations

import argparse
import datetime
import getpass
import sys
from pathlib import Path
from typing import Any

from audio.errors import VigieError
from streams import settings

DESCRIPTION = (
    """Accounts of the supervisors' page, and tokens of programs. A password is asked for, or read from a file."""
)
EXAMPLE = """examples:
  vigie accounts add amina --role admin
  vigie accounts add youssef --site rabat --site dakar --queue billing
  vigie accounts set youssef --role analyst --password-from new-password.txt
  vigie accounts token dashboards --power alerts --days 365
  vigie accounts list"""
VERBS = ("add", "set", "remove", "list", "token", "untoken")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help=", ".join(VERBS))
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the account or the token")
    parser.add_argument("--role", help="supervisor, analyst (looks only) or admin (default: supervisor)")
    parser.add_argument("--site", action="append", metavar="NAME", help="sees this site; again for more (default: all)")
    parser.add_argument(
        "--queue", action="append", metavar="NAME", help="sees this queue; again for more (default: all)"
    )
    parser.add_argument("--everywhere", action="store_true", help="set: all sites and queues")
    parser.add_argument("--password-from", metavar="FILE", type=Path, help="read the password from its one line")
    parser.add_argument("--no-password", action="store_true", help="add: comes in by OpenID Connect only")
    parser.add_argument("--disable", action="store_true", help="set: may not come in")
    parser.add_argument("--enable", action="store_true", help="set: may come in again")
    parser.add_argument("--power", action="append", metavar="NAME", help="token: alerts, words, audio, act, admin")
    parser.add_argument("--days", type=int, metavar="N", help="token: how long it holds (default: for ever)")
    parser.add_argument("--json", action="store_true", help="list: as JSON")
    settings.add_arguments(parser, "database")


def run(args: argparse.Namespace) -> int:
    """Raises VigieError."""
    from streams.feed.database import Database

    if args.verb != "list" and not args.name:
        raise VigieError("no name is given", remedy=f"Give it: vigie accounts {args.verb} NAME", field="NAME")
    database = Database(settings.load(args).database)
    try:
        _DO[args.verb](database, args)
    finally:
        database.close()
    return 0


def _add(database: Any, args: argparse.Namespace) -> None:
    from streams.feed.accounts import add_account

    password = None if args.no_password else _password(args)
    add_account(database, args.name, password, args.role or "supervisor", args.site, args.queue)
    print(f"{args.name} may come in as {args.role or 'supervisor'}")


def _set(database: Any, args: argparse.Namespace) -> None:
    from streams.feed.accounts import change_account, hashed, role_named

    changes: dict[str, Any] = {}
    if args.role:
        changes["role"] = role_named(args.role)
    if args.everywhere:
        changes |= {"sites": None, "queues": None}
    for name, given in (("sites", args.site), ("queues", args.queue)):
        if given:
            changes[name] = sorted(set(given))
    if args.disable or args.enable:
        changes["enabled"] = bool(args.enable)
    if args.password_from or not changes:
        changes["password"] = hashed(_password(args))
    change_account(database, args.name, changes)
    print(f"{args.name} is changed, and has to come in again")


def _remove(database: Any, args: argparse.Namespace) -> None:
    from streams.feed.accounts import remove_account

    remove_account(database, args.name)
    print(f"{args.name} is removed")


def _token(database: Any, args: argparse.Namespace) -> None:
    from streams.feed.accounts import add_token

    token = add_token(database, args.name, args.power or ["alerts"], args.site, args.queue, args.days)
    print(token)
    print("It is told this once. Send it as: Authorization: Bearer TOKEN", file=sys.stderr)


def _untoken(database: Any, args: argparse.Namespace) -> None:
    from streams.feed.accounts import remove_token

    remove_token(database, args.name)
    print(f"the token {args.name} is removed")


def _list(database: Any, args: argparse.Namespace) -> None:
    import json

    from streams.feed.accounts import listed, tokens_listed

    accounts, tokens = listed(database), tokens_listed(database)
    if args.json:
        print(json.dumps({"accounts": accounts, "tokens": tokens}, ensure_ascii=False, indent=2))
        return
    for row in accounts:
        state = "" if row["enabled"] else "  (disabled)"
        print(f"{row['name']:<24}{row['role']:<12}{_places(row)}{state}")
    for row in tokens:
        until = "for ever" if row["expires_at"] is None else f"until {_day(row['expires_at'])}"
        print(f"token {row['label']:<18}{','.join(row['scopes']):<12}{_places(row)}, {until}")
    if not accounts and not tokens:
        print("There is no account yet: vigie accounts add NAME --role admin")


def _places(row: dict[str, Any]) -> str:
    sites = "all sites" if row["sites"] is None else "sites " + ", ".join(row["sites"])
    return sites + ("" if row["queues"] is None else "; queues " + ", ".join(row["queues"]))


def _day(at_ms: int) -> str:
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).date().isoformat()


def _password(args: argparse.Namespace) -> str:
    """From a file or a prompt; never from the command line, which other users can read."""
    if args.password_from:
        found: str | None = settings.read_secret(args.password_from, "--password-from")
        assert found is not None
        return found
    if not sys.stdin.isatty():
        raise VigieError("no password is given", remedy="Name a file with --password-from", field="password")
    first = getpass.getpass(f"Password of {args.name}: ")
    if getpass.getpass("Again: ") != first:
        raise VigieError("they differ", remedy="Type the same password twice", field="password")
    return first


_DO = {"add": _add, "set": _set, "remove": _remove, "token": _token, "untoken": _untoken, "list": _list}
