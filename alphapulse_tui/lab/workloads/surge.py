"""A surge: many customers want a risk report at once, as after a crash of the market. ``python -m alphapulse_tui.lab.workloads.surge``.

A program of its own, beside the steady load of the edge, for as long as it lives. ``ADDRESS`` is the edge's, ``RATE`` the requests a second.
"""

from __future__ import annotations

import asyncio
import itertools
import os

import aiohttp

from alphapulse_tui.lab.workloads.output import say

_UNDER_WAY = 40
_TOTAL_SECONDS = 6.0
_TENANTS = 12


async def surge(address: str, rate: float) -> None:
    """Ask for reports at ``rate`` a second for ever, at most 40 at a time."""
    limit = aiohttp.ClientTimeout(total=_TOTAL_SECONDS)
    under_way: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(timeout=limit) as session:
        say("INFO", f"{rate:g} risk reports a second are asked for")
        for number in itertools.count():
            if len(under_way) < _UNDER_WAY:
                task = asyncio.create_task(_report(session, f"{address}/api/v1/risk/{1 + number % _TENANTS}"))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.sleep(1 / rate)


async def _report(session: aiohttp.ClientSession, url: str) -> None:
    try:
        async with session.get(url) as answer:
            await answer.read()
    except (TimeoutError, aiohttp.ClientError):
        # A customer who goes away; the edge has counted it.
        return


if __name__ == "__main__":
    asyncio.run(surge(os.environ["ADDRESS"], float(os.environ["RATE"])))
