"""The `vigie` command. Each subcommand's module is loaded when it is asked for, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from audio.errors import VigieError

COMMANDS = {
    "demo": ("streams.demo", "watch the bundled calls and get a report"),
    "replay": ("streams.replay.command", "run recordings through the engine: alerts, tables, a report"),
    "worker": ("streams.kafka.worker", "watch live calls on Kafka"),
    "feed": ("streams.feed.command", "serve the supervisors' page: live alerts, calls, history"),
    "accounts": ("streams.feed.accounts_command", "who may see the supervisors' page"),
    "webhooks": ("streams.feed.webhooks_command", "where alerts are sent to: Slack, Teams, anything"),
    "forget": ("streams.feed.forget_command", "erase a call everywhere it is kept"),
    "rules": ("streams.alerts.command", "check alert rules"),
    "explain": ("streams.language.command", "what is made of an utterance, and why"),
    "synth": ("streams.evaluation.synth_command", "speak stories into synthetic calls with exact labels"),
    "tail": ("streams.kafka.tail", "show what crosses a topic: alerts, utterances, measurements …"),
    "broker": ("streams.kafka.broker", "run a real Kafka on this machine, for trying out"),
    "eval": ("streams.evaluation.command", "measure precision, recall and latency on labelled calls"),
    "bench": ("streams.bench.command", "measure what this machine carries"),
}
"""Name, module with `add_arguments(parser)` and `run(args) -> int`, and one line of help."""
EXAMPLES = {
    "eval": "example: vigie eval --out eval-out",
    "synth": "example: vigie synth my-stories/ --out calls",
    "rules": "example: vigie rules check my-rules.yaml",
    "bench": "example: vigie bench asr --sizes base",
}
VERBS = {
    "rules": ("check", "is a rule file right, and what does it say?"),
    "bench": ("asr", "how much speech is transcribed, how soon, and how many live calls that carries"),
}
INTERRUPTED = 130
EPILOG = """examples:
  vigie demo
  vigie replay recordings/ --out october
  vigie rules check my-rules.yaml

`vigie COMMAND --help` tells more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 for a user's mistake, 130 when interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except VigieError as error:
        print(f"vigie: {_one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        hint = " Finished calls are kept: the same command goes on from there." if arguments[:1] == ["replay"] else ""
        print(f"\nvigie: interrupted.{hint}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone; what Python would still flush at exit has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="vigie",
        description="The lookout of the call centre: which call is going wrong, why, and the evidence.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vigie {_release()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, (_, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary)
        if name == chosen:
            _fill(name, sub)
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    return int(args.run(args))


def _release() -> str:
    try:
        return metadata.version("vigie")
    except metadata.PackageNotFoundError:
        return "from a checkout that is not installed"


def _fill(name: str, parser: argparse.ArgumentParser) -> None:
    """Give a subcommand its arguments, from its own module."""
    module: Any = importlib.import_module(COMMANDS[name][0])
    if name in VERBS:
        # Another verb would get a module of its own.
        parser.epilog = EXAMPLES[name]
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        verb, summary = VERBS[name]
        parser = verbs.add_parser(verb, help=summary)
    module.add_arguments(parser)
    parser.epilog = parser.epilog or EXAMPLES.get(name)
    parser.set_defaults(run=module.run)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


if __name__ == "__main__":
    sys.exit(main())
