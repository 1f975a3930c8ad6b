"""`vigie eval`: measure the detectors, and say how sure the figures are."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from audio.errors import VigieError
from audio.synth.story import CALLS_DIR
from streams.evaluation import labelled, pieces, suites, table, words_report, words_tweets
from streams.evaluation.voices import HALVES
from streams.evaluation.words_labellers import AUTHOR, LABELLERS
from streams.evaluation.words_suite import HELD_OUT, LATER, ORDINARY, PARTS, SUITE_DIR
from streams.language.reading import SEMANTIC

DESCRIPTION = """Precision, recall, delay and false alerts per hour of the detectors.

hybrid     faults put into real speech (--data DIR), the measure that counts
synthetic  the same pieces in espeak-ng voices, for a machine without recordings
manifest   labelled recordings of your own (--manifest FILE, --labels CSV or folder); the bundled calls unless told

With --words, instead, of the words: sentiment, phrases, redaction, by language, on the labelled utterances of
tests/words (or, with --xlmt DIR, sentiment of tweets beside VADER and a trained classifier)."""
EXAMPLE = "example: vigie eval --suite hybrid --data recordings/ --count 102 --clean-hours 6 --json > report.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--suite", choices=("hybrid", "synthetic", "manifest"), help="default: by the other options")
    parser.add_argument("--data", type=Path, help="folder of real speech (a voices.csv in it says which)")
    parser.add_argument("--manifest", type=Path, help="labelled recordings (default: the bundled calls)")
    parser.add_argument("--labels", type=Path, help="CSV or folder of *.labels.json (default: the manifest's folder)")
    parser.add_argument("--model", default="none", help="transcription model for --suite manifest (default: none)")
    parser.add_argument("--half", choices=HALVES, default="report", help="voices for reporting or for tuning")
    parser.add_argument(
        "--count", type=int, default=24, help="obvious positives a detector, and negatives (default 24)"
    )
    parser.add_argument("--fainter", type=int, help="positives at each fainter strength (default: a sixth of --count)")
    parser.add_argument("--clean-hours", type=float, default=0.5, help="hours without any fault (default 0.5)")
    parser.add_argument("--only", nargs="+", default=(), metavar="RULE", help="these detectors only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rules", help="rule file (default: the bundled rules)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the pieces that went wrong here, to be heard")
    words = parser.add_argument_group("words")
    words.add_argument(
        "--words", type=Path, nargs="?", const=SUITE_DIR, metavar="DIR", help="measure words (default: tests/words)"
    )
    words.add_argument(
        "--part",
        choices=(*PARTS, ORDINARY, LATER),
        help="of --words (default: dev); heldout, never read by who builds, ordinary, whole calls turn by turn, and "
        "later, written by others once the engine was there, only measure",
    )
    words.add_argument(
        "--word-errors", type=float, default=0.0, metavar="SHARE", help="recognition errors put in, by --seed (0.1)"
    )
    words.add_argument("--semantic", choices=SEMANTIC, default="no", help="yes: by meaning too")
    words.add_argument(
        "--labeller", choices=LABELLERS, help="by whose labels of the held-out part (default: its author's)"
    )
    words.add_argument(
        "--agreement", action="store_true", help="how far the labellers of the held-out part agree, instead"
    )
    words.add_argument("--show-failures", action="store_true", help="print the utterances that went wrong (dev only)")
    words.add_argument("--xlmt", type=Path, metavar="DIR", help="a copy of the XLM-T sentiment data, instead")
    parser.add_argument("--json", action="store_true", help="the whole report as JSON on standard output")


def run(args: argparse.Namespace) -> int:
    """Run a suite and print its report; 0 whatever the figures are. Raises VigieError."""
    if args.words or args.xlmt:
        return _words(args)
    for field in ("part", "labeller", "agreement"):
        if getattr(args, field):
            raise VigieError("that is of the words", remedy="Add --words", field=f"--{field}")
    suite = args.suite or ("hybrid" if args.data else "manifest" if args.manifest else "synthetic")
    if suite == "hybrid" and args.data is None:
        raise VigieError("the hybrid suite needs real speech", remedy="Name its folder", field="--data")
    if args.count < 1 or args.clean_hours < 0 or args.workers < 1 or (args.fainter or 0) < 0:
        raise VigieError(
            "there is nothing to run", remedy="--count and --workers are 1 or more, --fainter, --clean-hours 0 or more"
        )
    report = _labelled(args) if suite == "manifest" else _pieces(args, suite)
    console = Console(width=max(150, Console().width) if not args.json else None)
    if args.json:
        print(json.dumps(report, indent=1))
    elif suite == "manifest":
        table.print_labelled(report, console)
    else:
        table.print_suite(report, console)
    return 0


def _words(args: argparse.Namespace) -> int:
    console = Console(width=max(150, Console().width))
    if args.agreement and (
        args.xlmt
        or args.labeller
        or args.word_errors
        or args.show_failures
        or args.semantic != SEMANTIC[0]
        or args.part not in (None, HELD_OUT)
    ):
        raise VigieError(
            "the agreement of labellers is of the held-out part as it is",
            remedy="Give --words [DIR] and --json alone with it",
            field="--agreement",
        )
    if args.xlmt:
        report, show = words_tweets.compare(args.xlmt), words_report.print_tweets
    elif args.agreement:
        report, show = words_report.run_agreement(args.words), words_report.print_agreement
    else:
        report = words_report.run_words(
            args.words,
            args.part or PARTS[0],
            args.word_errors,
            args.seed,
            args.show_failures,
            args.semantic,
            args.labeller or AUTHOR,
        )
        show = words_report.print_words
    if args.json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        show(report, console)
    return 0


def _pieces(args: argparse.Namespace, suite: str) -> dict[str, Any]:
    plan = suites.Plan(
        seed=args.seed,
        half=args.half,
        data=args.data if suite == "hybrid" else None,
        rules=args.rules,
        only=tuple(args.only),
        count=args.count,
        fainter=args.fainter,
        clean_hours=args.clean_hours,
    )
    jobs = plan.jobs()
    done: list[pieces.Outcome] = []
    progress = Console(stderr=True)
    for outcome in track(suites.outcomes(jobs, args.workers), f"{suite} suite", len(jobs), console=progress):
        done.append(outcome)
        if not progress.is_terminal and len(done) % 200 == 0:
            progress.print(f"{len(done)} of {len(jobs)} pieces")
        if args.keep and outcome.wrong:
            pieces.keep(outcome.job, args.keep)
    return suites.summarise(plan, done)


def _labelled(args: argparse.Namespace) -> dict[str, Any]:
    manifest = args.manifest or CALLS_DIR / "manifest.csv"
    labels = args.labels or manifest.parent
    return labelled.summarise_labelled(list(labelled.run_labelled(manifest, labels, args.model, args.rules)))
