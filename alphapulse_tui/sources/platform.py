"""The platform's key metrics from Prometheus, and the API's health as somebody outside sees it.

Instant queries by prometheus-api-client in a private thread, one hour of history by range queries once, grown by a point a minute. An empty
vector and NaN are *no value*, never zero. The health address is asked by httpx with its code and its time kept. Made by ``build``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import httpx

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.platform import EdgeHealth, Metric, PlatformSnapshot
from alphapulse_tui.model.platform_queries import PLATFORM_QUERIES
from alphapulse_tui.model.rules import platform as rules
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.sources import http
from alphapulse_tui.sources.contract import Source, SourceProblem
from alphapulse_tui.sources.prometheus import Prometheus, points_of, value_of
from alphapulse_tui.text import clean

HISTORY = 3600.0
"""Seconds of history."""

STEP = 60.0
"""Seconds between two points of it."""

HISTORY_AGAIN = 300.0
"""Seconds until a history that could not be had is asked for again: ten range queries are no small question."""

SPARE = 0.5
"""Seconds of a reading's deadline that the history leaves."""

log = logging.getLogger(__name__)


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
        self._prometheus = Prometheus(prometheus) if prometheus else None
        self._health_url = health_url
        self._window = window
        self._clock = clock
        self._client: httpx.AsyncClient | None = None
        self._history: dict[str, tuple[float, ...]] | None = None
        self._history_due = 0.0
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
        if self._prometheus is not None:
            self._prometheus.close()
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
        prometheus = self._prometheus
        if prometheus is None:
            return ()
        started = time.monotonic()
        values = await prometheus.run(lambda: self._ask_values(prometheus), 6.0)
        now = self._clock()
        # The first reading comes without history: the figures of now are what somebody waits for.
        if self._history is None and self._reads and now >= self._history_due:
            await self._begin_history(prometheus, now, self.deadline - (time.monotonic() - started) - SPARE)
        elif self._history is not None and now - self._last_point >= STEP:
            self._last_point = now
            self._history = {
                query.id: (self._history[query.id] + (() if value is None else (value,)))[-int(HISTORY / STEP) :]
                for query, value in zip(PLATFORM_QUERIES, values, strict=True)
            }
        return tuple(self._metric(place, value) for place, value in enumerate(values))

    async def _begin_history(self, prometheus: Prometheus, now: float, seconds: float) -> None:
        """An hour of history within ``seconds``; a server that is too slow for it still tells the figures of now."""
        self._history_due = now + HISTORY_AGAIN
        try:
            self._history = await prometheus.run(lambda: self._ask_history(prometheus, now), seconds)
        except SourceProblem as problem:
            log.info("no history from Prometheus, asked again in %.0f s: %s", HISTORY_AGAIN, clean(problem))
        else:
            self._last_point = now

    def _metric(self, place: int, value: float | None) -> Metric:
        query = PLATFORM_QUERIES[place]
        history = (self._history or {}).get(query.id, ())
        return Metric(query.id, query.title, query.unit, value, history, query.over(self._window))

    def _ask_values(self, prometheus: Prometheus) -> list[float | None]:
        return [value_of(prometheus.vector(query.over(self._window))) for query in PLATFORM_QUERIES]

    def _ask_history(self, prometheus: Prometheus, now: float) -> dict[str, tuple[float, ...]]:
        return {
            query.id: points_of(prometheus.matrix(query.over(self._window), now - HISTORY, now, STEP))
            for query in PLATFORM_QUERIES
        }
