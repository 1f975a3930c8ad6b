"""`vigie replay`: recordings in; alerts, tables and a report out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from audio.errors import VigieError

if TYPE_CHECKING:
    from streams.replay.results import Store
    from streams.replay.runner import Run
    from streams.replay.sources import Found

DESCRIPTION = """Replay recorded calls through the engine that watches live ones.

PATHS are recordings and folders of them. A stereo file has the agent on the left and the customer on the right; files
x_agent.wav and x_caller.wav (or x_customer.wav) beside each other are one call; of a mono file only levels and words
are known. Run it again to go on after an interruption: finished calls are not done twice.

With --to the recordings become live calls on a Kafka cluster instead, many at once, for workers to watch."""
EXAMPLE = """examples:
  vigie replay recordings/ --out october
  vigie replay --manifest october.csv --out october --model small --workers 4
  vigie replay call.wav --out one --model none --rules my-rules.yaml --json | jq .alerts
  vigie replay recordings/ --to 127.0.0.1:9092 --speed 1
  vigie replay recordings/ --to 127.0.0.1:9092 --calls 200 --stagger 0.05 --loop --for 1800

exit code: 0 all well, 1 some files failed (see failures.ndjson), 2 a mistake in the command or the manifest"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("paths", metavar="PATHS", nargs="*", type=Path, help="recordings, or folders of them")
    parser.add_argument("--out", metavar="DIR", type=_folder, help="folder for the outputs")
    parser.add_argument(
        "--model",
        default="demo",
        metavar="NAME|PATH",
        help="transcriber: demo, none, small, large-v3-turbo, a folder … (default: demo, a demonstration only)",
    )
    parser.add_argument("--language", metavar="CODE", help="language of calls whose manifest line names none")
    parser.add_argument("--rules", metavar="FILE", type=Path, help="alert rules (default: the bundled ones)")
    redaction_help = "what is hidden of the words: standard, strict, off, or a file that says which by tenant"
    parser.add_argument("--redaction", metavar="MODE|FILE", default="standard", help=redaction_help)
    parser.add_argument(
        "--sentiment", metavar="NAME|PATH", default="builtin", help="sentiment engine: builtin, or a model in ONNX"
    )
    parser.add_argument(
        "--semantic", choices=("no", "yes"), default="no", help="yes: by meaning too (pip install 'vigie[semantic]')"
    )
    parser.add_argument(
        "--phrases", metavar="FILE", type=Path, help="a catalogue of phrases (default: the bundled one)"
    )
    parser.add_argument("--hints", metavar="FILE", type=Path, help="prompts, hotwords, languages, by tenant and queue")
    parser.add_argument("--beam-size", metavar="N", type=_count, default=1, help="5 is better and slower (default: 1)")
    parser.add_argument("--window", choices=("short", "whole"), default="short", help="whole: the model's full 30 s")
    parser.add_argument("--manifest", metavar="CSV", type=Path, help="whose calls they are: agent, queue, site …")
    parser.add_argument("--workers", metavar="N", type=_count, help="processes (default: one a core)")
    parser.add_argument(
        "--agent-channel", choices=("left", "right"), default="left", help="where the agent is (default: left)"
    )
    parser.add_argument(
        "--dnsmos", action="store_true", help="estimate each party's voice quality (needs the extra dnsmos)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, for a program")
    _add_live_arguments(parser)


def _add_live_arguments(parser: argparse.ArgumentParser) -> None:
    from streams.settings import CREATING, KAFKA
    from streams.settings import add_arguments as add_settings

    live = parser.add_argument_group("as live calls on Kafka, instead of --out")
    live.add_argument("--to", metavar="HOST:PORT", help="the cluster; several addresses with commas")
    live.add_argument("--speed", metavar="N|max", type=_speed, default=1.0, help="times real speed (default: 1)")
    live.add_argument("--chunk-ms", metavar="MS", type=_chunk_ms, default=100, help="audio in a record (default: 100)")
    live.add_argument("--calls", metavar="N", type=_count, help="so many calls at once, recordings taking turns")
    live.add_argument("--at-once", metavar="N", type=_count, help="calls at once, at most (default: 64, or --calls)")
    live.add_argument("--loop", action="store_true", help="begin again, under new call ids, until interrupted")
    live.add_argument("--stagger", metavar="S", type=_seconds, default=0.0, help="seconds from start to start")
    live.add_argument("--for", metavar="S", type=_seconds, dest="for_s", help="stop after so many seconds")
    live.add_argument("--id-suffix", metavar="TEXT", default="", help="add this to every call id, for another run")
    add_settings(live, *(name for name in (*KAFKA, *CREATING) if name != "broker"))


def _folder(text: str) -> Path:
    if not text.strip():  # an unset variable of a script; as a path it would be the current folder
        raise argparse.ArgumentTypeError("no folder is named")
    return Path(text)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    value = float(text)
    if not 0.1 <= value <= 1000:
        raise argparse.ArgumentTypeError("0.1 to 1000, or max")
    return value


