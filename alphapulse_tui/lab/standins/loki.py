"""Grafana Loki: queries over the lab's real logs.

Spoken: ``GET /ready``, ``GET /loki/api/v1/query_range`` (log queries, see :mod:`.logql`), ``GET /loki/api/v1/labels``,
``GET /loki/api/v1/label/NAME/values``. As with ``auth_enabled: true``, Loki's default, each request names its tenant in ``X-Scope-OrgID``;
there are no tokens: "authenticating against the API is out of scope for Loki". What it answers is what the pods and servers of this lab
wrote (:mod:`.logs`); there is no push.

Documented: https://grafana.com/docs/loki/latest/reference/loki-http-api/ and https://grafana.com/docs/loki/latest/operations/multi-tenancy/.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.logql import ParseError, Query, parse
from alphapulse_tui.lab.standins.logs import LabLogs, lines

_HOUR_SECONDS = 3600.0
_DEFAULT_LIMIT = 100
_MOST = 5000
"""Loki's default max_entries_limit_per_query."""
_DIGITS_OF_SECONDS = 10


class Loki:
    """See the module."""

    name = "loki"

    def __init__(self, logs: LabLogs) -> None:
        self._logs = logs

    def forget(self) -> None:
        """It has nothing of its own."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Queries."""
        return (
            web.get("/ready", self._ready),
            web.get("/loki/api/v1/query_range", self._query_range),
            web.get("/loki/api/v1/labels", self._labels),
            web.get("/loki/api/v1/label/{name}/values", self._values),
        )

    def failure(self, request: web.Request, status: int) -> web.Response:
        """Loki's errors are plain text."""
        del request
        return web.Response(
            text="too many outstanding requests" if status == 429 else "context canceled", status=status
        )

    async def _ready(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text="ready\n")

    async def _labels(self, request: web.Request) -> web.Response:
        names = sorted({name for stream in self._logs.streams() for name in stream.labels})
        return _without_tenant(request) or web.json_response({"status": "success", "data": names})

    async def _values(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        values = sorted({stream.labels[name] for stream in self._logs.streams() if name in stream.labels})
        return _without_tenant(request) or web.json_response({"status": "success", "data": values})

    async def _query_range(self, request: web.Request) -> web.Response:
        if refused := _without_tenant(request):
            return refused
        # First: what was written until now must not be seen later than the moment that the query ends with.
        self._logs.look()
        asked = request.query
        try:
            query = parse(asked.get("query", ""))
            end = _moment(asked.get("end", ""), time.time())
            start = _moment(asked.get("start", ""), end - _HOUR_SECONDS)
            limit = int(asked.get("limit", _DEFAULT_LIMIT))
        except (ParseError, ValueError) as error:
            return web.Response(text=str(error), status=400)
        if limit > _MOST:
            said = f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {_MOST})"
            return web.Response(text=said, status=400)
        backward = asked.get("direction", "backward").lower() == "backward"
        data = {"resultType": "streams", "result": self._find(query, start, end, limit, backward=backward), "stats": {}}
        return web.json_response({"status": "success", "data": data})

    def _find(self, query: Query, start: float, end: float, limit: int, *, backward: bool) -> list[dict[str, Any]]:
        """The lines from ``start`` up to, not including, ``end`` (Unix seconds), at most ``limit`` over all streams."""
        streams = [one for one in self._logs.streams() if query.selects(one.labels)]
        found = [
            (moment, place, said)
            for place, stream in enumerate(streams)
            for moment, said in lines(stream, start)
            if moment < end * 1e9 and query.passes(said)
        ]
        # A stable sort by time alone: lines of one moment stay as they were written.
        found.sort(key=lambda line: line[0])
        chosen = (found[::-1] if backward else found)[:limit]
        by_stream: dict[int, list[list[str]]] = {}
        for moment, place, said in chosen:
            by_stream.setdefault(place, []).append([str(moment), said])
        return [{"stream": streams[place].labels, "values": values} for place, values in by_stream.items()]


def _without_tenant(request: web.Request) -> web.Response | None:
    return None if request.headers.get("X-Scope-OrgID") else web.Response(text="no org id", status=401)


def _moment(text: str, default: float) -> float:
    """Unix seconds from what Loki takes: nanoseconds, seconds with or without a fraction, or RFC 3339.

    Raises:
        ValueError: None of these.
    """
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        try:
            return datetime.datetime.fromisoformat(text).timestamp()
        except ValueError:
            raise ValueError(f'could not parse "{text}" as a timestamp') from None
    return number if "." in text or len(text) <= _DIGITS_OF_SECONDS else number / 1e9
