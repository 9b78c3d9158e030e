"""Grafana: annotations, and pictures of panels.

Spoken: ``GET /api/health``, ``GET`` and ``POST /api/annotations``, ``GET /render/d-solo/UID/SLUG`` (a real PNG of the asked size, of one grey: there
is no dashboard behind it). The token of a service account comes as ``Authorization: Bearer``.

Documented: https://grafana.com/docs/grafana/latest/developer-resources/api-reference/http-api/annotations/ and
https://grafana.com/docs/grafana/latest/setup-grafana/image-rendering/. The 401 bodies are those of Grafana 11.
"""

from __future__ import annotations

import itertools
import struct
import time
import zlib
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.front import bearer, fields

_GREY = 0x99
_MOST_PIXELS = 4000
"""Of a side; a larger picture is refused."""


class Grafana:
    """See the module."""

    name = "grafana"

    def __init__(self, token: str) -> None:
        self._token = token
        self.forget()

    def forget(self) -> None:
        """No annotation was ever made."""
        self._numbers = itertools.count(1)
        self._annotations: list[dict[str, Any]] = []

    def routes(self) -> Iterable[web.RouteDef]:
        """Annotations and pictures."""
        return (
            web.get("/api/health", self._health),
            web.get("/api/annotations", self._find),
            web.post("/api/annotations", self._add),
            web.get("/render/d-solo/{uid}/{slug}", self._render),
        )

    def failure(self, request: web.Request, status: int) -> web.Response:
        """Grafana says it in ``message``."""
        del request
        return web.json_response({"message": "Internal Server Error", "traceID": ""}, status=status)

    def _unauthorised(self, request: web.Request) -> web.Response | None:
        token = bearer(request)
        if token == self._token:
            return None
        if token:
            said = {"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401, "traceID": ""}
        else:
            said = {"message": "Unauthorized", "messageId": "auth.unauthorized", "statusCode": 401, "traceID": ""}
        return web.json_response({"extra": None, **said}, status=401)

    async def _health(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"database": "ok", "version": "11.0.0"})

    async def _add(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        asked = await fields(request)
        if not asked.get("text"):
            said = {"message": "Failed to save annotation", "error": "text field should not be empty"}
            return web.json_response(said, status=400)
        now = round(time.time() * 1000)
        moment = asked.get("time") or now
        annotation = {
            "id": next(self._numbers),
            "dashboardUID": asked.get("dashboardUID", ""),
            "panelId": asked.get("panelId", 0),
            "time": moment,
            "timeEnd": asked.get("timeEnd") or moment,
            "tags": asked.get("tags") or [],
            "text": asked["text"],
            "created": now,
            "updated": now,
        }
        self._annotations.append(annotation)
        return web.json_response({"message": "Annotation added", "id": annotation["id"]})

    async def _find(self, request: web.Request) -> web.Response:
        """Those of a span of time (milliseconds) that have every asked tag, newest first."""
        if refused := self._unauthorised(request):
            return refused
        asked = request.query
        since, until = float(asked.get("from", 0)), float(asked.get("to", "inf"))
        wanted = set(asked.getall("tags", []))
        found = [
            one
            for one in reversed(self._annotations)
            if since <= one["time"] <= until
            and wanted <= set(one["tags"])
            and asked.get("dashboardUID", one["dashboardUID"]) == one["dashboardUID"]
        ]
        return web.json_response(found[: int(asked.get("limit", "100"))])

    async def _render(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        width, height = (int(request.query.get(side, default)) for side, default in (("width", 1000), ("height", 500)))
        if not (0 < width <= _MOST_PIXELS and 0 < height <= _MOST_PIXELS):
            return web.json_response({"message": "Invalid image size"}, status=400)
        return web.Response(body=png(width, height), content_type="image/png")


def png(width: int, height: int) -> bytes:
    """A grey picture of so many pixels (PNG specification: signature, IHDR, IDAT, IEND)."""
    row = b"\x00" + bytes([_GREY]) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(row * height)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
