"""The manifest: a CSV that says whose calls the recordings are.

Columns: `call_id, file, agent_file, customer_file, agent_channel, agent, queue, site, trunk, language, started_at`;
either `file` or the pair. Any other column is kept as an attribute of the call. Comma, semicolon or tab separate (a
spreadsheet in French or Portuguese writes semicolons). Paths are relative to the manifest's own folder.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from audio.errors import VigieError
from streams.events import CallInfo
from streams.replay.sources import CallSource, Failure, display_path

COLUMNS = ("call_id", "file", "agent_file", "customer_file", "agent_channel") + (
    "agent",
    "queue",
    "site",
    "trunk",
    "language",
    "started_at",
)
LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*", re.IGNORECASE)
"""A tag like fr, fr-MA or pt_BR (BCP 47, as far as call centres use it)."""


def read_manifest(
    path: Path, *, language: str | None = None, agent_channel: str = "left"
) -> tuple[list[CallSource], list[Failure]]:
    """The calls that a manifest lists, in its order, and its rows whose recording is not there.

    `language` and `agent_channel` hold for the rows that name none.

    Raises:
        VigieError: the file cannot be read, or a row is wrong: told with its line and column.
    """
    header, rows = _table(path)
    calls: list[CallSource] = []
    failures: list[Failure] = []
    lines_of_id: dict[str, int] = {}
    lines_of_file: dict[Path, int] = {}
    for line, cells in rows:
        where = f"{path}, line {line}"
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        if len(cells) > len(header):
            raise VigieError(
                f"the line has {len(cells)} cells, the header {len(header)}",
                remedy="Put a cell that holds the separator in double quotes",
                where=where,
            )
        source = _source(row, path, where, language, agent_channel)
        for file in source.paths:
            known = lines_of_file.setdefault(file.resolve(), line)
            if known != line:
                raise VigieError(
                    f"{file.name} is already the recording of line {known}",
                    remedy="List each recording once",
                    where=where,
                    field="file" if row.get("file") else "agent_file",
                )
        known = lines_of_id.setdefault(source.call.call_id, line)
        if known != line:
            raise VigieError(
                f"the call id {source.call.call_id!r} is already that of line {known}",
                remedy="Give each call an id of its own",
                where=where,
                field="call_id",
            )
        absent = [name for name in ("file", "agent_file", "customer_file") if _is_absent(row, name, path)]
        if absent:
            reason = f"no such file (manifest line {line}, column {absent[0]})"
            remedy = f"Paths are relative to {path.parent}: correct the column, or put the recording back"
            failures.append(Failure(source.file, reason, remedy, source.call.call_id))
        else:
            calls.append(source)
    if not calls and not failures:
        raise VigieError("the manifest lists no call", remedy="Add a line for each call", where=str(path))
    if not calls:
        raise VigieError(
            "none of the recordings that it lists exists",
            remedy=f"Paths are relative to the manifest's folder, {path.parent}",
            where=str(path),
            field="file" if "file" in header else "agent_file",
        )
    return calls, failures


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows with their line numbers; empty rows are passed over."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise VigieError(
            f"the manifest cannot be read ({error.strerror})", remedy="Check its path", where=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise VigieError("the manifest is not UTF-8 text", remedy="Save it as 'CSV UTF-8'", where=str(path)) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise VigieError(
            "the manifest holds a zero byte", remedy="Save it as 'CSV UTF-8'", where=f"{path}, line {line}"
        )
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise VigieError(
            f"the line is not CSV ({error})", remedy="Close its double quotes", where=f"{path}, line {reader.line_num}"
        ) from error
    if not rows:
        raise VigieError(
            "the manifest is empty", remedy=f"Its first line names columns: {', '.join(COLUMNS)}", where=str(path)
        )
    header = [cell.strip().lower() for cell in rows[0][1]]
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice:
        raise VigieError("the column is there twice", remedy="Remove one of them", where=f"{path}, line 1", field=twice)
    if "file" not in header and not {"agent_file", "customer_file"} <= set(header):
        raise VigieError(
            "no column says where the recordings are",
            remedy="Name a column `file`, or two columns `agent_file` and `customer_file`",
            where=f"{path}, line {rows[0][0]}",
        )
    return header, rows[1:]


def _source(row: Mapping[str, str], path: Path, where: str, language: str | None, agent_channel: str) -> CallSource:
    file, pair = row.get("file", ""), (row.get("agent_file", ""), row.get("customer_file", ""))
    if file and any(pair):
        raise VigieError(
            "the line names one recording and a pair",
            remedy="Keep either `file` or the pair",
            where=where,
            field="file",
        )
    if not file and not all(pair):
        missing = "file" if not any(pair) else "agent_file" if not pair[0] else "customer_file"
        raise VigieError(
            "the line does not say where the call's audio is",
            remedy="Fill in `file`, or both `agent_file` and `customer_file`",
            where=where,
            field=missing,
        )
    names = (file,) if file else pair
    channel = row.get("agent_channel", "").lower() or agent_channel
    if channel not in ("left", "right"):
        raise VigieError(f"{channel!r} is no channel", remedy="Write left or right", where=where, field="agent_channel")
    call = CallInfo(
        call_id=row.get("call_id") or Path(names[0]).stem,
        agent=row.get("agent") or None,
        queue=row.get("queue") or None,
        site=row.get("site") or None,
        trunk=row.get("trunk") or None,
        language=_language(row.get("language", ""), where) or language,
        started_at=_moment(row.get("started_at", ""), where),
        attributes={name: value for name, value in row.items() if name and name not in COLUMNS and value},
    )
    paths = tuple(path.parent / name for name in names)
    return CallSource(call, " + ".join(display_path(p) for p in paths), paths, channel, listed=where)


def _language(cell: str, where: str) -> str | None:
    if cell and not LANGUAGE.fullmatch(cell):
        raise VigieError(
            f"{cell!r} is no language code", remedy="Write a code such as fr, ar or pt", where=where, field="language"
        )
    return cell.lower().replace("_", "-") or None


def _moment(cell: str, where: str) -> str | None:
    if cell:
        try:
            datetime.fromisoformat(cell)
        except ValueError:
            raise VigieError(
                f"{cell!r} is no date and time",
                remedy="Write it like 2026-03-31T14:05:00+01:00",
                where=where,
                field="started_at",
            ) from None
    return cell or None


def _is_absent(row: Mapping[str, str], name: str, path: Path) -> bool:
    try:
        return bool(row.get(name)) and not (path.parent / row[name]).is_file()
    except (OSError, ValueError):  # a name that no file can bear: too long, or with a zero in it
        return True
