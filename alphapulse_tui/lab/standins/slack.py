"""Slack: incoming webhooks, and of the Web API what opens an incident's channel and writes into it.

Spoken: ``POST /services/T/B/SECRET``; ``POST /api/METHOD`` for ``auth.test``, ``chat.postMessage``, ``conversations.create``,
``conversations.setTopic``. A Web API call answers 200 whatever happened and says ``ok``; arguments come as a form or as JSON; the token as
``Authorization: Bearer`` or as the form's ``token``. A webhook answers plain ``ok`` or an error's name with a status. Channels must exist
for ``chat.postMessage``; ``incidents`` does from the start.

Documented: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (answers:
https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks), https://docs.slack.dev/apis/web-api/ and
https://docs.slack.dev/reference/methods/chat.postMessage, .../conversations.create. The statuses of ``no_service`` (404), ``invalid_token`` (403)
and ``no_text`` (400) are what its users report.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from alphapulse_tui.lab.standins.accounts import SLACK_BOT, SLACK_CHANNEL, SLACK_TEAM
from alphapulse_tui.lab.standins.front import bearer, fields, form_or_json

_NAME = re.compile(r"[a-z0-9_-]+")
_NAME_CHARACTERS = 80
_RETRY_SECONDS = "30"


class Slack:
    """See the module."""

    name = "slack"

    def __init__(self, token: str, webhook_secret: str) -> None:
        self._token = token
        self._secret = webhook_secret
        self.forget()

    def forget(self) -> None:
        """Back to the one channel."""
        self._numbers = itertools.count(1)
        self._channels: dict[str, dict[str, Any]] = {}
        self._make_channel(SLACK_CHANNEL)

    def routes(self) -> Iterable[web.RouteDef]:
        """Webhook and Web API."""
        return (
            web.post("/services/{team}/{bot}/{secret}", self._webhook),
            web.post("/api/{method}", self._method),
        )

    def failure(self, request: web.Request, status: int) -> web.Response:
        """A webhook says it in text, the Web API in JSON; 429 names the seconds to wait."""
        headers = {"Retry-After": _RETRY_SECONDS} if status == 429 else {}
        if request.path.startswith("/services/"):
            return web.Response(
                text="rate_limited" if status == 429 else "rollup_error", status=status, headers=headers
            )
        error = "ratelimited" if status == 429 else "internal_error"
        return web.json_response({"ok": False, "error": error}, status=status, headers=headers)

    async def _webhook(self, request: web.Request) -> web.Response:
        place = request.match_info
        if (place["team"], place["bot"]) != (SLACK_TEAM, SLACK_BOT):
            return web.Response(text="no_service", status=404)
        if place["secret"] != self._secret:
            return web.Response(text="invalid_token", status=403)
        body = await form_or_json(request)
        if not isinstance(body, dict):
            return web.Response(text="invalid_payload", status=400)
        if not _says_something(body):
            return web.Response(text="no_text", status=400)
        return web.Response(text="ok")

    async def _method(self, request: web.Request) -> web.Response:
        arguments = await fields(request)
        token = bearer(request) or str(arguments.get("token", ""))
        if token != self._token:
            return _refused("invalid_auth" if token else "not_authed")
        match request.match_info["method"]:
            case "auth.test":
                return web.json_response(
                    {"ok": True, "team": "AlphaPulse lab", "team_id": SLACK_TEAM, "bot_id": SLACK_BOT}
                )
            case "chat.postMessage":
                return self._post_message(arguments)
            case "conversations.create":
                return self._create(str(arguments.get("name", "")))
            case "conversations.setTopic":
                return self._set_topic(arguments)
        return _refused("unknown_method")

    def _post_message(self, arguments: dict[str, Any]) -> web.Response:
        channel = self._find(arguments)
        if channel is None:
            return _refused("channel_not_found")
        if not _says_something(arguments):
            return _refused("no_text")
        stamp = f"{time.time():.6f}"
        message = {
            "type": "message",
            "subtype": "bot_message",
            "text": arguments.get("text", ""),
            "ts": stamp,
            "bot_id": SLACK_BOT,
        }
        return web.json_response({"ok": True, "channel": channel["id"], "ts": stamp, "message": message})

    def _create(self, name: str) -> web.Response:
        if not name:
            return _refused("invalid_name_required")
        if len(name) > _NAME_CHARACTERS:
            return _refused("invalid_name_maxlength")
        if not _NAME.fullmatch(name):
            return _refused("invalid_name_specials")
        if any(one["name"] == name for one in self._channels.values()):
            return _refused("name_taken")
        return web.json_response({"ok": True, "channel": self._make_channel(name)})

    def _set_topic(self, arguments: dict[str, Any]) -> web.Response:
        channel = self._find(arguments)
        if channel is None:
            return _refused("channel_not_found")
        channel["topic"]["value"] = str(arguments.get("topic", ""))
        return web.json_response({"ok": True, "channel": channel})

    def _find(self, arguments: dict[str, Any]) -> dict[str, Any] | None:
        """By id or by ``#name``, as the real method takes both."""
        wanted = str(arguments.get("channel", ""))
        by_name = (one for one in self._channels.values() if one["name"] == wanted.removeprefix("#"))
        return self._channels.get(wanted) or next(by_name, None)

    def _make_channel(self, name: str) -> dict[str, Any]:
        identity = f"C{next(self._numbers):08d}"
        channel = {
            "id": identity,
            "name": name,
            "is_channel": True,
            "is_archived": False,
            "is_private": False,
            "created": int(time.time()),
            "topic": {"value": ""},
        }
        self._channels[identity] = channel
        return channel


def _says_something(body: dict[str, Any]) -> bool:
    return any(body.get(part) for part in ("text", "blocks", "attachments"))


def _refused(error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error})
