"""Pieces in which one rule must raise one alert, at three strengths.

When an alert is due follows from the published meaning of its rule (three holes in 10 s, 5 s of echo, …) and the labels
of the piece. The numbers are repeated here on purpose: taken from the detectors, a wrong one would go unseen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audio.chunk import PARTIES
from audio.synth.line import gain, p56
from audio.synth.sounds import SOUNDS
from streams.evaluation.matching import Expected
from streams.evaluation.scenes import PER_MS, STEP_MS, Piece, Scene, speech_done_ms

STRENGTHS = ("obvious", "medium", "faint")
Builder = Callable[[Scene, int], Piece]
"""Makes a piece from a scene and a strength (0 obvious, 1 medium, 2 faint)."""


def _name(leg: int) -> str:
    return PARTIES[leg].value


def one_way(scene: Scene, strength: int) -> Piece:
    """A dead leg and a speaker who waits for answers: from the start; later; or packets that stop coming."""
    dead = int(scene.rng.integers(2))
    if strength:
        scene.chat(14, first=dead)
    onset_ms = scene.now_ms + 200 if strength else 0
    waits: list[int] = []
    scene.now_ms = max(scene.now_ms, onset_ms)
    for _ in range(5):
        turn = scene.say(1 - dead, scene.between(2.8, 4.2), after_ms=500 if not waits else scene.between(2300, 3200))
        waits.append(turn.end_ms + 2_000)
    scene.mix(tail_ms=2_800)
    missing = strength == 2 and bool(scene.rng.integers(2))
    if not missing:
        scene.source("silence", dead, onset_ms, clicks_per_s=0.5 if strength == 2 else 0.0)
    scene.receive()
    if missing:
        scene.line("missing", dead, onset_ms)
    if strength:
        from_ms = due_ms = max(onset_ms + 10_000, waits[2])
    else:
        # Eight seconds of speech with its small pauses, or of sounds without them: between the two everybody agrees.
        from_ms = max(waits[1], scene.spoken_ms(1 - dead, 8_000))
        due_ms = max(waits[1], scene.heard_ms(1 - dead, 8_000))
    return scene.piece(Expected("one-way-audio", _name(dead), onset_ms, due_ms, from_ms=from_ms))


def missing_leg(scene: Scene, strength: int) -> Piece:
    """A leg that never comes, comes after 20 s, or after 14 s."""
    absent = int(scene.rng.integers(2))
    scene.chat(24, first=1 - absent, long=1 - absent)
    scene.mix()
    scene.receive()
    scene.line("missing", absent, 0, (None, 20_000, 14_000)[strength])
    return scene.piece(Expected("missing-leg", _name(absent), 0, 10_000))


def dropouts(scene: Scene, strength: int) -> Piece:
    """Lost packets inside speech: holes, every third piece repeats; of three packets, two, or one."""
    leg = int(scene.rng.integers(2))
    scene.chat(26, first=1 - leg)
    scene.mix()
    scene.receive()
    start_ms = scene.spoken_by(leg)[1].start_ms
    packets, burst = ((9, 3), (6, 2), (5, 1))[strength]
    repeat = bool(scene.rng.integers(3) == 0)
    within = scene.spans_of(leg)
    holes = scene.line(
        "loss", leg, start_ms, start_ms + 9_500, packets=packets, burst=burst, repeat=repeat, within=within
    )
    onset_ms, apart = holes[0][0] // PER_MS, [holes[0]]
    for hole in holes[1:]:
        # Two holes within half a second are one disturbance to the ear (RFC 3611 calls them one burst).
        apart += [hole] if hole[0] - apart[-1][0] >= 500 * PER_MS else []
    third_ms = apart[min(2, len(apart) - 1)][1] // PER_MS
    return scene.piece(Expected("dropouts", _name(leg), onset_ms, third_ms, from_ms=onset_ms))


def clipping(scene: Scene, strength: int) -> Piece:
    """An overdriven microphone, 14, 10 or 7 dB beyond the voice's peak, behind a pad of 0 to 8 dB."""
    leg = int(scene.rng.integers(2))
    scene.chat(22, first=leg)
    scene.mix()
    scene.source("clipping", leg, over_db=(14, 10, 7)[strength], pad_db=scene.between(0, 8))
    magnitude = np.abs(scene.legs[leg])
    flat = magnitude >= 0.999 * magnitude.max()
    runs = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8))).reshape(-1, 2)
    ends_ms = [int(b) // PER_MS for a, b in runs if b - a >= 3]
    due_ms = next((e for k, e in enumerate(ends_ms[4:]) if e - ends_ms[k] <= 10_000), ends_ms[-1])
    onset_ms = scene.spoken_by(leg)[0].start_ms
    return scene.piece(Expected("clipping", _name(leg), onset_ms, due_ms, from_ms=onset_ms))


def level_low(scene: Scene, strength: int) -> Piece:
    return _level(scene, "level-low", (-47.0, -43.0, -39.0)[strength])


def level_high(scene: Scene, strength: int) -> Piece:
    return _level(scene, "level-high", (-5.5, -7.0, -8.5)[strength])


def _level(scene: Scene, rule: str, level_dbov: float) -> Piece:
    """A whole leg too quiet or too loud: due after 10 s of its speech, by P.56, and 5 s more."""
    leg = int(scene.rng.integers(2))
    scene.level_dbov[leg] = -26.0
    scene.chat(24, first=leg, long=leg)
    scene.mix()
    scene.source("level", leg, db=level_dbov + 26.0)
    for _ in range(6):
        # What goes over full scale is cut off there, which makes it quieter again.
        short_db = level_dbov - p56(np.clip(scene.legs[leg], -1, 1))[0]
        scene.source("level", leg, db=short_db)
    scene.receive()
    # P.56 counts pauses of 200 ms in, also between turns, and leaves soft sounds out: earlier or later than the turns.
    ready_ms = (scene.spoken_ms(leg, 10_000), speech_done_ms(np.clip(scene.legs[leg], -1, 1), 10_000))
    from_ms, due_ms = min(ready_ms) + 5_000, max(ready_ms) + 5_000
    return scene.piece(Expected(rule, _name(leg), 0, due_ms, from_ms=from_ms))


def noise(scene: Scene, strength: int) -> Piece:
    """Speech 2, 5 or 8 dB over white, pink, babble or hum, or a recorded office."""
    leg = int(scene.rng.integers(2))
    scene.chat(28, first=leg, long=leg)
    scene.mix()
    kinds = ["white", "pink", "babble", "hum"] + ["own"] * bool(scene.bank.noise)
    kind, snr_db = str(scene.rng.choice(kinds)), (2, 5, 8)[strength]
    if kind == "own":
        recorded = scene.bank.noise[0]
        start = int(scene.rng.integers(len(recorded)))
        scene.source("noise", leg, snr_db=snr_db, own=np.roll(recorded, -start))
    else:
        scene.source("noise", leg, snr_db=snr_db, colour=kind)
    scene.receive()
    return scene.piece(Expected("noise", _name(leg), 0, scene.spoken_ms(leg, 10_000) + 10_000, from_ms=10_000))


def echo(scene: Scene, strength: int) -> Piece:
    """The other voice back after 80 to 500 ms, 12, 20 or 27 dB weaker, sometimes bent by a loudspeaker."""
    leg = int(scene.rng.integers(2))
    scene.chat(24, first=1 - leg, long=1 - leg)
    scene.mix()
    scene.source(
        "echo",
        leg,
        delay_ms=scene.between(80, 500),
        loss_db=(12, 20, 27)[strength],
        distortion=float(scene.rng.choice((0.0, 0.0, 1.5))),
    )
    scene.receive()
    return scene.piece(_leak("echo", scene, leg))


def crosstalk(scene: Scene, strength: int) -> Piece:
    """The other voice at once, 17, 24 or 31 dB weaker."""
    leg = int(scene.rng.integers(2))
    scene.chat(24, first=1 - leg, long=1 - leg)
    scene.mix()
    scene.source("crosstalk", leg, loss_db=(17, 24, 31)[strength], delay_ms=scene.between(0, 8))
    scene.receive()
    return scene.piece(_leak("crosstalk", scene, leg))


def _leak(rule: str, scene: Scene, leg: int) -> Expected:
    """Due 5 s after the other's first word, or once they have spoken for 5 s: both are 5 s of it."""
    onset_ms = scene.spoken_by(1 - leg)[0].start_ms
    return Expected(rule, _name(leg), onset_ms, scene.spoken_ms(1 - leg, 6_000), from_ms=onset_ms + 5_000)


def same_audio(scene: Scene, strength: int) -> Piece:
    """One mix on both legs: as it is; one leg 6 dB weaker; with noise of its own as well."""
    scene.chat(20)
    scene.mix()
    options = ({}, {"db": -6.0}, {"db": -3.0, "noise_dbov": -50.0})[strength]
    scene.source("same-audio", int(scene.rng.integers(2)), **options)
    scene.receive()
    onset_ms = scene.turns[0].start_ms
    late_ms = _all_spoken_ms(scene, 6_000)
    return scene.piece(Expected("same-audio", "both", onset_ms, late_ms, from_ms=onset_ms + 5_000))


def _all_spoken_ms(scene: Scene, needed_ms: int) -> int:
    total = 0
    for turn in scene.turns:
        total += turn.end_ms - turn.start_ms
        if total >= needed_ms:
            return turn.end_ms - (total - needed_ms)
    return scene.now_ms


def dead_air(scene: Scene, strength: int) -> Piece:
    """Nobody speaks for 12 to 18 s: over comfort noise, in a room, in a room where things are put on a desk."""
    if strength:
        scene.noise_dbov = [scene.between(-54, -48), scene.between(-54, -48)]
    scene.chat(8)
    onset_ms = scene.now_ms
    quiet_ms = scene.between(12_000, 18_000)
    if strength == 2:
        for _ in range(int(scene.rng.integers(2, 6))):
            knock = scene.rng.standard_normal(30 * PER_MS).astype(np.float32) * np.exp(-np.arange(30 * PER_MS) / 50)
            at_ms = onset_ms + int(scene.between(500, quiet_ms - 500))
            scene.play(int(scene.rng.integers(2)), at_ms, np.asarray(knock * gain(-18), dtype=np.float32))
    scene.now_ms = onset_ms
    scene.say(int(scene.rng.integers(2)), 2.5, after_ms=quiet_ms)
    return scene.piece(Expected("dead-air", "both", onset_ms, onset_ms + 10_000))


def long_hold(scene: Scene, strength: int) -> Piece:
    """A hold of 65 s: told by an event; only heard as music; music with an announcement every 20 s."""
    scene.chat(6)
    onset_ms = scene.now_ms + 300
    recorded = bool(scene.bank.music) and bool(scene.rng.integers(2))
    music = scene.bank.music[0] if recorded else SOUNDS[scene.bank.made_music](65_000 * PER_MS, scene.rng)
    music = np.asarray(np.resize(np.roll(music, -int(scene.rng.integers(len(music)))), 65_000 * PER_MS))
    level_db = gain(scene.between(-6, 0)) * np.float32(0.05 / np.sqrt(np.square(music).mean()))
    music = np.asarray(music * level_db, dtype=np.float32)
    if strength == 0:
        scene.event("hold", onset_ms)
        scene.event("resume", onset_ms + 65_000)
        if scene.rng.integers(2):
            music *= 0
    if strength == 2:
        for second in (20, 43):
            music[second * 1000 * PER_MS : (second + 6) * 1000 * PER_MS] = 0
            scene.say_at(0, onset_ms + second * 1000 + 500, 5.0)
    scene.play(0, onset_ms, music)
    scene.now_ms = onset_ms + 65_000
    scene.say(0, 3.0)
    scene.say(1, 2.0)
    return scene.piece(Expected("long-hold", None, onset_ms, onset_ms + 60_000))


def talk_over(scene: Scene, strength: int) -> Piece:
    """Both speak for 5 to 6.5 s; one as loud as the other, 6 or 12 dB quieter."""
    leg = int(scene.rng.integers(2))
    scene.chat(8, first=leg)
    both_s = scene.between(5.0, 6.5)
    first = scene.say(leg, both_s + 1.5)
    scene.say_at(1 - leg, first.start_ms + 1_500, both_s + 1.0, db=(0.0, -6.0, -12.0)[strength])
    scene.chat(6, first=leg)
    onset_ms = first.start_ms + 1_500
    due_ms = scene.both_heard_ms(3_000, onset_ms)
    return scene.piece(Expected("talk-over", "both", onset_ms, due_ms, from_ms=onset_ms + 3_000))


def interruptions(scene: Scene, strength: int) -> Piece:
    """One party cuts the other off three times, over 900, 700 or 500 ms."""
    rude = int(scene.rng.integers(2))
    overlap_ms = (900, 700, 500)[strength]
    starts: list[int] = []
    for _ in range(3):
        victim = scene.say(1 - rude, scene.between(2.5, 4.0), solid_s=overlap_ms / 1000 + 0.8)
        scene.say_at(rude, victim.end_ms - overlap_ms, scene.between(3.0, 4.0), clear=True)
        starts.append(victim.end_ms - overlap_ms)
        scene.say(1 - rude, scene.between(1.5, 2.5))
        scene.say(rude, scene.between(1.5, 2.5))
    due_ms = starts[-1] + 1_500
    return scene.piece(Expected("interruptions", _name(rude), starts[0], due_ms, from_ms=due_ms))


def monologue(scene: Scene, strength: int) -> Piece:
    """One party for 64 s: without a break; with backchannels of the other; with pauses of 1 to 2.5 s as well."""
    leg = int(scene.rng.integers(2))
    scene.say(1 - leg, 2.5)
    onset_ms = scene.now_ms + 400
    scene.now_ms = onset_ms
    while scene.now_ms < onset_ms + 63_000:
        turn = scene.say(leg, scene.between(4, 7), after_ms=scene.between(1_000, 2_500) if strength == 2 else 200)
        if strength and scene.rng.integers(2):
            scene.say_at(1 - leg, turn.start_ms + 1_800, 0.45)
    onset_ms = scene.spoken_by(leg)[0].start_ms
    # In a pause nobody knows yet whether the floor is still held: due with the next word after the minute.
    words = np.flatnonzero(scene.heard(leg)) * STEP_MS
    due_ms = int(words[np.searchsorted(words, onset_ms + 60_000)])
    return scene.piece(Expected("monologue", _name(leg), onset_ms, due_ms, from_ms=onset_ms + 60_000))


def slow_response(scene: Scene, strength: int) -> Piece:
    """The agent answers after 9.6, 9 or 8.4 s; from 10 s on it is dead air."""
    scene.chat(7)
    scene.say(1, 2.5)
    onset_ms = scene.now_ms
    answer = scene.say(0, 3.0, after_ms=(9_600, 9_000, 8_400)[strength])
    scene.chat(4, first=1)
    return scene.piece(Expected("slow-response", "agent", onset_ms, answer.start_ms))


POSITIVES: dict[str, Builder] = {
    "one-way-audio": one_way,
    "missing-leg": missing_leg,
    "dropouts": dropouts,
    "clipping": clipping,
    "level-low": level_low,
    "level-high": level_high,
    "noise": noise,
    "echo": echo,
    "crosstalk": crosstalk,
    "same-audio": same_audio,
    "dead-air": dead_air,
    "long-hold": long_hold,
    "talk-over": talk_over,
    "interruptions": interruptions,
    "monologue": monologue,
    "slow-response": slow_response,
}
