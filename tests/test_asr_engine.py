"""Many calls, one model: whatever comes when, each utterance gets its own text, and nobody pays for another's fault."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio.whisper.batcher import BatchSettings
from audio.whisper.engine import Answer, BatchReport, Engine, GivenUpError
from audio.whisper.gates import Decoded
from audio.whisper.ladder import LadderSettings, Rung
from audio.whisper.request import Attempt, Request, TranscriberSettings, Transcript, Word
from audio.whisper.transcriber import DEMO_FOLDER, WhisperTranscriber, hear, load_transcriber
from audio.whisper.windows import WindowSettings
from tests.test_transcriber import OPEN_GATES, SETTINGS, random_whisper

SHORT = WindowSettings(floor_ms=400, margin_ms=200, margin_ms_loaded=100, step_ms=200)


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> WhisperTranscriber:
    folder = random_whisper(tmp_path_factory.mktemp("whisper"), seed=36)
    loaded = load_transcriber(str(folder), replace(SETTINGS, gates=OPEN_GATES, windows=SHORT, fallbacks=()))
    assert isinstance(loaded, WhisperTranscriber)
    return loaded


def speech(seed: int, seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * 16_000)) / 16_000
    tone = np.sin(2 * np.pi * (150 + 37 * seed) * time) * (np.sin(2 * np.pi * (2 + seed % 3) * time) > -0.3)
    return (0.2 * tone).astype(np.float32)


SOUNDS = [Request(speech(at, 0.3 + 0.13 * at), ("fr", "en", None)[at % 3], utterance_id=str(at)) for at in range(12)]


@pytest.fixture(scope="module")
def alone(babbler: WhisperTranscriber) -> list[Transcript]:
    said = [babbler.run([request])[0] for request in SOUNDS]
    assert len({transcript.text for transcript in said if transcript.text}) > 8, "it babbles differently of each"
    return said


@given(st.permutations(range(len(SOUNDS))), st.integers(1, len(SOUNDS)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_any_company_gives_each_utterance_its_own_text(
    babbler: WhisperTranscriber, alone: list[Transcript], order: list[int], size: int
) -> None:
    batches = replace(babbler.settings, batch=BatchSettings(size_max=size))
    together = WhisperTranscriber(babbler.decoder.model, "x", batches)
    heard = together.hear([SOUNDS[at] for at in order])
    for at, transcript in zip(order, heard, strict=True):
        assert isinstance(transcript, Transcript)
        assert (transcript.text, transcript.language) == (alone[at].text, alone[at].language)
        assert [word.word for word in transcript.words] == [word.word for word in alone[at].words]


def test_the_demonstration_model_says_the_same_in_batches_as_faster_whisper_does_alone() -> None:
    if not (DEMO_FOLDER / "model.bin").is_file():
        pytest.skip("the demonstration model is not in this tree")
    from streams.bench.contenders import OPEN_GATES as OPEN
    from streams.bench.speech import bundled_speech

    utterances = list(bundled_speech().utterances)[::4]
    options = TranscriberSettings(
        cpu_threads=1,
        device="cpu",
        word_timestamps=False,
        gates=OPEN,
        fallbacks=(),
        windows=WindowSettings(short=False),
    )
    whole = load_transcriber("demo", options)
    assert isinstance(whole, WhisperTranscriber)
    model: Any = whole.decoder.model
    whole.settings = replace(whole.settings, gates=OPEN)
    whole.decoder.settings = whole.settings
    heard = whole.hear([Request(u.samples, u.language) for u in utterances])
    different = []
    for utterance, ours in zip(utterances, heard, strict=True):
        segments, _ = model.transcribe(
            utterance.samples,
            language=utterance.language,
            beam_size=1,
            temperature=[0.0],
            without_timestamps=True,
            condition_on_previous_text=False,
            suppress_tokens=[],
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
        )
        text = " ".join(" ".join(segment.text for segment in segments).split())
        assert isinstance(ours, Transcript)
        different += [(text, ours.text)] if text != ours.text else []
    assert len(different) <= len(utterances) // 100, different


def test_an_utterance_of_more_than_30_s_is_heard_in_stretches(babbler: WhisperTranscriber) -> None:
    request = Request(speech(3, 31.0), "en")
    rows = babbler.decoder._rows(0, request)
    assert [(row.frames, row.seconds) for row in rows] == [(3_000, 30.0), (100, 1.0)]
    assert babbler.decoder.key(request).frames == 3_000
    rows[0].words, rows[1].words = (Word("one", 29.0, 29.5, 1.0),), (Word("two", 0.25, 0.5, 1.0),)
    rows[0].decoded = rows[1].decoded = Decoded(" said ", 1.0, -0.1, 0.1)
    joined = babbler.decoder._joined(rows)
    assert joined.text == "said said"
    assert [(word.word, word.start_s) for word in joined.words] == [("one", 29.0), ("two", 30.25)]
    assert isinstance(babbler.run([request])[0], Transcript)


def test_prompts_and_hotwords_are_heeded_and_keep_to_their_own_batch(babbler: WhisperTranscriber) -> None:
    plain, primed = Request(SOUNDS[0].samples, "fr"), Request(SOUNDS[0].samples, "fr", prompt="a b", hotwords="c" * 500)
    assert babbler.decoder.key(plain) != babbler.decoder.key(primed)
    prompt = babbler.decoder._prompt("fr", babbler.decoder.key(primed))
    assert len(prompt) <= babbler.settings.prompt_tokens_max + 5
    assert primed.hotwords[:3] in babbler.decoder._tokenizer("fr").decode(prompt[1:-4])
    first, second = babbler.hear([plain, primed])
    assert isinstance(first, Transcript)
    assert isinstance(second, Transcript)
    assert first.text == babbler.run([plain])[0].text
    assert first.text != second.text


def test_a_text_that_is_not_believed_is_tried_again_alone_and_says_so(babbler: WhisperTranscriber) -> None:
    model = babbler.decoder.model
    first = babbler.decoder.hear([SOUNDS[4]])[0]
    strict = replace(OPEN_GATES, log_prob_min=float(np.log(first.confidence)) + 1e-3)
    tried: list[int] = []
    tries = (Attempt(beam_size=3), Attempt(beam_size=5, no_repeat_ngram_size=2))
    again = WhisperTranscriber(model, "again", replace(babbler.settings, gates=strict, fallbacks=tries))
    inner = again.decoder._generate

    def generate(encoded: Any, rows: Any, budget: int, how: Attempt) -> Any:
        tried.append(how.beam_size)
        return inner(encoded, rows, budget, how)

    again.decoder._generate = generate  # type: ignore[method-assign]
    heard = again.run([SOUNDS[4]])[0]
    assert tried[:2] == [1, 3]
    assert heard.attempt == (0 if heard.dropped else len(tried) - 1)
    tried.clear()
    loaded = again.run([replace(SOUNDS[4], greedy=True)])[0]
    assert tried == [1], "under load there is no second try"
    assert loaded.dropped == "low_confidence"


# The engine -----------------------------------------------------------------------------------------------------------


@dataclass
class Model:
    """Stands for a transcriber: says an utterance's id; raises for some; may be held up."""

    settings: TranscriberSettings
    bad: frozenset[str] = frozenset()
    gate: threading.Event = field(default_factory=threading.Event)
    runs: list[list[str]] = field(default_factory=list)

    @property
    def decoder(self) -> Any:
        return self

    def key(self, request: Request) -> Any:
        from audio.whisper.decoder import BatchKey

        return BatchKey(1000 + len(request.prompt), 1, False, request.prompt, "")

    def unheard(self, request: Request) -> Transcript | None:
        return None if request.samples.size else Transcript("", None, 0.0, dropped="empty")

    def run(self, requests: Sequence[Request]) -> list[Transcript]:
        assert self.gate.wait(10)
        self.runs.append([request.utterance_id for request in requests])
        if any(request.utterance_id in self.bad for request in requests):
            raise RuntimeError("out of memory")
        return [Transcript(request.utterance_id, "en", 1.0) for request in requests]


