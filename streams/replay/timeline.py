"""A call as a picture: who spoke when, together or not at all, how the words felt, and where the alerts stand (SVG)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from streams.events import Record
from streams.spans import Spans, overlaps, silences

WIDTH, LEFT, RIGHT = 1000, 74, 12
LANE_HEIGHT, LANE_GAP = 22, 6
ALERT_LANES_MAX = 5
ALERT_HEIGHT = 15
MOOD_HEIGHT = 44
TICKS_MS = (5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000, 3_600_000)
TICKS_MAX = 12


def timeline(record: Mapping[str, Any], alerts: Sequence[Record], anchor: str) -> str:
    """The SVG of one call; its alert markers link to `#{anchor}-{number}`."""
    summary = record["summary"]
    duration_ms = max(1, summary["duration_ms"])
    x = _Scale(duration_ms)
    agent, customer = _speech(record, "agent"), _speech(record, "customer")
    lanes = _lanes(alerts, duration_ms)
    alerts_height = 8 + max([lane for lane, _, _ in lanes], default=-1) * ALERT_HEIGHT + (ALERT_HEIGHT if lanes else 0)
    agent_y = alerts_height + 6
    customer_y = agent_y + LANE_HEIGHT + LANE_GAP
    both = customer_y + LANE_HEIGHT - agent_y
    mood_y = customer_y + LANE_HEIGHT + 10
    sentiment = summary.get("sentiment") or {}
    moody = any(sentiment.get(party) for party in ("agent", "customer"))
    axis_y = mood_y + (MOOD_HEIGHT + 6 if moody else 0)
    parts = [f'<svg class="timeline" viewBox="0 0 {WIDTH} {axis_y + 20}" role="img" aria-label="Timeline of the call">']
    parts += _axis(x, duration_ms, agent_y, axis_y)
    if summary["mono"]:
        parts.append(_label("both", customer_y, "one channel"))
    else:
        parts += [_label("agent", agent_y, "agent"), _label("customer", customer_y, "customer")]
        quiet = silences([*agent, *customer, *record["timeline"]["hold"]], duration_ms)
        parts += [x.rect("silence", s, agent_y, both, "nobody speaks") for s in quiet]
    parts += [x.rect("hold", s, agent_y, both, "on hold") for s in record["timeline"]["hold"]]
    if not summary["mono"]:
        parts += [x.rect("speech agent", s, agent_y, LANE_HEIGHT) for s in _thinned(agent, x)]
    parts += [x.rect("speech customer", s, customer_y, LANE_HEIGHT) for s in _thinned(customer, x)]
    parts += [x.rect("overlap", s, agent_y - 2, both + 4, "both speak") for s in overlaps(agent, customer)]
    parts += _missed(summary, x, agent_y, customer_y)
    if moody:
        parts += _mood(sentiment, x, mood_y)
    parts += _markers(lanes, alerts, x, anchor, alerts_height)
    return "".join(parts) + "</svg>"


class _Scale:
    def __init__(self, duration_ms: int) -> None:
        self._per_ms = (WIDTH - LEFT - RIGHT) / duration_ms

    def __call__(self, at_ms: float) -> float:
        return round(LEFT + at_ms * self._per_ms, 1)

    def rect(self, kind: str, span: Sequence[int], y: float, height: float, title: str = "") -> str:
        width = max(0.8, round(self(span[1]) - self(span[0]), 1))
        inside = f"<title>{escape(title)}, {clock(span[0])}–{clock(span[1])}</title>" if title else ""
        rounding = 2 if width > 4 and kind.startswith("speech") else 0
        place = f'x="{self(span[0])}" y="{y}" width="{width}" height="{height}" rx="{rounding}"'
        return f'<rect class="{kind}" {place}>{inside}</rect>' if inside else f'<rect class="{kind}" {place}/>'


def clock(ms: float) -> str:
    """Media time as people read it: 1:05, 1:02:03."""
    seconds = int(ms // 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def _speech(record: Mapping[str, Any], party: str) -> list[list[int]]:
    """Speech spans as measured; where dynamics are unknown, where utterances stood."""
    spans: list[list[int]] = record["timeline"][party]
    if not spans and record["summary"]["mono"]:
        spans = [[u["start_ms"], u["end_ms"]] for u in record["utterances"] if u["party"] == party]
    return sorted(spans)


def _thinned(spans: Spans, x: _Scale) -> list[list[int]]:
    """Spans that would touch on the picture, joined."""
    out: list[list[int]] = []
    for from_ms, to_ms in spans:
        if out and x(from_ms) - x(out[-1][1]) < 0.7:
            out[-1][1] = max(out[-1][1], to_ms)
        else:
            out.append([from_ms, to_ms])
    return out


def _axis(x: _Scale, duration_ms: int, top: float, bottom: float) -> list[str]:
    step_ms = next((tick for tick in TICKS_MS if duration_ms / tick <= TICKS_MAX), TICKS_MS[-1])
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>']
    for at_ms in range(0, duration_ms + 1, step_ms):
        parts.append(f'<line class="grid" x1="{x(at_ms)}" x2="{x(at_ms)}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x(at_ms)}" y="{bottom + 14}">{clock(at_ms)}</text>')
    return parts


def _label(kind: str, y: float, text: str) -> str:
    return f'<text class="lane {kind}" x="{LEFT - 10}" y="{y + LANE_HEIGHT / 2 + 4}">{text}</text>'


def _missed(summary: Mapping[str, Any], x: _Scale, agent_y: float, customer_y: float) -> list[str]:
    """What nobody could watch, over the lane that it is missing from."""
    if summary["mono"]:
        return []
    parts = []
    for item in summary["coverage"]["intervals"]:
        for party, y in (("agent", agent_y), ("customer", customer_y)):
            if item["party"] in (party, "both", None) and item["to_ms"] > item["from_ms"]:
                span = (item["from_ms"], item["to_ms"])
                parts.append(x.rect("missed", span, y, LANE_HEIGHT, f"not watched: {item['reason']}"))
    return parts


def _mood(sentiment: Mapping[str, Any], x: _Scale, top: float) -> list[str]:
    middle = top + MOOD_HEIGHT / 2
    parts = [
        f'<text class="lane both" x="{LEFT - 10}" y="{middle + 4}">mood</text>',
        f'<line class="zero" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{middle}" y2="{middle}"/>',
    ]
    for party in ("agent", "customer"):
        # Scores are -1 to 1; a stray value must not draw over the lanes.
        points = [
            (x(at), middle - max(-1, min(1, score)) * MOOD_HEIGHT / 2) for at, score in sentiment.get(party) or ()
        ]
        if not points:
            continue
        path = " ".join(f"{px},{py:.1f}" for px, py in points)
        parts.append(f'<polyline class="mood {party}" points="{path}"/>')
        parts += [f'<circle class="mood {party}" cx="{px}" cy="{py:.1f}" r="2.4"/>' for px, py in points]
    return parts


def _lanes(alerts: Sequence[Record], duration_ms: int) -> list[tuple[int, int, int]]:
    """Per alert, the lane of its bar and the bar's ends; bars that would meet stand below each other."""
    room_ms = duration_ms * 24 // (WIDTH - LEFT - RIGHT)
    ends: list[int] = []
    out: list[tuple[int, int, int]] = []
    for alert in sorted(alerts, key=lambda a: a["onset_ms"]):
        from_ms = alert["onset_ms"]
        to_ms = max(alert["raised_ms"], alert.get("cleared_ms") or 0, alert["evidence"]["audio"]["to_ms"])
        lane = next((i for i, end in enumerate(ends) if end <= from_ms), len(ends))
        lane = min(lane, ALERT_LANES_MAX - 1)
        if lane == len(ends):
            ends.append(0)
        ends[lane] = max(to_ms, from_ms + room_ms)
        out.append((lane, from_ms, min(to_ms, duration_ms)))
    order = sorted(range(len(alerts)), key=lambda i: alerts[i]["onset_ms"])
    placed = dict(zip(order, out, strict=True))
    return [placed[i] for i in range(len(alerts))]


