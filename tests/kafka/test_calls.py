"""Recordings as live calls, without a broker: what is sent, in which order, when, and under which id."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.chunk import Encoding, Party
from audio.codec import decode, encode
from audio.errors import VigieError
from audio.vad import SileroModel
from streams.alerts.rules import load_rules
from streams.events import CallInfo, Outputs, Record
from streams.kafka.calls import Plan, Planned, Script, keep_repeated
from streams.kafka.pacing import Pacer
from streams.kafka.records import AudioRecord, CallAudio, CallEnded, CallHappened, CallStarted
from streams.monitor import CallMonitor
from streams.replay.manifest import read_manifest
from streams.replay.sources import CallSource
from tests.replay_fakes import write_wav

CALLS = Path(__file__).resolve().parents[2] / "audio" / "synth" / "calls"


def script_of(path: Path, call_id: str = "x", chunk_ms: int = 100) -> Script:
    return Script(CallSource(CallInfo(call_id), path.name, (path,)), "live", chunk_ms)


def write_mulaw(path: Path, seconds: float) -> Path:
    """A µ-law WAV of two channels, every code in it."""
    codes = np.arange(round(seconds * 8000) * 2, dtype=np.uint8).tobytes()
    form = struct.pack("<HHIIHH", 7, 2, 8000, 16_000, 2, 8)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(codes)) + codes
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def sound_alerts(records: list[AudioRecord], silero: SileroModel) -> list[Record]:
    """What a monitor says to these records, with nobody to transcribe."""
    first = records[0]
    assert isinstance(first, CallStarted)
    monitor, out = CallMonitor(first.call, load_rules(None), silero), Outputs()
    for record in records[1:]:
        if isinstance(record, CallHappened):
            out.extend(monitor.event(record.event))
        elif isinstance(record, CallAudio):
            out.extend(monitor.add(record.chunk))
        elif isinstance(record, CallEnded):
            out.extend(monitor.end(record.at_ms, record.reason))
    return out.alerts


# --- a recording's records ---


def test_a_call_starts_speaks_and_ends(tmp_path: Path) -> None:
    items = list(script_of(write_wav(tmp_path / "a.wav", 0.25)).play("x"))
    assert isinstance(items[0].record, CallStarted)
    assert items[0].record.call == CallInfo("x", pace="live")
    assert [item.at_ms for item in items] == [0, 100, 200, 250, 250]
    assert items[-1].record == CallEnded("x", 250, "recording_ended", None)


@pytest.mark.parametrize("chunk_ms", [20, 100, 250])
def test_chunks_are_as_long_as_asked_and_hold_both_parties(tmp_path: Path, chunk_ms: int) -> None:
    items = script_of(write_wav(tmp_path / "a.wav", 1.0), chunk_ms=chunk_ms).play("x")
    chunks = [item.record.chunk for item in items if isinstance(item.record, CallAudio)]
    assert len(chunks) == 1000 // chunk_ms
    assert all(set(chunk.legs) == set(Party) for chunk in chunks)
    assert [chunk.offset_samples for chunk in chunks] == [i * chunk_ms * 8 for i in range(len(chunks))]


def test_g711_stays_g711_and_its_samples_stay_the_same(tmp_path: Path) -> None:
    path = write_mulaw(tmp_path / "a.wav", 0.1)
    chunk = next(i.record.chunk for i in script_of(path).play("x") if isinstance(i.record, CallAudio))
    assert chunk.encoding is Encoding.MULAW
    codes = path.read_bytes()[-1600::2]
    assert len(chunk.legs[Party.AGENT]) == 800
    assert np.array_equal(decode(chunk.legs[Party.AGENT], Encoding.MULAW), decode(codes, Encoding.MULAW))
    assert encode(decode(codes, Encoding.MULAW), Encoding.MULAW) == chunk.legs[Party.AGENT]


def test_an_event_is_sent_before_the_chunk_that_holds_its_moment(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 0.5)
    events = [{"kind": "hold", "at_ms": 100}, {"kind": "resume", "at_ms": 299}, {"kind": "hold", "at_ms": 9000}]
    (tmp_path / "a.wav.events.json").write_text(json.dumps(events))
    items = list(script_of(path).play("x"))
    kinds = [type(item.record).__name__[4:] for item in items]
    assert kinds == ["Started", "Audio", "Happened", "Audio", "Happened", "Audio", "Audio", "Audio", "Ended"]
    assert [item.at_ms for item in items if isinstance(item.record, CallHappened)] == [100, 299]


def test_a_recording_that_breaks_off_ends_there_and_says_so(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 2.0)
    path.write_bytes(path.read_bytes()[:-8000])
    script = script_of(path)
    last = list(script.play("x"))[-1].record
    assert isinstance(last, CallEnded)
    assert last.reason == "recording_damaged"
    assert "breaks off at" in (script.warning or "")


def test_nothing_is_sent_of_a_file_on_which_nothing_can_be_done(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(write_wav(tmp_path / "b.wav", 1.0).read_bytes()[:44])
    with pytest.raises(VigieError):
        next(script_of(tmp_path / "a.wav").play("x"))


@pytest.mark.slow
@pytest.mark.parametrize("chunk_ms", [40, 250])
def test_what_is_sent_gives_the_alerts_of_replay(silero: SileroModel, chunk_ms: int) -> None:
    sources, _ = read_manifest(CALLS / "manifest.csv")
    source = next(source for source in sources if source.call.call_id == "fr-hold-transfers")
    expected = sound_alerts([i.record for i in Script(source, "live", 100).play("x")], silero)
    got = sound_alerts([i.record for i in Script(source, "live", chunk_ms).play("x")], silero)
    assert expected
    assert got == expected


# --- which calls ---


def ids(plan: Plan, count: int = 100) -> list[str]:
    return [planned.call_id for planned, _ in zip(plan, range(count), strict=False)]


def test_recordings_are_played_once_under_their_own_ids() -> None:
    scripts = [script_of(Path("a.wav"), "a"), script_of(Path("b.wav"), "b")]
    assert ids(Plan(scripts)) == ["a", "b"]
    assert ids(Plan(scripts, suffix="-mon")) == ["a-mon", "b-mon"]
    assert ids(Plan(scripts, calls=5)) == ["a", "b", "a.2", "b.2", "a.3"]
    assert ids(Plan(scripts, calls=1)) == ["a"]
    assert ids(Plan(scripts, loop=True), 5) == ["a", "b", "a.2", "b.2", "a.3"]


def test_a_recording_that_cannot_be_used_is_not_tried_again_for_ever() -> None:
    plan = Plan([script_of(Path("a.wav"), "a")], loop=True)
    planned = iter(plan)
    assert next(planned).call_id == "a"
    plan.unusable.add("a")
    assert next(planned, None) is None


def test_a_repeated_recording_is_decoded_once_where_it_fits(tmp_path: Path) -> None:
    paths = [write_wav(tmp_path / f"{name}.wav", 1.0) for name in "ab"]
    scripts = [script_of(path, path.stem) for path in paths]
    first = [list(script.play("new")) for script in scripts]
    keep_repeated(scripts, bytes_max=40_000)  # one of them: 1 s of two parties in PCM16 is 32,000 bytes
    for path in paths:
        path.unlink()
    assert list(scripts[0].play("new")) == first[0]
    assert {item.record.call_id for item in first[0]} == {"new"}
    with pytest.raises(VigieError):
        next(scripts[1].play("new"))


# --- on the media clock ---


class Clock:
    """Time that passes only by waiting, and a little by working."""

    def __init__(self, work_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.work_s = work_s
        self.sent: list[tuple[float, float, AudioRecord]] = []

    def now(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds

    def emit(self, record: AudioRecord, due_s: float) -> None:
        self.sent.append((round(self.now_s - 100, 6), round(due_s - 100, 6), record))
        self.now_s += self.work_s


def planned(tmp_path: Path, *names: str, seconds: float = 1.0) -> list[Planned]:
    return [Planned(script_of(write_wav(tmp_path / f"{name}.wav", seconds)), name) for name in names]


def test_records_go_out_when_they_are_due_at_any_speed(tmp_path: Path) -> None:
    for speed in (1.0, 8.0):
        clock = Clock()
        pacer = Pacer(planned(tmp_path, "a", "b"), clock.emit, clock.now, clock.wait, speed=speed)
        pacer.run()
        assert all(at == due for at, due, _ in clock.sent)
        assert [due for _, due, _ in clock.sent] == sorted(due for _, due, _ in clock.sent)
        assert clock.sent[-1][0] == pytest.approx(1.0 / speed)
        assert (pacer.tally.ended, pacer.tally.media_ms) == (2, 2000)
    ends = [record.call_id for _, _, record in clock.sent if isinstance(record, CallEnded)]
    assert ends == ["a", "b"]


def test_a_late_producer_leaves_nothing_out_and_says_how_late_it_was(tmp_path: Path) -> None:
    clock = Clock(work_s=0.15)
    pacer = Pacer(planned(tmp_path, "a"), clock.emit, clock.now, clock.wait)
    pacer.run()
    assert sum(isinstance(record, CallAudio) for _, _, record in clock.sent) == 10
    assert [due for _, due, _ in clock.sent[1:-1]] == pytest.approx([i / 10 for i in range(1, 11)])
    assert pacer.tally.late_s_max == pytest.approx(11 * 0.15 - 1.0)


def test_starts_are_staggered(tmp_path: Path) -> None:
    clock = Clock()
    Pacer(planned(tmp_path, "a", "b", "c"), clock.emit, clock.now, clock.wait, speed=2.0, stagger_s=0.3).run()
    starts = [at for at, _, record in clock.sent if isinstance(record, CallStarted)]
    assert starts == pytest.approx([0, 0.3, 0.6])


def test_no_more_calls_than_asked_are_in_progress(tmp_path: Path) -> None:
    clock = Clock()
    Pacer(planned(tmp_path, "a", "b", "c"), clock.emit, clock.now, clock.wait, at_once=2).run()
    running: set[str] = set()
    for _, _, record in clock.sent:
        if isinstance(record, CallStarted):
            running.add(record.call_id)
        assert len(running) <= 2
        if isinstance(record, CallEnded):
            running.remove(record.call_id)
    starts = [at for at, _, record in clock.sent if isinstance(record, CallStarted)]
    assert starts == pytest.approx([0, 0, 1.0])


def test_at_full_speed_nothing_waits_and_calls_advance_together(tmp_path: Path) -> None:
    clock = Clock()
    Pacer(planned(tmp_path, "a", "b"), clock.emit, clock.now, clock.wait, speed=None).run()
    assert clock.now_s == 100.0
    assert [record.call_id for _, _, record in clock.sent[:4]] == ["a", "b", "a", "b"]
    assert len(clock.sent) == 2 * 12


def test_a_broken_file_stops_no_other(tmp_path: Path) -> None:
    calls = planned(tmp_path, "a", "b")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    clock = Clock()
    pacer = Pacer(calls, clock.emit, clock.now, clock.wait)
    pacer.run()
    assert [planned.call_id for planned, _ in pacer.tally.failed] == ["a"]
    assert pacer.tally.ended == 1
    assert {record.call_id for _, _, record in clock.sent} == {"b"}


def test_stopped_early_every_call_that_began_is_ended_where_it_is(tmp_path: Path) -> None:
    clock = Clock()
    pacer = Pacer(planned(tmp_path, "a", "b"), clock.emit, clock.now, clock.wait, stagger_s=5.0, until_s=0.45)
    pacer.run()
    assert pacer.in_progress == 1
    pacer.stop()
    assert clock.now_s == pytest.approx(100.45)
    assert clock.sent[-1][2] == CallEnded("a", 400, "producer_stopped", None)
    assert (pacer.tally.stopped, pacer.in_progress) == (1, 0)


def test_the_plan_is_asked_only_when_there_is_room(tmp_path: Path) -> None:
    asked: list[str] = []

    def endless() -> Iterator[Planned]:
        for call in planned(tmp_path, *(f"c{i}" for i in range(5))):
            asked.append(call.call_id)
            yield call

    clock = Clock()
    Pacer(endless(), clock.emit, clock.now, clock.wait, at_once=2, until_s=0.5).run()
    assert asked == ["c0", "c1"]
