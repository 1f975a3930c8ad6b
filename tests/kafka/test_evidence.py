"""`vigie worker --evidence` on a real broker: every alert of a replayed call gets its clip, with the card muted."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from kafka import KafkaProducer

from streams import cli
from streams.kafka import serde
from streams.kafka.connection import Connection
from streams.kafka.topics import Topics, create_topics
from tests.kafka.brokers import Broker
from tests.kafka.calls import CALLS, SOURCES, Gathered, write_transcripts
from tests.kafka.live import Listening, Worker

pytestmark = pytest.mark.slow
NAMES = ("en-card", "en-angry")
PATIENCE_S = 300
SAME = ("from_ms", "to_ms", "state", "muted", "files")


def found_in(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What the folder tells of its clips, by alert and revision."""
    told = {path: json.loads(path.read_text()) for path in folder.rglob("*.json")}
    return {(about["alert_id"], about["revision"]): {**about, "path": path} for path, about in told.items()}


def latest(found: Gathered) -> dict[str, dict[str, Any]]:
    """Each alert that names its audio, in its last revision."""
    alerts = sorted((json.loads(line) for line in found.result.alerts.values()), key=lambda a: int(a["revision"]))
    return {alert["alert_id"]: alert for alert in alerts if alert["evidence"].get("audio")}


def wait_for(folder: Path, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], dict[str, Any]]:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        clips = found_in(folder)
        if wanted <= set(clips):
            return clips
        assert time.monotonic() < deadline_s, f"missing: {wanted - set(clips)}"
        time.sleep(0.5)


def sound_of(about: dict[str, Any]) -> np.ndarray[Any, Any]:
    """int16 `(n, 2)` at the rate that the decoder gives, and n/ms."""
    path: Path = about["path"]
    (ending,) = [e for e in about["files"] if e in ("ogg", "wav")]
    assert {f"agent.{ending}", f"customer.{ending}"} <= set(about["files"])
    with av.open(str(path.with_name(path.name.removesuffix("json") + ending))) as container:
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=8000)
        frames = [f.to_ndarray() for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    return np.concatenate(frames, axis=1).reshape(-1, 2)


def say(broker: Broker, prefix: str, alert: dict[str, Any]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all")
    key = alert["call_id"].encode()
    producer.send(f"{prefix}calls.alerts", key=key, value=serde.encode_json("alert", alert)).get(timeout=60)
    producer.close()


def test_every_alert_has_its_clip_and_what_was_redacted_is_not_heard(
    broker: Broker, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [SOURCES[name] for name in NAMES]
    model = f"recorded:{write_transcripts(tmp_path / 'said.ndjson', sources)}"
    create_topics(Connection(broker.address), Topics(topic_prefix), partitions=4)
    folder = tmp_path / "clips"
    options = ["--evidence", str(folder)]
    worker = Worker(broker.address, topic_prefix, model, tmp_path / "log", *options)
    try:
        paths = [str(path) for name in NAMES for path in sorted(CALLS.glob(f"{name}*.*")) if path.suffix != ".json"]
        to = ["--to", broker.address, "--prefix", topic_prefix, "--speed", "max", "--json"]
        assert cli.main(["replay", *paths, *to]) == 0
        assert json.loads(capsys.readouterr().out)["calls_ended"] == len(NAMES)
        found = Listening(broker.address, topic_prefix).until(len(NAMES), PATIENCE_S)
        alerts = latest(found)
        assert alerts
        clips = wait_for(folder, {(key, alert["revision"]) for key, alert in alerts.items()})
        assert {about["state"] for about in clips.values()} == {"cut"}
        for about in clips.values():
            # Opus comes in whole packets.
            assert abs(len(sound_of(about)) / 8 - (about["to_ms"] - about["from_ms"])) < 100
            assert np.abs(sound_of(about)).max() > 300

        # Nobody complains about the card: an alert of our own plays it.
        (card,) = [
            (r["from_ms"], r["to_ms"])
            for line in found.result.utterances.values()
            for r in json.loads(line)["redactions"]
        ][:1]
        template = next(iter(alerts.values()))
        audio = {"from_ms": card[0], "to_ms": card[1]}
        ours = {**template, "alert_id": "card", "call_id": "en-card", "revision": 1}
        ours["evidence"] = {**template["evidence"], "audio": audio}
        say(broker, topic_prefix, ours)
        about = wait_for(folder, {("card", 1)})["card", 1]
        assert about["state"] == "cut"
        assert about["muted"]
        sound = sound_of(about).astype(np.float64)
        start, end = (ms - about["from_ms"] for ms in card)
        loudest = np.abs(sound).max()
        # An encoder rings a little at an edge.
        assert np.abs(sound[(start + 60) * 8 : (end - 60) * 8]).max() < loudest / 30
        assert loudest > 300
        assert worker.stop() == 0

        # Another worker knows the call from its row, and cuts nothing twice.
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
        worker = Worker(broker.address, topic_prefix, model, tmp_path / "log", *options, "--roles", "evidence")
        say(broker, topic_prefix, {**ours, "revision": 2})
        again = wait_for(folder, {("card", 2)})["card", 2]
        assert {key: again[key] for key in SAME} == {key: about[key] for key in SAME}
        assert worker.stop() == 0
        assert {path: path.stat().st_mtime_ns for path in before} == before
        # Its two parties together and each apart, a picture, and what it is.
        assert len(list(folder.rglob("*.*"))) == len(before) + 5
    finally:
        worker.kill()
    assert not [line for line in worker.lines() if line["level"] == "error" and line["logger"].startswith("vigie")]
