"""The exporter without servers: what happens when two ask at once."""

from __future__ import annotations

import asyncio

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.core import Metric

from alphapulse_tui.lab.workloads.exporter import serving


class OneConnection:
    """A source that breaks when it is asked while it is being asked, as a connection of PostgreSQL does."""

    name = "one"
    failures: tuple[type[Exception], ...] = (OSError,)

    def __init__(self) -> None:
        self.busy = False

    async def figures(self) -> list[Metric]:
        assert not self.busy, "another operation is in progress"
        self.busy = True
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.busy = False
        return []

    async def forget(self) -> None:
        raise AssertionError("it did not fail")


async def test_of_two_that_ask_at_once_the_second_waits() -> None:
    async with TestClient(TestServer(serving([OneConnection()]))) as client:
        answers = await asyncio.gather(*(client.get("/metrics") for _ in range(4)))
        assert [answer.status for answer in answers] == [200] * 4
        assert ["one_up 1.0" in await answer.text() for answer in answers] == [True] * 4