def _chunk_ms(text: str) -> int:
    value = int(text)
    if not 10 <= value <= 1000:
        raise argparse.ArgumentTypeError("10 to 1000")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError("0 or more")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def run(args: argparse.Namespace) -> int:
    """Replay. Raises VigieError for a caller's mistake."""
    if (args.out is None) == (args.to is None):
        raise VigieError(
            "say where the recordings go" if args.to is None else "recordings go to one place",
            remedy="Give --out DIR for files and a report, or --to HOST:PORT for live calls on Kafka",
            field="--out",
        )
    if args.to is not None:
        from streams.kafka.live import run_live

        return run_live(args, _found(args))
    from streams.replay.playback import EngineSetup, cpu_count
    from streams.replay.progress import Progress, told_totals
    from streams.replay.runner import Run, WorkerSetup, summary_of
    from streams.transcribe import BATCH_UTTERANCES

    found, rules_version, common = _prepared(args)
    store = _store(args.out)
    workers = min(args.workers or cpu_count(), max(1, len(found.calls)))
    with store.locked():
        from streams.replay.results import call_fingerprint

        marks = [call_fingerprint(source, common) for source in found.calls]
        work = Run(store, args.out, found.calls, marks, workers, failures=list(found.failures))
        _add_notes(work, args, found)
        pending = len(work.pending())
        skipped = len(found.calls) - pending
        rules = str(args.rules) if args.rules else None
        threads = max(1, cpu_count() // workers)
        engine = EngineSetup(
            rules,
            args.model,
            threads,
            redaction=args.redaction,
            hints=str(args.hints) if args.hints else None,
            sentiment=args.sentiment,
            phrases=str(args.phrases) if args.phrases else None,
            semantic=args.semantic,
            beam_size=args.beam_size,
            whole_window=args.window == "whole",
            together=BATCH_UTTERANCES,
        )
        setup = WorkerSetup(engine, str(args.out), args.dnsmos)
        with Progress(len(found.calls), skipped, len(found.failures)) as progress:
            for _, message in work.work(setup):
                progress.take(message)
            assembled = work.finish(
                title=_title(args),
                footer=f"Rules {rules_version}, transcriber {args.model}.",
                ignored=found.ignored,
                told=progress.tell,
            )
    if args.json:
        summary = summary_of(work, assembled, skipped=skipped, ignored=found.ignored)
        print(json.dumps(summary, ensure_ascii=False, indent=2))
    else:
        told_totals(work, assembled, skipped=skipped, ignored=found.ignored)
    return 1 if work.failures else 0


def _prepared(args: argparse.Namespace) -> tuple[Found, str, str]:
    """What to replay, and what all of it has in common; every mistake a caller can make shows here."""
    from streams.alerts.rules import load_rules
    from streams.hints import load_hints
    from streams.language.reading import check_reading
    from streams.redaction_policy import load_policy
    from streams.replay.results import run_fingerprint

    if args.dnsmos:
        from audio.quality import QualityEstimator

        QualityEstimator()  # told now, and not by each worker process
    _check_named(args)
    rules = load_rules(args.rules)
    load_hints(args.hints)
    check_reading(args.phrases, args.semantic)
    extras = "+dnsmos" if args.dnsmos else ""
    extras += f"+redaction {load_policy(args.redaction).fingerprint}"
    if args.hints:
        extras += f"+hints {args.hints.read_bytes().hex()}"
    extras += f"+sentiment {args.sentiment}" if args.sentiment != "builtin" else ""
    extras += "+semantic" if args.semantic == "yes" else ""
    extras += f"+phrases {args.phrases.read_bytes().hex()}" if args.phrases else ""
    extras += f"+beam {args.beam_size}" if args.beam_size > 1 else ""
    extras += "+whole" if args.window == "whole" else ""
    return _found(args), rules.version, run_fingerprint(rules.fingerprint + rules.version + extras, args.model)


def _check_named(args: argparse.Namespace) -> None:
    from streams.replay.manifest import LANGUAGE
    from streams.replay.runner import check_text

    if not args.paths and args.manifest is None:
        raise VigieError("nothing to replay is named", remedy="Name recordings, folders or a --manifest", field="PATHS")
    if args.language:
        check_text(args.language, LANGUAGE, "no language code", "Write a code such as fr, ar or pt", "--language")


def _found(args: argparse.Namespace) -> Found:
    """The recordings that are named, by path or by manifest."""
    from streams.replay.manifest import read_manifest
    from streams.replay.sources import CallSource, Failure, find_calls

    _check_named(args)
    listed: list[CallSource] = []
    missing: list[Failure] = []
    if args.manifest is not None:
        listed, missing = read_manifest(args.manifest, language=args.language, agent_channel=args.agent_channel)
    found = find_calls(args.paths, listed, language=args.language, agent_channel=args.agent_channel)
    found.failures += missing
    if not found.calls and not found.failures:
        raise VigieError(
            f"no recording is there ({found.ignored} other files)",
            remedy="Name a folder with audio files, or the files themselves",
            where=", ".join(str(path) for path in args.paths),
        )
    return found


def _store(out: Path) -> Store:
    from streams.replay.results import Store

    store = Store(out)
    store.prepare()
    return store


def _title(args: argparse.Namespace) -> str:
    from streams.replay.sources import display_path

    names = [display_path(path) for path in (*args.paths, *([args.manifest] if args.manifest else []))]
    return "Replay of " + ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _add_notes(work: Run, args: argparse.Namespace, found: Found) -> None:
    from streams.replay.sources import display_path

    if args.model == "none":
        work.notes.append(
            "Nothing was transcribed (--model none): rules on words were off, and clips are not redacted."
        )
    elif args.model == "demo":
        work.notes.append(
            "The words are the demonstration model's: it knows synthetic calls. Use --model small for real ones."
        )
    for path in found.manifests_unused:
        if args.manifest is None or path.resolve() != args.manifest.resolve():
            note = f"{display_path(path)} was not used: name it with --manifest."
            work.notes.append(note)
            print(f"vigie: {note}", file=sys.stderr)
