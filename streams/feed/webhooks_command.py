"""`vigie webhooks`: where alerts are sent to."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from audio.errors import VigieError
from streams import settings

DESCRIPTION = """Where `vigie feed` sends alerts: any HTTPS address, Slack or Teams. Requests are signed: X-Vigie-Signature is
sha256=HMAC(secret, X-Vigie-Timestamp + "." + body). What fails is retried for two hours, then kept as dead."""
EXAMPLE = """examples:
  vigie webhooks add floor https://hooks.slack.com/services/… --kind slack --severity critical --site rabat
  vigie webhooks add tickets https://tickets.example/vigie
  vigie webhooks dead
  vigie webhooks again tickets"""
VERBS = ("add", "remove", "list", "dead", "again")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help=", ".join(VERBS))
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("url", nargs="?", metavar="URL")
    parser.add_argument("--kind", default="json", help="json, slack or teams (default: json)")
    parser.add_argument("--severity", default="warning", help="this bad and worse (default: warning)")
    parser.add_argument("--rule", action="append", default=[], metavar="ID", help="only this rule; again for more")
    parser.add_argument("--site", action="append", default=[], metavar="NAME", help="only this site; again for more")
    parser.add_argument("--queue", action="append", default=[], metavar="NAME", help="only this queue; again for more")
    parser.add_argument("--inside", action="store_true", help="the address may be in this network")
    parser.add_argument("--json", action="store_true", help="list, dead: as JSON")
    settings.add_arguments(parser, "database")


def run(args: argparse.Namespace) -> int:
    """Raises VigieError."""
    from streams.feed.database import Database

    database = Database(settings.load(args).database)
    try:
        _do(database, args)
    finally:
        database.close()
    return 0


def _do(database: Any, args: argparse.Namespace) -> None:
    from streams.feed import webhooks

    if args.verb in ("add", "remove") and not args.name:
        raise VigieError("no name is given", remedy=f"Give it: vigie webhooks {args.verb} NAME", field="NAME")
    if args.verb == "add":
        if not args.url:
            raise VigieError("no address is given", remedy="Give it: vigie webhooks add NAME URL", field="URL")
        chosen = {"severity": args.severity, "rules": args.rule, "sites": args.site, "queues": args.queue}
        print(webhooks.add_webhook(database, args.name, args.url, args.kind, inside=args.inside, **chosen))
        print("That secret signs its requests; it is told this once.", file=sys.stderr)
    elif args.verb == "remove":
        webhooks.remove_webhook(database, args.name)
        print(f"{args.name} is removed")
    elif args.verb == "again":
        print(f"{webhooks.again(database, args.name)} are tried again")
    else:
        rows = webhooks.listed(database) if args.verb == "list" else webhooks.dead(database)
        _show(args, rows)


def _show(args: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    if args.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    for row in rows if not args.json else ():
        if args.verb == "list":
            counts = f"{row['waiting']} waiting, {row['sent']} sent, {row['dead']} dead"
            print(f"{row['name']:<20}{row['kind']:<8}{row['filter']['severity']:<10}{row['url']}  ({counts})")
        else:
            print(f"{row['webhook']:<20}{row['call_id']:<24}{row['alert_id']}.{row['revision']}  {row['error']}")
