"""The DNSMOS estimate of a replayed call: each party's own speech, read once more from the recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audio.chunk import WIDE_RATE_HZ, Float32Array, Party
from audio.quality import SPEECH_S_MAX, QualityEstimator
from audio.resample import FirResampler
from streams.replay.media import CHUNK_MS, open_media
from streams.replay.sources import CallSource

Spans = Sequence[Sequence[int]]


def estimated_quality(
    source: CallSource, speech: Mapping[str, Spans], estimator: QualityEstimator
) -> dict[str, dict[str, float] | None]:
    """Per party the scores of its first 29 s of speech; None where it said too little.

    Args:
        source: the recording.
        speech: per party, `(from_ms, to_ms)` of its speech, in order.
        estimator: the loaded models.

    Raises:
        VigieError: the recording is gone or cannot be read any more.
    """
    heard = _speech_of(source, speech)
    return {party: estimator.estimate(samples) for party, samples in heard.items()}


def _speech_of(source: CallSource, speech: Mapping[str, Spans]) -> dict[str, Float32Array]:
    """float32 at 16 kHz of each party inside its spans, up to what the estimate reads."""
    kept: dict[str, list[Float32Array]] = {party: [] for party in speech}
    left = {party: int(SPEECH_S_MAX * WIDE_RATE_HZ) for party in speech}
    resamplers: dict[Party, FirResampler] = {}
    for now_ms, step in open_media(source).steps():
        if not any(left[party] > 0 and spans and spans[-1][1] > now_ms for party, spans in speech.items()):
            break
        for party, piece in step.items():
            wide = resamplers.setdefault(party, FirResampler(piece.rate_hz, WIDE_RATE_HZ)).push(piece.samples)
            for from_ms, to_ms in speech[party.value]:
                if from_ms < now_ms + CHUNK_MS and to_ms > now_ms and left[party.value] > 0:
                    start = max(0, from_ms - now_ms) * WIDE_RATE_HZ // 1000
                    stop = min(CHUNK_MS, to_ms - now_ms) * WIDE_RATE_HZ // 1000
                    kept[party.value].append(wide[start:stop])
                    left[party.value] -= len(wide[start:stop])
    return {party: np.concatenate(pieces or [np.zeros(0, np.float32)]) for party, pieces in kept.items()}


def told(quality: Mapping[str, Mapping[str, Any] | None]) -> str:
    """The overall estimates as the report says them: `agent 3.1, customer 2.4`."""
    return ", ".join(
        f"{party} {'unknown' if scores is None else scores['ovrl_mos']}" for party, scores in quality.items()
    )
