"""The suites: which pieces, in how many processes, and what the outcomes add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from audio.errors import VigieError
from streams.evaluation.negatives import NEGATIVES
from streams.evaluation.pieces import CLEAN_PIECE_S, Job, Outcome, run_job
from streams.evaluation.positives import POSITIVES, STRENGTHS
from streams.evaluation.statistics import poisson_upper, quantile, wilson


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `count` is the number of obvious positives of each detector, and of hard negatives, at least;
    `fainter` the number at each fainter strength (a sixth of `count` unless given)."""

    seed: int = 1
    half: str = "report"
    data: Path | None = None
    rules: str | None = None
    only: tuple[str, ...] = ()
    count: int = 24
    fainter: int | None = None
    clean_hours: float = 0.5

    def jobs(self) -> list[Job]:
        """Raises VigieError: a detector in `only` is unknown."""
        if unknown := [rule for rule in self.only if rule not in POSITIVES]:
            raise VigieError(
                f"no pieces for the rule {unknown[0]!r}", remedy=f"Use of {', '.join(POSITIVES)}", field="--only"
            )
        common: dict[str, Any] = {"seed": self.seed, "half": self.half, "data": self.data, "rules": self.rules}
        fainter = -(-self.count // 6) if self.fainter is None else self.fainter
        jobs = [
            Job("positive", rule, number, strength=strength, **common)
            for rule in POSITIVES
            if not self.only or rule in self.only
            for strength in range(len(STRENGTHS))
            for number in range(fainter if strength else self.count)
        ]
        jobs += [
            Job("negative", kind, number, **common)
            for kind in NEGATIVES
            for number in range(-(-self.count // len(NEGATIVES)))
        ]
        pieces = round(self.clean_hours * 3600 / CLEAN_PIECE_S)
        return jobs + [Job("clean", "clean-hours", number, **common) for number in range(pieces)]


def outcomes(jobs: list[Job], workers: int) -> Iterator[Outcome]:
    """Run the jobs; the outcomes come in the order of the jobs."""
    if workers <= 1:
        yield from map(run_job, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_job, jobs, chunksize=4)


@dataclass(slots=True)
class Score:
    """What one detector did."""

    rule: str
    tried: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    late: int = 0
    extra: int = 0
    delays_ms: list[int] = field(default_factory=list)
    onset_errors_ms: list[int] = field(default_factory=list)
    negatives: int = 0
    negatives_wrong: int = 0
    negatives_by_kind: Counter[str] = field(default_factory=Counter)

    def take(self, outcome: Outcome) -> None:
        strength = STRENGTHS[outcome.job.strength]
        self.tried[strength] += 1
        self.late += outcome.matching.late
        self.extra += len(outcome.matching.false) - outcome.matching.late
        for expected, alert in outcome.matching.pairs:
            self.found[strength] += 1
            self.delays_ms.append(expected.delay_ms(alert["raised_ms"]))
            self.onset_errors_ms.append(alert["onset_ms"] - expected.onset_ms)

    def row(self) -> dict[str, Any]:
        tried, found = self.tried.total(), self.found.total()
        false = self.extra + self.late + self.negatives_by_kind.total()
        return {
            "rule": self.rule,
            "positives": tried,
            "found": found,
            "recall": _share(found, tried),
            "recall_by_strength": {name: _share(self.found[name], self.tried[name]) for name in STRENGTHS},
            "found_at_another_time": self.late,
            "duplicates": self.extra,
            "negatives": self.negatives,
            "negatives_with_an_alert": self.negatives_wrong,
            "false_share": _share(self.negatives_wrong, self.negatives),
            "false_by_kind": dict(sorted(self.negatives_by_kind.items())),
            "precision": _share(found, found + false),
            "delay_ms": _spread(self.delays_ms),
            "onset_error_ms": _spread(self.onset_errors_ms),
        }


def summarise(plan: Plan, results: Iterable[Outcome]) -> dict[str, Any]:
    """The report of a run, as plain JSON values."""
    scores = {rule: Score(rule) for rule in POSITIVES if not plan.only or rule in plan.only}
    clean_ms, clean, wrong, confused = 0, Counter[str](), list[dict[str, Any]](), Counter[str]()
    audio_ms = 0
    for outcome in results:
        job, false = outcome.job, [alert["rule_id"] for alert in outcome.matching.false]
        audio_ms += outcome.duration_ms
        if job.kind == "positive":
            scores[job.name].take(outcome)
            confused.update(f"{job.name} piece: {alert['rule_id']}" for alert in outcome.others)
        elif job.kind == "negative":
            for score in scores.values():
                score.negatives += 1
                score.negatives_wrong += score.rule in false
                score.negatives_by_kind.update({job.name: false.count(score.rule)} if score.rule in false else {})
        else:
            clean_ms += outcome.duration_ms
            clean.update(false)
        if outcome.wrong:
            wrong.append(_wrong(outcome))
    hours = clean_ms / 3_600_000
    return {
        "suite": "synthetic" if plan.data is None else "hybrid",
        "half": plan.half,
        "seed": plan.seed,
        "audio_hours": round(audio_ms / 3_600_000, 2),
        "detectors": [score.row() for score in scores.values()],
        "clean": {
            "hours": round(hours, 2),
            "alerts": clean.total(),
            "by_rule": dict(sorted(clean.items())),
            "per_hour": round(clean.total() / hours, 3) if hours else None,
            "per_hour_upper95": round(poisson_upper(clean.total(), hours), 3) if hours else None,
        },
        "other_rules_in_positives": dict(sorted(confused.items())),
        "wrong": wrong,
    }


def _wrong(outcome: Outcome) -> dict[str, Any]:
    return {
        "piece": outcome.job.id,
        "missed": [[e.rule, e.party, e.due_ms] for e in outcome.matching.missed],
        "false": [[a["rule_id"], a["party"], a["raised_ms"]] for a in outcome.matching.false],
    }


def _share(hits: int, tries: int) -> dict[str, Any]:
    low, high = wilson(hits, tries)
    value = round(hits / tries, 4) if tries else None
    return {"hits": hits, "of": tries, "value": value, "low95": round(low, 4), "high95": round(high, 4)}


def _spread(values: list[int]) -> dict[str, int | None]:
    def whole(value: float | None) -> int | None:
        return None if value is None else round(value)

    return {
        "median": whole(quantile(values, 0.5)),
        "p95": whole(quantile(values, 0.95)),
        "p95_absolute": whole(quantile([abs(v) for v in values], 0.95)),
    }
