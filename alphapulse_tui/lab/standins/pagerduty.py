"""PagerDuty: the Events API v2, and of the REST API what a responder does to an incident.

Spoken: ``POST /v2/enqueue`` (trigger, acknowledge, resolve); REST ``GET /incidents``, ``GET /incidents/ID``, ``PUT /incidents``,
``PUT /incidents/ID``, ``GET`` and ``POST /incidents/ID/notes``, ``GET /oncalls``. A trigger opens an incident of its ``dedup_key``. REST wants
``Authorization: Token token=...`` and, where something changes, the responder's address in ``From``. Both APIs are on one port here;
in life they are events.pagerduty.com and api.pagerduty.com.

Documented: https://developer.pagerduty.com/docs/events-api-v2-overview, https://developer.pagerduty.com/api-reference (Incidents, On-Calls)
and https://developer.pagerduty.com/docs/errors. The 401 of the REST API is plain text, and the message of a wrong routing key, from accounts
of its users; neither is in the reference.
"""

from __future__ import annotations

import datetime
import itertools
import uuid
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.front import bearer, fields

_SEVERITIES = ("critical", "error", "warning", "info")
_ACTIONS = ("trigger", "acknowledge", "resolve")
_POLICY = {"id": "PLAB001", "type": "escalation_policy_reference", "summary": "AlphaPulse on-call"}
_SCHEDULE = {"id": "SLAB001", "type": "schedule_reference", "summary": "AlphaPulse primary"}
ON_CALL = ("On-Call Engineer", "Tech Lead", "Engineering Leadership")
"""Whom ``GET /oncalls`` names, by escalation level from 1: the runbook's 6.1."""

_KEY_CHARACTERS = 32


