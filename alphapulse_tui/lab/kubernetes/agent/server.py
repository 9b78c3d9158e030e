"""The node's HTTPS endpoints that the API server proxies to: ``kubectl logs`` and ``kubectl exec``.

Only the API server may call them: a client certificate of the lab's authority is demanded.
"""

from __future__ import annotations

import datetime
import ssl
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import web

from alphapulse_tui.lab.kubernetes.agent.container import Container
from alphapulse_tui.lab.kubernetes.agent.execution import execute
from alphapulse_tui.lab.kubernetes.agent.logs import LogQuestion
from alphapulse_tui.lab.kubernetes.agent.status import ADDRESS
from alphapulse_tui.lab.kubernetes.pki import Pki

if TYPE_CHECKING:
    from alphapulse_tui.lab.kubernetes.agent.node import Node

_SHUTDOWN_SECONDS = 0.5
_TRUE = ("true", "1")


class KubeletServer:
    """Serves while it is entered."""

    def __init__(self, node: Node, pki: Pki, port: int, directory: Path) -> None:
        self._node = node
        self._port = port
        self._directory = directory
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.authority))
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(pki.kubelet.certificate, pki.kubelet.key)
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/containerLogs/{namespace}/{pod}/{container}", self._logs),
                web.get("/exec/{namespace}/{pod}/{container}", self._exec),
            ]
        )
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS
        )

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, ADDRESS, self._port, ssl_context=self._context).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def _container(self, request: web.Request) -> Container:
        names = request.match_info
        found = self._node.find(names["namespace"], names["pod"], names["container"])
        if found is None:
            raise web.HTTPNotFound(text=f'container "{names["container"]}" in pod "{names["pod"]}" is not on this node')
        return found

    async def _healthz(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        container = self._container(request)
        query = request.query
        question = _question(request)
        previous = query.get("previous") in _TRUE
        # Of a container that waits for its next start, the run that just ended is both the current and the previous one.
        waits = container.process is None or not container.process.alive
        log = container.previous_log if previous and not waits else container.log
        if log is None:
            which = "previous terminated container" if previous else "container"
            raise web.HTTPBadRequest(text=f'{which} "{container.name}" in pod "{request.match_info["pod"]}" not found')
        text, offset = log.read(question, time.time())
        if query.get("follow") not in _TRUE:
            return web.Response(body=text, content_type="text/plain")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(text)
        async for more in log.follow(question, offset):
            await response.write(more)
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        container = self._container(request)
        if container.process is None or not container.process.alive:
            raise web.HTTPInternalServerError(
                text=f'unable to upgrade connection: container not found ("{container.name}")'
            )
        return await execute(request, container.environment, self._directory)


def _question(request: web.Request) -> LogQuestion:
    """The reader's query parameters.

    Raises:
        web.HTTPBadRequest: One of them is no number or no moment.
    """
    query = request.query
    try:
        since = None
        if "sinceSeconds" in query:
            since = time.time() - int(query["sinceSeconds"])
        elif "sinceTime" in query:
            since = datetime.datetime.fromisoformat(query["sinceTime"]).timestamp()
        return LogQuestion(
            tail=int(query["tailLines"]) if "tailLines" in query else None,
            since=since,
            timestamps=query.get("timestamps") in _TRUE,
            limit=int(query["limitBytes"]) if "limitBytes" in query else None,
        )
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
