"""The benchmark of transcription: its arithmetic, its speech, and one small run for real."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from audio.whisper.batcher import BatchSettings
from audio.whisper.decoder import BatchDecoder
from audio.whisper.transcriber import DEMO_FOLDER
from audio.whisper.windows import DEMO_WINDOWS
from streams.bench.asr import word_errors
from streams.bench.contenders import Plan, measure
from streams.bench.queueing import Server, calls_carried, latency, percentile, simulate
from streams.bench.sizes import write_model
from streams.bench.speech import Arrival, Speech, Utterance, live_arrivals, load_speech, save_speech
from streams.cli import main


def utterance(seconds: float, end_ms: int, call: str = "c") -> Utterance:
    return Utterance(call, "agent", "en", end_ms, end_ms + 600, np.zeros(int(seconds * 16_000), np.float32))


SPEECH = Speech([utterance(2.0, 3_000), utterance(1.0, 8_000)], {"c": 10_000}, {("c", "agent"): "hello there"})


def server(seconds: float, workers: int = 1, size: int = 1) -> Server:
    batch = BatchSettings(window_ms=0, size_max=size)
    return Server(workers, batch, lambda _: 1000, {(1000, 1): seconds, (1000, size): seconds})


def test_an_idle_server_adds_its_own_time_and_a_busy_one_the_queue() -> None:
    one = utterance(1.0, 0)
    arrivals = [Arrival(0.0, 0.5, one), Arrival(0.1, 0.6, one), Arrival(5.0, 5.5, one)]
    latencies, sizes = simulate(server(1.0), arrivals)
    assert latencies == pytest.approx([1.5, 2.4, 1.5])
    assert sizes == [1, 1, 1]
    latencies, _ = simulate(server(1.0, workers=2), arrivals)
    assert latencies == pytest.approx([1.5, 1.5, 1.5])


def test_what_comes_while_the_server_is_busy_shares_the_next_batch() -> None:
    one = utterance(1.0, 0)
    arrivals = [Arrival(0.0, at, one) for at in (0.0, 0.1, 0.2, 0.3)]
    latencies, sizes = simulate(server(1.0, size=8), arrivals)
    assert sizes == [1, 3]
    assert latencies == pytest.approx([1.0, 2.0, 2.0, 2.0])


def test_capacity_is_where_the_queue_begins_to_grow() -> None:
    # Two utterances in 10 s, 0.5 s each: a server is full with 10 calls.
    full = server(0.5).calls_full(SPEECH)
    assert full == pytest.approx(10)
    carried = calls_carried(server(0.5), SPEECH, 2.5)
    assert 5 <= carried <= 10
    assert latency(server(0.5), SPEECH, carried, 120.0).p95_s < 2.5 <= latency(server(0.5), SPEECH, 14, 120.0).p95_s
    assert calls_carried(server(3.0), SPEECH, 2.5) == 0


def test_times_between_two_measured_sizes_lie_between_theirs() -> None:
    known = Server(1, BatchSettings(size_max=8), lambda _: 1000, {(1000, 1): 1.0, (1000, 4): 2.5})
    assert [known.seconds(1000, size) for size in (1, 2, 4, 8)] == pytest.approx([1.0, 1.5, 2.5, 2.5])


def test_simulated_calls_speak_as_often_as_the_recorded_ones() -> None:
    arrivals = live_arrivals(SPEECH, 50, 200.0, random.Random(1))
    assert len(arrivals) == pytest.approx(50 * 200 / 10 * 2, rel=0.02)
    assert [a.at_s for a in arrivals] == sorted(a.at_s for a in arrivals)
    assert all(a.at_s - a.end_s == pytest.approx(0.6) for a in arrivals)


def test_speech_is_the_same_after_it_was_written(tmp_path: Path) -> None:
    save_speech(SPEECH, tmp_path / "speech.npz")
    again = load_speech(tmp_path / "speech.npz")
    assert [u.end_ms for u in again.utterances] == [3_000, 8_000]
    assert again.said == SPEECH.said
    assert again.seconds == SPEECH.seconds == 3.0
    assert again.share == pytest.approx(0.3)


def test_word_errors_count_what_is_left_out_put_in_and_replaced() -> None:
    assert word_errors(["a", "b", "c", "d"], ["a", "x", "c"]) == 2
    assert word_errors([], ["a"]) == 1
    assert percentile([], 0.5) != percentile([], 0.5)


def test_a_model_of_true_size_is_one_that_faster_whisper_takes(tmp_path: Path) -> None:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(write_model(tmp_path, "tiny")), device="cpu", compute_type="int8", cpu_threads=1)
    assert model.model.is_multilingual
    assert model.model.n_mels == 80
    assert model.hf_tokenizer.get_vocab_size() == 51_865


def test_a_run_on_the_demonstration_model_tells_all_and_writes_the_capacity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(1).standard_normal(20_000).astype(np.float32) * 0.05
    speech = Speech([Utterance("c", "agent", "en", 2_000, 2_600, noise)], {"c": 5_000}, {("c", "agent"): "hello"})
    save_speech(speech, tmp_path / "speech.npz")
    arguments = ["bench", "asr", "--speech", str(tmp_path / "speech.npz"), "--rounds", "1", "--only", "c,d,e", "--json"]
    assert main([*arguments, "--out", str(tmp_path / "capacity.json")]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["differences"] == []
    assert set(result["outcomes"]) == {"c", "d", "e"}
    assert set(result["latencies"]) == set(result["capacity"]) == {"c", "d"}, "an encoder tells nobody anything"
    assert result["capacity"]["d"] >= result["capacity"]["c"]
    assert json.loads((tmp_path / "capacity.json").read_text())["calls"] == result["capacity"]["d"]


def test_the_encoder_alone_encodes_the_whole_window_of_every_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    monkeypatch.setattr(BatchDecoder, "encode", lambda _, window: shapes.append(window.shape))
    plan = Plan(str(DEMO_FOLDER), "cpu", "int8", 2, DEMO_WINDOWS, None, suppress_default=False, batch_size=2)
    samples = np.zeros(20_000, np.float32)
    speech = [Utterance("c", "agent", "en", 0, 1_250, samples) for _ in range(5)]
    assert measure("e", plan, speech, warm=0).texts == [""] * 5
    assert sorted(shapes) == [(1, 80, 3_000), (2, 80, 3_000), (2, 80, 3_000)]


def test_what_a_worker_raises_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(BatchDecoder, "encode", broken)
    plan = Plan(str(DEMO_FOLDER), "cpu", "int8", 2, DEMO_WINDOWS, None, suppress_default=False)
    with pytest.raises(RuntimeError, match="no memory"):
        measure("e", plan, [Utterance("c", "agent", "en", 0, 1_250, np.zeros(20_000, np.float32))], warm=0)


@pytest.mark.parametrize("arguments", [["--sizes", "huge"], ["--only", "z"]])
def test_a_size_or_contender_that_is_none_is_a_users_mistake(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_speech(SPEECH, tmp_path / "speech.npz")
    assert main(["bench", "asr", "--speech", str(tmp_path / "speech.npz"), *arguments]) == 2
    assert "vigie: " in capsys.readouterr().err
