"""Seeded synthetic two-party calls: stories spoken by espeak-ng, sent over a telephone line, with exact labels.

`load_story(path)` reads a story, `generate(story)` speaks it. The same story gives the same samples with the same
release of espeak-ng. The demonstration calls of `calls/` are the bundled `stories/`, spoken once.
"""

from audio.synth.call import SyntheticCall, generate
from audio.synth.story import Story, load_story

__all__ = ["Story", "SyntheticCall", "generate", "load_story"]
