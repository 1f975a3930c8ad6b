"""Speak the small world: sentences of a call centre, by many synthetic voices, at 8 kHz, with the time of every word.

    python speak.py world.yaml OUT.npz --count 14000 --seed 1               # training voices and sentences
    python speak.py world.yaml HELDOUT.npz --count 700 --seed 2 --heldout   # voices and templates kept from training
    python speak.py world.yaml PARTS_DIR --seconds 480 --seed 1             # parts without end, for train.py to read as they come

Writes one .npz (or many, into a folder): `audio` (int16, every utterance end to end), `ends` (int64 sample offsets), `texts`,
`languages`, `voices`, `counts` (sentences in the utterance; 0: words in no order), and `marks` (one string an utterance:
"character:sample ..." for the word starts espeak-ng announced; empty for flite and Pico). In training 4 % are sounds that are no
speech, with an empty text.
Needs the espeak-ng library (called in the process, thirty times faster than its program) and flite on the PATH. With --pico DIR
the two English and the French voice of SVOX Pico speak too (voices.py says how to make DIR).
The same seed and the same options give the same sentences and voices (not the same samples: espeak-ng keeps the phase of its voice).

Training voices are spread further than the synthesizers' own: espeak-ng's variants, pitch and rate, accents made at random
(voices.py), flite's and Pico's pitch, and a small change of speed that moves pitch and formants together. Half of the training
sentences (--written) come from sentences.LANGUAGE.txt beside the world: some thousands in its words, written one by one by writers who
had not seen the held-out templates. They are mixed with sentences cut and joined at random and with words in no order, so that the
decoder has to hear a sentence and cannot guess it from its beginning.

Held out: the voices of `HELDOUT_VOICES` with any variant, any voice with a variant of `HELDOUT_VARIANTS`, flite's awb; the
templates under `heldout` in world.yaml; and of every other sentence with slots the eighth of its fills that `is_held_out` names
(`--heldout --seen-templates` speaks those).
"""

from __future__ import annotations

import argparse
import os
import pathlib
import random
import re
import time
import zlib
from multiprocessing import Pool
from typing import NamedTuple

import numpy as np
import yaml
from labels import label
from telephone import not_speech
from tokenizers import Tokenizer
from voices import SAMPLE_RATE_HZ, Pico, speak


def is_held_out(sentence: str) -> bool:
    """Whether this filled sentence is one of the eighth kept from training."""
    return zlib.crc32(sentence.encode()) % 8 == 0


LENGTHS = (0.68, 0.25, 0.07)


class Mix(NamedTuple):
    """What is spoken: shares of words in no order, of joined sentences, of sentences written one by one (the others are of templates),
    of English, of the stories' turns, and of one, two, three sentences."""

    jumble: float = 0.08
    splice: float = 0.2
    written: float = 0.5
    english: float = 0.5
    stories: float = 0.6
    lengths: tuple[float, ...] = LENGTHS


