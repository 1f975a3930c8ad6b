"""The report: one HTML file that needs nothing else, to be read from the top in one glance and from there downwards.

First what the run amounts to, then what it was that cost health and where, then what could not be done, then the
calls themselves, the worst first. A run of thousands shows the details of the worst only, and says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from streams.replay.call_view import LANGUAGES, call_view, health_badge, health_class
from streams.replay.clips import Clip
from streams.replay.outputs import CAUSES, COVERAGES, SEVERITIES, CallRow, Totals
from streams.replay.results import write_whole
from streams.replay.sources import Failure
from streams.replay.timeline import clock

DETAILED_CALLS_MAX = 200
CLIP_BYTES_MAX = 40_000_000
"""All clips of a report together, as the page holds them: more, and a browser is slow to open it."""
GROUP_ROWS_MAX = 12
FAILURES_SHOWN_MAX = 200
LANGUAGE_NAMES = {"en": "English", "fr": "Français"}


@dataclass(frozen=True, slots=True)
class ReportData:
    """What the page is made of. `details` gives a call's record and its clips, by the row's position."""

    title: str
    totals: Totals
    rows: Sequence[CallRow]
    failures: Sequence[Failure]
    details: Callable[[int], tuple[Mapping[str, Any], Mapping[str, Clip]]]
    ignored: int = 0
    notes: Sequence[str] = field(default_factory=tuple)
    footer: str = ""


def worst_first(rows: Sequence[CallRow]) -> list[CallRow]:
    return sorted(rows, key=lambda row: (row.health, row.position))


def detailed(rows: Sequence[CallRow]) -> list[CallRow]:
    """The calls that the report opens up."""
    return worst_first(rows)[:DETAILED_CALLS_MAX]


def write_report(path: Path, data: ReportData) -> None:
    write_whole(path, render(data))


def render(data: ReportData) -> str:
    """The page as text."""
    shown = detailed(data.rows)
    notes = list(data.notes)
    if len(shown) < len(data.rows):
        notes.append(
            f"The {len(shown)} calls of worst health are shown in full, of {len(data.rows)}. "
            "All of them are in calls.parquet, alerts.ndjson and utterances.ndjson."
        )
    views, clip_bytes, clips_left_out = [], 0, 0
    for row in shown:
        record, clips = data.details(row.position)
        kept: dict[str, Clip] = {}
        for alert_id, clip in clips.items():
            size = len(clip.sound) + len(clip.picture)
            if clip_bytes + size <= CLIP_BYTES_MAX:
                kept[alert_id] = clip
                clip_bytes += size
            else:
                clips_left_out += 1
        views.append(call_view(record, kept))
    if clips_left_out:
        notes.append(
            f"{clips_left_out} sound clips are left out: the page would be over {CLIP_BYTES_MAX // 1_000_000} MB."
        )
    fields = {
        "css": _css(),
        "js": _asset("report.js"),
        "run": _text(data.title),
        "languages": "".join(f'<option value="{name}">{LANGUAGE_NAMES[name]}</option>' for name in LANGUAGES),
        "notes": "".join(f'<p class="note">{_text(note)}</p>' for note in notes),
        "cards": _cards(data),
        "causes": _causes(data.rows),
        "rules": _rules(data.totals),
        "failures": _failures(data.failures),
        "calls": "".join(views) or '<p class="soft">No call could be replayed.</p>',
        "footer": _text(data.footer),
    }
    return _filled(_asset("report.html"), fields)


def _filled(template: str, fields: Mapping[str, str]) -> str:
    """The template with its fields; what a field holds is never looked at again."""
    out = []
    for part in template.split("{{"):
        name, closed, rest = part.partition("}}")
        out.append(fields[name] + rest if closed and name in fields else part)
    return "".join(out)


def _css() -> str:
    shown = "".join(f"[data-language={name}] [data-lang={name}]{{display:inline}}" for name in LANGUAGES)
    return _asset("report.css") + shown


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _text(value: Any) -> str:
    return escape(str(value), quote=True)


def _cards(data: ReportData) -> str:
    totals = data.totals
    alerts = sum(totals.alerts.values())
    ignored = f"{data.ignored} other files passed over" if data.ignored else ""
    failed = f"{totals.failed} failed" if totals.failed else "none failed"
    cards = [
        ("Calls", f"{totals.calls:,}", f"<small>{'. '.join(part for part in (failed, ignored) if part)}</small>"),
        ("Time on the line", _hours(totals.duration_ms), f"<small>{_per_hour(alerts, totals.duration_ms)}</small>"),
        ("Alerts", f"{alerts:,}", _stack(totals.alerts, SEVERITIES)),
        ("Coverage", _share(totals.coverage["monitored"], totals.calls), _stack(totals.coverage, COVERAGES)),
        ("Health", _mean(totals.health), _histogram(totals.health)),
    ]
    return "".join(f'<div class="card"><h3>{name}</h3><b>{value}</b>{below}</div>' for name, value, below in cards)


def _hours(duration_ms: int) -> str:
    return f"{duration_ms / 3_600_000:,.1f} h" if duration_ms >= 3_600_000 else f"{clock(duration_ms)} min"


def _per_hour(alerts: int, duration_ms: int) -> str:
    return f"{alerts * 3_600_000 / duration_ms:.1f} alerts an hour" if duration_ms else ""


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.0f}" if values else "–"


def _stack(counts: Mapping[str, int], names: Sequence[str]) -> str:
    """A bar of shares with its legend."""
    bar = "".join(f'<i class="{name}" style="flex:{counts[name]}"></i>' for name in names if counts[name])
    legend = "".join(f'<span class="{name}"><i class="dot"></i>{counts[name]:,} {name}</span>' for name in names)
    return f'<div class="stack">{bar}</div><div class="legend">{legend}</div>'


def _histogram(values: Sequence[float]) -> str:
    if not values:
        return ""
    bins = [0] * 10
    for value in values:
        bins[min(9, int(value // 10))] += 1
    top = max(bins)
    bars = "".join(
        f'<i class="{health_class(i * 10 + 5)}" style="height:{count / top:.0%}" '
        f'title="{i * 10} to {i * 10 + 10}: {count} calls"></i>'
        for i, count in enumerate(bins)
    )
    return f'<div class="histogram">{bars}</div><div class="scale"><span>0</span><span>50</span><span>100</span></div>'


def _causes(rows: Sequence[CallRow]) -> str:
    """Which causes cost which site, queue, agent and trunk: health points lost a call."""
    tables = [table for name in ("site", "queue", "agent", "trunk") if (table := _group_table(rows, name))]
    if not tables:
        return ""
    return (
        '<section class="panel"><h2>What costs whom</h2>'
        '<p class="soft">Health points lost per call, by the cause of the alert that took them.</p>'
        f'<div class="tables">{"".join(tables)}</div></section>'
    )


def _group_table(rows: Sequence[CallRow], group: str) -> str:
    groups: dict[str, list[CallRow]] = defaultdict(list)
    for row in rows:
        if value := row.groups.get(group):
            groups[value].append(row)
    if not groups:
        return ""
    lost = {name: _lost_a_call(mine) for name, mine in groups.items()}
    order = sorted(groups, key=lambda name: (-sum(lost[name].values()), name))
    top = max(max(by_cause.values()) for by_cause in lost.values()) or 1.0
    widest = max(sum(by_cause.values()) for by_cause in lost.values()) or 1.0
    lines = [_group_line(name, groups[name], lost[name], top, widest) for name in order[:GROUP_ROWS_MAX]]
    more = len(order) - GROUP_ROWS_MAX
    rest = f'<tr><td colspan="8" class="soft">and {more} more, which lost less</td></tr>' if more > 0 else ""
    heads = "".join(f'<th class="n">{name}</th>' for name in CAUSES)
    head = f'<tr><th>{group}</th><th class="n">calls</th><th>health</th>{heads}<th></th></tr>'
    return f'<div><table class="groups">{head}{"".join(lines)}{rest}</table></div>'


def _lost_a_call(rows: Sequence[CallRow]) -> dict[str, float]:
    return {cause: sum(row.lost_by_cause[cause] for row in rows) / len(rows) for cause in CAUSES}


def _group_line(name: str, rows: Sequence[CallRow], lost: Mapping[str, float], top: float, widest: float) -> str:
    cells = "".join(
        f'<td class="n heat {cause}" style="--h:{round(55 * lost[cause] / top)}">{lost[cause]:.1f}</td>'
        if lost[cause] >= 0.05
        else '<td class="n soft">·</td>'
        for cause in CAUSES
    )
    total = sum(lost.values())
    parts = "".join(f'<i class="{cause}" style="flex:{lost[cause]:.3f}"></i>' for cause in CAUSES if lost[cause] > 0)
    bar = f'<div class="stack" style="width:{max(2.0, 100 * total / widest):.0f}%">{parts}</div>' if parts else ""
    mean = sum(row.health for row in rows) / len(rows)
    return (
        f'<tr><td>{_text(name)}</td><td class="n">{len(rows):,}</td><td>{health_badge(mean)}</td>{cells}'
        f"<td>{bar}</td></tr>"
    )


def _rules(totals: Totals) -> str:
    if not totals.rules:
        return ""
    most = max(totals.rules.values())
    lines = "".join(
        f'<div><span>{_text(rule)}</span><i style="width:{max(2, 100 * count // most)}%"></i>'
        f'<span class="num">{count:,}</span></div>'
        for rule, count in sorted(totals.rules.items(), key=lambda item: (-item[1], item[0]))
    )
    return f'<section class="panel"><h2>Alerts by rule</h2><div class="rules">{lines}</div></section>'


def _failures(failures: Sequence[Failure]) -> str:
    if not failures:
        return ""
    lines = "".join(
        f"<tr><td>{_text(failure.file)}</td><td>{_text(failure.reason)}</td><td>{_text(failure.remedy)}</td></tr>"
        for failure in failures[:FAILURES_SHOWN_MAX]
    )
    more = len(failures) - FAILURES_SHOWN_MAX
    rest = f'<p class="soft">and {more} more, all in failures.ndjson</p>' if more > 0 else ""
    files = "1 file" if len(failures) == 1 else f"{len(failures)} files"
    return (
        f'<section class="panel"><h2>Nothing could be done with {files}</h2>'
        f"<table><tr><th>file</th><th>why</th><th>what helps</th></tr>{lines}</table>{rest}</section>"
    )
