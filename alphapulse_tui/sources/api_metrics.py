"""Where the API's time goes, and where its errors are: two surveys by Prometheus (runbook 2.4 and 4.2).

Each asks a dozen instant queries and one range for the onset, in a private thread, while somebody looks. Made by ``surveys``.
"""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from alphapulse_tui.model import api_queries as queries
from alphapulse_tui.model.api import (
    EndpointErrors,
    EndpointTime,
    ErrorsSnapshot,
    LatencySnapshot,
    PodTime,
    VersionErrors,
)
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.prometheus import Prometheus, Series, onset, timed_points, value_of

ONSET_SECONDS = 2 * 3600.0
"""How far back the beginning is looked for."""

ONSET_STEP = 15.0
"""Seconds between two points of it: 480 points, far from the server's limit of 11,000."""

QUERY_SECONDS = 7.0
"""For all queries of one reading."""

T = TypeVar("T")

_WINDOW = re.compile(r"(\d+)([smh])")


class MetricsSource(Source[T]):
    """What Prometheus knows of the API; a subclass asks its queries."""

    interval = 10.0
    deadline = 8.0

    def __init__(
        self, url: str, window: str, thresholds: Thresholds | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._prometheus = Prometheus(url)
        self._window = window
        self._thresholds = thresholds or Thresholds()
        self._clock = clock

    async def read(self) -> T:
        """All queries, one after another in the private thread."""
        return await self._prometheus.run(self._ask, QUERY_SECONDS)

    def judge(self, snapshot: T) -> tuple[Finding, ...]:  # noqa: ARG002 - the platform's panel judges
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Let go of the thread."""
        self._prometheus.close()

    @abstractmethod
    def _ask(self) -> T:
        """The snapshot; blocks."""

    def _series(self, query: str) -> list[Series]:
        return self._prometheus.series(queries.over(query, self._window))


class LatencySource(MetricsSource[LatencySnapshot]):
    """Latency by endpoint and pod, with what the dependencies take of it."""

    target = "api-latency"

    def _ask(self) -> LatencySnapshot:
        parts = self._series(queries.ENDPOINT_PARTS)
        rates = _by(self._series(queries.ENDPOINT_RATE), "endpoint")
        p50, p95, p99, mean = (
            _by(self._series(query), "endpoint")
            for query in (*map(queries.by_endpoint, (0.5, 0.95, 0.99)), queries.ENDPOINT_MEAN)
        )
        endpoints = [
            EndpointTime(
                name, rate, p50.get(name), p95.get(name), p99.get(name), mean.get(name), _parts_of(name, parts)
            )
            for name, rate in rates.items()
            if rate > 0
        ]
        line = self._thresholds.api_p99_critical
        return LatencySnapshot(
            window=self._window,
            endpoints=tuple(sorted(endpoints, key=lambda one: (-(one.p99 or 0.0), one.endpoint))),
            pods=self._pods(),
            rate_now=self._value(queries.RATE),
            rate_before=self._value(queries.RATE_BEFORE),
            onset=_onset(self._prometheus, queries.over(queries.P99, self._window), self._clock(), line),
            breakdown=bool(parts),
        )

    def _pods(self) -> tuple[PodTime, ...]:
        p99, cpu = (_by(self._series(query), "pod") for query in (queries.POD_P99, queries.POD_CPU))
        pods = [
            PodTime(labels.get("pod", ""), labels.get("version", ""), rate, p99.get(labels.get("pod", "")), cpu.get(labels.get("pod", "")))
            for labels, rate in self._series(queries.POD_RATE)
            if rate > 0 and labels.get("pod")
        ]  # fmt: skip
        return tuple(sorted(pods, key=lambda one: (-(one.p99 or 0.0), one.pod)))

    def _value(self, query: str) -> float | None:
        return value_of(self._prometheus.vector(queries.over(query, self._window)))


class ErrorsSource(MetricsSource[ErrorsSnapshot]):
    """Errors by endpoint, status, type and release, and since when."""

    target = "api-errors"

    def _ask(self) -> ErrorsSnapshot:
        types = [(labels.get("type", ""), rate) for labels, rate in self._series(queries.TYPES) if rate > 0]
        failed = _by(self._series(queries.VERSIONS_FAILED), "version")
        versions = [
            VersionErrors(version, rate, 100 * failed.get(version, 0.0) / rate)
            for version, rate in _by(self._series(queries.VERSIONS), "version").items()
            if rate > 0
        ]
        percent = queries.over(queries.ERROR_PERCENT, self._window)
        return ErrorsSnapshot(
            window=self._window,
            endpoints=answers(self._series(queries.ANSWERS)),
            types=tuple(sorted(types, key=lambda one: (-one[1], one[0]))),
            versions=tuple(sorted(versions, key=lambda one: (-one.percent, one.version))),
            percent=value_of(self._prometheus.vector(percent)),
            onset=_onset(self._prometheus, percent, self._clock(), self._thresholds.api_error_rate_critical),
        )


def answers(series: Sequence[Series]) -> tuple[EndpointErrors, ...]:
    """Answers by endpoint and status, those of 5xx first, most a second first."""
    total: dict[str, float] = {}
    for labels, rate in series:
        total[labels.get("endpoint", "")] = total.get(labels.get("endpoint", ""), 0.0) + rate
    found = [
        EndpointErrors(name, labels.get("status", ""), rate, 100 * rate / total[name])
        for labels, rate in series
        if rate > 0 and (name := labels.get("endpoint", "")) is not None
    ]
    return tuple(sorted(found, key=lambda one: (not one.status.startswith("5"), -one.rate, one.endpoint)))


def seconds_of(window: str) -> float:
    """A PromQL duration of one unit in seconds; 300 for any other.

    >>> seconds_of("30s"), seconds_of("5m"), seconds_of("1h30m")
    (30.0, 300.0, 300.0)
    """
    found = _WINDOW.fullmatch(window)
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else 300.0


def _by(series: Sequence[Series], label: str) -> dict[str, float]:
    return {labels.get(label, ""): value for labels, value in series}


def _parts_of(endpoint: str, series: Sequence[Series]) -> tuple[tuple[str, float], ...]:
    found = [(labels.get("dependency", ""), value) for labels, value in series if labels.get("endpoint") == endpoint]
    return tuple(sorted(found, key=lambda one: (-one[1], one[0])))


def _onset(prometheus: Prometheus, promql: str, now: float, line: float) -> float | None:
    matrix = prometheus.matrix(promql, now - ONSET_SECONDS, now, ONSET_STEP)
    return onset(timed_points(matrix), line, 4 * ONSET_STEP)
