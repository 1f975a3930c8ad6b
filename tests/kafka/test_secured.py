"""Everything of a call through a broker that demands TLS and SCRAM: replay, worker and tail, as a user runs them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from streams.cli import main
from tests.kafka.brokers import Broker
from tests.kafka.live import Worker

pytestmark = pytest.mark.slow
CALL = Path(__file__).resolve().parents[2] / "audio" / "synth" / "calls" / "en-one-way.flac"
PATIENCE_S = 240


def test_a_call_goes_all_the_way_through_a_secured_broker(
    secured_broker: Broker, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secured = ["--security", "SASL_SSL", "--user", secured_broker.user]
    secured += ["--password-file", str(secured_broker.password_file), "--ca-file", str(secured_broker.ca_file)]
    reached = ["--broker", secured_broker.address, "--prefix", topic_prefix, *secured]
    worker = Worker(secured_broker.address, topic_prefix, "none", tmp_path / "worker.log", *secured, partitions=2)
    try:
        sending = ["replay", str(CALL), "--to", secured_broker.address, "--prefix", topic_prefix, "--speed", "max"]
        deadline_s = time.monotonic() + PATIENCE_S
        while not any(line["message"].startswith("assigned") for line in worker.lines()):
            assert worker.process.poll() is None
            assert time.monotonic() < deadline_s, "the worker never got its partitions"
            time.sleep(0.5)
        assert main([*sending, *secured]) == 0
        capsys.readouterr()
        lines: list[str] = []
        while not lines and time.monotonic() < deadline_s:
            assert main(["tail", "summaries", *reached, "--from", "beginning", "--until", "end", "--json"]) == 0
            lines = capsys.readouterr().out.splitlines()
            time.sleep(0.5)
        [summary] = [json.loads(line) for line in lines]
        assert summary["call_id"] == "en-one-way"
        assert main(["tail", "alerts", *reached, "--from", "beginning", "--until", "end", "--json"]) == 0
        rules = {json.loads(line)["rule_id"] for line in capsys.readouterr().out.splitlines()}
        assert "one-way-audio" in rules
        password = secured_broker.password_file.read_text().strip()
        assert password not in worker.log.read_text()
        assert worker.stop() == 0
    finally:
        worker.kill()
