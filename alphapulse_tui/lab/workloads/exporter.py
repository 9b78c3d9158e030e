"""The exporter: figures of PostgreSQL, Redis, Vault and Kubernetes under the names of their real exporters, for Prometheus.

One program instead of four, to be frugal. Every scrape asks all sources side by side, each within a second; one that does not answer gives
its ``..._up 0`` and no figures, as the real exporters do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.workloads.exported.kubernetes import KubernetesFigures
from alphapulse_tui.lab.workloads.exported.postgres import PostgresFigures
from alphapulse_tui.lab.workloads.exported.redis import RedisFigures
from alphapulse_tui.lab.workloads.exported.source import Source, up
from alphapulse_tui.lab.workloads.exported.vault import VaultFigures
from alphapulse_tui.lab.workloads.output import say

_SOURCE_SECONDS = 1.0
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Collected(Collector):
    """What was gathered for one scrape, as prometheus_client wants it."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def gather(sources: Iterable[Source]) -> bytes:
    """One scrape's text."""
    asked = list(sources)
    answers = await asyncio.gather(*(_ask(source) for source in asked))
    registry = CollectorRegistry()
    for metrics in answers:
        registry.register(_Collected(metrics))
    return generate_latest(registry)


async def _ask(source: Source) -> list[Metric]:
    failures: tuple[type[Exception], ...] = (TimeoutError, *source.failures)
    try:
        async with asyncio.timeout(_SOURCE_SECONDS):
            return [*await source.figures(), up(source.name, 1)]
    except failures as error:
        say("ERROR", f"{source.name}: {type(error).__name__} {error}")
        await source.forget()
        return [up(source.name, 0)]


def serving(sources: Iterable[Source]) -> web.Application:
    """``/metrics``; of two that ask at once the second waits, because each source has one connection."""
    asked, one_at_a_time = list(sources), asyncio.Lock()

    async def metrics(request: web.Request) -> web.Response:
        del request
        async with one_at_a_time:
            return web.Response(body=await gather(asked), headers={"Content-Type": _CONTENT_TYPE})

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics)])
    return application


async def _main() -> None:
    lab = Lab(LabDirectory(Path(os.environ["LAB_DIRECTORY"])))
    sources: list[Source] = [PostgresFigures(lab), RedisFigures(lab), VaultFigures(lab), KubernetesFigures(lab)]

    runner = web.AppRunner(serving(sources), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    say("INFO", f"the exporter serves on 127.0.0.1:{os.environ['PORT']}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
