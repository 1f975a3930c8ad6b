"""An utterance sounds the same to a transcriber whether it came by a function call or over a topic."""

from __future__ import annotations

import numpy as np

from audio.chunk import AudioChunk, Encoding, Party
from audio.codec import as_heard, as_sent, encode
from audio.vad import SileroModel
from streams.alerts.rules import load_rules
from streams.events import CallInfo
from streams.listen import Listener


def test_every_sixteen_bit_sample_comes_back_as_it_was() -> None:
    every = np.arange(-32_768, 32_768).astype(np.int16)
    assert (as_sent(as_heard(every)) == every).all()


def test_what_is_outside_the_range_is_cut_and_never_wraps_around() -> None:
    sent = as_sent(np.array([1.0, 1.5, -1.5, 0.99999], dtype=np.float32))
    assert sent.tolist() == [32_767, 32_767, -32_768, 32_767]


def test_the_pieces_of_a_call_are_whole_sixteen_bit_steps(silero: SileroModel, lca40: tuple[np.ndarray, ...]) -> None:
    agent, customer = (leg[: 8_000 * 30] for leg in lca40)
    listener = Listener(CallInfo("speech"), load_rules(None), silero)
    legs = {Party.AGENT: encode(agent, Encoding.PCM16), Party.CUSTOMER: encode(customer, Encoding.PCM16)}
    pieces = listener.add(AudioChunk(0, 8_000, Encoding.PCM16, legs)).speech + listener.end().speech
    assert pieces
    for piece in pieces:
        assert piece.samples.dtype == np.float32
        assert (as_heard(as_sent(piece.samples)) == piece.samples).all()
