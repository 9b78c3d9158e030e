"""What the API and the workers share as HTTP servers: opening, ``/health``, ``/ready``, ``/metrics``, and an honest exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alphapulse_tui.lab.workloads.dependencies import Dependencies, Settings, StartError
from alphapulse_tui.lab.workloads.output import say

_LISTEN = "127.0.0.1"
_GRACE_SECONDS = 5
START_FAILED = 1
"""Exit code of a program that could not start."""

Opening = Callable[[Settings], Awaitable[Dependencies]]


def application(
    settings: Settings,
    dependencies: Dependencies,
    routes: Sequence[Route],
    work: Callable[[], Awaitable[None]],
    unready: str = "",
) -> Starlette:
    """An ASGI application with the common endpoints and ``routes``; ``work`` runs beside it until it stops.

    ``unready`` is what the program itself still lacks before it can serve; empty when it lacks nothing.
    """

    async def health(request: Request) -> Response:
        del request
        problems = await dependencies.check()
        checks = {name: problems.get(name, "ok") for name in ("postgres", "redis", "vault")}
        body = {
            "status": "degraded" if problems else "ok",
            "checks": checks,
            "pod": settings.pod,
            "release": settings.release,
        }
        return JSONResponse(body, status_code=503 if problems else 200)

    async def ready(request: Request) -> Response:
        # Without its database a pod can serve nothing; without cache or Vault it still serves, slower or on what it has read.
        del request
        database = dependencies.problems.get("postgres")
        problem = unready or (f"postgres: {database}" if database else "")
        return Response(problem or "ready", status_code=503 if problem else 200)

    async def metrics(request: Request) -> Response:
        del request
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        tasks = [asyncio.ensure_future(dependencies.keep_checking()), asyncio.ensure_future(work())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await dependencies.close()

    common = [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]
    return Starlette(routes=[*common, *routes], lifespan=lifespan)


def run(opening: Opening, build: Callable[[Settings, Dependencies], Starlette]) -> None:
    """Open the dependencies, serve until told to stop, and exit: 0 after SIGTERM, 1 when it could not start."""
    try:
        asyncio.run(_serve(opening, build))
    except StartError as error:
        say("FATAL", f"{error}")
        sys.exit(START_FAILED)
    # No interpreter teardown: a pod that is told to stop stops at once.
    sys.stdout.flush()
    os._exit(0)


async def _serve(opening: Opening, build: Callable[[Settings, Dependencies], Starlette]) -> None:
    settings = Settings.read()
    dependencies = await opening(settings)
    config = uvicorn.Config(
        build(settings, dependencies),
        host=_LISTEN,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    say("INFO", f"release {settings.release} serves on {_LISTEN}:{settings.port}")
    await uvicorn.Server(config).serve()
