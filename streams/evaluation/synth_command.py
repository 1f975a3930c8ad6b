"""`vigie synth`: speak stories into recordings with exact labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from audio.errors import VigieError
from audio.synth.story import bundled_stories
from audio.synth.write import write_calls

DESCRIPTION = "Speak synthetic two-party calls from stories: stereo FLAC, telephony events, exact labels, a manifest."
EXAMPLE = (
    "example: vigie synth my-stories/ --out calls/ && vigie replay calls/ --manifest calls/manifest.csv --out out/"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.add_argument(
        "stories", nargs="*", type=Path, help="story files or folders of them (default: the bundled ones)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")


def run(args: argparse.Namespace) -> int:
    """Write the calls. Raises VigieError."""
    for path in write_calls(story_files(args.stories), args.out):
        print(path)
    return 0


def story_files(paths: list[Path]) -> list[Path]:
    """The story files behind files and folders; none given: the bundled ones. Raises VigieError."""
    if not paths:
        return bundled_stories()
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not inside or not inside[0].exists():
            raise VigieError("no story here", remedy="Name a story file (.yaml) or a folder of them", where=str(path))
        found += inside
    return found
