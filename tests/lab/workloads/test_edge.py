"""The edge: round robin over the pods that the files name, shares by weight, and what happens when there is no pod."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from alphapulse_tui.lab.workloads.edge import serving
from alphapulse_tui.lab.workloads.split import Split


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
    (tmp_path / "ready").mkdir()
    return tmp_path / "ready" / "api.json"


@pytest.fixture
async def edge(file: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    port = unused_port()
    async with serving(port, Split(file.parent.parent)) as session:
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


def split(file: Path, **weights: int) -> None:
    routes = [{"app": app.replace("_", "-"), "weight": weight} for app, weight in weights.items()]
    (file.parent.parent / "routes.json").write_text(json.dumps(routes))


async def answers(edge: tuple[aiohttp.ClientSession, str], count: int) -> Counter[str]:
    """Who answered, or what was said instead, by how often."""
    session, address = edge
    seen: Counter[str] = Counter()
    for _ in range(count):
        async with session.get(f"{address}/api/v1/trades/7") as answer:
            content = await answer.json()
            seen[content.get("pod") or content["error"]] += 1
    return seen


async def test_a_weight_of_5_gets_5_of_100_requests_and_a_changed_weight_holds_at_once(
    edge: tuple[aiohttp.ClientSession, str], file: Path
) -> None:
    async with pod("stable") as stable, pod("canary") as canary:
        name(file, stable)
        name(file.with_name("api-canary.json"), canary)
        assert await answers(edge, 10) == {"stable": 10}
        split(file, api=95, api_canary=5)
        assert await answers(edge, 100) == {"stable": 95, "canary": 5}
        split(file, api=50, api_canary=50)
        assert await answers(edge, 100) == {"stable": 50, "canary": 50}
        split(file, api=100, api_canary=0)
        assert await answers(edge, 20) == {"stable": 20}


async def test_a_share_for_an_app_without_a_pod_is_lost(edge: tuple[aiohttp.ClientSession, str], file: Path) -> None:
    async with pod("stable") as stable:
        name(file, stable)
        split(file, api=75, api_canary=25)
        assert await answers(edge, 20) == {"stable": 15, "no pod of api-canary is ready": 5}
        split(file, api=0)
        assert await answers(edge, 1) == {"no pod of any app is ready": 1}


async def test_only_the_api_and_its_health_are_public(edge: tuple[aiohttp.ClientSession, str]) -> None:
    session, address = edge
    async with session.get(f"{address}/ready") as answer:
        assert answer.status == 404
