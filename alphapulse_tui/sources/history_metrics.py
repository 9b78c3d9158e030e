"""When the key figures went over their critical lines, and which alerts fired: asked of Prometheus' memory by range queries.

The questions stand side by side; each that fails is one sentence, the others' answers count. A missing point is *no data*, never zero: it
does not end a crossing by itself. Called by ``sources.history``.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import httpx
import msgspec

from alphapulse_tui.model.alerts import severity_of
from alphapulse_tui.model.history import Crossing, PastAlert
from alphapulse_tui.model.platform_queries import PLATFORM_QUERIES
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.sources import http
from alphapulse_tui.sources.alerts import fingerprint
from alphapulse_tui.sources.contract import SourceProblem, Unreachable
from alphapulse_tui.text import clean

STEP = 15.0
"""Seconds between two points: as often as Prometheus scrapes by default; 2 hours are 480 points, its limit is 11,000."""

CALM = 120.0
"""Seconds under the line, or without data, after which being over it again is another crossing (the alerts of runbook 4.2 wait as long)."""

MOST_SERIES = 50
"""Series of one answer that are looked at."""

MOST_CROSSINGS = 5
"""Crossings of one series that are told; the first ones, because the onset is what is looked for."""


@dataclass(frozen=True, slots=True)
class KeySeries:
    """One figure of the runbook (4.1, 4.2) and its critical line."""

    target: str
    subject: str
    procedure: str
    unit: str
    promql: str
    limit: Callable[[Thresholds], float]
    each: str = ""
    """Label that names what a series is of; empty where there is one series."""


_QUERIES = {query.id: query.promql for query in PLATFORM_QUERIES}
_MAXIMUM = "max by (instance) (pg_settings_{})"

KEY_SERIES = (
    KeySeries("platform", "p99 latency", "api-latency", "ms", _QUERIES["p99"], lambda lines: lines.api_p99_critical),
    KeySeries(
        "platform", "error rate", "api-errors", "%", _QUERIES["error_percent"],
        lambda lines: lines.api_error_rate_critical,
    ),
    # reserved_connections exists from PostgreSQL 16 on; without it the whole expression would be empty.
    KeySeries(
        "postgres", "connection slots", "pg-connections", "%",
        "100 * sum by (instance) (pg_stat_activity_count) / on (instance) ("
        f"{_MAXIMUM.format('max_connections')} - {_MAXIMUM.format('superuser_reserved_connections')}"
        f" - ({_MAXIMUM.format('reserved_connections')} or 0 * {_MAXIMUM.format('max_connections')}))",
        lambda lines: lines.postgres_slots_critical,
    ),
    KeySeries(
        "redis", "memory", "redis-memory", "%", "100 * redis_memory_used_bytes / (redis_memory_max_bytes > 0)",
        lambda lines: lines.redis_memory_critical, "instance",
    ),
    KeySeries("vault", "seal", "vault-sealed", "", "1 - vault_core_unsealed", lambda _: 1.0, "instance"),
)  # fmt: skip
"""What is asked for; slots and memory as the alerts of runbook 4.2 have them, corrected (facts 2.1.1, 4.2)."""


class Series(msgspec.Struct):
    """One series of a matrix."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


class Matrix(msgspec.Struct, rename="camel"):
    """``data`` of a range query."""

    result_type: Literal["matrix"]
    result: list[Series]


class RangeAnswer(msgspec.Struct):
    """Prometheus' answer to a range query."""

    data: Matrix


