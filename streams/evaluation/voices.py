"""Who speaks in an evaluation: real recordings cut into phrases, or espeak-ng; the two halves share no voice."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from audio.chunk import NARROW_RATE_HZ, BoolArray, Encoding, Float32Array
from audio.errors import VigieError
from audio.recordings import open_recording
from audio.synth.line import at_level, band
from audio.synth.story import Voice, bundled_stories, load_story
from audio.synth.voices import speak

HALVES = ("report", "tune")
_STEP = NARROW_RATE_HZ // 100
_PHRASE_S = (0.8, 6.0)
_PAUSE_S = 0.3
_UNDER_LOUD_DB = 28.0
"""Quieter than this under the loud parts is no speech: recordings of speech have pauses well below."""

LIST_NAME = "voices.csv"
LIST_FIELDS = ("file", "voice", "half", "channel", "from_s", "kind")
"""And `to_s`, where only a part of the file is meant."""
PUBLIC_FILES = """\
file,voice,half,channel,from_s,to_s,kind
calls/lca40/Auto_Repairs_40_UTC_agent.wav,lca-agent,tune,0,6,,speech
speech/osr_8k_en/speech_audio/OSR_us_000_0034_8k.wav,osr-0034,tune,0,0,,speech
impairments/hold_music/5703-47212-0000.ogg,libri-5703,tune,0,0,,speech
speech/faster_whisper_tests/jfk.flac,jfk,tune,0,0,,speech
impairments/plc_mos/clean.wav,plc-clean,tune,0,0,,speech
speech/faster_whisper_tests/stereo_diarization.wav,stereo-left,tune,0,0,,speech
speech/faster_whisper_tests/stereo_diarization.wav,stereo-right,tune,1,0,,speech
impairments/hold_music/198-209-0000.ogg,libri-198,report,0,0,,speech
impairments/hold_music/3436-172162-0000.ogg,libri-3436,report,0,0,,speech
impairments/music_noise_speech/lamartine.wav,lamartine,report,0,0,,speech
impairments/music_noise_speech/musanmix.wav,musan-man,report,0,63.3,74,speech
speech/faster_whisper_tests/multilingual.mp3,licence-en,report,0,0,29.5,speech
speech/faster_whisper_tests/multilingual.mp3,licence-de,report,0,30.5,,speech
speech/faster_whisper_tests/hotwords.mp3,hotwords,report,0,0,,speech
impairments/hold_music/442789__lena-orsa__happy-music-pistachio-ice-cream-ragtime.ogg,ragtime,tune,0,0,,music
impairments/hold_music/147793__setuniman__sweet-waltz-0i-22mi.ogg,waltz,report,0,0,,music
telephony/tones_dtmf/office-ambience-24000-mono.mp3,office,tune,0,0,,noise
impairments/music_noise_speech/musanmix.wav,musan-noise,report,0,33,52.5,noise
"""
"""The public recordings this project measures itself on, used where a folder holds no voices.csv of its own.

