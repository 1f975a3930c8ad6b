"""Pieces in which no rule may raise anything: what real calls do that looks like a fault, and near misses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audio.chunk import Encoding, Float32Array
from audio.synth.line import at_level, band, gain
from audio.synth.sounds import SOUNDS
from streams.evaluation.scenes import PER_MS, Piece, Scene


def _sound(name: str, lasts_ms: int, scene: Scene) -> Float32Array:
    return at_level(band(SOUNDS[name](lasts_ms * PER_MS, scene.rng)), -26.0)


def clean(scene: Scene) -> Piece:
    scene.chat(28)
    return scene.piece()


def listener(scene: Scene) -> Piece:
    """One party listens for 36 s under -75 dBov, as on a real call, while the other hardly pauses."""
    leg = int(scene.rng.integers(2))
    scene.noise_dbov[leg] = scene.between(-80, -75)
    scene.chat(8, first=leg)
    until_ms = scene.now_ms + 36_000
    while scene.now_ms < until_ms:
        scene.say(1 - leg, scene.between(3, 7), after_ms=scene.between(300, 2_400))
    scene.chat(5, first=leg)
    return scene.piece()


def gated(scene: Scene) -> Piece:
    """Both legs behind a noise gate: digital zero in every pause."""
    scene.chat(28)
    scene.mix()
    for leg in (0, 1):
        scene.source("gate", leg, under_dbov=-48.0)
    return scene.piece()


def gated_listener(scene: Scene) -> Piece:
    """A gated leg that has spoken before, and listens for 20 s to somebody who never waits long."""
    leg = int(scene.rng.integers(2))
    scene.chat(10, first=leg)
    until_ms = scene.now_ms + 20_000
    while scene.now_ms < until_ms:
        scene.say(1 - leg, scene.between(3, 7), after_ms=scene.between(300, 1_200))
    scene.say(leg, 2.0)
    scene.mix()
    scene.source("gate", leg, under_dbov=-48.0)
    return scene.piece()


def alaw_silence(scene: Scene) -> Piece:
    """A gated leg through A-law, whose silence is no zero."""
    scene.hops = (Encoding.ALAW,)
    return gated(scene)


def quiet_room(scene: Scene) -> Piece:
    """Comfort noise as low as it goes."""
    scene.noise_dbov = [-76.0, -76.0]
    scene.chat(28)
    return scene.piece()


def muted(scene: Scene) -> Piece:
    """The agent mutes, tells the platform, and is digital zero while the customer talks and waits."""
    scene.chat(10)
    from_ms = scene.now_ms + 200
    for _ in range(3):
        scene.say(1, 3.0, after_ms=scene.between(2_200, 2_800))
    to_ms = scene.now_ms + 300
    scene.event("mute", from_ms, 0)
    scene.event("unmute", to_ms, 0)
    scene.chat(8)
    scene.mix()
    scene.source("silence", 0, from_ms, to_ms)
    return scene.piece()


def short_hold(scene: Scene) -> Piece:
    """A hold of 25 s, told by events: music, or nothing at all."""
    scene.chat(8)
    from_ms = scene.now_ms + 200
    if scene.rng.integers(2):
        scene.play(0, from_ms, _sound(scene.bank.made_music, 25_000, scene) * gain(-4))
    scene.now_ms = from_ms + 25_000
    scene.event("hold", from_ms)
    scene.event("resume", scene.now_ms)
    scene.chat(8)
    return scene.piece()


def overlapping(scene: Scene) -> Piece:
    """Lively talk: turns that overlap by 0.3 to 2.2 s without anybody losing the floor for it, and no echo."""
    for number in range(7):
        scene.say(number % 2, scene.between(3.5, 5.0), after_ms=-scene.between(100, 280))
    first = scene.say(0, 6.0)
    scene.say_at(1, first.start_ms + 1_500, scene.between(1.0, 2.2))
    return scene.piece()


def backchannels(scene: Scene) -> Piece:
    """One tells a story, the other says mm-hmm."""
    leg = int(scene.rng.integers(2))
    for _ in range(5):
        turn = scene.say(leg, 5.5)
        for at_ms in (1_200, 3_400):
            scene.say_at(1 - leg, turn.start_ms + at_ms, scene.between(0.3, 0.7))
    scene.chat(6, first=1 - leg)
    return scene.piece()


def pauses(scene: Scene) -> Piece:
    """Silences of 5 to 9 s before the customer speaks, of 4 to 7 s before the agent does."""
    for _ in range(2):
        scene.say(0, 3.0, after_ms=scene.between(4_000, 7_000))
        scene.say(1, 3.0, after_ms=scene.between(5_000, 9_000))
    return scene.piece()


def soft(scene: Scene) -> Piece:
    scene.level_dbov = [scene.between(-33, -31), scene.between(-33, -31)]
    scene.chat(28)
    return scene.piece()


def loud(scene: Scene) -> Piece:
    """As loud as it gets without touching the ceiling."""
    scene.chat(28)
    scene.mix()
    for leg in (0, 1):
        scene.legs[leg] *= np.float32(0.9) / np.abs(scene.legs[leg]).max()
    return scene.piece()


def some_noise(scene: Scene) -> Piece:
    """Audible noise that leaves every word clear: 16 to 22 dB under the speech."""
    scene.chat(28)
    scene.mix()
    colour = str(scene.rng.choice(["white", "pink", "babble", "hum"]))
    scene.source("noise", int(scene.rng.integers(2)), snr_db=scene.between(16, 22), colour=colour)
    return scene.piece()


def two_holes(scene: Scene) -> Piece:
    """Two lost packets in half a minute."""
    leg = int(scene.rng.integers(2))
    scene.chat(28, first=leg)
    scene.mix()
    scene.receive()
    scene.line("loss", leg, packets=2)
    return scene.piece()


def same_voice(scene: Scene) -> Piece:
    """Two parties with one voice: nearest thing to an echo that is none."""
    scene.voices[1] = scene.voices[0]
    scene.chat(28)
    return scene.piece()


def late_leg(scene: Scene) -> Piece:
    """The second leg is attached 2 to 6 s after the first."""
    leg = int(scene.rng.integers(2))
    scene.say(1 - leg, 3.0)
    scene.now_ms = 6_200
    scene.chat(20, first=leg)
    scene.mix()
    scene.receive()
    scene.line("missing", leg, 0, scene.between(2_000, 6_000))
    return scene.piece()


def ringing(scene: Scene) -> Piece:
    """Ringback until the answer, then a call."""
    scene.play(0, 0, _sound("ringback", 12_000, scene))
    scene.event("answer", 12_200)
    scene.now_ms = 12_400
    scene.chat(18)
    return scene.piece()


def one_clash(scene: Scene) -> Piece:
    """One interruption and one clash of 1.5 to 2.3 s: it happens."""
    scene.chat(6)
    victim = scene.say(1, 3.0)
    scene.say_at(0, victim.end_ms - 700, 3.0)
    turn = scene.say(1, 5.0)
    scene.say_at(0, turn.start_ms + 1_000, scene.between(1.5, 2.3))
    scene.chat(8, first=0)
    return scene.piece()


def converging_echo(scene: Scene) -> Piece:
    """An echo canceller that needs 2.5 s to learn."""
    leg = int(scene.rng.integers(2))
    scene.chat(24, first=1 - leg, long=1 - leg)
    scene.mix()
    scene.source("echo", leg, 0, scene.turns[0].start_ms + 2_500, delay_ms=scene.between(100, 400), loss_db=20)
    return scene.piece()


def keys(scene: Scene) -> Piece:
    """A customer who presses keys, a recorder that beeps."""
    scene.chat(8)
    scene.play(1, scene.now_ms + 300, _sound("dtmf", 2_400, scene) * gain(8))
    scene.now_ms += 300
    scene.chat(12)
    scene.play(0, 0, _sound("beep", scene.now_ms, scene) * gain(-6))
    return scene.piece()


NEGATIVES: dict[str, Callable[[Scene], Piece]] = {
    "clean": clean,
    "listener": listener,
    "gated": gated,
    "gated-listener": gated_listener,
    "alaw-silence": alaw_silence,
    "quiet-room": quiet_room,
    "muted": muted,
    "short-hold": short_hold,
    "overlapping": overlapping,
    "backchannels": backchannels,
    "pauses": pauses,
    "soft": soft,
    "loud": loud,
    "some-noise": some_noise,
    "two-holes": two_holes,
    "same-voice": same_voice,
    "late-leg": late_leg,
    "ringing": ringing,
    "one-clash": one_clash,
    "converging-echo": converging_echo,
    "keys": keys,
}
