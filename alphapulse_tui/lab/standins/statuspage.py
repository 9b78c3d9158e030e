"""Atlassian Statuspage: a page's incidents.

Spoken: ``GET`` and ``POST /v1/pages/PAGE/incidents``, ``GET .../incidents/unresolved``, ``GET`` and ``PATCH .../incidents/ID``, each also with
``.json`` behind it. A ``PATCH`` with ``body`` or ``status`` adds an update to the incident's public story. The token comes as
``Authorization: OAuth TOKEN``.

Documented: https://developer.statuspage.io/#tag/incidents (fields, 401, 404, 422; 420 is its "too many requests").
The words of its errors are not in that reference.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.accounts import STATUS_PAGE
from alphapulse_tui.lab.standins.front import bearer, fields

_STATUSES = ("investigating", "identified", "monitoring", "resolved", "postmortem")
_IMPACTS = ("none", "maintenance", "minor", "major", "critical")


class StatusPage:
    """See the module."""

    name = "statuspage"

    def __init__(self, token: str) -> None:
        self._token = token
        self.forget()

    def forget(self) -> None:
        """All systems operational, and always have been."""
        self._numbers = itertools.count(1)
        self._incidents: dict[str, dict[str, Any]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """The incidents of a page."""
        incidents = "/v1/pages/{page}/incidents"
        named = incidents + "/{id:[a-z0-9]+}"
        return tuple(
            define(path + ending, handler)
            for ending in ("", ".json")
            for define, path, handler in (
                (web.get, incidents + "/unresolved", self._unresolved),
                (web.get, incidents, self._list),
                (web.post, incidents, self._create),
                (web.get, named, self._show),
                (web.patch, named, self._update),
            )
        )

    def failure(self, request: web.Request, status: int) -> web.Response:
        """Its errors are one sentence."""
        del request
        return web.json_response({"error": "Too many requests" if status == 420 else "Server error"}, status=status)

    def _refused(self, request: web.Request) -> web.Response | None:
        if bearer(request, "OAuth") != self._token:
            return web.json_response({"error": "Could not authenticate"}, status=401)
        return None if request.match_info["page"] == STATUS_PAGE else _not_found()

    async def _list(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response(list(reversed(self._incidents.values())))

    async def _unresolved(self, request: web.Request) -> web.Response:
        open_ones = [one for one in self._incidents.values() if one["status"] not in ("resolved", "postmortem")]
        return self._refused(request) or web.json_response(open_ones[::-1])

    async def _show(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        found = self._incidents.get(request.match_info["id"])
        return web.json_response(found) if found else _not_found()

    async def _create(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        asked = (await fields(request)).get("incident") or {}
        wrong = _wrong_with(asked) + ([] if asked.get("name") else ["Name can't be blank"])
        if wrong:
            return web.json_response({"error": wrong}, status=422)
        identity = f"lab{next(self._numbers):09d}"
        now = _now()
        incident = {
            "id": identity,
            "page_id": STATUS_PAGE,
            "name": asked["name"],
            "status": asked.get("status", "investigating"),
            "impact": asked.get("impact_override") or "none",
            "impact_override": asked.get("impact_override"),
            "components": asked.get("components") or {},
            "created_at": now,
            "updated_at": now,
            "resolved_at": None,
            "shortlink": f"https://stspg.io/{identity}",
            "incident_updates": [],
        }
        self._incidents[identity] = incident
        _add_update(incident, asked)
        return web.json_response(incident, status=201)

    async def _update(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        incident = self._incidents.get(request.match_info["id"])
        if incident is None:
            return _not_found()
        asked = (await fields(request)).get("incident") or {}
        if wrong := _wrong_with(asked):
            return web.json_response({"error": wrong}, status=422)
        incident.update({name: asked[name] for name in ("name", "status", "impact_override") if name in asked})
        incident["impact"] = incident["impact_override"] or incident["impact"]
        if "body" in asked or "status" in asked:
            _add_update(incident, asked)
        return web.json_response(incident)


def _wrong_with(asked: dict[str, Any]) -> list[str]:
    wrong = []
    if asked.get("status", "investigating") not in _STATUSES:
        wrong.append("Status is not included in the list")
    if asked.get("impact_override") not in (None, *_IMPACTS):
        wrong.append("Impact override is not included in the list")
    return wrong


def _add_update(incident: dict[str, Any], asked: dict[str, Any]) -> None:
    """Newest first, as the page shows them."""
    now = _now()
    incident["updated_at"] = now
    if incident["status"] == "resolved":
        incident["resolved_at"] = now
    update = {
        "id": f"{incident['id']}u{len(incident['incident_updates']) + 1}",
        "incident_id": incident["id"],
        "status": incident["status"],
        "body": asked.get("body", ""),
        "deliver_notifications": asked.get("deliver_notifications", True),
        "created_at": now,
    }
    incident["incident_updates"].insert(0, update)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _not_found() -> web.Response:
    return web.json_response({"error": "Not found"}, status=404)