class Answers:
    def __init__(self) -> None:
        self.by_id: dict[str, list[Answer]] = {}
        self.more = threading.Condition()

    def done(self, name: str) -> Any:
        def heard(answer: Answer) -> None:
            with self.more:
                self.by_id.setdefault(name, []).append(answer)
                self.more.notify_all()

        return heard

    def wait(self, count: int) -> None:
        with self.more:
            assert self.more.wait_for(lambda: sum(map(len, self.by_id.values())) >= count, 10)


def asked(name: str, prompt: str = "", size: int = 1_600, interim: bool = False) -> Request:
    return Request(np.zeros(size, np.float32), "en", prompt=prompt, utterance_id=name, interim=interim)


def engine_of(model: Model, clock: Any, **options: Any) -> Engine:
    return Engine(model, clock, workers=options.pop("workers", 2), **options)


@pytest.mark.parametrize("seed", range(4))
def test_a_model_that_raises_costs_only_the_utterance_it_fails_on(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    names = [f"u{number}" for number in range(60)]
    bad = frozenset(rng.sample(names, 7))
    model = Model(TranscriberSettings(batch=BatchSettings(window_ms=1, size_max=rng.randint(1, 8))), bad)
    model.gate.set()
    told: list[BatchReport] = []
    now = [0.0]
    engine, answers = engine_of(model, lambda: now[0], told=told.append), Answers()
    for number, name in enumerate(names):
        now[0] += rng.random() * 0.01
        assert engine.submit(asked(name, prompt="p" * (number % 3)), 1e9, answers.done(name))
    now[0] += 1.0
    answers.wait(len(names))
    engine.close()
    for name in names:
        (answer,) = answers.by_id[name]
        assert isinstance(answer, RuntimeError) if name in bad else answer.text == name  # type: ignore[union-attr]
    assert sum(report.size for report in told) == len(names)


def test_what_is_cancelled_is_not_heard_and_what_is_left_at_the_end_is_given_up() -> None:
    model = Model(TranscriberSettings(batch=BatchSettings(window_ms=1, size_max=1)))
    now = [0.0]
    engine, answers = engine_of(model, lambda: now[0], workers=1), Answers()
    items = {name: engine.submit(asked(name), due, answers.done(name)) for due, name in enumerate("abcd")}
    assert items["c"] is not None
    now[0] = 1.0
    engine.look()
    assert engine.cancel(items["c"])
    assert not engine.cancel(items["c"])
    closing = threading.Thread(target=engine.close)
    closing.start()
    answers.wait(1)
    model.gate.set()
    closing.join(10)
    assert not closing.is_alive()
    assert "c" not in answers.by_id
    kinds = Counter(type(answer).__name__ for (answer,) in answers.by_id.values())
    assert kinds["GivenUpError"] >= 1
    assert kinds["GivenUpError"] + kinds["Transcript"] == 3
    assert engine.submit(asked("e"), 0.0, answers.done("e")) is None


def test_the_queue_refuses_what_does_not_fit_and_silence_never_enters_it() -> None:
    model = Model(TranscriberSettings(batch=BatchSettings(window_ms=1_000_000, queue_bytes_max=20_000)))
    engine, answers = engine_of(model, lambda: 0.0, workers=1), Answers()
    taken = [engine.submit(asked(str(number)), 0.0, answers.done(str(number))) is not None for number in range(10)]
    assert taken == [True] * 3 + [False] * 7
    assert engine.waiting == 3
    assert engine.submit(asked("quiet", size=0), 0.0, answers.done("quiet"))
    assert answers.by_id["quiet"][0].dropped == "empty"  # type: ignore[union-attr]
    model.gate.set()
    engine.close()


def test_under_overload_interims_go_first_then_live_utterances_past_their_deadline_and_batch_never() -> None:
    rules = LadderSettings(wait_s=(1.0, 2.0, 3.0, 4.0), climb_s=0.0)
    model = Model(TranscriberSettings(batch=BatchSettings(window_ms=0, size_max=1)))
    now = [0.0]
    engine, answers = engine_of(model, lambda: now[0], workers=1, ladder=rules), Answers()
    engine.submit(asked("first"), 100.0, answers.done("first"))
    while engine.waiting:  # until the one thread has it, and is held up
        pass
    engine.submit(asked("look", interim=True), 1e9, answers.done("look"))
    engine.submit(asked("late"), 3.0, answers.done("late"))
    engine.submit(asked("soon"), 50.0, answers.done("soon"))
    engine.submit(asked("batch"), 0.5, answers.done("batch"), live=False)
    seen = []
    for tick in range(8):
        now[0] = tick * 1.0
        seen.append(engine.look())
    assert list(dict.fromkeys(seen)) == list(Rung)
    assert isinstance(answers.by_id["look"][0], GivenUpError)
    assert isinstance(answers.by_id["late"][0], GivenUpError)
    assert engine.submit(asked("more", interim=True), 1e9, answers.done("more")) is None
    model.gate.set()
    answers.wait(5)
    assert [answers.by_id[name][0].text for name in ("first", "soon", "batch")] == ["first", "soon", "batch"]  # type: ignore[union-attr]
    for _ in range(100):
        now[0] += 1.0
        engine.look()
    assert engine.rung == Rung.FULL
    engine.close()


def test_a_recording_is_asked_one_by_one_and_its_faults_are_answers() -> None:
    class Recorded:
        name, dropped = "r", Counter[str]()

        def transcribe(self, samples: Any, language: str | None, *, utterance_id: str = "") -> Transcript:  # noqa: ARG002
            if utterance_id == "bad":
                raise ValueError("no")
            return Transcript(utterance_id, language, 1.0)

    good, bad = hear(Recorded(), [asked("good"), asked("bad")])
    assert isinstance(good, Transcript)
    assert good.text == "good"
    assert isinstance(bad, ValueError)


def test_a_recorded_call_in_fixed_batches_says_what_it_says_one_by_one(babbler: WhisperTranscriber) -> None:
    from audio.chunk import Party
    from streams.events import CallInfo, SpeechPiece
    from streams.transcribe import BatchedTranscription, CallTranscription

    for language in ("fr", None):
        call = CallInfo("c", language=language)
        pieces = [
            SpeechPiece(
                "c", f"c:{at}", list(Party)[at % 2], at * 3_000, at * 3_000 + 900, request.samples, at * 3_000, language
            )
            for at, request in enumerate(SOUNDS)
        ]
        single, batched = CallTranscription(call, babbler), BatchedTranscription(call, babbler, size=5)
        one = [record for piece in pieces for record in single.push(piece)] + single.flush()
        many = [record for piece in pieces for record in batched.push(piece)] + batched.flush()
        assert [(r["utterance_id"], r["text"], r["language"]) for r in one] == [
            (r["utterance_id"], r["text"], r["language"]) for r in many
        ]
        assert any(record["text"] for record in one)
        state = single.state()
        again = CallTranscription(call, babbler)
        again.load_state(state)
        assert again.state() == state
