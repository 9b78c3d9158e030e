"""The edge: round robin over the pods that the file names, and what happens when there is none."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from alphapulse_tui.lab.workloads.edge import Pods, serving


@contextlib.asynccontextmanager
async def pod(name: str, status: int = 200) -> AsyncIterator[str]:
    """A stand-in for an API pod that says its name and echoes what it got."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(
            {"pod": name, "path": str(request.rel_url), "body": (await request.read()).decode()}, status=status
        )

    application = web.Application()
    application.add_routes([web.route("*", "/{tail:.*}", answer)])
    runner = web.AppRunner(application)
    await runner.setup()
    port = unused_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def write(file: Path, content: str) -> None:
    file.write_text(content)


def name(file: Path, *addresses: str) -> None:
    file.write_text(json.dumps([{"targets": [address], "labels": {}} for address in addresses]))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "api.json"


@pytest.fixture
async def edge(file: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    port = unused_port()
    async with serving(port, Pods(file)) as session:
        yield session, f"http://127.0.0.1:{port}"


async def test_requests_go_round(edge: tuple[aiohttp.ClientSession, str], file: Path) -> None:
    session, address = edge
    async with pod("a") as a, pod("b") as b:
        name(file, a, b)
        seen = []
        for _ in range(4):
            async with session.post(f"{address}/api/v1/orders/7?x=1", data="body") as answer:
                content = await answer.json()
                seen.append(content["pod"])
        assert content["path"] == "/api/v1/orders/7?x=1"
        assert content["body"] == "body"
        assert sorted(seen) == ["a", "a", "b", "b"]


async def test_a_pod_that_refuses_is_passed_over(edge: tuple[aiohttp.ClientSession, str], file: Path) -> None:
    session, address = edge
    async with pod("alive") as alive:
        name(file, f"127.0.0.1:{unused_port()}", alive)
        for _ in range(3):
            async with session.get(f"{address}/health") as answer:
                assert (answer.status, (await answer.json())["pod"]) == (200, "alive")


async def test_a_pods_own_error_is_passed_on(edge: tuple[aiohttp.ClientSession, str], file: Path) -> None:
    session, address = edge
    async with pod("sick", status=503) as sick:
        name(file, sick)
        async with session.get(f"{address}/health") as answer:
            assert answer.status == 503


@pytest.mark.parametrize("content", ["", "[]", "not json"])
async def test_without_a_pod_it_says_so(edge: tuple[aiohttp.ClientSession, str], file: Path, content: str) -> None:
    session, address = edge
    write(file, content)
    async with session.get(f"{address}/health") as answer:
        assert (answer.status, (await answer.json())["error"]) == (503, "no API pod is ready")


async def test_only_the_api_and_its_health_are_public(edge: tuple[aiohttp.ClientSession, str]) -> None:
    session, address = edge
    async with session.get(f"{address}/ready") as answer:
        assert answer.status == 404