async def read_metrics(
    prometheus: str, window: str, thresholds: Thresholds, since: float, until: float
) -> tuple[list[Crossing], list[PastAlert], list[str]]:
    """Crossings, alerts that fired, and a sentence for each question without an answer. Moments in Unix seconds.

    Raises:
        Unreachable: nothing could be asked at all.
    """
    asking = await http.client(4.0)
    async with asking:
        questions = [("ALERTS", 'ALERTS{alertstate="firing"}')]
        questions += [(one.subject, one.promql.replace("WINDOW", window)) for one in KEY_SERIES]
        answers = await asyncio.gather(
            *(ask_range(asking, prometheus, promql, since, until) for _, promql in questions), return_exceptions=True
        )
    crossings: list[Crossing] = []
    fired: list[PastAlert] = []
    missing: dict[str, list[str]] = {}
    for (name, _), key, answer in zip(questions, (None, *KEY_SERIES), answers, strict=True):
        if isinstance(answer, SourceProblem):
            missing.setdefault(clean(answer), []).append(name)
        elif isinstance(answer, BaseException):
            raise answer
        elif key is None:
            fired = _fired(answer, until)
        else:
            crossings += crossings_of(key, key.limit(thresholds), answer, since, until)
    if len(missing) == 1 and len(next(iter(missing.values()))) == len(questions):
        raise Unreachable(next(iter(missing)))
    return crossings, fired, [f"{', '.join(names)}: {sentence}" for sentence, names in missing.items()]


async def ask_range(
    asking: httpx.AsyncClient, prometheus: str, promql: str, since: float, until: float
) -> list[Series]:
    """The series of ``promql`` from ``since`` to ``until``; :class:`Unreachable` in a sentence."""
    params = {
        "query": promql,
        "start": f"{since:.3f}",
        "end": f"{until:.3f}",
        "step": f"{STEP:g}",
        "timeout": "4s",
    }
    answer = await http.get(asking, f"{prometheus.rstrip('/')}/api/v1/query_range", "Prometheus", params)
    if answer.code != httpx.codes.OK:
        raise Unreachable(f"Prometheus answers a range query with code {answer.code}")
    try:
        return msgspec.json.decode(answer.body, type=RangeAnswer).data.result[:MOST_SERIES]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreachable("something answers in Prometheus' place, but not as it does") from None


def crossings_of(key: KeySeries, limit: float, found: Iterable[Series], since: float, until: float) -> list[Crossing]:
    """The crossings of every series of one answer, the first of each series first."""
    crossings = []
    for series in found:
        name = clean(series.metric.get(key.each, "")) if key.each else ""
        subject = f"{key.subject} of {name}" if name else key.subject
        points = [(moment, value) for moment, value in _points(series) if value >= limit]
        for start, end in _spans([moment for moment, _ in points])[:MOST_CROSSINGS]:
            crossings.append(
                Crossing(
                    key.target, subject, key.procedure, key.unit, limit, start, end if until - end > CALM else None,
                    max(value for moment, value in points if start <= moment <= end), start - since < STEP,
                )
            )  # fmt: skip
    return crossings


def _points(series: Series) -> Iterable[tuple[float, float]]:
    for moment, text in series.values:
        try:
            value = float(text)
        except ValueError:
            raise Unreachable("something answers in Prometheus' place, but not as it does") from None
        if math.isfinite(value) and math.isfinite(moment):
            yield moment, value


def _spans(moments: Iterable[float]) -> list[tuple[float, float]]:
    """Runs of moments that lie no further apart than :data:`CALM`, as (first, last).

    >>> _spans([0, 15, 30, 500, 515])
    [(0, 30), (500, 515)]
    """
    spans: list[tuple[float, float]] = []
    for moment in moments:
        if spans and moment - spans[-1][1] <= CALM:
            spans[-1] = (spans[-1][0], moment)
        else:
            spans.append((moment, moment))
    return spans


def _fired(found: Iterable[Series], until: float) -> list[PastAlert]:
    """Every firing of every alert: Prometheus keeps a series ``ALERTS`` of each."""
    alerts = []
    for series in found:
        labels = {name: value for name, value in series.metric.items() if name not in ("__name__", "alertstate")}
        name = clean(labels.get("alertname", ""))
        # One that clears and fires again at once is the same firing: nobody was paged twice in between.
        for start, end in _spans([moment for moment, _ in series.values])[:MOST_CROSSINGS]:
            about = ", ".join(
                f"{key} {value}" for key, value in sorted(labels.items()) if key not in ("alertname", "severity")
            )
            alerts.append(
                PastAlert(
                    clean(fingerprint(labels)), name, severity_of(labels.get("severity", ""), name), clean(about), start,
                    "", end if until - end > 2 * STEP else None,
                )
            )  # fmt: skip
    return alerts
