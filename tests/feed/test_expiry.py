"""What is too old goes, what is erased stays erased, and both say what they did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streams import cli
from streams.feed.clock import wall_ms
from streams.feed.forget import DAY_MS, Periods, expire
from streams.feed.rebuild import empty
from streams.feed.webhooks import add_webhook
from tests.feed.conftest import Store
from tests.feed.records import T0, alert, feedback, measurement, utterance, whole_call


def everything_in(store: Store) -> str:
    import sqlalchemy as sa

    from streams.feed.tables import metadata

    with store.database.reading() as connection:
        return "\n".join(str(connection.execute(sa.select(table)).all()) for table in metadata.sorted_tables)


def quoting(call_id: str) -> dict[str, Any]:
    """An alert that quotes what was said."""
    record = alert(call_id, f"{call_id}-w", rule_id="escalation-request")
    words = [{"text": "un responsable", "party": "customer"}]
    message = {"fr": "Le client demande un responsable : « parler à un responsable »"}
    return {**record, "evidence": {**record["evidence"], "words": words}, "message": message, "title": "Escalation"}


def test_words_expire_before_the_alerts_that_quote_them(store: Store) -> None:
    store.take(*whole_call("old"), ("alerts", quoting("old")), at=T0)
    store.take(*whole_call("new"), at=T0 + 40 * DAY_MS)
    told = expire(store.database, Periods(30, 400), T0 + 41 * DAY_MS)
    assert told["words"] == 1
    with store.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    left = everything_in(store)
    assert left.count("responsable") == left.count("je veux parler à un responsable") > 0
    assert "escalation-request" in left
    expire(store.database, Periods(30, 400), T0 + 500 * DAY_MS)
    assert "old" not in everything_in(store).replace("threshold", "").replace("hold", "")


def test_zero_days_keep_for_ever(store: Store) -> None:
    store.take(*whole_call("old"), at=T0)
    assert expire(store.database, Periods(0, 0), T0 + 10_000 * DAY_MS) == {"words": 0, "calls": 0}


def test_the_command_erases_a_call_with_its_clips_and_a_rebuilt_store_does_not_know_it(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from streams.kafka.clips import ClipFolder

    clips = ClipFolder(tmp_path / "clips", 30)
    path = clips.path("gone", "a", 1, "ogg")
    path.parent.mkdir()
    path.write_bytes(b"sound")
    store.take(*whole_call("gone"), *whole_call("kept"))
    command = ["forget", "gone", "--database", store.url, "--evidence", str(tmp_path / "clips")]
    assert cli.main(command) == 0
    told = capsys.readouterr().out
    assert "1 calls" in told
    assert "1 clips" in told
    assert "alerts (2160 h)" in told
    assert not path.exists()
    empty(store.database)
    store.take(*whole_call("gone"), *whole_call("kept"), at=wall_ms())
    from streams.feed.tables import calls

    with store.database.reading() as connection:
        assert list(connection.execute(calls.select().with_only_columns(calls.c.call_id)).scalars()) == ["kept"]


def test_the_accounts_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = ["--database", str(tmp_path / "feed.db")]
    secret = tmp_path / "password"
    secret.write_text("a long password\n")
    assert cli.main(["accounts", "list", *database]) == 0
    assert "no account yet" in capsys.readouterr().out
    add = ["accounts", "add", "amina", "--site", "rabat", "--password-from", str(secret), *database]
    assert cli.main(add) == 0
    assert cli.main(add) == 2
    assert cli.main(["accounts", "set", "amina", "--role", "admin", "--everywhere", *database]) == 0
    assert cli.main(["accounts", "token", "board", "--power", "alerts", "--days", "30", *database]) == 0
    assert "vigie_" in capsys.readouterr().out
    assert cli.main(["accounts", "list", *database]) == 0
    told = capsys.readouterr().out
    assert "admin" in told
    assert "all sites" in told
    assert "token board" in told
    assert cli.main(["accounts", "untoken", "board", *database]) == 0
    assert cli.main(["accounts", "remove", "amina", *database]) == 0
    assert cli.main(["accounts", "remove", "amina", *database]) == 2
    assert cli.main(["accounts", "add", *database]) == 2


def test_a_feed_without_accounts_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["feed", "--broker", "127.0.0.1:1", "--database", str(tmp_path / "feed.db")]
    assert cli.main(command) == 2
    assert "vigie accounts add" in capsys.readouterr().err
    assert cli.main([*command, "--no-login", "--feed-host", "0.0.0.0"]) == 2
    assert "--no-login" in capsys.readouterr().err


def test_nothing_of_an_erased_call_is_left_in_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While the feed runs, and reads: neither in free pages nor in the index of words nor in the write-ahead log."""
    store = Store(str(tmp_path / "feed.db"))
    add_webhook(store.database, "hook", "http://127.0.0.1:9/", inside=True, severity="info")
    for number in range(30):
        call_id, word = ("gone", "zebrafink") if number == 15 else (f"call-{number}", "amsel")
        store.take(("measurements", measurement(call_id, 0, attributes={"note": word})))
        store.take(*(("utterances", utterance(call_id, n, f"{word} and {n} other words")) for n in range(40)))
        quote = quoting(call_id)
        quote |= {"message": {"en": f"they said {word}", "fr": word}}
        store.take(("alerts", quote), ("feedback", {**feedback(quote["alert_id"], call_id, "noted"), "note": word}))

    def left(word: bytes) -> int:
        return sum(path.read_bytes().count(word) for path in tmp_path.iterdir())

    assert left(b"zebrafink") > 50
    with store.database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
        assert cli.main(["forget", "gone", "--database", str(tmp_path / "feed.db")]) == 0
    assert "40 utterances" in capsys.readouterr().out
    assert left(b"zebraf") == 0
    assert left(b"amsel") > 50
    store.database.close()
    assert left(b"zebraf") == 0


def test_erasing_from_a_store_that_is_not_there_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped --database must not end in an empty store that knows no such call."""
    wrong = tmp_path / "mistyped.db"
    assert cli.main(["forget", "c1", "--database", str(wrong)]) == 2
    assert "--database" in capsys.readouterr().err
    assert not wrong.exists()
    assert cli.main(["forget", " ", "--database", str(wrong)]) == 2


@pytest.mark.parametrize("name", ["", " ", ":memory:", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_is_no_file_is_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["feed", "--broker", "127.0.0.1:1", "--no-login", "--database", name]) == 2
    assert "path of a file" in capsys.readouterr().err
