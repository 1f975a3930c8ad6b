"""The AsyncAPI document: it says what the topics are, and the official parser, which stands before every generator, takes it.

The parser is Node's: `npm install --prefix tests/asyncapi` fetches it (.ci/run does).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import schemas
from streams.kafka.lines import JSON_TOPICS
from streams.kafka.topics import SHORT_NAMES, Topics, specs

TOOL = Path(__file__).parent / "asyncapi"
DOCUMENT = Path(schemas.__file__).parent / "asyncapi.yaml"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    return loaded


def test_its_channels_are_the_topics_with_their_retention(document: dict[str, Any]) -> None:
    channels = document["channels"]
    assert sorted(channels) == sorted(SHORT_NAMES)
    made = {spec.name: spec for spec in specs(Topics())}
    for short, channel in channels.items():
        configs = channel["bindings"]["kafka"]["topicConfiguration"]
        assert channel["address"] == Topics().name(short)
        assert str(configs["retention.ms"]) == made[channel["address"]].configs["retention.ms"]
        assert configs["cleanup.policy"] == [made[channel["address"]].configs["cleanup.policy"]]


def test_every_topic_carries_the_schema_that_is_checked_on_it(document: dict[str, Any]) -> None:
    wanted = {topic: f"./{name}.schema.json" for topic, name in JSON_TOPICS.items()}
    wanted |= {name: f"./{name}.avsc" for name in schemas.AVRO_NAMES}
    for short, channel in document["channels"].items():
        ((name, reference),) = channel["messages"].items()
        assert reference == {"$ref": f"#/components/messages/{name}"}
        payload = document["components"]["messages"][name]["payload"]
        schema = payload.get("schema", payload)
        assert schema == {"$ref": wanted[short]}
        assert (DOCUMENT.parent / schema["$ref"]).is_file()


def test_every_topic_is_used_by_an_operation(document: dict[str, Any]) -> None:
    used = {operation["channel"]["$ref"].rpartition("/")[2] for operation in document["operations"].values()}
    assert used == set(SHORT_NAMES)


def read_by_the_parser(document: Path) -> dict[str, Any]:
    missing = "no node" if shutil.which("node") is None else ""
    if not missing and not (TOOL / "node_modules").is_dir():
        missing = "no parser: npm install --prefix tests/asyncapi"
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing}; .ci/run installs it")
    if missing:
        pytest.skip(missing)
    command = ["node", "check.mjs", str(document)]
    done = subprocess.run(command, cwd=TOOL, capture_output=True, text=True, timeout=300, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_official_parser_takes_it_with_all_its_schemas() -> None:
    assert read_by_the_parser(DOCUMENT) == {
        "channels": list(map(Topics().name, SHORT_NAMES)),
        "payloads": len(SHORT_NAMES),
        "problems": [],
    }


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("action: receive", "action: listen"), ("./audio.avsc", "./none.avsc"), ("#/channels/audio", "#/channels/none")],
)
def test_the_official_parser_refuses_a_wrong_one(tmp_path: Path, right: str, wrong: str) -> None:
    for path in DOCUMENT.parent.iterdir():
        if path.suffix in (".json", ".avsc"):
            shutil.copy(path, tmp_path)
    text = DOCUMENT.read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "asyncapi.yaml").write_text(text.replace(right, wrong), encoding="utf-8")
    assert read_by_the_parser(tmp_path / "asyncapi.yaml")["problems"]
