"""The report: safe with any text, complete in itself, bounded, and honest about what it leaves out."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from audio.chunk import Party
from streams.events import CallInfo
from streams.replay import clips as clips_module
from streams.replay import report as report_module
from streams.replay.call_view import call_view, marked
from streams.replay.clips import Clip, ClipOrder, cut_clips, muted_spans, order_for
from streams.replay.outputs import Assembled, Totals, _count
from streams.replay.report import ReportData, render
from streams.replay.sources import CallSource, Failure
from streams.replay.spectrogram import picture_of
from streams.replay.timeline import timeline
from tests.replay_fakes import call_record, utterance, write_wav

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&{{js}}"


class Tags(HTMLParser):
    """Which elements and attributes a page has, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


CLIP = Clip("data:audio/ogg;base64,AAAA", "data:image/png;base64,AAAA")


def page(*records: dict[str, Any], failures: tuple[Failure, ...] = (), clip: Clip | None = None) -> str:
    done = Assembled(Totals(failed=len(failures)), [])
    for position, record in enumerate(records):
        _count(done, position, record)

    def details(position: int) -> tuple[dict[str, Any], dict[str, Clip]]:
        record = records[position]
        return record, {a["alert_id"]: clip for a in record["alerts"]} if clip else {}

    return render(ReportData("Replay of calls", done.totals, done.rows, failures, details))


def hostile_record() -> dict[str, Any]:
    record = call_record(HOSTILE)
    record["file"] = record["warning"] = HOSTILE
    summary = record["summary"]
    for name in ("agent", "queue", "site", "trunk", "language", "started_at"):
        summary[name] = HOSTILE
    summary["attributes"] = {HOSTILE: HOSTILE}
    summary["coverage"] = {
        "state": "partial",
        "intervals": [{"from_ms": 0, "to_ms": 900, "party": "agent", "reason": HOSTILE}],
    }
    alert = record["alerts"][0]
    alert |= {"rule_id": HOSTILE, "rule_version": HOSTILE, "message": {"en": HOSTILE, "fr": HOSTILE + "é"}}
    alert["evidence"]["words"] = [HOSTILE]
    alert["cause"]["for"] = [HOSTILE]
    record["utterances"] = [utterance(text=HOSTILE, language=HOSTILE, phrases=[], redactions=[])]
    return record


def test_hostile_names_and_words_stay_text() -> None:
    text = page(hostile_record(), failures=(Failure(HOSTILE, HOSTILE, HOSTILE),))
    seen = Tags(text).seen
    assert [tag for tag, _ in seen].count("script") == 1
    assert "img" not in [tag for tag, _ in seen]
    assert not [name for _, attrs in seen for name in attrs if name.startswith("on")]


def test_the_page_asks_nothing_of_anybody() -> None:
    text = page(call_record(), clip=CLIP)
    for tag, attrs in Tags(text).seen:
        assert tag not in ("link", "iframe", "object"), tag
        for name in ("src", "href", "action"):
            if name in attrs:
                assert re.match(r"#|data:", attrs[name] or ""), (tag, attrs[name])
    assert not re.search(r"url\(|@import|fetch\(|https?://", text)


def test_an_alert_explains_itself() -> None:
    text = call_view(call_record(), {"x-1": CLIP})
    for word in ("Nobody speaks", "Personne ne parle", "dead-air", "rule version 1", "mutual_silence_ms", "12.0 s"):
        assert word in text, word
    for word in ("10.0 s", "customer", "I want your supervisor", "technology", "holes", "trous", "<audio"):
        assert word in text, word


@pytest.mark.parametrize(
    ("value_ms", "told"), [(0, "0.0 s"), (1, "1 ms"), (99, "99 ms"), (100, "0.1 s"), (18_000, "18.0 s")]
)
def test_a_threshold_under_a_tenth_of_a_second_is_told_in_milliseconds(value_ms: int, told: str) -> None:
    record = call_record()
    record["alerts"][0]["evidence"] |= {"threshold": value_ms, "unit": "ms"}
    assert f"threshold <b>{told}</b>" in call_view(record, {})


def test_the_worst_call_comes_first() -> None:
    text = page(call_record("fine", alerts=0), call_record("bad", alerts=3), call_record("fair", alerts=1))
    assert re.findall(r"<b>(fine|bad|fair)</b>", text) == ["bad", "fair", "fine"]


def test_a_run_too_large_for_one_page_says_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "DETAILED_CALLS_MAX", 2)
    text = page(call_record("a"), call_record("b", alerts=2), call_record("c"))
    assert text.count("<details") == 2
    assert "The 2 calls of worst health are shown in full, of 3." in text


def test_clips_beyond_the_pages_size_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "CLIP_BYTES_MAX", 80)
    text = page(call_record("a", alerts=3), clip=CLIP)
    assert text.count("<audio") == 1
    assert "2 sound clips are left out" in text


def test_redactions_are_bars_and_trigger_words_are_lit() -> None:
    text = marked(utterance())
    assert '<span class="redacted" title="card">[card]</span>' in text
    assert '<mark title="escalation">your supervisor</mark>' in text


def test_a_span_that_does_not_fit_its_text_is_passed_over() -> None:
    assert marked(utterance(text="short")) == "short"


