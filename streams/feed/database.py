"""The store's database: SQLite in a file by default, PostgreSQL by URL, at the newest migration."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from audio.errors import VigieError

MIGRATIONS = Path(__file__).parent / "migrations"
WRITERS_LOCK = 0x5649_4749
"""PostgreSQL's advisory lock by which writers of all instances take turns, so that events commit in their order."""
BUSY_MS = 15_000
SQLITE_CACHE_KB = 2_000
"""Of each connection; the system's cache of the file serves them all."""


class Database:
    """One store. Readers go on while a writer writes; writers take turns, over all instances.

    Raises:
        VigieError: the URL is none, or the database cannot be reached or brought to the newest migration.
    """

    def __init__(self, url: str) -> None:
        self.url = _url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        try:
            self.engine = _engine(self.url, self.sqlite)
            self._migrate()
        except (SQLAlchemyError, OSError) as error:
            raise _refused(self.url, error) from error
        self._turn = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that no other writer overlaps; it commits at the end, or leaves nothing."""
        with self._turn, self.engine.connect() as connection:
            if self.sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS_LOCK)))
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def scrub(self) -> None:
        """See that nothing of what was deleted is left in the files: neither in the index of words, which keeps a deleted
        text's words until its parts are merged, nor in the write-ahead log. PostgreSQL sees to it with its VACUUM."""
        if not self.sqlite:
            return
        with self.writing() as connection:
            connection.exec_driver_sql("INSERT INTO utterances_index(utterances_index) VALUES ('optimize')")
        with self._turn, self.engine.connect() as connection:
            # Waits for readers as long as any writer would.
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self.engine.dispose()

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.engine.connect() as connection:
            if not self.sqlite:
                # Two instances that start at once must not both migrate.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()


def existing(url: str) -> Database:
    """A store that is there already. Raises VigieError: an empty one, made where a name was mistyped, would know nothing."""
    path = Path(url).expanduser()
    if "://" not in url and not path.is_file():
        raise VigieError(
            "no store is there", remedy="Name the feed's own --database", where=str(path), field="database"
        )
    return Database(url)


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT of this database's dialect, which knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table)


def _url(text: str) -> sa.URL:
    """A URL, or the path of an SQLite file; PostgreSQL is reached through psycopg 3."""
    if "://" not in text:
        path = Path(text).expanduser()
        if not text.strip() or text == ":memory:":
            raise VigieError("that is no file", remedy="Give the path of a file", where=text[:80], field="database")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "Name a file in a folder that you may write to"
            raise VigieError(
                f"{path.parent} cannot be made ({error.strerror})", remedy=remedy, field="database"
            ) from None
        return sa.URL.create("sqlite", database=str(path))
    try:
        url = sa.make_url(text)
    except ArgumentError:
        remedy = "Give the path of a file, or postgresql://USER@HOST/NAME"
        raise VigieError(f"{text.split('@')[-1][:80]!r} is no database", remedy=remedy, field="database") from None
    if url.drivername.startswith("sqlite") and url.database in (None, "", ":memory:"):
        remedy = "Give the path of a file: the feed's threads share it"
        raise VigieError("that is no file", remedy=remedy, where=text[:80], field="database")
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        remedy = "Use SQLite (the path of a file) or PostgreSQL (postgresql://USER@HOST/NAME)"
        raise VigieError(f"{url.get_backend_name()} is not supported", remedy=remedy, field="database")
    return url


def _engine(url: sa.URL, sqlite: bool) -> sa.Engine:
    if not sqlite:
        return sa.create_engine(url, pool_size=12, max_overflow=12, pool_use_lifo=True, pool_pre_ping=True)
    # The connection used last is used first: each has a cache of its own, and a round through all of them fills them all.
    engine = sa.create_engine(
        url,
        pool_size=12,
        max_overflow=12,
        pool_use_lifo=True,
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        # The driver's own implicit BEGIN would come too late, and deferred.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "secure_delete=ON",
            f"busy_timeout={BUSY_MS}",
            f"cache_size=-{SQLITE_CACHE_KB}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _refused(url: sa.URL, error: Exception) -> VigieError:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()
    where = url.render_as_string(hide_password=True)
    remedy = "Check that it runs, and that this user may use it"
    if isinstance(error, NoSuchModuleError):
        remedy = "Use the path of an SQLite file, or postgresql://USER@HOST/NAME"
    return VigieError(
        f"the database cannot be used ({(reason or [type(error).__name__])[0][:200]})",
        remedy=remedy,
        where=where,
        field="database",
    )
