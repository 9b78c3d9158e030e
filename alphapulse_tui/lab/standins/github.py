"""GitHub: the issues of a repository, for the tickets of P2 and P3.

Spoken: ``GET`` and ``POST /repos/OWNER/REPO/issues``, ``GET`` and ``PATCH .../issues/N``, ``GET`` and ``POST .../issues/N/comments``. The token
comes as ``Authorization: Bearer`` or ``token``. One repository exists; another is 404, as for a token that may not see it.

Documented: https://docs.github.com/rest/issues/issues, https://docs.github.com/rest/issues/comments and
https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.accounts import GITHUB_REPOSITORY
from alphapulse_tui.lab.standins.front import bearer, fields

_DOCUMENTATION = "https://docs.github.com/rest"


class GitHub:
    """See the module."""

    name = "github"

    def __init__(self, token: str) -> None:
        self._token = token
        self.forget()

    def forget(self) -> None:
        """A repository without issues."""
        self._issues: list[dict[str, Any]] = []
        self._comments: dict[int, list[dict[str, Any]]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Issues and comments."""
        issues = "/repos/{owner}/{repository}/issues"
        one = issues + r"/{number:\d+}"
        return (
            web.get(issues, self._list),
            web.post(issues, self._create),
            web.get(one, self._show),
            web.patch(one, self._update),
            web.get(one + "/comments", self._list_comments),
            web.post(one + "/comments", self._comment),
        )

    def failure(self, request: web.Request, status: int) -> web.Response:
        """Rate limits are 403 or 429 with a time to wait."""
        del request
        if status in (403, 429):
            return _error(status, "You have exceeded a secondary rate limit.", headers={"Retry-After": "60"})
        return _error(status, "Server Error")

    def _refused(self, request: web.Request) -> web.Response | None:
        token = bearer(request) or bearer(request, "token")
        if token != self._token:
            return _error(401, "Bad credentials" if token else "Requires authentication")
        place = request.match_info
        return None if f"{place['owner']}/{place['repository']}" == GITHUB_REPOSITORY else _error(404, "Not Found")

    def _find(self, request: web.Request) -> dict[str, Any] | None:
        number = int(request.match_info["number"])
        return self._issues[number - 1] if 0 < number <= len(self._issues) else None

    async def _list(self, request: web.Request) -> web.Response:
        state = request.query.get("state", "open")
        found = [one for one in reversed(self._issues) if state in ("all", one["state"])]
        return self._refused(request) or web.json_response(found)

    async def _show(self, request: web.Request) -> web.Response:
        found = self._refused(request) or self._find(request)
        return web.json_response(found) if isinstance(found, dict) else found or _error(404, "Not Found")

    async def _create(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        asked = await fields(request)
        if not asked.get("title"):
            return _error(422, 'Invalid request.\n\n"title" wasn\'t supplied.')
        number = len(self._issues) + 1
        path = f"{GITHUB_REPOSITORY}/issues/{number}"
        issue = {
            "id": 1000 + number,
            "number": number,
            "title": asked["title"],
            "body": asked.get("body"),
            "state": "open",
            "labels": [{"name": name} for name in asked.get("labels") or []],
            "assignees": [{"login": name} for name in asked.get("assignees") or []],
            "comments": 0,
            "created_at": _now(),
            "url": f"{request.url.origin()}/repos/{path}",
            "html_url": f"https://github.com/{path}",
        }
        self._issues.append(issue)
        return web.json_response(issue, status=201)

    async def _update(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        issue = self._find(request)
        if issue is None:
            return _error(404, "Not Found")
        asked = await fields(request)
        issue.update({name: asked[name] for name in ("title", "body", "state", "state_reason") if name in asked})
        return web.json_response(issue)

    async def _list_comments(self, request: web.Request) -> web.Response:
        found = self._refused(request) or self._find(request)
        if isinstance(found, dict):
            return web.json_response(self._comments.get(found["number"], []))
        return found or _error(404, "Not Found")

    async def _comment(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        issue = self._find(request)
        if issue is None:
            return _error(404, "Not Found")
        body = (await fields(request)).get("body")
        if not body:
            return _error(422, 'Invalid request.\n\n"body" wasn\'t supplied.')
        comments = self._comments.setdefault(issue["number"], [])
        comment = {"id": 1000 * issue["number"] + len(comments) + 1, "body": body, "created_at": _now()}
        comments.append(comment)
        issue["comments"] = len(comments)
        return web.json_response(comment, status=201)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"message": message, "documentation_url": _DOCUMENTATION, "status": str(status)}
    return web.json_response(body, status=status, headers=headers)
