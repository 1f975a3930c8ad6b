"""Interim texts: what is shown of an utterance before it is over, what is never shown, and that nothing hangs on it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from audio.chunk import Party
from audio.vad import SileroModel
from audio.whisper.request import Transcript
from audio.whisper.transcriber import RecordedTranscriber
from streams.alerts.rules import load_rules
from streams.events import CallInfo, InterimPiece, Outputs, SpeechPiece
from streams.interim import OpenUtterance, OpenUtterances, interim_record, mask
from streams.kafka import serde
from streams.kafka.records import CallAudio, CallEnded, CallHappened, interim_of, interim_piece_of
from streams.listen import Listener, ListenSettings
from streams.transcribe import CallTranscription
from tests.kafka.calls import SOURCES, records_of


def listened(silero: SileroModel, interim_ms: int, pace: str = "live") -> Outputs:
    """A bundled call through LISTEN."""
    call = dataclasses.replace(SOURCES["en-card"].call, pace=pace)
    listener = Listener(call, load_rules(None).for_call(call), silero, ListenSettings(interim_ms=interim_ms))
    out = Outputs()
    for record in records_of(SOURCES["en-card"]):
        match record:
            case CallAudio(chunk=chunk):
                out.extend(listener.add(chunk))
            case CallHappened(event=event):
                listener.event(event)
            case CallEnded(at_ms=at_ms):
                out.extend(listener.end(at_ms))
    return out


@pytest.fixture(scope="module")
def with_interims(silero: SileroModel) -> Outputs:
    return listened(silero, 1_000)


def test_interims_change_nothing_else_and_batch_calls_have_none(silero: SileroModel, with_interims: Outputs) -> None:
    plain = listened(silero, 0)
    assert not plain.interims
    assert not listened(silero, 1_000, pace="batch").interims
    assert json.dumps(plain.measurements) == json.dumps(with_interims.measurements)
    assert json.dumps(plain.alerts) == json.dumps(with_interims.alerts)
    assert [piece.utterance_id for piece in plain.speech] == [piece.utterance_id for piece in with_interims.speech]


def test_the_pieces_of_an_open_utterance_are_the_beginning_of_the_whole(with_interims: Outputs) -> None:
    whole = {piece.utterance_id: piece for piece in with_interims.speech}
    by_id: dict[str, list[InterimPiece]] = {}
    for interim in with_interims.interims:
        by_id.setdefault(interim.utterance_id, []).append(interim)
    assert set(by_id) <= set(whole)
    long = [piece for piece in with_interims.speech if piece.end_ms - piece.start_ms > 1_300]
    assert {piece.utterance_id for piece in long} <= set(by_id), "an utterance of over a second and a block has one"
    for utterance_id, pieces in by_id.items():
        assert [piece.part for piece in pieces] == list(range(len(pieces)))
        assert [piece.start_ms for piece in pieces] == [whole[utterance_id].start_ms] * len(pieces)
        joined = np.concatenate([piece.samples for piece in pieces])
        count = min(len(joined), len(whole[utterance_id].samples))
        assert count > 12_000
        assert np.array_equal(joined[:count], whole[utterance_id].samples[:count])


def test_a_piece_crosses_the_topic_as_it_is(with_interims: Outputs) -> None:
    piece = with_interims.interims[0]
    again = interim_piece_of(serde.decode_speech(serde.encode_speech(interim_of(piece))))  # type: ignore[arg-type]
    assert np.array_equal(again.samples, piece.samples)
    assert dataclasses.replace(again, samples=piece.samples) == piece


@pytest.mark.parametrize(
    ("text", "language", "shown"),
    [
        ("my card is four five three", "en", "my card is [number]"),
        ("mon code c'est douze", "fr", "mon code c'est [number]"),
        ("call me on 06 12", "en", "call me on [number]"),
        ("good morning madam", "en", "good morning madam"),
    ],
)
def test_a_number_is_masked_as_soon_as_it_begins(text: str, language: str, shown: str) -> None:
    assert mask(text, language) == shown


def opened(text_parts: int = 1, utterance_id: str = "c:a1") -> OpenUtterances:
    book = OpenUtterances()
    for part in range(text_parts):
        end_ms = 1_000 * (part + 1)
        book.add(InterimPiece("c", utterance_id, Party.AGENT, 0, end_ms, np.ones(160, np.float32), 0, "en", part))
    return book


def test_stable_words_are_counted_as_they_are_shown() -> None:
    one = opened().get("c:a1")
    assert one is not None
    first = interim_record("c", False, one, Transcript("my card is four", "en", 0.9))
    second = interim_record("c", False, one, Transcript("my card is four five three two please", "en", 0.9))
    assert first is not None
    assert second is not None
    assert (first["text"], first["stable_words"]) == ("my card is [number]", 0)
    assert (second["text"], second["stable_words"]) == ("my card is [number] please", 4)
    assert second["state"] == "interim"
    assert second["final"] is False
    serde.encode_json("utterance", second)
    assert interim_record("c", False, OpenUtterance("c:a2", Party.AGENT, 0, 1, "en"), Transcript("", "en", 0.0)) is None


def test_an_utterance_whose_beginning_is_not_known_is_not_shown() -> None:
    book = opened(2)
    assert len(book.fresh()) == 1
    book.add(InterimPiece("c", "c:a1", Party.AGENT, 0, 5_000, np.ones(160, np.float32), 0, "en", 4))
    assert book.fresh() == []
    book.add(InterimPiece("c", "c:a2", Party.AGENT, 0, 5_000, np.ones(160, np.float32), 0, "en", 1))
    assert book.fresh() == []
    assert book.held_bytes == 0


def test_nothing_is_shown_while_a_secret_may_be_on_its_way() -> None:
    call = CallInfo("c", language="en")
    said = {
        "c:a1": Transcript("could i have your card number please", "en", 0.9),
        "c:c1": Transcript("yes it is four five", "en", 0.9),
    }
    words = CallTranscription(call, RecordedTranscriber(said))
    book = OpenUtterances()
    book.add(InterimPiece("c", "c:c1", Party.CUSTOMER, 3_000, 4_000, np.ones(160, np.float32), 3_000, "en", 0))
    (one,) = book.fresh()
    assert words.interim_request(one) is not None
    glance = Transcript("yes it is", "en", 0.9)
    assert words.interim(one, glance) is not None
    words.push(SpeechPiece("c", "c:a1", Party.AGENT, 0, 2_000, np.ones(160, np.float32), 0, "en"))
    assert words.interim_request(one) is None
    assert words.interim(one, glance) is None, "asked before, and answered after the secret was asked for"
    assert words.interim(one, ValueError()) is None