class PagerDuty:
    """See the module."""

    name = "pagerduty"

    def __init__(self, token: str, routing_key: str) -> None:
        self._token = token
        self._routing_key = routing_key
        self.forget()

    def forget(self) -> None:
        """No incident was ever opened."""
        self._numbers = itertools.count(1)
        self._incidents: dict[str, dict[str, Any]] = {}
        self._notes: dict[str, list[dict[str, Any]]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Events and REST."""
        return (
            web.post("/v2/enqueue", self._event),
            web.get("/incidents", self._list),
            web.put("/incidents", self._update_many),
            web.get("/incidents/{id}", self._show),
            web.put("/incidents/{id}", self._update_one),
            web.get("/incidents/{id}/notes", self._list_notes),
            web.post("/incidents/{id}/notes", self._add_note),
            web.get("/oncalls", self._on_calls),
        )

    def failure(self, request: web.Request, status: int) -> web.Response:
        """The REST API's own error; the Events API gives a bare status."""
        if request.path.startswith("/v2/"):
            return web.Response(status=status)
        return _error(status, "Internal Server Error" if status >= 500 else "Rate Limit Exceeded", 2000)

    # -- events -------------------------------------------------------------------------------------------------------------------

    async def _event(self, request: web.Request) -> web.Response:
        event = await fields(request)
        if wrong := self._wrong_with(event):
            answer = {"status": "invalid event", "message": "Event object is invalid", "errors": wrong}
            return web.json_response(answer, status=400)
        key = str(event.get("dedup_key") or uuid.uuid4().hex)
        known = next((one for one in self._incidents.values() if one["incident_key"] == key), None)
        if event["event_action"] == "trigger":
            if known is None or known["status"] == "resolved":
                self._open(key, event["payload"])
        elif known is not None and known["status"] != "resolved":
            known["status"] = "acknowledged" if event["event_action"] == "acknowledge" else "resolved"
        return web.json_response({"status": "success", "message": "Event processed", "dedup_key": key}, status=202)

    def _wrong_with(self, event: dict[str, Any]) -> list[str]:
        key = str(event.get("routing_key", ""))
        if len(key) != _KEY_CHARACTERS:
            return [f"Length of 'routing_key' is incorrect (should be {_KEY_CHARACTERS} characters)"]
        if key != self._routing_key:
            return ["Invalid routing key"]
        action = event.get("event_action")
        if action not in _ACTIONS:
            return [f"'event_action' is invalid (must be one of the following: {', '.join(_ACTIONS)})"]
        if action != "trigger":
            return [] if event.get("dedup_key") else ["'dedup_key' is missing or blank"]
        payload = event.get("payload")
        if not isinstance(payload, dict):
            return ["'payload' is missing or blank"]
        wrong = [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)]
        if payload.get("severity") not in _SEVERITIES:
            wrong.append(f"'payload.severity' is invalid (must be one of the following: {', '.join(_SEVERITIES)})")
        return wrong

    def _open(self, key: str, payload: dict[str, Any]) -> None:
        number = next(self._numbers)
        identity = f"QLAB{number:04d}"
        self._incidents[identity] = {
            "id": identity,
            "type": "incident",
            "incident_number": number,
            "incident_key": key,
            "title": payload["summary"],
            "summary": f"[#{number}] {payload['summary']}",
            "status": "triggered",
            "urgency": "high" if payload["severity"] in ("critical", "error") else "low",
            "created_at": _now(),
            "escalation_policy": _POLICY,
            "acknowledgements": [],
        }

    # -- REST ---------------------------------------------------------------------------------------------------------------------

    def _unauthorised(self, request: web.Request) -> web.Response | None:
        if bearer(request, "Token") == f"token={self._token}":
            return None
        return web.Response(text="HTTP Token: Access denied.\n", status=401)

    async def _list(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        wanted = request.query.getall("statuses[]", [])
        found = [one for one in self._incidents.values() if not wanted or one["status"] in wanted]
        return web.json_response({"incidents": found, "limit": 25, "offset": 0, "more": False, "total": None})

    async def _show(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        found = self._incidents.get(request.match_info["id"])
        return web.json_response({"incident": found}) if found else _not_found()

    async def _update_many(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request) or _without_from(request):
            return refused
        asked = (await fields(request)).get("incidents") or []
        if wrong := [said for one in asked for said in self._wrong_update(one.get("id", ""), one)]:
            return _error(400, "Invalid Input Provided", 2001, wrong)
        return web.json_response({"incidents": [self._update(request, one["id"], one) for one in asked]})

    async def _update_one(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request) or _without_from(request):
            return refused
        identity = request.match_info["id"]
        if identity not in self._incidents:
            return _not_found()
        asked = (await fields(request)).get("incident") or {}
        if wrong := self._wrong_update(identity, asked):
            return _error(400, "Invalid Input Provided", 2001, wrong)
        return web.json_response({"incident": self._update(request, identity, asked)})

    def _wrong_update(self, identity: str, asked: dict[str, Any]) -> list[str]:
        known = self._incidents.get(identity)
        if known is None:
            return ["Incident Not Found"]
        if asked.get("status") and known["status"] == "resolved":
            return ["Incident Already Resolved"]
        wrong = asked.get("status") not in (None, "acknowledged", "resolved")
        return ["Status must be one of acknowledged, resolved"] if wrong else []

    def _update(self, request: web.Request, identity: str, asked: dict[str, Any]) -> dict[str, Any]:
        known = self._incidents[identity]
        known["status"] = asked.get("status") or known["status"]
        if known["status"] == "acknowledged":
            known["acknowledgements"] = [{"at": _now(), "acknowledger": {"summary": request.headers["From"]}}]
        if asked.get("resolution"):
            self._note(identity, request, str(asked["resolution"]))
        return known

    async def _list_notes(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        identity = request.match_info["id"]
        if identity not in self._incidents:
            return _not_found()
        return web.json_response({"notes": self._notes.get(identity, [])})

    async def _add_note(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request) or _without_from(request):
            return refused
        identity = request.match_info["id"]
        if identity not in self._incidents:
            return _not_found()
        note = (await fields(request)).get("note")
        content = note.get("content") if isinstance(note, dict) else None
        if not content:
            return _error(400, "Invalid Input Provided", 2001, ["Content cannot be empty."])
        return web.json_response({"note": self._note(identity, request, str(content))}, status=201)

    def _note(self, identity: str, request: web.Request, content: str) -> dict[str, Any]:
        user = {"type": "user_reference", "summary": request.headers["From"]}
        notes = self._notes.setdefault(identity, [])
        note = {
            "id": f"NLAB{len(notes) + 1:04d}",
            "user": user,
            "channel": {"summary": "The PagerDuty website or APIs"},
            "content": content,
            "created_at": _now(),
        }
        notes.append(note)
        return note

    async def _on_calls(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        entries = [
            {
                "escalation_policy": _POLICY,
                "escalation_level": level,
                "schedule": _SCHEDULE if level == 1 else None,
                "user": {"id": f"ULAB{level:04d}", "type": "user_reference", "summary": name},
                "start": None,
                "end": None,
            }
            for level, name in enumerate(ON_CALL, start=1)
        ]
        return web.json_response({"oncalls": entries, "limit": 25, "offset": 0, "more": False, "total": None})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(status: int, message: str, code: int, errors: list[str] | None = None) -> web.Response:
    told: dict[str, Any] = {"message": message, "code": code}
    return web.json_response({"error": told | ({"errors": errors} if errors else {})}, status=status)


def _not_found() -> web.Response:
    return _error(404, "Not Found", 2100)


def _without_from(request: web.Request) -> web.Response | None:
    """Changes are somebody's: the ``From`` header is a user's address."""
    if "@" in request.headers.get("From", ""):
        return None
    return _error(400, "Invalid Input Provided", 2001, ["From header is required"])
