"""The speakers: espeak-ng, run as a program, resampled to the telephone's 8 kHz."""

from __future__ import annotations

import io
import subprocess
from functools import lru_cache

import numpy as np
import soundfile
from scipy.signal import resample_poly

from audio.chunk import NARROW_RATE_HZ, Float32Array
from audio.errors import VigieError
from audio.synth.story import Voice

EDGE_LEVEL = 0.01
"""Below this share of the utterance's peak its beginning and end are silence, and are cut off."""


@lru_cache(maxsize=4096)
def speak(text: str, voice: Voice) -> Float32Array:
    """Speak a sentence.

    Returns:
        float32 `(n,)` at 8 kHz, peak 1, without leading or trailing silence.

    Raises:
        VigieError: espeak-ng is not installed, or does not know the voice.
    """
    command = ["espeak-ng", "--stdout", "-v", voice.voice, "-s", str(voice.speed_wpm), "-p", str(voice.pitch), text]
    try:
        answer = subprocess.run(command, capture_output=True, check=True)
        samples, rate_hz = soundfile.read(io.BytesIO(answer.stdout), dtype="float32")
    except FileNotFoundError as error:
        raise VigieError(
            "espeak-ng is not installed", remedy="Install it (apt-get install espeak-ng), then run this again"
        ) from error
    except (subprocess.CalledProcessError, soundfile.LibsndfileError) as error:
        raise VigieError(
            f"espeak-ng cannot speak with the voice {voice.voice!r}", remedy="See espeak-ng --voices for those it has"
        ) from error
    narrow = np.asarray(resample_poly(samples, NARROW_RATE_HZ // 50, rate_hz // 50), dtype=np.float32)
    peak = float(np.abs(narrow).max(initial=0.0))
    if peak == 0.0:
        raise VigieError(f"espeak-ng says nothing for {text!r}", remedy="Write words that can be spoken")
    heard = np.flatnonzero(np.abs(narrow) > EDGE_LEVEL * peak)
    cut: Float32Array = narrow[heard[0] : heard[-1] + 1] / np.float32(peak)
    cut.setflags(write=False)
    return cut
