"""Jaeger: traces that were sent to it.

Spoken: the query service's JSON API ``GET /api/services``, ``GET /api/services/NAME/operations``, ``GET /api/traces`` (``service``, ``operation``,
``start`` and ``end`` in microseconds, ``limit``), ``GET /api/traces/ID``; and its receiver of OpenTelemetry ``POST /v1/traces`` as JSON, on the
same port here (in life 16686 and 4318). Jaeger itself asks for no token. The lab's programs send no traces yet: it answers what was posted.

Documented: https://www.jaegertracing.io/docs/latest/architecture/apis/ (its JSON is "internal", and what every client uses) and
https://opentelemetry.io/docs/specs/otlp/#otlphttp.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.front import fields

_DEFAULT_LIMIT = 100
_TYPES = {"stringValue": "string", "boolValue": "bool", "intValue": "int64", "doubleValue": "float64"}


class Jaeger:
    """See the module."""

    name = "jaeger"

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """No span ever came."""
        self._traces: dict[str, dict[str, Any]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Queries, and the receiver."""
        return (
            web.post("/v1/traces", self._receive),
            web.get("/api/services", self._services),
            web.get("/api/services/{service}/operations", self._operations),
            web.get("/api/traces", self._search),
            web.get("/api/traces/{id}", self._show),
        )

    def failure(self, request: web.Request, status: int) -> web.Response:
        """The query service's error list."""
        del request
        return _error(status, "failed to read from storage")

    async def _receive(self, request: web.Request) -> web.Response:
        for resource in (await fields(request)).get("resourceSpans") or []:
            attributes = (resource.get("resource") or {}).get("attributes") or []
            tags = [_tag(one) for one in attributes]
            service = next((tag["value"] for tag in tags if tag["key"] == "service.name"), "unknown_service")
            for scope in resource.get("scopeSpans") or []:
                for span in scope.get("spans") or []:
                    self._add(str(service), tags, span)
        return web.json_response({"partialSuccess": {}})

    def _add(self, service: str, tags: list[dict[str, Any]], span: dict[str, Any]) -> None:
        trace = self._traces.setdefault(
            span["traceId"], {"traceID": span["traceId"], "spans": [], "processes": {}, "warnings": None}
        )
        process = next((name for name, one in trace["processes"].items() if one["serviceName"] == service), "")
        if not process:
            process = f"p{len(trace['processes']) + 1}"
            trace["processes"][process] = {"serviceName": service, "tags": tags}
        start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        parent = span.get("parentSpanId")
        failed = (span.get("status") or {}).get("code") == 2
        own = [_tag(one) for one in span.get("attributes") or []]
        trace["spans"].append(
            {
                "traceID": span["traceId"],
                "spanID": span["spanId"],
                "operationName": span["name"],
                "references": [{"refType": "CHILD_OF", "traceID": span["traceId"], "spanID": parent}] if parent else [],
                "startTime": start // 1000,
                "duration": (end - start) // 1000,
                "tags": own + ([{"key": "error", "type": "bool", "value": True}] if failed else []),
                "logs": [],
                "processID": process,
                "warnings": None,
            }
        )

    def _spans(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Every span with its service."""
        for trace in self._traces.values():
            for span in trace["spans"]:
                yield trace["processes"][span["processID"]]["serviceName"], span

    async def _services(self, request: web.Request) -> web.Response:
        del request
        return _answer(sorted({service for service, _ in self._spans()}))

    async def _operations(self, request: web.Request) -> web.Response:
        wanted = request.match_info["service"]
        return _answer(sorted({span["operationName"] for service, span in self._spans() if service == wanted}))

    async def _search(self, request: web.Request) -> web.Response:
        asked = request.query
        if not asked.get("service"):
            return _error(400, "parameter 'service' is required")
        try:
            start, end = float(asked.get("start", 0)), float(asked.get("end", "inf"))
            limit = int(asked.get("limit", _DEFAULT_LIMIT))
        except ValueError as error:
            return _error(400, f"cannot parse the query: {error}")
        wanted = {
            span["traceID"]: span["startTime"]
            for service, span in self._spans()
            if service == asked["service"]
            and asked.get("operation") in (None, "", span["operationName"])
            and start <= span["startTime"] <= end
        }
        newest = sorted(wanted, key=lambda identity: wanted[identity], reverse=True)
        return _answer([self._traces[identity] for identity in newest[:limit]])

    async def _show(self, request: web.Request) -> web.Response:
        found = self._traces.get(request.match_info["id"])
        return _answer([found]) if found else _error(404, "trace not found")


def _tag(attribute: dict[str, Any]) -> dict[str, Any]:
    """An attribute of OpenTelemetry as a tag of Jaeger; lists and maps become JSON texts."""
    for kind, value in (attribute.get("value") or {}).items():
        if kind in _TYPES:
            typed = int(value) if kind == "intValue" else value
            return {"key": attribute["key"], "type": _TYPES[kind], "value": typed}
        return {"key": attribute["key"], "type": "string", "value": json.dumps(value)}
    return {"key": attribute["key"], "type": "string", "value": ""}


def _answer(data: list[Any]) -> web.Response:
    return web.json_response({"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None})


def _error(status: int, said: str) -> web.Response:
    errors = [{"code": status, "msg": said}]
    return web.json_response({"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors}, status=status)
