"""Readiness probes against real sockets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from alphapulse_tui.lab.kubernetes.agent.probes import Prober

HTTP = {
    "httpGet": {"path": "/ready", "port": "http"},
    "periodSeconds": 0.02,
    "failureThreshold": 2,
    "timeoutSeconds": 1,
}
TCP = {"tcpSocket": {"port": 6379}}


class App:
    """A server whose readiness can be switched."""

    def __init__(self) -> None:
        self.status = 503
        self.port = unused_port()

    async def ready(self, request: web.Request) -> web.Response:
        return web.Response(status=self.status)


@pytest.fixture
async def app() -> AsyncIterator[App]:
    app = App()
    application = web.Application()
    application.add_routes([web.get("/ready", app.ready)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", app.port).start()
    yield app
    await runner.cleanup()


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    async with aiohttp.ClientSession() as session:
        yield Prober(session)


async def test_verdicts_follow_the_thresholds(app: App, prober: Prober) -> None:
    async with contextlib.aclosing(prober.watch(HTTP, {"http": app.port}, app.port)) as verdicts:
        first = await anext(verdicts)
        assert (first.ready, first.message) == (False, "Readiness probe failed: HTTP probe failed with statuscode: 503")
        app.status = 200
        assert await _next_ready(verdicts) is True
        app.status = 500
        assert (await anext(verdicts)).ready is False


async def _next_ready(verdicts: AsyncIterator[object]) -> bool:
    async for verdict in verdicts:
        if getattr(verdict, "ready", False):
            return True
    return False


async def test_tcp_asks_the_only_port_whatever_number_the_template_names(app: App, prober: Prober) -> None:
    assert await prober.ask(TCP, {"redis": app.port}, app.port) == ""
    refused = await prober.ask(TCP, {}, unused_port())
    assert refused.startswith("Readiness probe failed")


async def test_a_probe_of_a_port_that_does_not_exist_says_so(prober: Prober) -> None:
    assert await prober.ask(HTTP, {}, None) == "Readiness probe errored: no port 'http' in the container"
