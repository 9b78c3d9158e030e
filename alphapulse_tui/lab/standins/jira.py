"""Jira Cloud: issues, for the tickets of P2 and P3.

Spoken: ``POST /rest/api/3/issue``, ``GET /rest/api/3/issue/KEY``, ``GET`` and ``POST /rest/api/3/issue/KEY/comment``. Authentication is Basic,
with the account's address and an API token. In version 3 long texts are Atlassian Documents, never strings.

Documented: https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/,
https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-comments/ and
https://developer.atlassian.com/cloud/jira/platform/basic-auth-for-rest-apis/.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.accounts import JIRA_PROJECT, JIRA_USER
from alphapulse_tui.lab.standins.front import bearer, fields

ISSUE_TYPES = ("Incident", "Bug", "Task")
_FIRST_ID = 10000


class Jira:
    """See the module."""

    name = "jira"

    def __init__(self, token: str) -> None:
        self._token = token
        self.forget()

    def forget(self) -> None:
        """A project without issues."""
        self._issues: dict[str, dict[str, Any]] = {}
        self._comments: dict[str, list[dict[str, Any]]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Issues and comments."""
        one = "/rest/api/3/issue/{key}"
        return (
            web.post("/rest/api/3/issue", self._create),
            web.get(one, self._show),
            web.get(one + "/comment", self._list_comments),
            web.post(one + "/comment", self._comment),
        )

    def failure(self, request: web.Request, status: int) -> web.Response:
        """Jira's error object; 429 names the seconds to wait."""
        del request
        headers = {"Retry-After": "30"} if status == 429 else None
        said = "Rate limit exceeded" if status == 429 else "Internal server error"
        return web.json_response({"errorMessages": [said], "errors": {}}, status=status, headers=headers)

    def _unauthorised(self, request: web.Request) -> web.Response | None:
        try:
            given = base64.b64decode(bearer(request, "Basic"), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        if given == f"{JIRA_USER}:{self._token}":
            return None
        return web.Response(text="Client must be authenticated to access this resource.", status=401)

    async def _create(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        asked = (await fields(request)).get("fields") or {}
        if wrong := _wrong_with(asked):
            return web.json_response({"errorMessages": [], "errors": wrong}, status=400)
        number = len(self._issues) + 1
        key = f"{JIRA_PROJECT}-{number}"
        made = {
            "id": str(_FIRST_ID + number),
            "key": key,
            "self": f"{request.url.origin()}/rest/api/3/issue/{_FIRST_ID + number}",
        }
        self._issues[key] = {**made, "fields": {**asked, "status": {"name": "To Do"}, "created": _now()}}
        return web.json_response(made, status=201)

    async def _show(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        found = self._issues.get(request.match_info["key"])
        return web.json_response(found) if found else _not_found()

    async def _list_comments(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        key = request.match_info["key"]
        if key not in self._issues:
            return _not_found()
        comments = self._comments.get(key, [])
        return web.json_response({"comments": comments, "startAt": 0, "maxResults": 100, "total": len(comments)})

    async def _comment(self, request: web.Request) -> web.Response:
        if refused := self._unauthorised(request):
            return refused
        key = request.match_info["key"]
        if key not in self._issues:
            return _not_found()
        body = (await fields(request)).get("body")
        if not _is_document(body):
            errors = {"comment": "Comment body is not valid!"}
            return web.json_response({"errorMessages": [], "errors": errors}, status=400)
        comments = self._comments.setdefault(key, [])
        comment = {"id": str(_FIRST_ID + len(comments) + 1), "body": body, "created": _now()}
        comments.append(comment)
        return web.json_response(comment, status=201)


def _wrong_with(asked: dict[str, Any]) -> dict[str, str]:
    """Field to what Jira says of it."""
    wrong = {}
    if not asked.get("summary"):
        wrong["summary"] = "You must specify a summary of the issue."
    if (asked.get("project") or {}).get("key") != JIRA_PROJECT:
        wrong["project"] = "valid project is required"
    if (asked.get("issuetype") or {}).get("name") not in ISSUE_TYPES:
        wrong["issuetype"] = "Specify a valid issue type"
    if asked.get("description") is not None and not _is_document(asked["description"]):
        wrong["description"] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
    return wrong


def _is_document(value: object) -> bool:
    """Whether this is the Atlassian Document Format, as far as its outermost level tells."""
    return (
        isinstance(value, dict)
        and (value.get("type"), value.get("version")) == ("doc", 1)
        and isinstance(value.get("content"), list)
    )


def _not_found() -> web.Response:
    said = "Issue does not exist or you do not have permission to see it."
    return web.json_response({"errorMessages": [said], "errors": {}}, status=404)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
