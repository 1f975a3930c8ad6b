"""`vigie bench asr`: how much speech this machine transcribes, how soon, and how many live calls that carries."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from audio.errors import VigieError

DESCRIPTION = """Measure transcription on this machine: faster-whisper as it comes, and Vigie's batches across calls.

The speech is that of the bundled calls. Models: the demonstration model, a folder or a name, or the true sizes of Whisper's
with random weights, made on the spot (for speed; they say nothing). Latency under load is worked out from measured times of
batches with the engine's own queue; --live SECONDS runs the same in real time. Run it on a machine that does nothing else."""
EXAMPLE = """examples:
  vigie bench asr
  vigie bench asr --sizes tiny,base,small --live 60
  vigie bench asr --model small --out capacity.json      # then: vigie worker --model small --capacity capacity.json
  vigie bench asr --device cuda --sizes large-v3-turbo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--model", metavar="NAME|PATH", default=None, help="a model to measure (default: demo, without --sizes)"
    )
    parser.add_argument(
        "--sizes", metavar="SIZE,…", default="", help="random models of these sizes: tiny, base, small, …"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compute-type", metavar="TYPE", default=None, help="default: int8 on cpu, float16 on cuda")
    parser.add_argument(
        "--batch", metavar="N", type=int, default=None, help="utterances of a batch (default: 8; cuda 32)"
    )
    parser.add_argument(
        "--only",
        metavar="LIST",
        default="a,b,b-side,c,d",
        help="which of a, b, b-side, c, d, e to compare (default: all but e, the encoder alone)",
    )
    parser.add_argument(
        "--utterances", metavar="N", type=int, default=0, help="of the speech (default: as time allows)"
    )
    parser.add_argument(
        "--rounds", metavar="N", type=int, default=2, help="the best of so many runs counts (default: 2)"
    )
    parser.add_argument(
        "--seconds-max", metavar="S", type=float, default=600.0, help="of all of it, about (default: 600)"
    )
    parser.add_argument("--p95", metavar="S", type=float, default=2.5, help="latency that is asked for (default: 2.5)")
    parser.add_argument("--live", metavar="S", type=float, default=0.0, help="also run the load in real time, so long")
    parser.add_argument("--speech", metavar="FILE", type=Path, default=None, help="speech that --save-speech wrote")
    parser.add_argument("--save-speech", metavar="FILE", type=Path, default=None, help="write the speech and end")
    parser.add_argument("--out", metavar="FILE", type=Path, default=None, help="write the capacity, for vigie worker")
    parser.add_argument("--json", action="store_true", help="results as JSON")


def run(args: argparse.Namespace) -> int:
    """Raises VigieError for a size or a model that is none."""
    from streams.bench.bare import stand_in
    from streams.bench.speech import bundled_speech, load_speech, save_speech

    stand_in()
    if args.save_speech:
        save_speech(bundled_speech(), args.save_speech)
        return 0
    speech = load_speech(args.speech) if args.speech else bundled_speech()

    from streams.bench.asr import CONTENDER_NAMES, Asked, measure_model, plain, write_capacity
    from streams.bench.report import table

    only = tuple(name for name in args.only.split(",") if name)
    if wrong := [name for name in only if name not in CONTENDER_NAMES]:
        raise VigieError(
            f"{wrong[0]!r} is none of those compared", remedy=f"Use {', '.join(CONTENDER_NAMES)}", field="only"
        )
    sizes = [size for size in args.sizes.split(",") if size]
    models = [(None, size) for size in sizes] + ([(args.model or "demo", None)] if args.model or not sizes else [])
    asked = Asked(
        device=args.device,
        compute_type=args.compute_type or ("float16" if args.device == "cuda" else "int8"),
        batch_size=args.batch or (32 if args.device == "cuda" else 8),
        only=only,
        utterances=args.utterances,
        rounds=max(1, args.rounds),
        seconds_max=args.seconds_max / len(models),
        p95_s=args.p95,
        live_s=args.live,
    )
    results = []
    for model, size in models:
        result = measure_model(speech, asked, model, size, told=lambda text: print(text, file=sys.stderr, flush=True))
        results.append(result)
        if not args.json:
            print(table(result, asked), flush=True)
    if args.json:
        print(json.dumps([plain(result) for result in results], indent=2))
    if args.out:
        write_capacity(args.out, results[-1], dataclasses.replace(asked))
    return 0
