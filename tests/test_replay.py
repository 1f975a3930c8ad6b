"""Finding calls, streaming them, worker processes that die, and runs that go on where they stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.chunk import Party
from audio.errors import VigieError
from streams.events import CallInfo
from streams.replay.media import chunks_of, open_media, read_events
from streams.replay.playback import EngineSetup, Step, play
from streams.replay.pool import Word, run_jobs
from streams.replay.results import Store, call_fingerprint
from streams.replay.runner import Run, WorkerSetup
from streams.replay.sources import CallSource, find_calls
from tests.replay_fakes import RATE_HZ, FakeEngine, events_beside, fake_player, refusing, write_wav


def source_of(*paths: Path, call_id: str = "x", agent_channel: str = "left") -> CallSource:
    return CallSource(CallInfo(call_id), " + ".join(p.name for p in paths), paths, agent_channel)


# --- which recordings are calls ---


def test_a_folder_gives_its_audio_in_one_order_and_counts_the_rest(tmp_path: Path) -> None:
    for name in ("b.wav", "a.WAV", "deep/c.wav", ".hidden/d.wav", "old/.vigie/e.wav"):
        write_wav(tmp_path / name, 0.1)
    for name in ("notes.txt", "a.WAV.events.json", "manifest.csv"):
        (tmp_path / name).write_text("[]")
    found = find_calls([tmp_path])
    assert [source.call.call_id for source in found.calls] == ["a", "b", "c"]
    assert found.ignored == 2
    assert [path.name for path in found.manifests_unused] == ["manifest.csv"]


@pytest.mark.parametrize("customer", ["x_caller.wav", "x_customer.wav", "X-client.wav"])
def test_two_one_sided_files_are_one_call(tmp_path: Path, customer: str) -> None:
    write_wav(tmp_path / "x_agent.wav", 0.1, 1)
    write_wav(tmp_path / customer, 0.1, 1)
    write_wav(tmp_path / "y_agent.wav", 0.1, 1)
    pair, alone = find_calls([tmp_path]).calls
    if not pair.is_pair:
        pair, alone = alone, pair
    assert [path.name for path in pair.paths] == ["x_agent.wav", customer]
    assert (pair.call.call_id, alone.call.call_id) == ("x", "y_agent")


def test_files_named_one_by_one_pair_up_as_well(tmp_path: Path) -> None:
    names = [write_wav(tmp_path / name, 0.1, 1) for name in ("x_caller.wav", "x_agent.wav")]
    [call] = find_calls(names).calls
    assert call.is_pair


def test_equal_stems_are_told_apart_by_their_path(tmp_path: Path) -> None:
    for name in ("mon/a.wav", "tue/a.wav", "tue/b.wav", "tue/b.flac.wav", "c.wav", "c.mp3"):
        write_wav(tmp_path / name, 0.1)
    ids = [source.call.call_id for source in find_calls([tmp_path]).calls]
    assert sorted(ids) == ["b", "b.flac", "c.mp3", "c.wav", "mon/a", "tue/a"]


def test_a_recording_named_twice_is_one_call(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 0.1)
    assert len(find_calls([tmp_path, path, path]).calls) == 1
    listed = [source_of(path, call_id="listed")]
    assert [source.call.call_id for source in find_calls([tmp_path], listed).calls] == ["listed"]


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(VigieError, match="no such file or folder"):
        find_calls([tmp_path / "none"])


# --- streams ---


def legs_of(source: CallSource) -> dict[Party, np.ndarray]:
    legs: dict[Party, list[np.ndarray]] = {}
    for _, step in open_media(source).steps():
        for party, piece in step.items():
            legs.setdefault(party, []).append(piece.samples)
    return {party: np.concatenate(pieces) for party, pieces in legs.items()}


def hz(samples: np.ndarray) -> int:
    spectrum = np.abs(np.fft.rfft(samples[:RATE_HZ].astype(float)))
    return int(np.argmax(spectrum) * RATE_HZ / len(samples[:RATE_HZ]))


@pytest.mark.parametrize(("channel", "agent_hz"), [("left", 300), ("right", 600)])
def test_the_agent_is_where_the_call_says(tmp_path: Path, channel: str, agent_hz: int) -> None:
    legs = legs_of(source_of(write_wav(tmp_path / "a.wav", 1.25), agent_channel=channel))
    assert hz(legs[Party.AGENT]) == agent_hz
    assert len(legs[Party.AGENT]) == len(legs[Party.CUSTOMER]) == 10_000


def test_one_channel_comes_as_the_customers_and_is_called_mono(tmp_path: Path) -> None:
    source = source_of(write_wav(tmp_path / "a.wav", 0.5, 1))
    assert open_media(source).mono
    assert set(legs_of(source)) == {Party.CUSTOMER}


def test_a_pair_may_have_two_rates_and_a_leg_that_closes_early(tmp_path: Path) -> None:
    agent = write_wav(tmp_path / "x_agent.wav", 1.0, 1)
    customer = write_wav(tmp_path / "x_caller.wav", 6.0, 1, rate_hz=16_000)
    steps = list(open_media(source_of(agent, customer)).steps())
    assert len(steps) == 60
    assert [len(chunks_of(*steps[at])) for at in (0, 29, 30)] == [2, 2, 1]
    assert not steps[29][1][Party.AGENT].samples.any()
    assert Party.AGENT not in steps[30][1]
    chunk = chunks_of(*steps[30])[0]
    assert (chunk.offset_samples, chunk.sample_rate_hz) == (48_000, 16_000)


@pytest.mark.parametrize("chunk_ms", [20, 60, 100, 250, 1_000])
def test_a_leg_that_closes_early_is_carried_on_the_same_way_however_it_is_cut(tmp_path: Path, chunk_ms: int) -> None:
    agent = write_wav(tmp_path / "x_agent.wav", 1.23, 1)
    customer = write_wav(tmp_path / "x_caller.wav", 6.01, 1, rate_hz=16_000)
    legs: dict[Party, list[np.ndarray]] = {Party.AGENT: [], Party.CUSTOMER: []}
    for now_ms, step in open_media(source_of(agent, customer)).steps(chunk_ms):
        for party, piece in step.items():
            assert sum(map(len, legs[party])) == now_ms * piece.rate_hz // 1000, "no hole"
            legs[party].append(piece.samples)
    heard = np.concatenate(legs[Party.AGENT])
    assert len(heard) == int(3.23 * RATE_HZ)
    assert heard[: int(1.23 * RATE_HZ)].any()
    assert not heard[int(1.23 * RATE_HZ) :].any()
    assert sum(map(len, legs[Party.CUSTOMER])) == int(6.01 * 16_000)


def test_a_file_of_a_pair_holds_one_party(tmp_path: Path) -> None:
    files = [write_wav(tmp_path / name, 0.2) for name in ("x_agent.wav", "x_caller.wav")]
    with pytest.raises(VigieError, match="holds one party"):
        open_media(source_of(*files))


def test_events_are_known_before_the_audio_of_their_moment(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 1.0)
    events_beside(path, [{"kind": "resume", "at_ms": 950}, {"kind": "hold", "at_ms": 300}])
    engine = FakeEngine()
    steps = list(play(source_of(path), engine))
    log = engine.monitors["x"].log
    assert log.index("hold 300") == log.index("audio 300") - 1
    assert log.index("resume 950") == log.index("audio 900") - 1
    assert log[-1] == "end 1000 recording_ended"
    assert steps[-1].outputs.summary is not None


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"kind": "holed", "at_ms": 1}, "[0].kind"),
        ({"kind": "hold", "at_ms": -1}, "[0].at_ms"),
        ({"kind": "hold"}, "[0].at_ms"),
        ({"kind": "hold", "at_ms": True}, "[0].at_ms"),
        ({"kind": "lost", "at_ms": 1, "until_ms": "2"}, "[0].until_ms"),
        ({"kind": "mute", "at_ms": 1, "party": "boss"}, "[0].party"),
    ],
)
def test_a_wrong_event_is_told_with_its_field(tmp_path: Path, item: dict[str, Any], field: str) -> None:
    path = tmp_path / "a.events.json"
    path.write_text(json.dumps([item]))
    with pytest.raises(VigieError) as caught:
        read_events(path)
    assert caught.value.field == field


def test_words_that_were_held_back_are_heard_before_the_end_is_told(tmp_path: Path) -> None:
    engine = FakeEngine()
    steps = list(play(source_of(write_wav(tmp_path / "a.wav", 1.5)), engine))
    assert [u["utterance_id"] for step in steps for u in step.utterances] == ["x:c1"]
    assert len(engine.monitors["x"].heard) == 1


def test_a_recording_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.flac.wav", 3.0)
    path.write_bytes(path.read_bytes()[: RATE_HZ * 4])
    last: Step = list(play(source_of(path), FakeEngine()))[-1]
    assert last.outputs.summary is not None
    assert last.warning is not None
    assert last.outputs.summary["coverage"]["state"] == "partial"
    assert last.outputs.summary["coverage"]["intervals"][-1]["reason"] == "recording_damaged"


# --- worker processes ---


def test_a_worker_that_refuses_its_setup_ends_the_run() -> None:
    with pytest.raises(VigieError, match="no such model") as caught:
        list(run_jobs([1, 2], refusing, None, 2))
    assert (caught.value.remedy, caught.value.field) == ("Name another", "--model")


def test_no_jobs_need_no_worker() -> None:
    assert list(run_jobs([], refusing, None, 2)) == []


# --- runs ---

NAMES = ("a", "b", "bug", "c", "killer")


def make_run(out: Path, calls: list[CallSource], workers: int) -> Run:
    store = Store(out)
    store.prepare()
    return Run(store, out, calls, [call_fingerprint(source, "run") for source in calls], workers)


def do(run: Run) -> Run:
    for _ in run.work(WorkerSetup(EngineSetup(), str(run.out)), task=fake_player):
        pass
    run.finish(title="test", footer="", ignored=0)
    return run


def outputs(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file() and path.name != "played.txt"}


def played(out: Path) -> list[str]:
    return sorted((out / "played.txt").read_text().split())


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for name in NAMES:
        write_wav(folder / f"{name}.wav", 1.2)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "header.wav").write_bytes(write_wav(folder / "a.wav", 1.2).read_bytes()[:44])
    (folder / "text.mp3").write_text("this is no audio at all, whatever its name says")
    return folder


@pytest.fixture(scope="module")
def first_run(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return do(make_run(tmp_path_factory.mktemp("one"), find_calls([recordings]).calls, 1))


def test_a_bad_file_a_bug_and_a_killed_worker_cost_one_line_each(first_run: Run) -> None:
    lines = [json.loads(line) for line in (first_run.out / "failures.ndjson").read_text().splitlines()]
    reasons = {Path(line["file"]).name: line["reason"] for line in lines}
    assert set(reasons) == {"bug.wav", "empty.wav", "header.wav", "killer.wav", "text.mp3"}
    assert "signal 9" in reasons["killer.wav"]
    assert "ValueError" in reasons["bug.wav"]
    assert all(line["remedy"] for line in lines)


def test_what_an_exception_says_of_a_call_is_in_no_output(first_run: Run) -> None:
    assert not any(b"secret word" in data for data in outputs(first_run.out).values())


def test_the_other_calls_are_done(first_run: Run) -> None:
    lines = (first_run.out / "alerts.ndjson").read_text().splitlines()
    assert [json.loads(line)["call_id"] for line in lines] == ["a", "b", "c"]


def test_the_number_of_workers_changes_no_byte(first_run: Run, recordings: Path, tmp_path: Path) -> None:
    other = do(make_run(tmp_path, find_calls([recordings]).calls, 2))
    mine, theirs = outputs(first_run.out), outputs(other.out)
    for name in ("alerts.ndjson", "utterances.ndjson", "calls.parquet"):
        assert mine[name] == theirs[name], name


def test_a_rerun_plays_no_finished_call_and_leaves_the_same_bytes(recordings: Path, tmp_path: Path) -> None:
    calls = [source for source in find_calls([recordings]).calls if source.call.call_id in "abc"]
    do(make_run(tmp_path, calls[:1], 1))
    do(make_run(tmp_path, calls, 1))
    before = outputs(tmp_path)
    do(make_run(tmp_path, calls, 2))
    assert played(tmp_path) == ["a", "b", "c"]
    assert outputs(tmp_path) == before


def test_a_recording_or_a_manifest_row_that_changed_is_done_anew(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "in" / "a.wav", 1.0)
    before = call_fingerprint(source_of(path), "run")
    assert call_fingerprint(source_of(path, agent_channel="right"), "run") != before
    assert call_fingerprint(source_of(path), "other rules") != before
    events_beside(path, [])
    with_events = call_fingerprint(source_of(path), "run")
    write_wav(path, 1.5)
    assert len({before, with_events, call_fingerprint(source_of(path), "run")}) == 3


def test_two_runs_into_one_folder_do_not_mix(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    with store.locked(), pytest.raises(VigieError, match="another replay"), Store(tmp_path).locked():
        pass


def test_notes_of_a_worker_come_before_its_result(recordings: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path, [source_of(recordings / "a.wav", call_id="a")], 1)
    words = [message.word for _, message in run.work(WorkerSetup(EngineSetup(), str(tmp_path)), task=fake_player)]
    assert words == [Word.NOTE, Word.DONE]