def _markers(
    lanes: Iterable[tuple[int, int, int]], alerts: Sequence[Record], x: _Scale, anchor: str, bottom: float
) -> list[str]:
    parts = []
    for number, ((lane, from_ms, to_ms), alert) in enumerate(zip(lanes, alerts, strict=True), start=1):
        y = 4 + lane * ALERT_HEIGHT
        raised = x(alert["raised_ms"])
        severity = escape(alert["severity"], quote=True)
        about = f"{alert['rule_id']} ({alert['severity']}), {clock(from_ms)}–{clock(to_ms)}"
        title = f"{about}, raised {clock(alert['raised_ms'])}"
        width = max(2.0, round(x(to_ms) - x(from_ms), 1))
        parts.append(
            f'<a href="#{anchor}-{number}" class="mark {severity}"><title>{escape(title)}</title>'
            f'<line class="drop" x1="{raised}" x2="{raised}" y1="{y + 6}" y2="{bottom + 2 * LANE_HEIGHT + 12}"/>'
            f'<rect x="{x(from_ms)}" y="{y + 4}" width="{width}" height="5" rx="2.5"/>'
            f'<circle cx="{raised}" cy="{y + 6.5}" r="6.5"/>'
            f'<text x="{raised}" y="{y + 9.8}">{number}</text></a>'
        )
    return parts
