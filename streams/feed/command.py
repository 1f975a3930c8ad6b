"""`vigie feed`: the supervisors' page and API over the topics."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
from collections.abc import Iterator
from typing import Any

from audio.errors import VigieError
from streams import settings
from streams.feed import memory

DESCRIPTION = """Serve the supervisors' page and its API over the topics: live alerts, calls, history. What it shows is kept
in a store, which is rebuilt from the topics when it is lost."""
log = logging.getLogger("vigie.feed")
EXAMPLE = """examples:
  vigie feed --broker localhost:9092 --no-login
  vigie feed --broker localhost:9092 --database postgresql://vigie@db/vigie --evidence clips/
  vigie feed --rebuild --broker localhost:9092"""
NAMES = ("database", "feed_host", "feed_port", "feed_url", "group", "evidence", "words_days", "alerts_days") + (
    "secure_cookies",
    "oidc_issuer",
    "oidc_client_id",
    "oidc_secret_file",
    "oidc_claims",
    "oidc_label",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--rebuild", action="store_true", help="empty the store and read the topics from their beginning"
    )
    parser.add_argument("--no-login", action="store_true", help="nobody logs in; on a loopback address only")
    settings.add_arguments(parser, *NAMES, *settings.KAFKA)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted. Raises VigieError."""
    from streams.feed.absorb import Absorber
    from streams.feed.accounts import listed
    from streams.feed.api import Erasing
    from streams.feed.app import create_app
    from streams.feed.clips import FolderClips, NoClips
    from streams.feed.database import Database
    from streams.feed.forget import Expiry, Periods, clip_folder
    from streams.feed.kafka_source import KafkaSource
    from streams.feed.oidc import provider_from
    from streams.feed.sessions import Access
    from streams.feed.webhooks import Deliverer
    from streams.kafka.logs import set_up_logs
    from streams.kafka.topics import RETENTION_MS

    found = settings.load(args)
    check_address(found.feed_host, found.feed_port, no_login=args.no_login)
    memory.bound_arenas()
    connection = found.connection()
    database = Database(found.database)
    if args.rebuild:
        from streams.feed.rebuild import empty

        empty(database)
    provider = provider_from(found)
    if not args.no_login and provider is None and not listed(database):
        remedy = "Make one: vigie accounts add NAME --role admin. On this machine alone, --no-login also does"
        raise VigieError("there is no account yet", remedy=remedy, where=found.database)
    clips = FolderClips(found.evidence) if found.evidence else NoClips()
    absorber = Absorber(database, clips.describe)
    source = KafkaSource(connection, found.topics(), absorber, found.group)
    expiry = Expiry(database, Periods(found.words_days, found.alerts_days))
    deliverer = Deliverer(database)
    absorber.listen(deliverer.notice)
    set_up_logs("feed")
    source.start()
    expiry.start()
    deliverer.start()
    try:
        secure = cookies_are_secure(found.secure_cookies, found.feed_host)
        if secure and not _is_loopback(found.feed_host):
            log.warning("cookies are for https alone: put TLS before %s, or set secure_cookies: no", found.feed_host)
        other = {"name": provider.label, "url": "/oidc/start"} if provider is not None else None
        access = Access(database, loopback=args.no_login, secure=secure, oidc=other)
        erasing = Erasing(clip_folder(found.evidence), {**RETENTION_MS, **found.retention_ms()})
        app = create_app(database, absorber, source, clips, access=access, erasing=erasing, oidc=provider)
        print(f"http://{found.feed_host}:{found.feed_port}/", flush=True)
        serve(app, found.feed_host, found.feed_port)
    finally:
        source.stop()
        expiry.stop()
        deliverer.stop()
        database.close()
    return 0


def cookies_are_secure(setting: str, host: str) -> bool:
    """Raises VigieError for a setting that is none of the three."""
    if setting not in ("yes", "no", "auto"):
        raise VigieError(f"{setting[:40]!r} is no value of it", remedy="Use yes, no or auto", field="secure_cookies")
    return setting == "yes" or (setting == "auto" and not _is_loopback(host))


def check_address(host: str, port: int, *, no_login: bool) -> None:
    """Raises VigieError: without login only this machine may reach the page."""
    if not 0 < port < 65_536:
        raise VigieError(f"{port} is no port", remedy="Give 1 to 65535", field="feed_port")
    if no_login and not _is_loopback(host):
        remedy = "Leave out --no-login, or serve on 127.0.0.1"
        raise VigieError(f"without login, {host} would show calls to everyone", remedy=remedy, field="feed_host")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(app: Any, host: str, port: int) -> None:
    """Run the application until a signal. Raises VigieError where the port is taken."""
    import uvicorn

    _check_port(host, port)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        proxy_headers=False,
        server_header=False,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    memory.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run()


@contextlib.contextmanager
def serving(app: Any, host: str, port: int) -> Iterator[None]:
    """The application in a thread of its own, while the block runs."""
    import threading
    import time

    import uvicorn

    _check_port(host, port)
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="vigie-feed", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


def _check_port(host: str, port: int) -> None:
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise VigieError(
                f"{host}:{port} cannot be used ({error.strerror})", remedy="Name another --feed-port", field="feed_port"
            ) from None
