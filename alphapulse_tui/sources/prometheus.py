"""The way to Prometheus: prometheus-api-client in a private thread, with every failure as one sentence.

The library retries a refused connection for six seconds and has no total time limit (facts 10.6); both are switched off here. An empty vector
and NaN are *no value*, never zero. Used by ``sources.platform`` and ``sources.api_metrics``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.sources.private_thread import PrivateThread
from alphapulse_tui.text import clean

R = TypeVar("R")

STRANGER = "something answers in Prometheus' place, but not as it does"

DIGITS = 4
"""Significant digits that are kept: an error rate is judged at 0.1 %, finer is noise."""

Series = tuple[Mapping[str, str], float]
"""Labels and value."""


class Prometheus:
    """One server. Everything but :meth:`run` and :meth:`close` is called in the private thread."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._thread = PrivateThread("Prometheus")
        self._library: Any = None

    async def run(self, work: Callable[[], R], deadline: float) -> R:
        """The result of ``work()`` in the private thread; :class:`Unreachable` after ``deadline`` seconds."""
        return await self._thread.call(work, deadline)

    def close(self) -> None:
        """Let go of the thread; a hung call is left to end by itself."""
        self._thread.close()

    def vector(self, promql: str) -> Any:
        """An instant vector as the library gives it."""
        return self._call("custom_query", promql)

    def series(self, promql: str) -> list[Series]:
        """An instant vector as labels and values; series without a finite value are left out."""
        return series_of(self.vector(promql))

    def matrix(self, promql: str, start: float, end: float, step: float) -> Any:
        """A range; ``start`` and ``end`` are unix seconds, ``step`` seconds."""
        first, last = (datetime.fromtimestamp(moment, UTC) for moment in (start, end))
        return self._call("custom_query_range", promql, first, last, f"{step:.0f}s")

    def _connect(self) -> Any:
        """The client, made in the private thread: importing it takes a tenth of a second, and no retry may hide a hung server."""
        if self._library is None:
            import prometheus_api_client
            import requests
            import urllib3

            session = requests.Session()
            session.trust_env = False
            retry = urllib3.Retry(total=0)
            self._library = prometheus_api_client.PrometheusConnect(
                url=self._url, retry=retry, session=session, timeout=3
            )
        return self._library

    def _call(self, method: str, *arguments: Any) -> Any:
        """One query. :class:`Unreachable` with what went wrong."""
        import prometheus_api_client.exceptions
        import requests

        try:
            return getattr(self._connect(), method)(*arguments, params={"timeout": "3s"})
        except requests.exceptions.Timeout:
            raise Unreachable("Prometheus gave no answer in time") from None
        except requests.exceptions.ConnectionError as error:
            refused = "refused" in str(error)
            raise Unreachable(
                "Prometheus refuses connections: is it running?" if refused else "Prometheus cannot be reached"
            ) from None
        except (
            prometheus_api_client.exceptions.PrometheusApiClientException,
            requests.exceptions.RequestException,
        ) as error:
            raise Unreachable(f"Prometheus: {clean(error, 200)}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Unreachable(STRANGER) from None


def value_of(vector: Any) -> float | None:
    """The single value of an instant vector; none for an empty one, NaN and infinity. :class:`Unreachable` for anything else.

    >>> value_of([{"metric": {}, "value": [1.0, "12.3400001"]}]), value_of([]), value_of([{"value": [1.0, "NaN"]}])
    (12.34, None, None)
    """
    if vector == []:
        return None
    try:
        value = float(vector[0]["value"][1])
    except (LookupError, TypeError, ValueError):
        raise Unreachable(STRANGER) from None
    return rounded(value) if math.isfinite(value) else None


def series_of(vector: Any) -> list[Series]:
    """Labels and value of every series that has a finite one; labels are clean.

    >>> series_of([{"metric": {"endpoint": "/a"}, "value": [1.0, "2"]}, {"metric": {}, "value": [1.0, "NaN"]}])
    [({'endpoint': '/a'}, 2.0)]
    """
    try:
        found = [
            ({clean(name, 64): clean(text, 256) for name, text in one["metric"].items()}, float(one["value"][1]))
            for one in vector
        ]
    except (LookupError, TypeError, ValueError, AttributeError):
        raise Unreachable(STRANGER) from None
    return [(labels, rounded(value)) for labels, value in found if math.isfinite(value)]


def points_of(matrix: Any) -> tuple[float, ...]:
    """The values of a range, oldest first, gaps left out."""
    return tuple(value for _, value in timed_points(matrix))


def timed_points(matrix: Any) -> tuple[tuple[float, float], ...]:
    """Moment (unix seconds) and value of a range of one series, oldest first, gaps left out."""
    try:
        values = [(float(moment), float(value)) for moment, value in matrix[0]["values"]] if matrix else []
    except (LookupError, TypeError, ValueError):
        raise Unreachable(STRANGER) from None
    return tuple((moment, rounded(value)) for moment, value in values if math.isfinite(value))


def onset(points: Sequence[tuple[float, float]], line: float, gap: float) -> float | None:
    """Since when the values are at or over ``line`` without a break; none when the last one is not.

    Points further apart than ``gap`` seconds are a break: between them nothing is known.

    >>> onset([(0, 1), (10, 9), (20, 8), (30, 9)], 5, 15), onset([(0, 9), (10, 1)], 5, 15), onset([], 5, 15)
    (10, None, None)
    """
    began: float | None = None
    before: float | None = None
    for moment, value in points:
        if before is not None and moment - before > gap:
            began = None
        began = (began if began is not None else moment) if value >= line else None
        before = moment
    return began


def rounded(value: float) -> float:
    """With :data:`DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")
