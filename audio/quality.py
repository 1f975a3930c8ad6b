"""How a voice would be rated by listeners, estimated from the sound alone: DNSMOS (P.835 and P.808).

An extra: the package `speechmos` (MIT, Microsoft) carries the models' weights and reads its features with librosa. It
is an *estimate*, made for wide-band speech; telephone speech is rated lower than by a listener who expects a telephone,
so compare calls with each other, not with a published MOS. It is never an E-model MOS (ITU-T G.107), which needs network
statistics. Source: Reddy, Gopal, Cutler, "DNSMOS P.835" (ICASSP 2022), arXiv 2110.01763.
"""

from __future__ import annotations

import importlib
from importlib import resources
from typing import Any

import numpy as np

from audio.chunk import WIDE_RATE_HZ, Float32Array
from audio.errors import VigieError

SPEECH_S_MIN = 3.0
"""Of less speech than this the estimate says more about the words than about the line."""
SPEECH_S_MAX = 29.0
"""The model reads windows of 9.01 s, a second apart: 20 of them are enough, and bound the cost of a long call."""
SCORES = ("ovrl_mos", "sig_mos", "bak_mos", "p808_mos")
"""Overall, speech and background of P.835, and P.808, each 1 to 5."""


class QualityEstimator:
    """The DNSMOS models, loaded once.

    Raises:
        VigieError: the extra is not installed.
    """

    def __init__(self) -> None:
        try:
            library: Any = importlib.import_module("speechmos.dnsmos")
        except ImportError as error:
            raise VigieError(
                "the DNSMOS estimate needs the package speechmos",
                remedy="Run `.venv/bin/pip install -c constraints.txt '.[dnsmos]'` in the checkout, or leave --dnsmos out",
                field="--dnsmos",
            ) from error
        models = resources.files("speechmos") / "dnsmos_models"
        self._rate = library.DNSMOS(str(models / "sig_bak_ovr.onnx"), str(models / "model_v8.onnx"))

    def estimate(self, speech: Float32Array) -> dict[str, float] | None:
        """Rate one party's speech.

        Args:
            speech: float32 mono `(n,)` at 16 kHz in [-1, 1], pauses left out; what exceeds 29 s is not read.

        Returns:
            `ovrl_mos`, `sig_mos`, `bak_mos` and `p808_mos`, 1 to 5, to a hundredth; None under 3 s of speech.
        """
        if len(speech) < SPEECH_S_MIN * WIDE_RATE_HZ:
            return None
        kept = np.clip(speech[: int(SPEECH_S_MAX * WIDE_RATE_HZ)], -1.0, 1.0)
        scores = self._rate(kept, WIDE_RATE_HZ, False)
        return {name: round(float(scores[name]), 2) for name in SCORES}
