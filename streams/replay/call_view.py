"""One call of the report, opened: its picture, its alerts with their evidence, its words. All text is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from streams.events import Record
from streams.replay.clips import Clip
from streams.replay.outputs import SEVERITIES, latest_alerts
from streams.replay.quality import told
from streams.replay.results import name_of
from streams.replay.timeline import clock, timeline

LANGUAGES = ("en", "fr")
"""The languages of the messages that the report can be switched to; others fall back to the first."""
BARE_UNITS = ("count", "0 or 1", "score", "ratio", "points")
"""Units that a reader needs no word for."""
ONE_CHANNEL = "One channel holds both parties: who speaks when, and all that follows from it, is not known."
SPECTROGRAM = (
    "The sound as a picture: the agent above, the customer below; time to the right, pitch upwards, white is loud"
)
UNSURE_BELOW = 0.5
"""Words that the transcriber itself gives less than this are shown paler."""


def call_view(record: Mapping[str, Any], clips: Mapping[str, Clip]) -> str:
    """A call as `<details>`: a line to judge it by, and everything behind it."""
    summary, alerts = record["summary"], latest_alerts(record)
    anchor = f"c{name_of(record['call_id'])}"
    where = [summary.get(name) for name in ("agent", "queue", "site")]
    chips = "".join(
        _chip(severity, f"{count} {severity}")
        for severity in SEVERITIES
        if (count := sum(alert["severity"] == severity for alert in alerts))
    )
    verdict = summary["cause"]["verdict"] if alerts else None
    state = summary["coverage"]["state"]
    rules = {alert["rule_id"] for alert in alerts}
    find = " ".join([record["call_id"], record["file"], *(str(w) for w in where if w), *sorted(rules), state])
    return (
        f'<details class="call" id="{anchor}" data-find="{_text(find.lower())}"><summary>'
        f"{health_badge(summary['health'])}"
        f'<span class="who"><b>{_text(record["call_id"])}</b></span>'
        f'<span class="who soft cell-who">{_text(" · ".join(str(w) for w in where if w))}</span>'
        f'<span class="soft num cell-time">{clock(summary["duration_ms"])}</span>'
        f"<span>{chips or _chip('good', 'no alert')}</span>"
        f'<span class="cell-cause">{_chip(verdict, verdict) if verdict else ""}'
        f"{_chip(state, state) if state != 'monitored' else ''}</span>"
        f'</summary><div class="body">{_body(record, alerts, clips, anchor)}</div></details>'
    )


def health_badge(health: float) -> str:
    return f'<span class="health {health_class(health)}" title="health, 0 to 100">{health:.0f}</span>'


def health_class(health: float) -> str:
    return "good" if health >= 80 else "warning" if health >= 50 else "critical"


def in_languages(text: Mapping[str, str] | str) -> str:
    """A text that may exist in several languages; the page shows the chosen one."""
    if isinstance(text, str):
        return _text(text)
    first = text.get("en") or next(iter(text.values()), "")
    versions = {language: text.get(language, first) for language in LANGUAGES}
    if len(set(versions.values())) == 1:
        return _text(first)
    return "".join(f'<span data-lang="{name}">{_text(version)}</span>' for name, version in versions.items())


def _text(value: Any) -> str:
    return escape(str(value), quote=True)


def _chip(kind: str, text: str) -> str:
    return f'<span class="chip {_text(kind)}">{_text(text)}</span>'


def _body(record: Mapping[str, Any], alerts: Sequence[Record], clips: Mapping[str, Clip], anchor: str) -> str:
    summary = record["summary"]
    numbered = "".join(_alert(n, alert, clips.get(alert["alert_id"]), anchor) for n, alert in enumerate(alerts, 1))
    listed = numbered or '<p class="soft">No rule fired.</p>'
    return (
        f"{timeline(record, alerts, anchor)}{_key(summary)}{_facts_line(record)}"
        f'<div class="columns"><div><h3>Alerts ({len(alerts)})</h3>{listed}</div>'
        f'<div class="side">{_health(summary)}{_coverage(summary)}{_transcript(record)}</div></div>'
    )


def _key(summary: Mapping[str, Any]) -> str:
    items = [("overlap", "both speak"), ("silence", "nobody, 3 s or more"), ("hold", "hold"), ("missed", "not watched")]
    if summary["mono"]:
        return f'<p class="key">{ONE_CHANNEL}</p>'
    colour = {"missed": "critical"}
    swatches = (
        f'<span><i style="background:var(--{colour.get(name, name)})"></i>{text}</span>' for name, text in items
    )
    return f'<p class="key">{"".join(swatches)}</p>'


def _facts_line(record: Mapping[str, Any]) -> str:
    summary = record["summary"]
    ratio = summary.get("talk_ratio")
    cut_in = [summary.get(f"interruptions_{party}") for party in ("agent", "customer")]
    facts = {
        "talk of the agent": None if ratio is None else f"{ratio:.0%}",
        "interruptions (agent, customer)": None if None in cut_in else f"{cut_in[0]}, {cut_in[1]}",
        "together": _seconds(summary.get("overlap_ms")),
        "silence": _seconds(summary.get("silence_ms")),
        "hold": _seconds(summary.get("hold_ms")),
        "voice quality, DNSMOS estimate": told(summary["dnsmos"]) if "dnsmos" in summary else None,
        "trunk": summary.get("trunk"),
        "language": summary.get("language"),
        "started": summary.get("started_at"),
        **(summary.get("attributes") or {}),
        "file": record["file"],
        "note": record.get("warning"),
    }
    shown = (
        f"<span>{_text(name)} <b>{_text(value)}</b></span>" for name, value in facts.items() if value not in (None, "")
    )
    return f'<p class="extra">{"".join(shown)}</p>'


def _seconds(ms: int | None) -> str | None:
    return None if ms is None else f"{ms / 1000:.1f} s" if ms < 60_000 else clock(ms)


def _alert(number: int, alert: Record, clip: Clip | None, anchor: str) -> str:
    evidence, cause = alert["evidence"], alert["cause"]
    until = f"–{clock(alert['cleared_ms'])}" if alert.get("cleared_ms") is not None else " to the end"
    reading = [
        f"{_text(evidence['metric'])} <b>{_number(evidence['value'], evidence.get('unit'))}</b>",
        f"threshold <b>{_number(evidence['threshold'], evidence.get('unit'))}</b>",
    ]
    if evidence.get("window_ms"):
        reading.append(f"over <b>{_seconds(evidence['window_ms'])}</b>")
    if alert["party"]:
        reading.append(f"party <b>{_text(alert['party'])}</b>")
    reading.append(f"<b>{clock(alert['onset_ms'])}</b>{until}, raised {clock(alert['raised_ms'])}")
    sound = ""
    if clip:
        sound = (
            f'<img class="spectrogram" alt="{SPECTROGRAM}" title="{SPECTROGRAM}" src="{_text(clip.picture)}">'
            f'<audio controls preload="none" src="{_text(clip.sound)}"></audio>'
        )
    return (
        f'<article class="alert {_text(alert["severity"])}" id="{anchor}-{number}">'
        f'<h4><span class="no">{number}</span>{in_languages(alert["message"])}</h4>'
        f'<p class="soft">{_text(alert["rule_id"])} · rule version {_text(alert["rule_version"])} · '
        f"{_text(alert['severity'])}{', escalated' if alert['state'] == 'escalated' else ''}</p>"
        f'<p class="reading">{"".join(f"<span>{item}</span>" for item in reading)}</p>'
        f"{_words(evidence.get('words') or ())}"
        f"<p>{_chip(cause['verdict'], cause['verdict'])}{_reasons(cause)}</p>{sound}</article>"
    )


def _number(value: Any, unit: str | None) -> str:
    if not isinstance(value, int | float):
        return _text(value)
    if unit == "ms":
        # A threshold of a millisecond means "any at all"; told as 0.0 s it would read as none.
        return f"{int(value)} ms" if 0 < value < 100 else _text(_seconds(int(value)))
    rounded = f"{value:.2f}".rstrip("0").rstrip(".")
    return _text(f"{rounded} {unit}" if unit and unit not in BARE_UNITS else rounded)


def _words(words: Sequence[Any]) -> str:
    parts = []
    for item in words:
        text = item if isinstance(item, str) else item.get("text") or item.get("word") or ""
        confidence = None if isinstance(item, str) else item.get("confidence")
        sure = f' <span class="soft">({confidence:.0%} sure)</span>' if isinstance(confidence, int | float) else ""
        parts.append(f"<blockquote>{_text(text)}{sure}</blockquote>")
    return "".join(parts)


def _reasons(cause: Mapping[str, Any]) -> str:
    return "".join(
        f'<span class="{kind}">{_reason(item)}</span>'
        for kind, name in (("pro", "for"), ("con", "against"))
        for item in cause.get(name) or ()
    )


def _reason(item: Any) -> str:
    if not isinstance(item, Mapping):
        return _text(item)
    text = in_languages(item["text"]) if item.get("text") else _text(item.get("name", ""))
    at = f" ({clock(item['from_ms'])})" if isinstance(item.get("from_ms"), int | float) and item["from_ms"] else ""
    return text + at


def _health(summary: Mapping[str, Any]) -> str:
    if not summary["health_lost"]:
        return "<h3>Health</h3><p class='soft'>No point lost.</p>"
    lost = sorted(summary["health_lost"], key=lambda item: -abs(item["points"]))
    items = (f"<li><b>−{abs(item['points']):.0f}</b><span>{in_languages(item['why'])}</span></li>" for item in lost)
    return f'<h3>Health {summary["health"]:.0f}: what it lost</h3><ul class="facts">{"".join(items)}</ul>'


def _coverage(summary: Mapping[str, Any]) -> str:
    coverage = summary["coverage"]
    if coverage["state"] == "monitored":
        return ""
    items = "".join(
        f"<li><span>{clock(item['from_ms'])}–{clock(item['to_ms'])} {_text(item['party'] or 'both')}: "
        f"{_text(str(item['reason']).replace('_', ' '))}</span></li>"
        for item in coverage["intervals"][:40]
    )
    more = len(coverage["intervals"]) - 40
    rest = f"<li><span>and {more} more</span></li>" if more > 0 else ""
    return f'<h3>Coverage: {_text(coverage["state"])}</h3><ul class="facts">{items}{rest}</ul>'


def _transcript(record: Mapping[str, Any]) -> str:
    said = [u for u in record["utterances"] if u["state"] != "empty"]
    if not said:
        return '<h3>Words</h3><p class="soft">None were transcribed.</p>'
    return f'<h3>Words</h3><div class="transcript">{"".join(_turn(u) for u in said)}</div>'


def _turn(utterance: Record) -> str:
    if utterance["state"] != "final":
        text = f"<span class='soft'>not transcribed ({_text(utterance['state'].replace('_', ' '))})</span>"
    else:
        text = marked(utterance)
    confidence = utterance.get("confidence")
    unsure = " unsure" if isinstance(confidence, int | float) and confidence < UNSURE_BELOW else ""
    tip = f' title="{confidence:.0%} sure"' if isinstance(confidence, int | float) else ""
    language = utterance.get("language") or ""
    return (
        f'<div class="turn {_text(utterance["party"])}{unsure}"{tip}><time>{clock(utterance["start_ms"])}</time>'
        f'<p dir="auto" lang="{_text(language)}">{text}</p></div>'
    )


def marked(utterance: Record) -> str:
    """The redacted text of an utterance as HTML: trigger words highlighted, redactions as black bars."""
    text = utterance["text"]
    spans = [
        (r["start"], r["end"], "redacted", r.get("kind", "")) for r in utterance.get("redactions") or () if "start" in r
    ]
    spans += [(p["start"], p["end"], "phrase", p["category"]) for p in utterance.get("phrases") or () if "start" in p]
    out, at = [], 0
    for start, end, kind, label in sorted(spans):
        if start < at or end > len(text) or end <= start:
            continue
        inside = _text(text[start:end])
        tag = ("span", ' class="redacted"') if kind == "redacted" else ("mark", "")
        out.append(f'{_text(text[at:start])}<{tag[0]}{tag[1]} title="{_text(label)}">{inside}</{tag[0]}>')
        at = end
    return "".join(out) + _text(text[at:])
