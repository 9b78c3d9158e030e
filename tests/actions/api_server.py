"""An API server that answers from a table, for what the lab's cannot be made to say."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alphapulse_tui.actions.contract import Action
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.settings import KubernetesTarget, Profile
from tests.actions.objects import deployment
from tests.sources.doors import door

NAMESPACE = "/apis/apps/v1/namespaces/alphapulse"
HPAS = "/apis/autoscaling/v2/namespaces/alphapulse/horizontalpodautoscalers"
PODS = "/api/v1/namespaces/alphapulse/pods"
API = {"name": "api"}
CUT = "cut"
"""Instead of an answer: the connection is reset after the request."""


def failure(code: int, message: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    return code, {"kind": "Status", "status": "Failure", "message": message, "code": code, **fields}


class Server:
    """Answers by method and beginning of the path; ``None`` is silence. ``stored`` is what a PATCH without dry run gets."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            f"GET {NAMESPACE}/deployments/api": (200, deployment()),
            f"GET {HPAS}": (200, {"items": []}),
        }
        self.dry: Any = (200, deployment())
        self.stored: Any = (200, deployment())
        self.asked: list[tuple[str, str, Any]] = []

    async def behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path = head.split(" ")[:2]
        length = next(
            (int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")), 0
        )
        body = await reader.readexactly(length)
        self.asked.append((method, path, json.loads(body) if body else None))
        if method == "PATCH" or path.split("?")[0].endswith("/eviction"):
            answer = self.dry if "dryRun=All" in path else self.stored
        else:
            known = max((one for one in self.answers if f"{method} {path}".startswith(one)), key=len, default="")
            answer = self.answers.get(known, failure(404, "not found"))
        if answer is None:
            await reader.read()  # until the other side gives up
            return
        if answer == CUT:
            writer.transport.abort()
            return
        code, content = answer
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        writer.write(
            f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw
        )
        await writer.drain()


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def action(server: Server, tmp_path: Path) -> AsyncIterator[Callable[[str], Action]]:
    made: list[Action] = []
    async with door(server.behave) as port:
        kubeconfig = tmp_path / "kubeconfig"
        named = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": "not-a-secret-of-anybody"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
        kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", **named}))

        def make(action_id: str) -> Action:
            target = KubernetesTarget(kubeconfig=str(kubeconfig))
            made.append(make_action(action_id, Profile(name="test", environment="lab", kubernetes=target)))
            return made[-1]

        yield make
        for one in made:
            await one.close()
