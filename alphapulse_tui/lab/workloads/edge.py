"""The edge: the platform's public address, a round-robin proxy over the ready API pods, and the steady load on it.

The load is the customers: bounded (10 requests a second, at most 20 under way), sent over the edge's own port, so that it sees what they
would. Which pods are ready stands in a file that the node agent keeps (``READY_FILE``); it is read again when it changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from alphapulse_tui.lab.workloads.output import say

REQUESTS_PER_SECOND = 10.0
_UNDER_WAY = 20
_TOTAL_SECONDS = 6.0
_CONNECT_SECONDS = 1.0
_TENANTS = 120
_SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "AAPL", "MSFT", "NVDA")
_HOT_TENANTS = 12
_HOT_SHARE = 0.95
"""Most requests are for few tenants: what makes a cache worth having, and warm within seconds of a start."""

_REQUESTS = Counter("edge_requests_total", "Requests at the edge", ["status"])


class Pods:
    """The ready pods, as the node agent's file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = 0
        self._addresses: list[str] = []
        self._turn = 0

    def in_turn(self) -> list[str]:
        """All addresses, beginning with the next in turn."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            changed = self._file.stat().st_mtime_ns
            if changed != self._seen:
                self._addresses = [entry["targets"][0] for entry in json.loads(self._file.read_text(encoding="utf-8"))]
                self._seen = changed
        if not self._addresses:
            return []
        self._turn = (self._turn + 1) % len(self._addresses)
        return self._addresses[self._turn :] + self._addresses[: self._turn]


class Edge:
    """The proxy."""

    def __init__(self, pods: Pods, session: aiohttp.ClientSession) -> None:
        self._pods = pods
        self._session = session

    async def forward(self, request: web.Request) -> web.Response:
        """Send the request to the next ready pod; to another one only when no connection came about, so that nothing is done twice."""
        body = await request.read()
        for address in self._pods.in_turn():
            try:
                async with self._session.request(
                    request.method, f"http://{address}{request.rel_url}", data=body
                ) as answer:
                    _REQUESTS.labels(str(answer.status)).inc()
                    return web.Response(
                        body=await answer.read(), status=answer.status, content_type=answer.content_type
                    )
            except aiohttp.ClientConnectorError:
                continue
            except (TimeoutError, aiohttp.ClientError) as error:
                return _failed(
                    504 if isinstance(error, TimeoutError) else 502, f"the API pod at {address} did not answer"
                )
        return _failed(503, "no API pod is ready")


def _failed(status: int, reason: str) -> web.Response:
    _REQUESTS.labels(str(status)).inc()
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
async def serving(port: int, pods: Pods) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the edge while entered; gives a session for the load."""
    limit = aiohttp.ClientTimeout(total=_TOTAL_SECONDS, sock_connect=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(timeout=limit) as session:
        edge = Edge(pods, session)
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
    async with serving(port, Pods(Path(os.environ["READY_FILE"]))) as session:
        say("INFO", f"the edge serves on 127.0.0.1:{port}")
        await load(session, f"http://127.0.0.1:{port}")


if __name__ == "__main__":
    asyncio.run(_main())
