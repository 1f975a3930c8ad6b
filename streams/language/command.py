"""`vigie explain`: what Vigie makes of an utterance, and why."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from audio.errors import VigieError
from streams.language import WordReader, analyse, identify
from streams.language.catalogue import load_catalogue
from streams.language.reading import SEMANTIC, load_reader
from streams.language.sentiment import label_of
from streams.language.text import LANGUAGES, language_code, tidy

CHARACTERS_MAX = 10_000
EPILOG = """examples:
  vigie explain "ça fait trois fois que j'appelle je veux résilier" --language fr
  vigie explain "thank you you have been so helpful" --language en --json
  vigie explain --check my-phrases.yaml

The text is redacted first: what is shown is what Vigie would publish."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("text", nargs="?", help="what was said; - reads it from standard input")
    parser.add_argument("--language", metavar="CODE", help="en, fr, ar, pt or es (default: told from the text)")
    parser.add_argument(
        "--party", choices=("customer", "agent", "both"), default="customer", help="who says it (default: customer)"
    )
    parser.add_argument(
        "--phrases", metavar="FILE", help="a catalogue of phrases of your own (default: the bundled one)"
    )
    parser.add_argument(
        "--sentiment", metavar="NAME|PATH", default="builtin", help="sentiment engine: builtin, or an ONNX model"
    )
    parser.add_argument(
        "--semantic", choices=SEMANTIC, default="no", help="yes: by meaning too (pip install 'vigie[semantic]')"
    )
    parser.add_argument("--check", metavar="FILE", help="only say whether this catalogue of phrases is right")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    if args.check:
        catalogue = load_catalogue(args.check)
        count = sum(len(entry.say) + len(entry.unless) for entry in catalogue.entries)
        told = {"file": args.check, "entries": len(catalogue.entries), "patterns": count}
        print(
            json.dumps(told)
            if args.json
            else f"{args.check}: right, {len(catalogue.entries)} entries, {count} patterns"
        )
        return 0
    if args.text is None:
        raise VigieError("no text is given", remedy='Write it in quotes: vigie explain "bonjour madame" --language fr')
    reader = load_reader(args.sentiment, args.phrases, semantic=args.semantic)
    found = explain(_text_of(args), args.language, args.party, reader)
    print(json.dumps(found, ensure_ascii=False) if args.json else _written(found))
    return 0


def _text_of(args: argparse.Namespace) -> str:
    text = tidy(sys.stdin.read() if args.text == "-" else args.text)
    if len(text) > CHARACTERS_MAX:
        raise VigieError(
            f"the text has {len(text)} characters", remedy=f"Give at most {CHARACTERS_MAX}, as of an utterance"
        )
    return text


def explain(text: str, language: str | None, party: str | None, reader: WordReader) -> dict[str, Any]:
    """What is found in one utterance, as plain values."""
    if language is not None and language_code(language) != language.lower().replace("_", "-").split("-")[0]:
        raise VigieError(
            f"{language[:20]!r} is no language of Vigie", remedy=f"Use one of {', '.join(LANGUAGES)}", field="language"
        )
    told, sure = identify(text)
    used = language or told
    found = analyse(text, used, None if party == "both" else party, reader=reader)
    return {
        "text": found.text,
        "language": {"used": language_code(used), "told": told, "confidence": round(sure, 3)},
        "sentiment": {**found.sentiment, "label": label_of(found.sentiment["score"]), "engine": reader.engine.name},
        "phrases": found.phrases,
        "redactions": found.redactions,
        "backchannel": found.backchannel,
    }


def _written(found: dict[str, Any]) -> str:
    felt, language = found["sentiment"], found["language"]
    told = f"{language['told'] or 'not told'} from the text, confidence {language['confidence']:.2f}"
    lines = [
        f"text        {found['text']}",
        f"language    {language['used']} ({told})",
        f"sentiment   {felt['label']} {felt['score']:+.2f}, confidence {felt['confidence']:.2f} ({felt['engine']})",
        f"  because   {', '.join(felt['because']) or 'no word of feeling'}",
    ]
    lines += [
        f"phrase      {one['category']}: “{one['text']}” ({one['start']}-{one['end']})" for one in found["phrases"]
    ]
    lines += [f"redaction   {one['kind']} ({one['start']}-{one['end']})" for one in found["redactions"]]
    if found["backchannel"]:
        lines.append("backchannel: it takes no floor and moves no sentiment")
    return "\n".join(lines)
