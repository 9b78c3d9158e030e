"""A pod's log: followed across runs, bounded, clean; the run before; and what is said when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from alphapulse_tui.model.pod_log import PodLog
from alphapulse_tui.sources import pod_log
from alphapulse_tui.sources.contract import Denied
from alphapulse_tui.sources.pod_log import PodLogSource
from tests.waiting import until

STAMP = "1970-01-01T00:00:{:02d}Z"


class Kubelet:
    """Serves a log: what is in ``lines`` at once, then what is put, until :meth:`end`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.more: asyncio.Queue[str | None] = asyncio.Queue()
        self.asked: list[dict[str, str]] = []
        self.refusal: tuple[int, dict[str, Any]] | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        if self.refusal is not None:
            return web.json_response(self.refusal[1], status=self.refusal[0])
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write("".join(f"{line}\n" for line in self.lines).encode())
        if "follow" in request.query:
            while (line := await self.more.get()) is not None:
                await response.write(f"{line}\n".encode())
        return response


@pytest.fixture
async def kubelet(tmp_path: Path) -> AsyncIterator[tuple[Kubelet, Callable[..., PodLogSource]]]:
    server = Kubelet()
    application = web.Application()
    application.router.add_get("/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    kubeconfig = tmp_path / "kubeconfig"
    named = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }
    kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", **named}))
    made: list[PodLogSource] = []

    def make(**options: Any) -> PodLogSource:
        made.append(PodLogSource(str(kubeconfig), "", "alphapulse", "api-1", "api", **options))
        return made[-1]

    yield server, make
    for source in made:
        await source.close()
    server.more.put_nowait(None)
    await runner.cleanup()


async def test_it_follows_and_takes_up_the_next_run(kubelet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server, make = kubelet
    monkeypatch.setattr(pod_log, "COALESCE", 0.0)
    server.lines = [f"{STAMP.format(1)} INFO hello", f"{STAMP.format(2)} password=hunter2 \x1b[2J"]
    told: list[PodLog] = []
    following = asyncio.create_task(make().follow(told.append))
    try:
        await until(lambda: told and len(told[-1].lines) == 2, 10, "the past")
        assert told[-1].lines[0].text == "INFO hello" and told[-1].lines[0].at == 1.0
        assert "hunter2" not in told[-1].lines[1].text and "\x1b" not in told[-1].lines[1].text
        server.more.put_nowait(f"{STAMP.format(3)} FATAL broken")
        await until(lambda: told[-1].lines[-1].text == "FATAL broken", 10, "the line that came")
        server.lines = [f"{STAMP.format(3)} FATAL broken", f"{STAMP.format(9)} INFO again"]
        server.more.put_nowait(None)
        await until(lambda: told[-1].lines[-1].text == "INFO again", 10, "the next run")
        assert [line.text for line in told[-1].lines].count("FATAL broken") == 1, "what was read is not read again"
        assert server.asked[-1]["sinceTime"] == "1970-01-01T00:00:03Z" and server.asked[0]["container"] == "api"
    finally:
        following.cancel()


async def test_it_is_bounded_and_says_what_it_let_go_of(kubelet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server, make = kubelet
    monkeypatch.setattr(pod_log, "KEPT", 3)
    server.lines = [f"{STAMP.format(number)} line {number}" for number in range(1, 11)]
    log = await make().read()
    assert [line.text for line in log.lines] == ["line 8", "line 9", "line 10"]
    assert log.dropped == 7 and log.lines[0].number == 8


async def test_a_run_before_that_is_not_there_is_said_and_is_no_fault(kubelet: Any) -> None:
    server, make = kubelet
    server.refusal = (
        400,
        {"kind": "Status", "reason": "BadRequest", "message": 'previous terminated container "api" not found'},
    )
    log = await make(previous=True).read()
    assert log.lines == () and "has not run before" in log.note and server.asked[-1]["previous"] == "true"
    server.refusal = 403, {"kind": "Status", "reason": "Forbidden", "message": "no"}
    with pytest.raises(Denied, match="pods/log: get in namespace alphapulse"):
        await make(previous=True).read()