What the detectors were developed on (lca40, the Harvard sentences, the office, the ragtime) is in the tuning half, never
in the other; no file stretch and no voice is in both.
"""

ESPEAK_VOICES = {
    "report": ("en-us+m3", "en-gb+f2", "fr-fr+f4", "fr-ch+m1", "en-029+f5", "en-gb-scotland+m6"),
    "tune": ("en-us+f1", "en-gb-x-rp+m2", "fr-fr+m4", "fr-be+f3"),
}
MADE_MUSIC = {"report": "string-music", "tune": "hold-music"}
"""Which of `audio.synth.sounds` plays on hold."""
HOPS: dict[str, tuple[tuple[Encoding, ...], ...]] = {
    "report": ((Encoding.ALAW,), (Encoding.MULAW, Encoding.ALAW)),
    "tune": ((Encoding.MULAW,),),
}
"""The codecs that the pieces of a half go through in turn: what is reported was not tuned on one of them."""


@dataclass(slots=True)
class Bank:
    """What conversations of one half are made of: float32 phrases at 8 kHz by voice, music, noise, and the line."""

    phrases: dict[str, list[Float32Array]]
    music: list[Float32Array] = field(default_factory=list)
    noise: list[Float32Array] = field(default_factory=list)
    made_music: str = "hold-music"
    hops: tuple[tuple[Encoding, ...], ...] = ((Encoding.MULAW,),)

    def stretch(self, voice: str, seconds: float, rng: np.random.Generator, solid_s: float = 0.0) -> Float32Array:
        """About `seconds` of one voice's phrases, 120 ms apart, at -26 dBov; it ends where a sound of the voice ends.

        With `solid_s` the last so many seconds are speech without a pause, for which it may take a phrase longer.
        """
        pause = np.zeros(int(0.12 * NARROW_RATE_HZ), dtype=np.float32)
        wanted, pieces, length = int(seconds * NARROW_RATE_HZ), list[Float32Array](), 0
        longest = wanted + (int((_PHRASE_S[1] + solid_s) * NARROW_RATE_HZ) if solid_s else 0)
        order = rng.permutation(len(self.phrases[voice]))
        while length < longest:
            for number in order:
                pieces += [self.phrases[voice][number], pause]
                length += len(pieces[-2]) + len(pause)
        whole = np.concatenate(pieces)
        heard = sounding(whole[:longest])
        stop = _solid_stop(heard, wanted // _STEP, round(solid_s * 100)) if solid_s else wanted // _STEP
        stop = int(np.flatnonzero(heard[:stop])[-1]) + 1
        cut = whole[: stop * _STEP].copy()
        fade = np.linspace(1, 0, _STEP, dtype=np.float32)
        cut[-_STEP:] *= fade
        return at_level(cut, -26.0)


def _solid_stop(heard: BoolArray, first: int, solid: int) -> int:
    """The first place from `first` on with the fewest pauses in the `solid` steps of 10 ms before it."""
    sums = np.concatenate([[0], np.cumsum(heard)])
    places = np.arange(max(first, solid), len(heard) + 1)
    return int(places[(sums[places] - sums[places - solid]).argmax()])


@lru_cache(maxsize=4)
def real_bank(folder: Path, half: str) -> Bank:
    """The phrases of a folder's recordings.

    Raises:
        VigieError: the folder lacks usable voices.
    """
    bank = Bank({}, made_music=MADE_MUSIC[half], hops=HOPS[half])
    for row in _listed(folder):
        path = folder / row["file"]
        if row["half"] != half or not path.exists():
            continue
        first, last = float(row["from_s"] or 0), float(row.get("to_s") or math.inf)
        samples = _narrow(path, int(row["channel"] or 0))
        samples = samples[int(first * NARROW_RATE_HZ) : int(min(last * NARROW_RATE_HZ, len(samples)))]
        if row["kind"] == "speech":
            bank.phrases.setdefault(row["voice"], []).extend(phrases(samples))
        else:
            (bank.music if row["kind"] == "music" else bank.noise).append(at_level(band(samples), -26.0))
    bank.phrases = {voice: found for voice, found in bank.phrases.items() if found}
    if len(bank.phrases) < 2:
        raise VigieError(
            f"fewer than two voices for the half {half!r}",
            remedy=f"Name a folder with recordings and a {LIST_NAME} ({', '.join(LIST_FIELDS)})",
            where=str(folder),
        )
    return bank


@lru_cache(maxsize=4)
def spoken_bank(half: str) -> Bank:
    """The sentences of the bundled stories by espeak-ng voices. Raises VigieError where espeak-ng is absent."""
    sentences: dict[str, list[str]] = {}
    for path in bundled_stories():
        story = load_story(path)
        sentences.setdefault(story.call["language"], []).extend(s.text for s in story.script if s.text)
    first = HALVES.index(half)
    long = {language: sorted({s for s in some if len(s) > 20})[first::2] for language, some in sentences.items()}
    return Bank(
        {
            voice: [band(speak(text, Voice(voice))) for text in long[voice[:2]][number % 2 :: 2]]
            for number, voice in enumerate(ESPEAK_VOICES[half])
        },
        made_music=MADE_MUSIC[half],
        hops=HOPS[half],
    )


def phrases(samples: Float32Array) -> list[Float32Array]:
    """Cut speech at its pauses of 300 ms and more; what is cut lasts 0.8 to 6 s and has no silence at its edges."""
    samples = band(samples)
    found: list[Float32Array] = []
    where = np.flatnonzero(sounding(samples))
    breaks = np.flatnonzero(np.diff(where) > _PAUSE_S * 100)
    for run in np.split(where, breaks + 1):
        if not len(run):
            continue
        first, last = int(run[0]), int(run[-1]) + 1
        parts = math.ceil((last - first) / (_PHRASE_S[1] * 100))
        for part in np.array_split(np.arange(first, last), parts):
            if len(part) >= _PHRASE_S[0] * 100:
                found.append(samples[part[0] * _STEP : (part[-1] + 1) * _STEP])
    return found


def sounding(samples: Float32Array, under_loud_db: float = _UNDER_LOUD_DB) -> BoolArray:
    """bool, one a 10 ms: where the voice is heard, by its level alone. No detector and no model has a say in it."""
    count = len(samples) // _STEP
    level = np.square(samples[: count * _STEP].reshape(count, _STEP)).mean(axis=1)
    heard: BoolArray = level > np.quantile(level, 0.95) * 10 ** (-under_loud_db / 10)
    return heard


def _listed(folder: Path) -> list[dict[str, str]]:
    own = folder / LIST_NAME
    text = own.read_text(encoding="utf-8") if own.exists() else PUBLIC_FILES
    rows = list(csv.DictReader(text.splitlines()))
    if rows and (missing := [name for name in LIST_FIELDS if name not in rows[0]]):
        raise VigieError(
            f"no column {missing[0]}", remedy=f"Give it the columns {', '.join(LIST_FIELDS)}", where=str(own)
        )
    halves: dict[str, str] = {}
    for row in rows:
        if halves.setdefault(row["voice"], row["half"]) != row["half"]:
            raise VigieError(
                f"{row['voice']} is in both halves",
                remedy="Give each voice, music and noise one half: what is tuned on must not be reported",
                where=str(own),
            )
    return rows


def _narrow(path: Path, channel: int) -> Float32Array:
    recording = open_recording(path)
    channel = min(channel, recording.channels - 1)
    whole = np.concatenate([block[channel] for block in recording.blocks()]).astype(np.float32) / 32768
    return np.asarray(resample_poly(whole, 1, recording.sample_rate_hz // NARROW_RATE_HZ), dtype=np.float32)
