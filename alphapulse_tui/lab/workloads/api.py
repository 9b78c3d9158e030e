"""The API: trades, tenant summaries and risk reports from PostgreSQL, cached in Redis; its metrics bear the runbook's names (4.1).

A release with a bug (:mod:`alphapulse_tui.lab.workloads.releases`) does one thing wrong; where, says the word ``Bug``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import asyncpg
from prometheus_client import Counter, Histogram
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alphapulse_tui.lab.workloads.dependencies import (
    CACHE_FAILURES,
    CHECK_EVERY_SECONDS,
    Dependencies,
    Settings,
    open_all,
)
from alphapulse_tui.lab.workloads.output import say
from alphapulse_tui.lab.workloads.releases import ARCHIVE_SECONDS, BUGS, PRICING_SECONDS, Bug
from alphapulse_tui.lab.workloads.serving import application, run

_POOL = 5
_CACHE_SECONDS = 120
"""Long enough that a healthy platform answers most requests from the cache; the runbook wants 85 % (2.2)."""
_LATEST = 20
TENANTS = 120
"""Of the database (``sql/rows.sql``)."""

_DURATION = Histogram(
    "api_request_duration_seconds",
    "How long requests took",
    ["endpoint"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0),
)
_DEPENDENCY = Histogram(
    "api_dependency_duration_seconds",
    "How long requests waited for what the API stands on",
    ["endpoint", "dependency"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0),
)
"""Tells where a request's time goes; what neither names is the program's own."""
_REQUESTS = Counter("api_requests_total", "Requests", ["endpoint", "status"])
_TENANTS = Counter("api_tenant_requests_total", "Requests by tenant: who is hurt", ["tenant"])
_ERRORS = Counter("api_errors_total", "Errors", ["type"])
_ERROR_TYPES = ("database", "cache", "vault", "internal")

_TRADES = "SELECT symbol, side, quantity::text, price::text FROM trades WHERE tenant_id = $1 ORDER BY executed_at DESC LIMIT $2"
_SUMMARY = "SELECT count(*), coalesce(sum(quantity * price), 0)::text FROM trades WHERE tenant_id = $1"
_SUMMARY_IN_DECIMALS = "SELECT count(*), coalesce(sum(quantity * price), 0) FROM trades WHERE tenant_id = $1"
_SUMMARY_WITH_ARCHIVE = f"""
WITH archive AS MATERIALIZED (SELECT pg_sleep({ARCHIVE_SECONDS}))
SELECT count(trades.id), coalesce(sum(quantity * price), 0)::text FROM archive CROSS JOIN trades WHERE tenant_id = $1
"""
_POSITIONS = """
SELECT symbol, sum(quantity * price)::float8
FROM (SELECT * FROM trades WHERE tenant_id = $1 ORDER BY executed_at DESC LIMIT 200) latest GROUP BY symbol ORDER BY symbol
"""
_SCENARIOS = 4000
"""Of a risk report: some 25 ms of CPU, so that customers who want reports are load and not only traffic."""
_VOLATILITY = 0.03
"""Standard deviation of a symbol's return in a scenario."""
_INSERT = """
INSERT INTO trades (tenant_id, symbol, side, quantity, price, executed_at)
VALUES ($1, $2, $3, $4::text::numeric, $5::text::numeric, now())
"""

Endpoint = Callable[[Request], Awaitable[Response]]


