"""What words cost: microseconds of one core per utterance, stage by stage, on the labelled utterances of tests/words.

    python tests/bench/bench_words.py --rounds 5 --phrases 200 2000 5000

Each utterance is timed alone, by process CPU time, as the least of some rounds (what the work needs, and not what else
the machine was doing); caches of words are warm, as in a worker that has run for a minute, but each round begins with
the utterances in another order. The whole chain is what a worker does with a final utterance: redaction in turn, then
sentiment, phrases and backchannel. Stages do not add up to the chain: each makes the words of the text anew, and "sentiment" is
without the network, which is asked once for phrases and sentiment. Then the search of catalogues of made-up phrases (two to four
words of the suite each, one in four with a gap or an alternative).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from streams import language as engine  # noqa: E402
from streams.evaluation.words_suite import LANGUAGES, Item, load_suite  # noqa: E402
from streams.language.catalogue import parse_catalogue  # noqa: E402
from streams.language.embedding import load_embedder  # noqa: E402
from streams.language.network import Understood, understand  # noqa: E402
from streams.language.phrases import find_phrases  # noqa: E402
from streams.language.sentiment import sentiment  # noqa: E402
from streams.language.text import tidy, tokens  # noqa: E402
from streams.language.wording import spoken_for  # noqa: E402

Work = Callable[[Item], object]
GAPPED_SHARE = 0.25
ENTRY_PATTERNS = 20
"""Patterns of one entry of a made-up catalogue."""


def normalise(item: Item) -> object:
    return tokens(tidy(item.text))


def identify(item: Item) -> object:
    return engine.identify(item.text)


def read(item: Item) -> Understood:
    return understand(tokens(item.text), item.language, item.party)


def weigh(item: Item) -> object:
    return spoken_for(tokens(item.text), item.language, item.party)


@cache
def known(item: Item) -> Understood:
    return read(item)


def feel(item: Item) -> object:
    return sentiment(tokens(item.text), item.language, party=item.party, understood=known(item))


def phrases(item: Item) -> object:
    return find_phrases(item.text, tokens(item.text), item.language, item.party)


def redact(item: Item) -> object:
    return engine.redact_text(item.text, item.language)


def meaning(item: Item) -> object:
    """The vector alone, worked out anew: what `semantic: yes` costs beside the rest."""
    load_embedder().forget()
    return load_embedder().embed([item.text])


def chain(item: Item) -> object:
    redactor = engine.Redactor(language=item.language)
    record = {
        "id": item.id,
        "start_ms": 0,
        "end_ms": 1_000,
        "text": item.text,
        "language": item.language,
        "party": item.party,
        "words": [{"word": word, "start_ms": 0, "end_ms": 1_000} for word in item.text.split()],
    }
    return [engine.annotate(released) for released in (*redactor.push(record), *redactor.flush(None))]


def made_up(items: Sequence[Item], count: int, seed: int) -> list[str]:
    """Patterns that look like a house's own: words of the suite, no whole utterance of it."""
    rng = random.Random(seed)
    words = sorted({token.word for item in items for token in tokens(item.text)})
    found = []
    for _ in range(count):
        picked = rng.sample(words, rng.randint(2, 4))
        if rng.random() < GAPPED_SHARE:
            picked = [picked[0], "..", f"({picked[1]}|{rng.choice(words)})", *picked[2:]]
        found.append(" ".join(picked))
    return found


def catalogue(patterns: list[str]) -> Work:
    """A search for `patterns` as a user's catalogue for every language."""
    entries = [
        {
            "category": f"own_{at}",
            "language": list(LANGUAGES),
            "party": "both",
            "say": patterns[at : at + ENTRY_PATTERNS],
        }
        for at in range(0, len(patterns), ENTRY_PATTERNS)
    ]
    given = yaml.safe_dump({"version": 1, "phrases": entries}, allow_unicode=True).encode()
    known = parse_catalogue(given, "made-up.yaml")
    return lambda item: find_phrases(item.text, tokens(item.text), item.language, item.party, catalogue=known)


def timed_us(work: Work, items: Sequence[Item], rounds: int) -> list[float]:
    best = dict.fromkeys((item.id for item in items), float("inf"))
    order = list(items)
    rng = random.Random(1)
    for item in items:
        work(item)
    for _ in range(rounds):
        rng.shuffle(order)
        for item in order:
            start = time.process_time_ns()
            work(item)
            best[item.id] = min(best[item.id], (time.process_time_ns() - start) / 1_000)
    return sorted(best.values())


def summary(times_us: Sequence[float]) -> dict[str, float]:
    p95 = times_us[min(len(times_us) - 1, int(0.95 * len(times_us)))]
    return {"median_us": round(statistics.median(times_us), 1), "p95_us": round(p95, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description="microseconds of one core per utterance, stage by stage")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--phrases", type=int, nargs="*", default=[200, 2_000, 5_000], help="sizes of made-up catalogues"
    )
    parser.add_argument("--semantic", action="store_true", help="the sentence vector, too (it takes milliseconds)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    items = load_suite("dev")
    stages: dict[str, Work] = {
        "normalise": normalise,
        "language": identify,
        "network": read,
        "wording": weigh,
        "sentiment": feel,
        "phrases": phrases,
        "redaction": redact,
        "whole chain": chain,
    }
    if args.semantic:
        stages["meaning"] = meaning
    report: dict[str, Any] = {"utterances": len(items), "stages": {}, "catalogues": {}}
    for name, work in stages.items():
        times = {
            code: timed_us(work, [item for item in items if item.language == code], args.rounds) for code in LANGUAGES
        }
        every = sorted(value for found in times.values() for value in found)
        report["stages"][name] = summary(every) | {code: summary(found)["median_us"] for code, found in times.items()}
    for count in args.phrases:
        start = time.process_time_ns()
        work = catalogue(made_up(items, count, 1))
        for code in LANGUAGES:
            work(next(item for item in items if item.language == code))
        compile_ms = (time.process_time_ns() - start) / 1e6
        report["catalogues"][count] = {"compile_ms": round(compile_ms), **summary(timed_us(work, items, 1))}
    if args.json:
        print(json.dumps(report, indent=1))
        return
    print(f"{len(items)} utterances, CPU time of one core, least of {args.rounds} rounds each")
    print(f"{'stage':<14}{'median µs':>10}{'p95 µs':>9}" + "".join(f"{code:>8}" for code in LANGUAGES))
    for name, row in report["stages"].items():
        own = "".join(f"{row[code]:>8.0f}" for code in LANGUAGES)
        print(f"{name:<14}{row['median_us']:>10.1f}{row['p95_us']:>9.1f}{own}")
    for count, row in report["catalogues"].items():
        print(
            f"a catalogue of {count} phrases: {row['median_us']:.1f} µs, p95 {row['p95_us']:.1f}; "
            f"compiled in {row['compile_ms']} ms"
        )


if __name__ == "__main__":
    main()
