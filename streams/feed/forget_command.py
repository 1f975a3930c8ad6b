"""`vigie forget CALL_ID`: erase a call everywhere we keep it."""

from __future__ import annotations

import argparse
import getpass
import json

from audio.errors import VigieError
from streams import settings

DESCRIPTION = """Erase a call: words, alerts, actions, timeline and clips. What the topics hold of it is passed over from now
on, and goes with their retention. Erasing is written to the audit log."""
EXAMPLE = "example:\n  vigie forget 2026-11-25-0815 --database vigie-feed.db --evidence clips/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("call_id", metavar="CALL_ID")
    parser.add_argument("--json", action="store_true", help="what was erased, as JSON")
    settings.add_arguments(parser, "database", "evidence", "retention_hours")


def run(args: argparse.Namespace) -> int:
    """Raises VigieError."""
    from streams.feed.database import existing
    from streams.feed.forget import clip_folder, forget
    from streams.kafka.topics import RETENTION_MS

    found = settings.load(args)
    if not args.call_id.strip():
        raise VigieError("no call is named", remedy="Give its id", field="CALL_ID")
    database = existing(found.database)
    try:
        kept = {**RETENTION_MS, **found.retention_ms()}
        told = forget(database, args.call_id, f"{getpass.getuser()} (command)", clip_folder(found.evidence), kept)
    finally:
        database.close()
    if args.json:
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    parts = ", ".join(f"{number} {name}" for name, number in told["erased"].items() if number)
    print(f"erased: {parts or 'nothing: this store knows no such call'}")
    holds = ", ".join(f"{item['topic']} ({item['at_most_hours']} h)" for item in told["still_in_topics"])
    print(f"the topics may hold it until their retention: {holds}; it is passed over from now on")
    if found.evidence is None:
        print("no --evidence folder is named: clips of it, if any, are not erased")
    return 0
