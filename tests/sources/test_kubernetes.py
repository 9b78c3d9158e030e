"""The Kubernetes source against an API server that misbehaves in every way that the facts name; the real one is in tests/lab."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from alphapulse_tui.model.health import Health
from alphapulse_tui.model.kubernetes import KubernetesSnapshot
from alphapulse_tui.sources.contract import Denied, Unreachable
from alphapulse_tui.sources.kubernetes import KubernetesSource
from tests.sources.servers import free_port
from tests.waiting import until


def pod(name: str, version: str = "5", phase: str = "Running", **container: Any) -> dict[str, Any]:
    """A pod as the server sends it."""
    state = {"name": "api", "ready": True, "restartCount": 0, "state": {"running": {}}} | container
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": version,
            "managedFields": [{"junk": [1, 2]}],
        },
        "spec": {"nodeName": "n", "containers": [{"name": "api", "image": "i"}]},
        "status": {"phase": phase, "containerStatuses": [state]},
    }


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeServer:
    """Lists and watches pods as told; everything else is empty."""

    def __init__(self) -> None:
        self.pods: list[dict[str, Any]] = []
        self.lists = 0
        self.watches: list[Handler] = []
        self.refused: set[str] = set()
        self.version_hangs = False
        self.gone_once = False
        self.code = 200
        self.body: bytes | None = None
        self.open: list[asyncio.Event] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/version":
            while self.version_hangs:
                await self._hold()
            return web.json_response({"gitVersion": "v1.36.3"})
        plural = request.path.rsplit("/", 1)[1]
        if plural in self.refused:
            return web.json_response(
                {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no \x1b[2J"}, status=403
            )
        if request.query.get("watch"):
            if plural == "pods" and self.watches:
                return await self.watches.pop(0)(request)
            return await self._quiet(request)
        if self.body is not None:
            return web.Response(body=self.body, status=self.code, content_type="text/html")
        items = self.pods if plural == "pods" else []
        self.lists += plural == "pods"
        start, size = int(request.query.get("continue", 0)), int(request.query["limit"])
        if start and self.gone_once:
            self.gone_once = False
            return web.json_response({"kind": "Status", "code": 410, "reason": "Expired"}, status=410)
        meta = {"resourceVersion": "10"} | ({"continue": str(start + size)} if start + size < len(items) else {})
        return web.json_response({"metadata": meta, "items": items[start : start + size]})

    async def _hold(self) -> None:
        event = asyncio.Event()
        self.open.append(event)
        await event.wait()

    async def _quiet(self, request: web.Request) -> web.StreamResponse:
        response = await started(request)
        await self._hold()
        return response


async def started(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    return response


def lines(*events: Any, then: Callable[[], Awaitable[None]] | None = None) -> Handler:
    """A watch that sends ``events`` (bytes go as they are) and ends, or waits for ``then``."""

    async def watch(request: web.Request) -> web.StreamResponse:
        response = await started(request)
        for event in events:
            await response.write(event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n")
        if then is not None:
            await then()
        return response

    return watch


@pytest.fixture
async def fake() -> AsyncIterator[tuple[FakeServer, int]]:
    server = FakeServer()
    app = web.Application()
    app.router.add_get("/{anything:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield server, port
    server.version_hangs = False
    for event in server.open:
        event.set()
    await runner.cleanup()


@contextlib.asynccontextmanager
async def source(folder: Path, port: int) -> AsyncIterator[KubernetesSource]:
    config = folder / "config"
    config.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    made = KubernetesSource(str(config), "", "alphapulse")
    try:
        yield made
    finally:
        await made.close()


@contextlib.asynccontextmanager
async def following(reader: KubernetesSource) -> AsyncIterator[list[KubernetesSnapshot]]:
    """What the source publishes while the block runs."""
    published: list[KubernetesSnapshot] = []
    task = asyncio.create_task(reader.follow(published.append))
    try:
        yield published
    finally:
        task.cancel()
        await asyncio.wait({task})


def names(published: list[KubernetesSnapshot]) -> list[str]:
    return [one.name for one in published[-1].pods] if published else []


async def test_lists_then_follows(fake: tuple[FakeServer, int], tmp_path: Path) -> None:
    server, port = fake
    server.pods = [pod("a"), pod("b")]
    crash: dict[str, Any] = {"ready": False, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    server.watches = [
        lines(
            {"type": "MODIFIED", "object": pod("b", "11", **crash)},
            {"type": "ADDED", "object": pod("c[/x]\x1b[2J\u202e", "12")},
            {"type": "DELETED", "object": pod("a", "13")},
            {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}},
            then=server._hold,
        )
    ]
    async with source(tmp_path, port) as reader, following(reader) as published:
        await until(lambda: names(published) == ["b", "c[/x]\\x1b[2J\\u202e"], 10, "the events")
        crashing = published[-1].pods[0]
        assert (crashing.status, crashing.ready, crashing.total, crashing.restarts) == ("CrashLoopBackOff", 0, 1, 3)
        assert len(crashing.restarted_at) == 3
        assert reader.judge(published[-1])[0].health is Health.CRITICAL
        assert published[-1].server_version == "v1.36.3"


async def test_410_lists_again_at_once(fake: tuple[FakeServer, int], tmp_path: Path) -> None:
    server, port = fake
    gone = lines({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}})

    async def change_and_expire(request: web.Request) -> web.StreamResponse:
        server.pods = [pod("new")]
        return await gone(request)

    server.watches = [change_and_expire]
    async with source(tmp_path, port) as reader, following(reader) as published:
        await until(lambda: names(published) == ["new"], 10, "the second list")
        assert server.lists == 2


async def test_a_watch_that_ends_at_once_is_no_hot_loop(fake: tuple[FakeServer, int], tmp_path: Path) -> None:
    server, port = fake
    server.watches = [lines() for _ in range(50)]
    async with source(tmp_path, port) as reader, following(reader) as published:
        await until(lambda: published and len(server.watches) < 49, 10, "the second watch")
        assert len(server.watches) >= 46


GARBAGE_LINES = [
    b"<html>502</html>\n",
    b'{"type":"MODIFIED","object":7}\n',
    b"\xff\xfe\n",
    b'{"type":"ERROR","object":{"code":500}}\n',
]
GARBAGE_LISTS = [
    (502, b"<html>\x1b]0;x\x07</html>"),
    (200, b"<html>"),
    (200, b'{"metadata":{},"items":[{"metadata":3}]}'),
    (500, b"[" * 9000),
]


@pytest.mark.parametrize("line", GARBAGE_LINES)
async def test_garbage_in_a_watch_ends_it_with_a_sentence(
    fake: tuple[FakeServer, int], tmp_path: Path, line: bytes
) -> None:
    server, port = fake
    server.watches = [lines(line)]
    async with source(tmp_path, port) as reader:
        with pytest.raises(Unreachable, match=r"watch of pods"):
            await asyncio.wait_for(reader.follow(lambda snapshot: None), 10)


@pytest.mark.parametrize(("code", "body"), GARBAGE_LISTS)
async def test_garbage_for_a_list_is_a_sentence(
    fake: tuple[FakeServer, int], tmp_path: Path, code: int, body: bytes
) -> None:
    server, port = fake
    server.code, server.body = code, body
    async with source(tmp_path, port) as reader:
        with pytest.raises(Unreachable) as problem:
            await reader.read()
        assert "\x1b" not in str(problem.value)


async def test_a_server_that_falls_silent_is_noticed_within_two_intervals(
    fake: tuple[FakeServer, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, port = fake
    async with source(tmp_path, port) as reader:
        reader.interval, reader.deadline = 0.5, 0.5
        published: list[KubernetesSnapshot] = []
        task = asyncio.create_task(reader.follow(published.append))
        await until(lambda: len(published) > 2, 10, "heartbeats")
        server.version_hangs = True
        started = time.monotonic()
        with pytest.raises(Unreachable, match="no answer"):
            await task
        assert time.monotonic() - started < 5.0


async def test_an_idle_namespace_is_one_and_the_same_snapshot(fake: tuple[FakeServer, int], tmp_path: Path) -> None:
    server, port = fake
    server.pods = [pod(f"p{n}") for n in range(3)]
    async with source(tmp_path, port) as reader:
        reader.interval = 0.05
        async with following(reader) as published:
            await until(lambda: len(published) > 4, 10, "heartbeats")
            assert published[0] == published[-1] and published[0].pods[0] is published[-1].pods[0]


async def test_names_the_missing_grant_and_goes_on(fake: tuple[FakeServer, int], tmp_path: Path) -> None:
    server, port = fake
    server.refused = {"replicasets", "statefulsets"}
    server.pods = [pod("a")]
    async with source(tmp_path, port) as reader, following(reader) as published:
        await until(lambda: published, 10, "a snapshot")
        assert published[-1].missing_grants == (
            "replicasets: list in namespace alphapulse",
            "statefulsets: list in namespace alphapulse",
        )
        missing = [finding.health for finding in reader.judge(published[-1]) if "not everything" in finding.sentence]
        assert missing == [Health.WARNING, Health.WARNING]
    server.refused = {"pods", "deployments", "replicasets", "statefulsets"}
    async with source(tmp_path, port) as reader:
        with pytest.raises(Denied, match="pods: list in namespace alphapulse"):
            await reader.read()


async def test_what_we_may_list_no_longer_is_not_shown_any_longer(fake: tuple[FakeServer, int], tmp_path: Path) -> None:
    server, port = fake
    server.pods = [pod("a")]
    async with source(tmp_path, port) as reader:
        assert [one.name for one in (await reader.read()).pods] == ["a"]
        server.refused = {"pods"}
        snapshot = await reader.read()
    assert snapshot.pods == () and snapshot.missing_grants == ("pods: list in namespace alphapulse",)


async def test_what_may_be_listed_and_not_watched_is_shown_with_what_is_missing(
    fake: tuple[FakeServer, int], tmp_path: Path
) -> None:
    async def forbidden(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "code": 403}, status=403)

    server, port = fake
    server.pods = [pod("a")]
    server.watches = [forbidden]
    async with source(tmp_path, port) as reader, following(reader) as published:
        await until(lambda: published and published[-1].missing_grants, 10, "the grant")
        assert published[-1].missing_grants == ("pods: watch in namespace alphapulse",)
        assert [one.name for one in published[-1].pods] == ["a"]


async def test_nobody_listens_and_no_kubeconfig(tmp_path: Path) -> None:
    async with source(tmp_path, free_port()) as reader:
        with pytest.raises(Unreachable, match="refuses connections"):
            await reader.read()
    with pytest.raises(Denied, match="does not exist"):
        await KubernetesSource(str(tmp_path / "none"), "", "alphapulse").read()


async def test_pages_make_one_list_and_a_version_that_ran_out_starts_it_anew(
    fake: tuple[FakeServer, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, port = fake
    monkeypatch.setattr("alphapulse_tui.sources.kubernetes.PAGE", 10)
    server.pods = [pod(f"pod-{n:03}") for n in reversed(range(25))]
    server.gone_once = True
    async with source(tmp_path, port) as reader:
        snapshot = await reader.read()
        assert [one.name for one in snapshot.pods] == [f"pod-{n:03}" for n in range(25)]
        assert server.lists == 2 + 3  # the first try broke off at its second page
