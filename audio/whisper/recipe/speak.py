"""Speak the small world: sentences of a call centre, by many synthetic voices, at 8 kHz, with the time of every word.

    python speak.py world.yaml OUT.npz --count 14000 --seed 1               # training voices and sentences
    python speak.py world.yaml HELDOUT.npz --count 700 --seed 2 --heldout   # voices and slot fills kept from training

Writes one .npz: `audio` (int16, every utterance end to end), `ends` (int64 sample offsets), `texts`, `languages`, `voices`, `counts` (sentences in the utterance; 0: words in no
order), and `marks` (one string an utterance: "character:sample ..." for the word starts espeak-ng announced; empty for flite).
Needs the espeak-ng library (called in the process, thirty times faster than its program) and flite on the PATH.
The same seed gives the same sentences and voices.

Held out: the voices of `HELDOUT_VOICES` with any variant, any voice with a variant of `HELDOUT_VARIANTS`, flite's awb, and of
every sentence with slots the eighth of its fills that `is_held_out` names.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import os
import pathlib
import random
import re
import subprocess
import tempfile
import zlib
from multiprocessing import Pool
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
import yaml

SAMPLE_RATE_HZ = 8000
ESPEAK_VOICES = {
    "en": ["en-us", "en-gb", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"],
    "fr": ["fr-fr", "fr-ch"],
}
ESPEAK_VARIANTS = ["", "", "+f1", "+f2", "+f3", "+f5", "+m1", "+m2", "+m3", "+m4", "+m5", "+m7", "+m8", "+klatt2", "+Annie", "+steph2",
                   "+edward2", "+Mike"]
VOICE_FILES = {"en-us": "gmw/en-US", "en-gb": "gmw/en", "en-gb-x-rp": "gmw/en-GB-x-rp", "en-gb-x-gbclan": "gmw/en-GB-x-gbclan",
               "en-gb-x-gbcwmd": "gmw/en-GB-x-gbcwmd", "en-029": "gmw/en-029", "en-us-nyc": "gmw/en-US-nyc",
               "en-gb-scotland": "gmw/en-GB-scotland", "fr-fr": "roa/fr", "fr-ch": "roa/fr-CH", "fr-be": "roa/fr-BE"}
HELDOUT_VOICES = {"en": ["en-gb-scotland"], "fr": ["fr-be"]}
HELDOUT_VARIANTS = ["+f4", "+m6"]
FLITE_VOICES = ["slt", "rms", "kal16"]
FLITE_HELDOUT = ["awb"]
EVENT_END, EVENT_WORD = 0, 1


def is_held_out(sentence: str) -> bool:
    """Whether this filled sentence is one of the eighth kept from training."""
    return zlib.crc32(sentence.encode()) % 8 == 0


class World:
    """Templates with slots, per language."""

    def __init__(self, path: str, jumble: float, heldout: bool, lengths: tuple[float, ...]) -> None:
        with open(path, encoding="utf8") as file:
            raw = yaml.safe_load(file)
        self.slots = raw["slots"]
        self.jumble, self.heldout, self.lengths = jumble, heldout, lengths
        self.groups = {language: [group for party in parties.values() for group in party.values()]
                       for language, parties in raw["sentences"].items()}
        self.templates = {language: [t for group in groups for t in group] for language, groups in self.groups.items()}
        self.digits = {language: [t for t in templates if t.count("{digit}") > 3 or "{four}" in t]
                       for language, templates in self.templates.items()}
        self.words = {language: sorted({w for k in range(20) for t in self.templates[language]
                                        for w in self.filled(t, language, random.Random(k)).split()})
                      for language in self.templates}

    def filled(self, template: str, language: str, rng: random.Random) -> str:
        """One fill of the template's slots."""
        while "{" in template:
            template = re.sub(r"\{(\w+)\}", lambda m: rng.choice(self.slots[language][m.group(1)]), template)
        return template

    def sentence(self, language: str, rng: random.Random) -> str:
        """A sentence of the wanted side of the split; one without slots is on both sides."""
        template = rng.choice(self.digits[language] if rng.random() < 0.08 else self.templates[language])
        text = self.filled(template, language, rng)
        for _ in range(60 if "{" in template else 0):
            if is_held_out(text) == self.heldout:
                break
            text = self.filled(template, language, rng)
        return text

    def utterance(self, language: str, rng: random.Random) -> tuple[str, int]:
        """One to three sentences and how many; now and then a few words in no order, so that sounds and not sentences are learnt."""
        if rng.random() < self.jumble:
            return " ".join(rng.choice(self.words[language]) for _ in range(rng.randint(1, 6))), 0
        count = rng.choices(range(1, len(self.lengths) + 1), self.lengths)[0]
        return " ".join(self.sentence(language, rng) for _ in range(count)), count


class Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("id", ctypes.c_char * 8)]


