"""Sentry: the issues of a project, made from the errors that the lab's own programs really logged.

Spoken: ``GET /api/0/projects/ORGANIZATION/PROJECT/issues/`` with ``query``, ``statsPeriod`` and ``limit``. Projects are the programs that log an
``ERROR`` or ``FATAL`` word first: ``api`` and ``agent-workers``; lines that differ in numbers only are one issue. The token comes as
``Authorization: Bearer``. Of the search language ``is:unresolved`` is understood (all are), other words must occur in the title.

Documented: https://docs.sentry.io/api/events/list-a-projects-issues/ and https://docs.sentry.io/api/auth/.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.accounts import SENTRY_ORGANIZATION, SENTRY_PROJECTS
from alphapulse_tui.lab.standins.front import bearer
from alphapulse_tui.lab.standins.logs import LabLogs, lines

_LEVELS = {"ERROR": "error", "FATAL": "fatal"}
_PERIODS = {"": 14 * 86400.0, "24h": 86400.0, "14d": 14 * 86400.0}
_NUMBERS = re.compile(r"\d+")
_TITLE_CHARACTERS = 200


@dataclass(slots=True)
class _Group:
    """Errors that are one issue."""

    title: str
    level: str
    first: int
    last: int
    """Nanoseconds since 1970, as are those of ``first``."""
    count: int = 0


class Sentry:
    """See the module."""

    name = "sentry"

    def __init__(self, token: str, logs: LabLogs) -> None:
        self._token = token
        self._logs = logs

    def forget(self) -> None:
        """It has nothing of its own."""

    def routes(self) -> Iterable[web.RouteDef]:
        """The one list."""
        return (web.get("/api/0/projects/{organization}/{project}/issues/", self._issues),)

    def failure(self, request: web.Request, status: int) -> web.Response:
        """One sentence, as the real API's."""
        del request
        said = "You are attempting to use this endpoint too frequently." if status == 429 else "Internal Error"
        return web.json_response({"detail": said}, status=status)

    async def _issues(self, request: web.Request) -> web.Response:
        token = bearer(request)
        if token != self._token:
            said = "Invalid token" if token else "Authentication credentials were not provided."
            return web.json_response({"detail": said}, status=401)
        place = request.match_info
        if place["organization"] != SENTRY_ORGANIZATION or place["project"] not in SENTRY_PROJECTS:
            return web.json_response({"detail": "The requested resource does not exist"}, status=404)
        period = request.query.get("statsPeriod", "")
        if period not in _PERIODS:
            said = "Invalid stats_period. Valid choices are '', '24h', and '14d'"
            return web.json_response({"detail": said}, status=400)
        words = [word for word in request.query.get("query", "").split() if word != "is:unresolved"]
        groups = self._groups(place["project"], time.time() - _PERIODS[period])
        found = [_issue(place["project"], one) for one in groups if all(word in one.title for word in words)]
        return web.json_response(found[: int(request.query.get("limit", "100"))])

    def _groups(self, project: str, since: float) -> list[_Group]:
        """What the project's programs logged since then (Unix seconds); the one seen last comes first."""
        groups: dict[str, _Group] = {}
        for stream in self._logs.streams():
            if stream.labels["container"] != project:
                continue
            for moment, line in lines(stream, since):
                word, _, said = line.partition(" ")
                if word not in _LEVELS:
                    continue
                one = groups.setdefault(_NUMBERS.sub("N", line), _Group(said, _LEVELS[word], moment, moment))
                one.first, one.last, one.count = min(one.first, moment), max(one.last, moment), one.count + 1
        return sorted(groups.values(), key=lambda one: one.last, reverse=True)


def _issue(project: str, group: _Group) -> dict[str, Any]:
    identity = int(hashlib.sha256(_NUMBERS.sub("N", group.title).encode()).hexdigest()[:8], 16)
    where, _, what = group.title.partition(": ")
    return {
        "id": str(identity),
        "shortId": f"{project.upper()}-{identity % 46656:X}",
        "title": group.title[:_TITLE_CHARACTERS],
        "culprit": where,
        "level": group.level,
        "status": "unresolved",
        "type": "error",
        "metadata": {"type": where, "value": what},
        "count": str(group.count),
        "userCount": 0,
        "firstSeen": _stamp(group.first),
        "lastSeen": _stamp(group.last),
        "permalink": f"https://sentry.io/organizations/{SENTRY_ORGANIZATION}/issues/{identity}/",
        "project": {"slug": project, "name": project},
    }


def _stamp(nanoseconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