class World:
    """Templates with slots, per language."""

    def __init__(self, path: str, mix: Mix, split: str) -> None:
        """`split`: train, templates (held out) or fills (held out, of the templates trained on)."""
        with open(path, encoding="utf8") as file:
            raw = yaml.safe_load(file)
        self.slots, self.heldout, self.mix, self.split = raw["slots"], raw["heldout"], mix, split
        self.never = {language: re.compile("|".join(self.pattern(t, language) for t in templates))
                      for language, templates in self.heldout.items()}
        self.groups = {language: [group for party in parties.values() for group in party.values()]
                       for language, parties in raw["sentences"].items()}
        self.templates = {language: [t for group in groups for t in group] for language, groups in self.groups.items()}
        self.digits = {language: [t for t in templates if t.count("{digit}") > 3 or "{four}" in t]
                       for language, templates in self.templates.items()}
        self.written = {language: self.sentences(pathlib.Path(path).parent / f"sentences.{language}.txt", language)
                        for language in self.templates}
        self.words = {language: sorted({w for k in range(20) for t in self.templates[language]
                                        for w in self.filled(t, language, random.Random(k)).split()})
                      for language in self.templates}

    def pattern(self, template: str, language: str) -> str:
        """A regular expression for all fills of the template."""
        while "{" in template:
            template = re.sub(r"\{(\w+)\}", lambda m: "(?:" + "|".join(self.slots[language][m.group(1)]) + ")", template)
        return rf"\b(?:{template})\b"

    def sentences(self, path: pathlib.Path, language: str) -> list[str]:
        """The lines of a file of sentences, without those that a held-out template could say; none where there is no file."""
        lines = path.read_text(encoding="utf8").splitlines() if path.exists() else []
        never = self.never[language]
        return [line for line in lines if line and not any(never.search(self.filled(line, language, random.Random(k)))
                                                           for k in range(8 if "{" in line else 1))]

    def filled(self, template: str, language: str, rng: random.Random) -> str:
        """One fill of the template's slots."""
        while "{" in template:
            template = re.sub(r"\{(\w+)\}", lambda m: rng.choice(self.slots[language][m.group(1)]), template)
        return template

    def sentence(self, language: str, rng: random.Random) -> str:
        """A sentence of the wanted side of the split; of the templates trained on, one without slots is on both sides."""
        if self.split == "templates":
            return self.filled(rng.choice(self.heldout[language]), language, rng)
        if self.split == "train" and self.written[language] and rng.random() < self.mix.written:
            template = rng.choice(self.written[language])
        else:
            template = rng.choice(self.digits[language] if rng.random() < 0.08 else self.templates[language])
        text = self.filled(template, language, rng)
        for _ in range(60 if "{" in template else 0):
            if is_held_out(text) == (self.split == "fills"):
                break
            text = self.filled(template, language, rng)
        return text

    def spliced(self, language: str, rng: random.Random) -> str:
        """The beginning of one sentence and the end of another, cut between words."""
        while True:
            first, second = (self.sentence(language, rng).split() for _ in range(2))
            text = " ".join(first[: rng.randint(1, len(first))] + second[rng.randint(0, len(second) - 1):])
            if self.split != "train" or not self.never[language].search(text):
                return text

    def utterance(self, language: str, rng: random.Random) -> tuple[str, int]:
        """One to three sentences and how many; or words in no order, or joined sentences, which count as 0."""
        if rng.random() < self.mix.jumble:
            return " ".join(rng.choice(self.words[language]) for _ in range(rng.randint(1, 8))), 0
        if rng.random() < self.mix.splice:
            return " ".join(self.spliced(language, rng) for _ in range(rng.choice((1, 1, 2)))), 0
        count = rng.choices(range(1, len(self.mix.lengths) + 1), self.mix.lengths)[0]
        return " ".join(self.sentence(language, rng) for _ in range(count)), count


_world: World | None = None


def story_turns(folder: str) -> dict[str, list[str]]:
    """The sentences of the demonstration stories, per language."""
    turns: dict[str, list[str]] = {"en": [], "fr": []}
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        story = yaml.safe_load(path.read_text(encoding="utf8"))
        for turn in story["script"]:
            turns[story["call"]["language"]] += [str(turn[party]) for party in ("agent", "customer") if party in turn]
    return turns


Job = tuple[str, Mix, str, int, int, dict[str, list[str]], str | None]


def _one(job: Job) -> tuple[np.ndarray, str, str, str, str, int]:
    global _world
    path, mix, split, seed, index, stories, pico = job
    _world = _world or World(path, mix, split)
    rng = random.Random(seed * 1_000_003 + index)
    if split == "train" and rng.random() < 0.04:
        sound = not_speech(np.random.default_rng(seed * 1_000_003 + index), rng.randint(8000, 56000))
        return (sound.clip(-1, 1) * 32767).astype(np.int16), "", "none", "none", "", 0
    language = rng.choice(["en", "fr"]) if mix.english == 0.5 else "en" if rng.random() < mix.english else "fr"
    told = bool(stories) and rng.random() < mix.stories
    text, count = (rng.choice(stories[language]), 1) if told else _world.utterance(language, rng)
    samples, voice, marks = speak(text, language, rng, split != "train", pico)
    return samples, text, language, voice, marks, count


def as_arrays(rows: list[tuple[np.ndarray, str, str, str, str, int]]) -> dict[str, np.ndarray]:
    """The arrays of the .npz."""
    return {"audio": np.concatenate([r[0] for r in rows]), "ends": np.cumsum([len(r[0]) for r in rows]),
            "texts": np.array([r[1] for r in rows]), "languages": np.array([r[2] for r in rows]),
            "voices": np.array([r[3] for r in rows]), "marks": np.array([r[4] for r in rows]), "counts": np.array([r[5] for r in rows])}