def measured(name: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint with its metrics; a database that fails is a 503, a mistake of the program a 500, both told and counted."""

    async def serve(request: Request) -> Response:
        began = time.perf_counter()
        try:
            response = await endpoint(request)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _ERRORS.labels("database").inc()
            say("ERROR", f"{name}: database: {type(error).__name__} {error}")
            response = JSONResponse({"error": "the database does not answer"}, status_code=503)
        except (TypeError, ValueError, ArithmeticError) as error:
            # The program's own mistake: what a web framework answers with 500.
            _ERRORS.labels("internal").inc()
            say("ERROR", f"{name}: {type(error).__name__} {error}")
            response = JSONResponse({"error": "internal server error"}, status_code=500)
        _DURATION.labels(name).observe(time.perf_counter() - began)
        _REQUESTS.labels(name, str(response.status_code)).inc()
        tenant = int(request.path_params["tenant"])
        if 1 <= tenant <= TENANTS:
            # An address that anybody may type must not become a series.
            _TENANTS.labels(f"tenant-{tenant:03}").inc()
        return response

    return serve


@contextlib.contextmanager
def waiting_for(dependency: str, endpoint: str) -> Iterator[None]:
    """Count what is done inside as time spent in ``dependency``."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _DEPENDENCY.labels(endpoint, dependency).observe(time.perf_counter() - began)


class Api:
    """The endpoints."""

    def __init__(self, dependencies: Dependencies, bug: Bug | None = None) -> None:
        self._dependencies = dependencies
        self._bug = bug
        # What others have cached must not hide the bug of a release: one whose answers or times to live differ has keys of its own.
        self._prefix = {Bug.SUMMARY_FAILS: "v2:", Bug.CACHE_FORGETS: "v3:"}.get(bug, "") if bug else ""

    def routes(self) -> list[Route]:
        """What is served under ``/api``."""
        trades = measured("/api/v1/trades", self._trades)
        place = measured("/api/v1/orders", self._order)
        summary = measured("/api/v1/summary", self._summary)
        risk = measured("/api/v1/risk", self._risk)
        return [
            Route("/api/v1/risk/{tenant:int}", risk),
            Route("/api/v1/trades/{tenant:int}", trades),
            Route("/api/v1/summary/{tenant:int}", summary),
            Route("/api/v1/orders/{tenant:int}", place, methods=["POST"]),
        ]

    async def watch_vault(self) -> None:
        """Count what the regular checks found; the canary read of the credentials is one of them."""
        kinds = {"postgres": "database", "redis": "cache", "vault": "vault"}
        for kind in _ERROR_TYPES:
            _ERRORS.labels(kind)
        while True:
            await asyncio.sleep(CHECK_EVERY_SECONDS)
            for name, problem in self._dependencies.problems.items():
                _ERRORS.labels(kinds[name]).inc()
                say("ERROR", f"check of {name}: {problem}")

    async def _trades(self, request: Request) -> Response:
        tenant = int(request.path_params["tenant"])
        if self._bug is Bug.TRADES_ARE_SLOW:
            await asyncio.sleep(PRICING_SECONDS)

        async def read() -> object:
            rows = await self._dependencies.database.fetch(_TRADES, tenant, _LATEST)
            return [dict(row) for row in rows]

        return await self._cached("/api/v1/trades", f"trades:{self._prefix}{tenant}", read)

    async def _summary(self, request: Request) -> Response:
        tenant = int(request.path_params["tenant"])

        statements = {Bug.SUMMARY_FAILS: _SUMMARY_IN_DECIMALS, Bug.CACHE_FORGETS: _SUMMARY_WITH_ARCHIVE}
        statement = statements.get(self._bug, _SUMMARY) if self._bug else _SUMMARY

        async def read() -> object:
            row = await self._dependencies.database.fetchrow(statement, tenant)
            return {"tenant": tenant, "trades": row[0], "volume": row[1]}

        return await self._cached("/api/v1/summary", f"summary:{self._prefix}{tenant}", read)

    async def _risk(self, request: Request) -> Response:
        """Value at risk of a tenant's positions, by simulation: never cached, since it must be of now."""
        tenant = int(request.path_params["tenant"])
        with waiting_for("database", "/api/v1/risk"):
            rows = await self._dependencies.database.fetch(_POSITIONS, tenant)
        return JSONResponse({"tenant": tenant, "value_at_risk": value_at_risk([row[1] for row in rows])})

    async def _order(self, request: Request) -> Response:
        tenant = int(request.path_params["tenant"])
        order = await request.json()
        values = (order["symbol"], order["side"], str(order["quantity"]), str(order["price"]))
        with waiting_for("database", "/api/v1/orders"):
            await self._dependencies.database.execute(_INSERT, tenant, *values)
        return JSONResponse({"accepted": True}, status_code=201)

    async def _cached(self, endpoint: str, key: str, read: Callable[[], Awaitable[object]]) -> Response:
        """From the cache, else from the database; a cache that fails costs time, never an answer."""

        async def fresh() -> object:
            with waiting_for("database", endpoint):
                return await read()

        try:
            with waiting_for("redis", endpoint):
                known = await self._dependencies.cache.get(key)
            if known is not None:
                return Response(known, media_type="application/json")
        except CACHE_FAILURES as error:
            self._cache_failed(error)
            return JSONResponse(await fresh())
        text = json.dumps(await fresh())
        try:
            with waiting_for("redis", endpoint):
                kept = _CACHE_SECONDS if self._bug is Bug.CACHE_FORGETS else 1000 * _CACHE_SECONDS
                await self._dependencies.cache.set(key, text, px=kept)
        except CACHE_FAILURES as error:
            self._cache_failed(error)
        return Response(text, media_type="application/json")

    def _cache_failed(self, error: Exception) -> None:
        _ERRORS.labels("cache").inc()
        say("ERROR", f"cache: {type(error).__name__} {error}")


def value_at_risk(positions: Sequence[float]) -> float:
    """The loss that 95 % of the scenarios stay below, in the positions' own currency; 0 without positions.

    >>> value_at_risk([])
    0.0
    """
    draw = random.Random(1).gauss
    losses = sorted(-sum(value * draw(0, _VOLATILITY) for value in positions) for _ in range(_SCENARIOS))
    return round(losses[int(len(losses) * 0.95)], 2)


async def _open(settings: Settings) -> Dependencies:
    return await open_all(settings, "api", "url", _POOL)


def _build(settings: Settings, dependencies: Dependencies) -> Starlette:
    bug = BUGS.get(settings.release)
    api = Api(dependencies, bug)
    missing = "the order book is at 0 %" if bug is Bug.NEVER_READY else ""
    return application(settings, dependencies, api.routes(), api.watch_vault, unready=missing)


if __name__ == "__main__":
    run(_open, _build)
