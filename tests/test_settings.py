"""Settings in layers: which wins, what is refused, and in what words."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from audio.errors import VigieError
from streams import settings
from streams.settings import FIELDS, Settings, load


def write(folder: Path, text: str) -> Path:
    path = folder / "vigie.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    write(tmp_path, 'broker = "file:1"\nprefix = "file."\nmodel = "small"\n')
    environ = {"VIGIE_BROKER": "environment:2", "VIGIE_PREFIX": "environment.", "VIGIE_SHARED": "unknown to us"}
    found = load({"broker": "flag:3", "prefix": None, "no setting": 1}, environ, tmp_path)
    assert (found.broker, found.prefix, found.model, found.group) == ("flag:3", "environment.", "small", "vigie")


def test_without_any_layer_the_defaults_hold(tmp_path: Path) -> None:
    assert load({}, {}, tmp_path) == Settings()


def test_every_kind_of_value_is_read_from_every_layer(tmp_path: Path) -> None:
    write(tmp_path, 'partitions = 6\nroles = ["listen"]\nca_file = "ca.pem"\n[retention_hours]\nalerts = 5\n')
    found = load({}, {}, tmp_path)
    assert (found.partitions, found.roles, found.retention_ms()) == (6, ("listen",), {"alerts": 18_000_000})
    assert found.ca_file == tmp_path / "ca.pem"
    environ = {
        "VIGIE_PARTITIONS": "7",
        "VIGIE_ROLES": "supervise, listen,supervise",
        "VIGIE_RETENTION_HOURS": "audio=2,alerts=3",
        "VIGIE_CA_FILE": "other.pem",
    }
    found = load({}, environ, tmp_path)
    assert (found.partitions, found.roles) == (7, ("supervise", "listen"))
    assert found.retention_hours == {"audio": 2, "alerts": 3}
    assert found.ca_file == Path("other.pem")


def test_flags_are_the_settings_names_and_a_missing_one_leaves_the_lower_layers(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser, *settings.KAFKA, *settings.CREATING, "roles")
    args = parser.parse_args(["--broker", "a:1", "--retention-hours", "audio=2", "--roles", "listen"])
    found = load(args, {"VIGIE_PARTITIONS": "3"}, tmp_path)
    assert (found.broker, found.partitions, found.retention_hours) == ("a:1", 3, {"audio": 2})
    assert found.roles == ("listen",)


@pytest.mark.parametrize(
    ("text", "field", "remedy"),
    [
        ('brokers = "a:1"', "brokers", "Did you mean broker?"),
        ("zzz = 1", "zzz", "Settings are: broker"),
        ('password = "x"', "password", "password_file"),
        ('partitions = "6"', "partitions", "whole number"),
        ("partitions = true", "partitions", "whole number"),
        ("partitions = 1.5", "partitions", "whole number"),
        ("partitions = -1", "partitions", "not negative"),
        ("broker = 1", "broker", "text"),
        ("roles = [1]", "roles", "words"),
        ("roles = []", "roles", "at least one"),
        ("retention_hours = 3", "retention_hours", "table"),
        ('retention_hours = {audio = "x"}', "retention_hours", "whole number"),
        ("ca_file = 3", "ca_file", "text"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_file_field_and_remedy(
    tmp_path: Path, text: str, field: str, remedy: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(VigieError) as caught:
        load({}, {}, tmp_path)
    assert (caught.value.where, caught.value.field) == (str(path), field)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("name", ["VIGIE_PARTITIONS", "VIGIE_RETENTION_HOURS"])
def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path, name: str) -> None:
    with pytest.raises(VigieError) as caught:
        load({}, {name: "x"}, tmp_path)
    assert caught.value.where == name


def test_a_mistake_in_a_flag_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(VigieError, match="--partitions"):
        load({"partitions": "x"}, {}, tmp_path)


def test_a_file_that_is_named_must_be_there_and_be_toml(tmp_path: Path) -> None:
    with pytest.raises(VigieError, match="cannot be read"):
        load({"config": tmp_path / "none.toml"}, {}, tmp_path)
    with pytest.raises(VigieError, match="cannot be read"):
        load({}, {"VIGIE_CONFIG": str(tmp_path / "none.toml")}, tmp_path)
    write(tmp_path, "broker = ")
    with pytest.raises(VigieError, match="not TOML"):
        load({}, {}, tmp_path)


def test_a_password_comes_from_its_file_or_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    found = load({"password_file": secret, "broker": "a:1", "security": "sasl_ssl", "user": "u"}, {}, tmp_path)
    assert found.password == found.connection().password == "s3cret"
    assert "s3cret" not in repr(found)
    assert load({"password_file": secret}, {"VIGIE_PASSWORD": "other"}, tmp_path).password == "other"


@pytest.mark.parametrize("text", ["", "\n", "two\nlines\n"])
def test_a_password_file_holds_one_line(tmp_path: Path, text: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text(text, encoding="utf-8")
    with pytest.raises(VigieError, match="password"):
        load({"password_file": secret}, {}, tmp_path)


def test_without_a_broker_there_is_no_connection() -> None:
    with pytest.raises(VigieError, match="no broker is named"):
        Settings().connection()


def test_every_setting_says_what_it_is() -> None:
    assert all(item.metadata["help"] and item.metadata["metavar"] for item in FIELDS.values())
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser, *FIELDS)
    text = parser.format_help()
    assert all("--" + name.replace("_", "-") in text for name in FIELDS)
    assert "(default: 9464)" in text
