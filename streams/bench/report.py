"""What a benchmark of transcription found, as a table to paste."""

from __future__ import annotations

from streams.bench.asr import Asked, Result
from streams.bench.contenders import LABELS


def table(result: Result, asked: Asked) -> str:
    """Markdown: throughput, latency by load and capacity of every contender, then what the texts tell."""
    kind = "random weights, fixed tokens: speed only" if result.random else "real weights"
    lines = [
        f"### {result.model} ({kind}), {result.device} {result.compute_type}, {result.cores} cores",
        f"{result.utterances} utterances, {result.seconds:.0f} s; a call holds {result.share:.2f} s of them a second",
        "",
        f"| | audio s / s | CPU ms / audio s | p50, p95 s at 50 % | 70 % | 90 % | calls, p95 < {asked.p95_s:g} s | memory MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, outcome in result.outcomes.items():
        loads = result.latencies.get(name, {})
        cells = [f"{value.p50_s:.2f}, {value.p95_s:.2f} ({value.calls} calls)" for value in loads.values()] or ["–"] * 3
        speed, cost = result.seconds / outcome.wall_s, 1000 * outcome.cpu_s / result.seconds
        capacity = str(result.capacity[name]) if name in result.capacity else "–"
        row = [LABELS[name], f"{speed:.1f}", f"{cost:.1f}", *cells, capacity, f"{outcome.rss_mb:.0f}"]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", *_ratios(result)]
    if "a" in result.outcomes and "c" in result.outcomes:
        same = result.utterances - len(result.differences)
        lines.append(f"Text of (a) and (c): equal in {same} of {result.utterances} utterances.")
        lines += [f"  {at}: {one!r} | {other!r}" for at, one, other in result.differences]
    if result.word_errors:
        told = ", ".join(f"({name}) {100 * rate:.1f} %" for name, rate in result.word_errors.items())
        lines.append(f"Words wrong, of both sides of all calls: {told}.")
    for run in result.live:
        lines.append(
            f"In real time, {run.calls} calls for {run.seconds:.0f} s: {run.utterances} utterances, p50 {run.p50_s:.2f} s, "
            f"p95 {run.p95_s:.2f} s, {run.not_heard} not heard, {run.batch_mean:.1f} a batch, ladder at most {run.rung_max}."
        )
    return "\n".join(lines) + "\n"


def _ratios(result: Result) -> list[str]:
    def times(one: str, other: str) -> str | None:
        if one not in result.outcomes or other not in result.outcomes:
            return None
        mine, theirs = result.outcomes[one], result.outcomes[other]
        return f"({one}) is {theirs.wall_s / mine.wall_s:.1f} times ({other}) ({theirs.cpu_s / mine.cpu_s:.1f} by CPU time)"

    told = [times("c", "b"), times("d", "a"), times("d", "b"), times("d", "b-side")]
    if "e" in result.outcomes and "b" in result.outcomes:
        most = result.outcomes["b"].wall_s / result.outcomes["e"].wall_s
        told.append(f"with a 30 s window nothing is more than {most:.1f} times (b), for that is the encoder")
    return ["; ".join(text for text in told if text) + "."] if any(told) else []
