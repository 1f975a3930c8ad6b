"""docker/: what can be held without a Docker engine. The files agree with the code, and let nobody in unasked."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams import settings
from streams.kafka import worker
from streams.kafka.broker_files import kafka_version
from streams.kafka.metrics import Metrics

DOCKER = Path(__file__).resolve().parent.parent / "docker"
ROOT = DOCKER.parent
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("vigie:")}
WORKERS = {name: service for name, service in OURS.items() if service["command"][0] == "worker"}
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / "vigie.json").read_text(encoding="utf-8"))
OF_PROMETHEUS = {"instance", "job", "le"}
"""Labels that every scrape or every histogram has."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_locked_up(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].partition(":")[0] not in ("", "0", "root")
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged", False)
    assert "network_mode" not in service
    assert set(service["networks"]) <= set(COMPOSE["networks"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_and_a_pinned_image(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["healthcheck"]["retries"] >= 3
    tag = service["image"].partition(":")[2]
    assert name in OURS or re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_bound_to_loopback(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), port


def test_calls_and_metrics_stay_inside() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {name for name, service in WORKERS.items() if "outside" in service["networks"]} <= {"transcribe"}
    assert not [name for name, service in WORKERS.items() if service.get("ports")]


def test_no_secret_is_in_the_files() -> None:
    secret = re.compile(r"password|passwd|secret|token|api_?key|credential", re.IGNORECASE)
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if secret.search(variable):
                assert variable.endswith("__FILE"), f"{name}: {variable}"
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"
    for declared in COMPOSE["secrets"].values():
        assert set(declared) == {"file"}
    assert not [line for line in DOCKERFILE.splitlines() if line.startswith(("ARG", "ENV")) and secret.search(line)]
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_every_file_that_is_mounted_is_there() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    paths = [volume.partition(":")[0] for volume in mounted]
    assert [path for path in paths if path.startswith("./")]
    for path in paths:
        assert (DOCKER / path).exists() if path.startswith("./") else path in COMPOSE["volumes"], path


def test_there_is_a_worker_for_every_role_and_each_command_is_one() -> None:
    parser = argparse.ArgumentParser()
    worker.add_arguments(parser)
    roles: list[str] = []
    for service in WORKERS.values():
        assert service["command"][0] == "worker"
        roles += settings.load(parser.parse_args(service["command"][1:]), environ={}, folder=DOCKER).roles
    assert sorted(roles) == sorted(worker.ROLES)


@pytest.mark.parametrize("name", WORKERS)
def test_what_a_worker_is_told_by_the_environment_is_a_setting(name: str) -> None:
    told = {key: str(value) for key, value in WORKERS[name]["environment"].items()}
    plain = {key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for key, value in told.items()}
    known = {settings.PREFIX + field.upper() for field in settings.FIELDS}
    assert set(plain) <= known
    loaded = settings.load({}, environ=plain, folder=DOCKER)
    assert loaded.broker == "kafka:19092"
    assert "INSIDE://kafka:19092" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f":{loaded.metrics_port}/healthz" in str(WORKERS[name]["healthcheck"]["test"])


def test_the_page_asks_for_a_login_and_is_healthy_where_it_is_served() -> None:
    service = SERVICES["feed"]
    assert service["command"] == ["feed"]
    plain = {key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for key, value in service["environment"].items()}
    loaded = settings.load({}, environ=plain, folder=DOCKER)
    assert f":{loaded.feed_port}/healthz" in str(service["healthcheck"]["test"])
    assert service["ports"][0].endswith(f":{loaded.feed_port}")
    assert str(loaded.evidence) == SERVICES["evidence"]["environment"]["VIGIE_EVIDENCE"]


def test_prometheus_looks_where_the_workers_answer() -> None:
    config = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (found,) = (sd for job in config["scrape_configs"] for sd in job["dns_sd_configs"])
    assert sorted(found["names"]) == sorted(WORKERS)
    assert {service["environment"]["VIGIE_METRICS_PORT"] for service in WORKERS.values()} == {found["port"]}
    assert f"EXPOSE {found['port']}" in DOCKERFILE


def test_the_broker_is_the_kafka_of_vigie_broker() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_version()}"


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users[-1] == "10001:10001"
    assert {service["user"] for service in OURS.values()} == {users[-1]}
    assert re.search(r"^HEALTHCHECK ", DOCKERFILE, re.MULTILINE)
    assert "index-url" not in DOCKERFILE


def test_what_the_image_copies_is_let_through() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    copied = [
        path
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for path in line.split()[:-1]
    ]  # fmt: skip
    assert copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignored, path


# --- the dashboard ---


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def known_metrics() -> dict[str, set[str]]:
    """Each series that a worker exports, with its labels."""
    known: dict[str, set[str]] = {}
    for collector in vars(Metrics("listen")).values():
        if not hasattr(collector, "describe"):
            continue
        for family in collector.describe():
            endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
            for ending in endings:
                known[family.name + ending] = set(collector._labelnames)
    return known


def test_every_metric_of_the_dashboard_is_one_that_a_worker_exports() -> None:
    known, used = known_metrics(), set()
    for query in queries():
        for name, selector in re.findall(r"\b(vigie_\w+)(?:\{([^}]*)\})?", query):
            used.add(name)
            assert name in known, query
            labels = set(re.findall(r"(\w+)\s*!?=~?", selector))
            assert labels <= known[name] | OF_PROMETHEUS, query
        grouped = {label for labels in re.findall(r"by \(([^)]*)\)", query) for label in re.split(r",\s*", labels)}
        names = set(re.findall(r"\bvigie_\w+", query))
        assert all(grouped <= known[name] | OF_PROMETHEUS for name in names), query
    assert len(used) > 12


@pytest.mark.parametrize(
    "name",
    ["alert_latency_seconds", "lag_records", "calls_open", "calls", "utterances_waiting", "dead_letters", "restarts"],
)
def test_the_dashboard_shows_what_an_operator_watches(name: str) -> None:
    assert [query for query in queries() if re.search(rf"\bvigie_{name}(_total|_bucket)?\b", query)]


def test_panels_do_not_overlap_and_say_what_they_are() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & mine, panel["title"]
        cells |= mine
        assert panel["title"]
        assert panel["targets"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    source = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8"))
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["datasources"][0]["uid"]}
