"""The edge: the platform's public address, a proxy that splits the traffic by weight and goes round the ready pods, and the steady load on it.

The load is the customers: bounded (10 requests a second, at most 20 under way), sent over the edge's own port, so that it sees what they
would. Weights and ready pods stand in files below ``DISCOVERY`` (:mod:`alphapulse_tui.lab.workloads.split`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from alphapulse_tui.lab.workloads.output import say
from alphapulse_tui.lab.workloads.split import DEFAULT_APP, Split

REQUESTS_PER_SECOND = 10.0
_UNDER_WAY = 20
_TOTAL_SECONDS = 6.0
_CONNECT_SECONDS = 1.0
_TENANTS = 120
_SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "AAPL", "MSFT", "NVDA")
_HOT_TENANTS = 12
_HOT_SHARE = 0.95
"""Most requests are for few tenants: what makes a cache worth having, and warm within seconds of a start."""

_REQUESTS = Counter("edge_requests_total", "Requests at the edge", ["app", "status"])


class Edge:
    """The proxy."""

    def __init__(self, split: Split, session: aiohttp.ClientSession) -> None:
        self._split = split
        self._session = session

    async def forward(self, request: web.Request) -> web.Response:
        """Send the request to the next ready pod of the app whose turn it is.

        To another pod of it only when no connection came about, so that nothing is done twice; to another app never: a share that is sent to
        a Deployment without a pod is lost, as with a real mesh.
        """
        body = await request.read()
        app = self._split.next_app()
        for address in self._split.pods(app) if app else ():
            try:
                async with self._session.request(
                    request.method, f"http://{address}{request.rel_url}", data=body
                ) as answer:
                    _REQUESTS.labels(app, str(answer.status)).inc()
                    return web.Response(
                        body=await answer.read(), status=answer.status, content_type=answer.content_type
                    )
            except aiohttp.ClientConnectorError:
                continue
            except (TimeoutError, aiohttp.ClientError) as error:
                status = 504 if isinstance(error, TimeoutError) else 502
                return _failed(app, status, f"the API pod at {address} did not answer")
        return _failed(
            app, 503, "no API pod is ready" if app == DEFAULT_APP else f"no pod of {app or 'any app'} is ready"
        )


def _failed(app: str, status: int, reason: str) -> web.Response:
    _REQUESTS.labels(app, str(status)).inc()
    return web.json_response({"status": "down", "error": reason}, status=status)


async def _metrics(request: web.Request) -> web.Response:
    del request
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def load(session: aiohttp.ClientSession, address: str) -> None:
    """Customers: a request every tenth of a second, whatever becomes of those before."""
    under_way: set[asyncio.Task[None]] = set()
    while True:
        if len(under_way) < _UNDER_WAY:
            task = asyncio.create_task(_one_request(session, address))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.sleep(1 / REQUESTS_PER_SECOND)


async def _one_request(session: aiohttp.ClientSession, address: str) -> None:
    tenant = random.randint(1, _HOT_TENANTS if random.random() < _HOT_SHARE else _TENANTS)
    kind = random.choices(("trades", "summary", "orders"), (6, 3, 1))[0]
    url = f"{address}/api/v1/{kind}/{tenant}"
    order = {
        "symbol": random.choice(_SYMBOLS),
        "side": random.choice(("buy", "sell")),
        "quantity": round(random.uniform(0.01, 10), 4),
        "price": round(random.uniform(10, 60000), 2),
    }
    try:
        async with session.request(
            "POST" if kind == "orders" else "GET", url, json=order if kind == "orders" else None
        ) as answer:
            await answer.read()
    except (TimeoutError, aiohttp.ClientError):
        # A customer goes away; the edge has counted it.
        return


@contextlib.asynccontextmanager
async def serving(port: int, split: Split) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the edge while entered; gives a session for the load."""
    limit = aiohttp.ClientTimeout(total=_TOTAL_SECONDS, sock_connect=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(timeout=limit) as session:
        edge = Edge(split, session)
        application = web.Application()
        application.add_routes(
            [
                web.get("/metrics", _metrics),
                web.get("/health", edge.forward),
                web.route("*", "/api/{tail:.*}", edge.forward),
            ]
        )
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield session
        finally:
            await runner.cleanup()


async def _main() -> None:
    port = int(os.environ["PORT"])
    async with serving(port, Split(Path(os.environ["DISCOVERY"]))) as session:
        say("INFO", f"the edge serves on 127.0.0.1:{port}")
        await load(session, f"http://127.0.0.1:{port}")


if __name__ == "__main__":
    asyncio.run(_main())