def corpus(world: str, count: int, seed: int, split: str, mix: Mix, stories: str | None = None,
           pico: str | None = None) -> dict[str, np.ndarray]:
    """The spoken corpus, as the arrays of the .npz."""
    turns = story_turns(stories) if stories else {}
    with Pool(os.cpu_count() or 2) as pool:
        return as_arrays(pool.map(_one, [(world, mix, split, seed, k, turns, pico) for k in range(count)], chunksize=20))


def _parts(job: tuple[pathlib.Path, int, float, str | None, Job]) -> float:
    """One process: parts without end, until the time is over. Returns the hours of speech made."""
    folder, process, until, path, (world, mix, split, seed, _, turns, pico) = job
    tokenizer = Tokenizer.from_file(path) if path else None
    part, samples = 0, 0
    while time.time() < until:
        first = 100_000 * (process + 1) + part * 300
        rows = [_one((world, mix, split, seed, first + k, turns, pico)) for k in range(60 if part < 2 else 300)]
        arrays = as_arrays(rows)
        if tokenizer:
            arrays |= label(arrays, tokenizer)
        samples += len(arrays["audio"])
        unfinished = folder / f"{process}-{part}.tmp"
        with unfinished.open("wb") as file:
            np.savez(file, **arrays)
        unfinished.rename(folder / f"{process}-{part}.npz")
        part += 1
    return samples / SAMPLE_RATE_HZ / 3600


def main() -> None:
    """Speak and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world")
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=14000)
    parser.add_argument("--seconds", type=float, help="write parts into the folder OUT for so long, instead of --count")
    parser.add_argument("--tokenizer", help="with --seconds: a tokenizer.json, to put train.py's labels into the parts already")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heldout", action="store_true", help="voices and templates that training never hears")
    parser.add_argument("--seen-templates", action="store_true", help="with --heldout: the held-out fills of the templates trained on")
    parser.add_argument("--jumble", type=float, help="share of utterances that are words in no order (0.08, held out 0)")
    parser.add_argument("--splice", type=float, help="share of utterances that are joined pieces of sentences (0.2, held out 0)")
    parser.add_argument("--stories", metavar="DIR", help="take a share of the utterances from the turns of these stories")
    parser.add_argument("--stories-share", type=float, default=0.6)
    parser.add_argument("--written", type=float, default=0.5, help="share of the sentences that are of sentences.LANGUAGE.txt")
    parser.add_argument("--pico", metavar="DIR", help="let SVOX Pico's voices speak too: its library and voices (voices.py)")
    parser.add_argument("--english", type=float, default=0.5, help="share of English")
    parser.add_argument("--lengths", type=float, nargs=3, default=LENGTHS, metavar="SHARE",
                        help="utterances of one, two and three sentences")
    args = parser.parse_args()
    if args.pico:
        try:
            Pico(args.pico)
        except ValueError as error:
            parser.error(str(error))
    jumble = args.jumble if args.jumble is not None else 0.0 if args.heldout else 0.08
    splice = args.splice if args.splice is not None else 0.0 if args.heldout else 0.2
    mix = Mix(jumble, splice, args.written, args.english, args.stories_share, tuple(args.lengths))
    split = ("fills" if args.seen_templates else "templates") if args.heldout else "train"
    if args.seconds:
        folder = pathlib.Path(args.out)
        folder.mkdir(parents=True, exist_ok=True)
        job = (args.world, mix, split, args.seed, 0, story_turns(args.stories) if args.stories else {}, args.pico)
        with Pool(args.processes) as pool:
            hours = sum(pool.map(_parts, [(folder, k, time.time() + args.seconds, args.tokenizer, job) for k in range(args.processes)], chunksize=1))
        print(f"{hours:.2f} h")
        return
    arrays = corpus(args.world, args.count, args.seed, split, mix, args.stories, args.pico)
    np.savez(args.out, **arrays)
    print(f"{args.count} utterances, {len(arrays['audio']) / SAMPLE_RATE_HZ / 3600:.2f} h")


if __name__ == "__main__":
    main()
