"""An agent worker: every second it reads a tenant's trades, computes, and leaves the result in Redis for the API to find."""

from __future__ import annotations

import asyncio
import random
import time

import asyncpg
from prometheus_client import Counter, Histogram
from starlette.applications import Starlette

from alphapulse_tui.lab.workloads.dependencies import CACHE_FAILURES, Dependencies, Settings, open_all
from alphapulse_tui.lab.workloads.output import say
from alphapulse_tui.lab.workloads.serving import application, run

_POOL = 2
_EVERY_SECONDS = 1.0
_SIGNAL_SECONDS = 60
_TENANTS = 120

_TASKS = Counter("agent_tasks_total", "Tasks of the agent workers", ["outcome"])
_DURATION = Histogram("agent_task_duration_seconds", "How long a task took")
_MOMENTUM = """
SELECT symbol, sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END)::text
FROM (SELECT * FROM trades WHERE tenant_id = $1 ORDER BY executed_at DESC LIMIT 200) latest GROUP BY symbol
"""


async def work(dependencies: Dependencies) -> None:
    """One task a second, for ever; a task that fails is told and counted."""
    for outcome in ("done", "failed"):
        _TASKS.labels(outcome)
    while True:
        began = time.perf_counter()
        try:
            await one_task(dependencies, random.randint(1, _TENANTS))
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, *CACHE_FAILURES) as error:
            _TASKS.labels("failed").inc()
            say("ERROR", f"task: {type(error).__name__} {error}")
        else:
            _TASKS.labels("done").inc()
        _DURATION.observe(time.perf_counter() - began)
        await asyncio.sleep(_EVERY_SECONDS)


async def one_task(dependencies: Dependencies, tenant: int) -> None:
    """Compute a tenant's signal and keep it for a minute."""
    rows = await dependencies.database.fetch(_MOMENTUM, tenant)
    if rows:
        key = f"signal:{tenant}"
        await dependencies.cache.hset(key, mapping={row[0]: row[1] for row in rows})
        await dependencies.cache.expire(key, _SIGNAL_SECONDS)


async def _open(settings: Settings) -> Dependencies:
    return await open_all(settings, "agent-worker", "worker_url", _POOL)


def _build(settings: Settings, dependencies: Dependencies) -> Starlette:
    return application(settings, dependencies, [], lambda: work(dependencies))


if __name__ == "__main__":
    run(_open, _build)