class Espeak:
    """The espeak-ng library; one in a process."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1")
        self.rate_hz = self.library.espeak_Initialize(2, 0, None, 0)
        self.chunks: list[np.ndarray] = []
        self.marks: list[tuple[int, int]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
        self.callback = kind(self._heard)
        self.library.espeak_SetSynthCallback(self.callback)

    def _heard(self, wav: Any, count: int, events: Any) -> int:
        if wav and count > 0:
            self.chunks.append(np.ctypeslib.as_array(wav, (count,)).copy())
        k = 0
        while events[k].type != EVENT_END:
            if events[k].type == EVENT_WORD:
                self.marks.append((events[k].text_position - 1, events[k].audio_position))
            k += 1
        return 0

    def __call__(self, text: str, voice: str, words_per_minute: int, pitch: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """Float samples at the library's rate, and (character, millisecond) of every word start announced."""
        self.chunks, self.marks = [], []
        name, plus, variant = voice.partition("+")
        if self.library.espeak_SetVoiceByName(f"{VOICE_FILES[name]}{plus}{variant}".encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        self.library.espeak_SetParameter(1, words_per_minute, 0)
        self.library.espeak_SetParameter(3, pitch, 0)
        data = text.encode() + b"\0"
        self.library.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        return np.concatenate(self.chunks).astype(np.float32) / 32768, self.marks


LENGTHS = (0.68, 0.25, 0.07)
_espeak: Espeak | None = None


def speak(text: str, language: str, rng: random.Random, heldout: bool) -> tuple[np.ndarray, str, str]:
    """Return (int16 samples at 8 kHz, voice, marks)."""
    global _espeak
    marks = ""
    if language == "en" and rng.random() < (0.25 if heldout else 0.2):
        voice = rng.choice(FLITE_HELDOUT if heldout else FLITE_VOICES)
        handle, path = tempfile.mkstemp(suffix=".wav")
        os.close(handle)
        subprocess.run(["flite", "-voice", voice, "--setf", f"duration_stretch={rng.uniform(.85, 1.15):.2f}", "-t", text, "-o", path],
                       check=True)
        samples, rate = soundfile.read(path, dtype="float32")
        os.unlink(path)
    else:
        if not heldout:
            voice = rng.choice(ESPEAK_VOICES[language]) + rng.choice(ESPEAK_VARIANTS)
        elif rng.random() < 0.6:
            voice = rng.choice(HELDOUT_VOICES[language]) + rng.choice(["", *HELDOUT_VARIANTS, "+f2", "+m3"])
        else:
            voice = rng.choice(ESPEAK_VOICES[language]) + rng.choice(HELDOUT_VARIANTS)
        _espeak = _espeak or Espeak()
        samples, times = _espeak(text, voice, rng.randint(140, 185), rng.randint(25, 75))
        rate = _espeak.rate_hz
        marks = " ".join(f"{c}:{ms * SAMPLE_RATE_HZ // 1000}" for c, ms in times)
    samples = soxr.resample(samples, rate, SAMPLE_RATE_HZ)
    samples *= rng.uniform(0.3, 0.9) / (np.abs(samples).max() + 1e-6)
    return (samples * 32767).astype(np.int16), voice, marks


_world: World | None = None


def story_turns(folder: str) -> dict[str, list[str]]:
    """The sentences of the demonstration stories, per language."""
    turns: dict[str, list[str]] = {"en": [], "fr": []}
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        story = yaml.safe_load(path.read_text(encoding="utf8"))
        for turn in story["script"]:
            turns[story["call"]["language"]] += [str(turn[party]) for party in ("agent", "customer") if party in turn]
    return turns


class Mix(NamedTuple):
    """What is spoken: shares of words in no order, of English, of the stories' turns, and of one, two, three sentences."""

    jumble: float = 0.08
    english: float = 0.5
    stories: float = 0.6
    lengths: tuple[float, ...] = LENGTHS


def _one(job: tuple[str, Mix, bool, int, int, dict[str, list[str]]]) -> tuple[np.ndarray, str, str, str, str, int]:
    global _world
    path, mix, heldout, seed, index, stories = job
    _world = _world or World(path, mix.jumble, heldout, mix.lengths)
    rng = random.Random(seed * 1_000_003 + index)
    language = rng.choice(["en", "fr"]) if mix.english == 0.5 else "en" if rng.random() < mix.english else "fr"
    told = bool(stories) and rng.random() < mix.stories
    text, count = (rng.choice(stories[language]), 1) if told else _world.utterance(language, rng)
    samples, voice, marks = speak(text, language, rng, heldout)
    return samples, text, language, voice, marks, count


def corpus(
    world: str, count: int, seed: int, heldout: bool, mix: Mix, stories: str | None = None
) -> dict[str, np.ndarray]:
    """The spoken corpus, as the arrays of the .npz."""
    turns = story_turns(stories) if stories else {}
    with Pool(os.cpu_count() or 2) as pool:
        rows = pool.map(_one, [(world, mix, heldout, seed, k, turns) for k in range(count)], chunksize=50)
    return {"audio": np.concatenate([r[0] for r in rows]), "ends": np.cumsum([len(r[0]) for r in rows]),
            "texts": np.array([r[1] for r in rows]), "languages": np.array([r[2] for r in rows]),
            "voices": np.array([r[3] for r in rows]), "marks": np.array([r[4] for r in rows]), "counts": np.array([r[5] for r in rows])}


def main() -> None:
    """Speak and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world")
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=14000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heldout", action="store_true", help="voices and slot fills that training never hears")
    parser.add_argument("--jumble", type=float, help="share of utterances that are words in no order (0.08, held out 0)")
    parser.add_argument("--stories", metavar="DIR", help="take a share of the utterances from the turns of these stories")
    parser.add_argument("--stories-share", type=float, default=0.6)
    parser.add_argument("--english", type=float, default=0.5, help="share of English")
    parser.add_argument("--lengths", type=float, nargs=3, default=LENGTHS, metavar="SHARE",
                        help="utterances of one, two and three sentences")
    args = parser.parse_args()
    jumble = args.jumble if args.jumble is not None else 0.0 if args.heldout else 0.08
    mix = Mix(jumble, args.english, args.stories_share, tuple(args.lengths))
    arrays = corpus(args.world, args.count, args.seed, args.heldout, mix, args.stories)
    np.savez(args.out, **arrays)
    print(f"{args.count} utterances, {len(arrays['audio']) / SAMPLE_RATE_HZ / 3600:.2f} h")


if __name__ == "__main__":
    main()
