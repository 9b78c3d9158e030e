"""The platform's key metrics from Prometheus, and the API's health as somebody outside sees it.

Instant queries by prometheus-api-client in a private thread, one hour of history by range queries once, grown by a point a minute. An empty
vector and NaN are *no value*, never zero. The health address is asked by httpx with its code and its time kept. Made by ``build``.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

import httpx

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.platform import EdgeHealth, Metric, PlatformSnapshot
from alphapulse_tui.model.platform_queries import PLATFORM_QUERIES
from alphapulse_tui.model.rules import platform as rules
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.sources import http
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.private_thread import PrivateThread
from alphapulse_tui.text import clean

HISTORY = 3600.0
"""Seconds of history."""

STEP = 60.0
"""Seconds between two points of it."""

DIGITS = 4
"""Significant digits that are kept: an error rate is judged at 0.1 %, finer is noise."""


class PlatformSource(Source[PlatformSnapshot]):
    """Prometheus and the API's health address; an empty address means not configured."""

    target = "platform"
    interval = 10.0
    deadline = 8.0

    def __init__(
        self,
        prometheus: str,
        health_url: str,
        thresholds: Thresholds | None = None,
        window: str = "5m",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._thresholds = thresholds or Thresholds()
        self._prometheus = prometheus.rstrip("/")
        self._health_url = health_url
        self._window = window
        self._clock = clock
        self._thread = PrivateThread("Prometheus")
        self._library: Any = None
        self._client: httpx.AsyncClient | None = None
        self._history: dict[str, tuple[float, ...]] | None = None
        self._last_point = 0.0
        self._reads = 0

    async def read(self) -> PlatformSnapshot:
        """Ask both; raises when only Prometheus is configured and it does not answer."""
        edge, metrics = await asyncio.gather(self._edge(), self._metrics(), return_exceptions=True)
        if isinstance(edge, BaseException):
            raise edge
        problem = ""
        if isinstance(metrics, SourceProblem):
            if edge is None:
                raise metrics
            problem = clean(metrics)
            metrics = tuple(self._metric(place, None) for place in range(len(PLATFORM_QUERIES)))
        elif isinstance(metrics, BaseException):
            raise metrics
        self._reads += 1
        return PlatformSnapshot(metrics, edge, problem)

    def judge(self, snapshot: PlatformSnapshot) -> tuple[Finding, ...]:
        """The rules."""
        return rules.judge(snapshot, self._thresholds)

    async def close(self) -> None:
        """Close connections; a hung call of the private thread is left to end by itself."""
        self._thread.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    # -- the API's edge --------------------------------------------------------------------------------------------------------------

    async def _edge(self) -> EdgeHealth | None:
        if not self._health_url:
            return None
        if self._client is None:
            self._client = await http.client(self._thresholds.health_probe_timeout)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._thresholds.health_probe_timeout):
                answer = await http.get(self._client, self._health_url, "the API")
        except TimeoutError:
            seconds = self._thresholds.health_probe_timeout
            return EdgeHealth(self._health_url, 0, None, f"the API gave no answer within {seconds:g} s")
        except SourceProblem as problem:
            return EdgeHealth(self._health_url, 0, None, clean(problem))
        return EdgeHealth(self._health_url, answer.code, float(round(1000 * (time.monotonic() - started))))

    # -- Prometheus ------------------------------------------------------------------------------------------------------------------

    async def _metrics(self) -> tuple[Metric, ...]:
        if not self._prometheus:
            return ()
        values = await self._thread.call(self._ask_values, 6.0)
        now = self._clock()
        # The first reading comes without history: the figures of now are what somebody waits for.
        if self._history is None and self._reads:
            self._history = await self._thread.call(lambda: self._ask_history(now), 7.0)
            self._last_point = now
        elif self._history is not None and now - self._last_point >= STEP:
            self._last_point = now
            self._history = {
                query.id: (self._history[query.id] + (() if value is None else (value,)))[-int(HISTORY / STEP) :]
                for query, value in zip(PLATFORM_QUERIES, values, strict=True)
            }
        return tuple(self._metric(place, value) for place, value in enumerate(values))

    def _metric(self, place: int, value: float | None) -> Metric:
        query = PLATFORM_QUERIES[place]
        history = (self._history or {}).get(query.id, ())
        return Metric(query.id, query.title, query.unit, value, history, query.over(self._window))

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
                url=self._prometheus, retry=retry, session=session, timeout=3
            )
        return self._library

    def _ask_values(self) -> list[float | None]:
        return [value_of(self._call("custom_query", query.over(self._window))) for query in PLATFORM_QUERIES]

    def _ask_history(self, now: float) -> dict[str, tuple[float, ...]]:
        from datetime import UTC, datetime

        start, end = (datetime.fromtimestamp(moment, UTC) for moment in (now - HISTORY, now))
        found = {}
        for query in PLATFORM_QUERIES:
            answer = self._call("custom_query_range", query.over(self._window), start, end, f"{STEP:.0f}s")
            found[query.id] = points_of(answer)
        return found

    def _call(self, method: str, *arguments: Any) -> Any:
        """One query; runs in the private thread. :class:`Unreachable` with what went wrong."""
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
            raise Unreachable("something answers in Prometheus' place, but not as it does") from None


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
        raise Unreachable("something answers in Prometheus' place, but not as it does") from None
    return _rounded(value) if math.isfinite(value) else None


def points_of(matrix: Any) -> tuple[float, ...]:
    """The values of a range, oldest first, gaps left out."""
    try:
        values = [float(value) for _, value in matrix[0]["values"]] if matrix else []
    except (LookupError, TypeError, ValueError):
        raise Unreachable("something answers in Prometheus' place, but not as it does") from None
    return tuple(_rounded(value) for value in values if math.isfinite(value))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