def test_one_channel_is_said_to_be_one_and_draws_one_lane() -> None:
    record = call_record()
    record["summary"]["mono"] = True
    svg = timeline(record, record["alerts"], "a")
    assert "one channel" in svg
    assert "speech agent" not in svg
    assert "who speaks when" in call_view(record, {})


def test_the_picture_shades_what_both_say_and_marks_the_alert() -> None:
    record = call_record()
    svg = timeline(record, record["alerts"], "a")
    for part in ('class="overlap"', 'class="hold"', 'class="mark warning"', 'href="#a-1"', "polyline"):
        assert part in svg, part


@pytest.mark.parametrize("duration_ms", [0, 1, 999, 60_000, 7_200_000])
def test_any_length_can_be_drawn(duration_ms: int) -> None:
    record = call_record()
    record["summary"]["duration_ms"] = duration_ms
    svg = timeline(record, record["alerts"], "a")
    assert 1 <= svg.count('class="tick"') <= 14


# --- clips ---


def heard(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.partition(",")[2])
    with av.open(io.BytesIO(data)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def source_of(path: Path) -> CallSource:
    return CallSource(CallInfo("x"), path.name, (path,))


def test_a_clip_holds_its_seconds_and_mutes_what_is_redacted(tmp_path: Path) -> None:
    source = source_of(write_wav(tmp_path / "a.wav", 5.0))
    order = ClipOrder(source, (("one", 1000, 4000),), (("agent", 2000, 3000), ("customer", 2000, 3000)))
    samples = heard(cut_clips(order)["one"].sound)
    rate_hz = 48_000
    assert samples.shape[1] / rate_hz == pytest.approx(3.0, abs=0.15)
    inside = samples[:, int(1.2 * rate_hz) : int(1.8 * rate_hz)]
    outside = samples[:, int(0.3 * rate_hz) : int(0.8 * rate_hz)]
    assert np.abs(inside).max() < 0.01 < np.abs(outside).max()


def test_muting_one_party_leaves_the_other() -> None:
    samples = np.ones(800, dtype=np.float32)
    kept = clips_module._muted(samples, 0, Party.AGENT, [("customer", 0, 100)])
    gone = clips_module._muted(samples, 0, Party.CUSTOMER, [("customer", 0, 100)])
    assert kept.all()
    assert not gone.any()


def test_of_a_long_fault_the_last_twenty_seconds_are_heard() -> None:
    record = call_record()
    record["summary"]["duration_ms"] = 100_000
    record["alerts"][0]["evidence"]["audio"] = {"from_ms": 10_000, "to_ms": 60_000}
    [(_, from_ms, to_ms)] = order_for(source_of(Path("a.wav")), record).spans
    assert (from_ms, to_ms) == (41_000, 61_000)


@pytest.mark.parametrize(
    ("fields", "spans"),
    [
        ({}, [("customer", 300, 500)]),
        ({"redactions": [{"kind": "card", "start": 0, "end": 1}]}, [("customer", 100, 900)]),
        ({"state": "given_up", "redactions": []}, [("customer", 100, 900)]),
        ({"state": "failed", "redactions": []}, [("customer", 100, 900)]),
        ({"state": "empty", "redactions": []}, []),
        ({"state": "empty", "reason": "repetition", "redactions": []}, [("customer", 100, 900)]),
        ({"redactions": []}, []),
    ],
)
def test_what_must_not_be_heard(fields: dict[str, Any], spans: list[tuple[str, int, int]]) -> None:
    assert muted_spans([utterance(**fields)]) == spans


def test_without_opus_a_clip_is_a_wave_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_opus(_: object) -> bytes:
        raise ValueError("no such codec")

    monkeypatch.setattr(clips_module, "_opus", no_opus)
    assert clips_module.data_uri(np.zeros((80, 2), dtype=np.int16)).startswith("data:audio/wav;base64,UklGR")


# --- pictures ---


def shade_of(uri: str) -> np.ndarray:
    with av.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as container:
        return next(container.decode(video=0)).to_ndarray(format="gray")


def test_a_picture_shows_a_tone_at_its_pitch_and_on_its_leg_only() -> None:
    time_s = np.arange(16_000) / 8_000
    tone = (0.3 * np.sin(2 * np.pi * 1_000 * time_s)).astype(np.float32)
    grey = shade_of(picture_of({Party.CUSTOMER: tone, Party.AGENT: np.zeros(8, np.float32)}))
    agent, customer = grey[:40, 5:-5].astype(int), grey[-40:, 5:-5].astype(int)
    assert agent.max() == 0
    bright = np.flatnonzero(customer.mean(axis=1) > 100)
    assert 0 < len(bright) <= 6
    assert 15 <= bright.mean() <= 28


def test_a_hole_in_the_sound_is_a_dark_column() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    noise[8_000:9_600] = 0
    customer = shade_of(picture_of({Party.CUSTOMER: noise}))[-40:].astype(int)
    columns = customer.mean(axis=0)
    middle = len(columns) * 8_800 // 16_000
    assert columns[middle] == 0
    assert columns[20] > 60


@pytest.mark.parametrize("seconds", [0.05, 20.0])
def test_a_picture_is_small_whatever_the_length_of_its_clip(seconds: float) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, int(seconds * 8_000)).astype(np.float32)
    picture = picture_of({Party.CUSTOMER: noise, Party.AGENT: noise})
    assert shade_of(picture).shape[1] <= 301
    assert len(picture) < 40_000
