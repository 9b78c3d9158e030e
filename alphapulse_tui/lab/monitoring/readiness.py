"""``/-/ready``, which both servers have."""

from __future__ import annotations

import asyncio

import httpx

from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.http import http_client
from alphapulse_tui.lab.platform import Lab

_START_SECONDS = 30.0
_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.1


async def answer(lab: Lab, name: str) -> str:
    """What the server of that name says now: empty when it is ready, else what is wrong."""
    try:
        async with http_client(_ASK_SECONDS) as client:
            response = await client.get(f"http://127.0.0.1:{lab.ports[name]}/-/ready")
    except httpx.HTTPError as error:
        return f"does not answer ({type(error).__name__})"
    return "" if response.status_code == 200 else f"answers {response.status_code}"


async def wait_ready(lab: Lab, name: str) -> None:
    """Return when the server is ready.

    Raises:
        NotReadyError: It is not within 30 s.
    """
    said = "was not asked"
    try:
        async with asyncio.timeout(_START_SECONDS):
            while said := await answer(lab, name):  # noqa: ASYNC110 - another process: there is no event to wait for
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise NotReadyError(f"{name} {said} after {_START_SECONDS:g} s: see {lab.log(name)}") from None
