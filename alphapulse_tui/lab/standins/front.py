"""What every stand-in has beside the real interface: it keeps what it got, and it misbehaves when told to.

``GET /_kept`` lists the requests, oldest first, each with the answer's status (0: none was given); ``DELETE /_kept`` forgets them and all
that came of them, as in a new account. ``POST /_behave`` takes a :class:`Behaviour`: from then on requests fail, hang or are slow, for ever
or so many times. Secrets of a request (its authorization, a webhook's path, a routing key) are never kept.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

import msgspec
from aiohttp import web

_KEPT = 2000
"""Requests kept; older ones are dropped."""
_SECRET = "secret"
"""Name of a path's part that is a secret."""
_SECRET_FIELDS = frozenset({"routing_key", "token", "api_key"})
_REDACTED = "***"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Behaviour(msgspec.Struct, forbid_unknown_fields=True):
    """How requests are treated; as JSON the body of ``POST /_behave``, whose empty object means well again."""

    mode: Literal["ok", "fail", "hang", "slow"] = "ok"
    """``fail``: nothing is done, and the service's own error answers. ``hang``: nothing is done or answered. ``slow``: done, answered late:
    an asker of less patience does not know that it was."""
    status: int = 503
    """The HTTP status of ``fail``."""
    seconds: float = 5.0
    """How late ``slow`` answers."""
    times: int = 0
    """For so many requests, then ``ok`` again; 0: until told otherwise."""


class Service(Protocol):
    """One stand-in."""

    name: str
    """As in ``standins.json``: ``slack``."""

    def routes(self) -> Iterable[web.RouteDef]:
        """The part of the real interface that it speaks."""

    def failure(self, request: web.Request, status: int) -> web.Response:
        """What the real service answers when it is in trouble."""

    def forget(self) -> None:
        """Begin anew, with nothing in it."""


class Front:
    """One service with its memory and its mood."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._behaviour = Behaviour()
        self._kept: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def application(self) -> web.Application:
        """What is served on the service's port."""
        application = web.Application(middlewares=[self._middleware()])
        application.add_routes(self._service.routes())
        application.add_routes(
            [
                web.get("/_kept", self._list),
                web.delete("/_kept", self._forget),
                web.post("/_behave", self._behave),
            ]
        )
        return application

    def _middleware(self) -> Any:
        @web.middleware
        async def treat(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path in ("/_kept", "/_behave"):
                return await handler(request)
            entry = await _entry(request)
            self._kept.append(entry)
            answer = await self._treat(request, handler)
            entry["status"] = answer.status
            return answer

        return treat

    async def _treat(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        now = self._take_turn()
        if now.mode == "fail":
            return self._service.failure(request, now.status)
        if now.mode == "hang":
            await asyncio.Event().wait()  # until the asker leaves, which cancels this handler
        answer = await handler(request)
        if now.mode == "slow":
            await asyncio.sleep(now.seconds)
        return answer

    def _take_turn(self) -> Behaviour:
        """The behaviour for one request."""
        now = self._behaviour
        if now.times == 1:
            self._behaviour = Behaviour()
        elif now.times > 1:
            self._behaviour = msgspec.structs.replace(now, times=now.times - 1)
        return now

    async def _list(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(list(self._kept))

    async def _forget(self, request: web.Request) -> web.Response:
        del request
        self._kept.clear()
        self._service.forget()
        return web.Response(status=204)

    async def _behave(self, request: web.Request) -> web.Response:
        try:
            self._behaviour = msgspec.json.decode(await request.read() or b"{}", type=Behaviour)
        except msgspec.DecodeError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(msgspec.to_builtins(self._behaviour))


async def _entry(request: web.Request) -> dict[str, Any]:
    """A request as it is kept."""
    path = request.path
    if secret := request.match_info.get(_SECRET):
        path = path.replace(secret, _REDACTED)
    body = await form_or_json(request)
    return {
        "at": time.time(),
        "method": request.method,
        "path": path,
        "query": _without_secrets(dict(request.query)),
        "body": _without_secrets(body) if isinstance(body, dict) else body,
        "status": 0,
    }


def _without_secrets(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _REDACTED if name in _SECRET_FIELDS else value for name, value in fields.items()}


async def form_or_json(request: web.Request) -> Any:
    """The body as its content type says: a form as a mapping, JSON as it is, anything else as text; none when there is no body."""
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    text = await request.text()
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


async def fields(request: web.Request) -> dict[str, Any]:
    """The body as a mapping; an empty one when it is anything else."""
    body = await form_or_json(request)
    return body if isinstance(body, dict) else {}


def bearer(request: web.Request, scheme: str = "Bearer") -> str:
    """What follows ``scheme`` in the Authorization header; empty when there is no such header."""
    given, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if given.lower() == scheme.lower() else ""
