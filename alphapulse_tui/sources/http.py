"""One HTTP question with everything that can go wrong said in a sentence: Vault's health, Prometheus' rules, Alertmanager, the API's edge.

No proxy from the environment, no redirect followed (a standby's points at an address inside the cluster), and a body is cut off at a cap:
200 MB of it would otherwise be ours. httpx times each phase; the caller adds the total deadline.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from alphapulse_tui.sources.causes import causes, refused
from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.text import clean

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of an answer that are read; more is no answer to any of our questions."""

_READING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    code: int
    body: bytes
    location: str = ""

    def json(self, what: str) -> Any:
        """The body decoded; :class:`Unreachable` naming ``what`` when it is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Unreachable(f"{what} answers with code {self.code}, but not in JSON") from None


async def client(timeout: float, ca_file: str = "") -> httpx.AsyncClient:
    """A client for one target; ``timeout`` is seconds for each phase. :class:`Unreachable` when the CA file cannot be used.

    Made in a thread: reading the system's certificates takes longer than a frame.
    """
    return await asyncio.to_thread(_client, timeout, ca_file)


def _usual_authorities() -> ssl.SSLContext:
    """Those that httpx trusts by itself, read once: each reading takes 40 ms, and every target and every plan has a client."""
    with _READING:
        return _read_authorities()


@functools.cache
def _read_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _client(timeout: float, ca_file: str) -> httpx.AsyncClient:
    try:
        verify = ssl.create_default_context(cafile=ca_file) if ca_file else _usual_authorities()
    except (OSError, ssl.SSLError) as error:
        raise Unreachable(f"the CA file {clean(ca_file)} cannot be used: {clean(error, 120)}") from None
    return httpx.AsyncClient(
        timeout=timeout,
        verify=verify,
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": "alphapulse-tui"},
    )


async def get(
    asking: httpx.AsyncClient,
    url: str,
    what: str,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer to a GET, whatever its code; :class:`Unreachable` with a sentence about ``what`` when there is none.

    A connection that was kept from the last poll may be closed by the server at the very moment of its use; then it is asked once more,
    over a new one.
    """
    try:
        try:
            return await _get(asking, url, what, params, headers)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return await _get(asking, url, what, params, headers)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise Unreachable(f"{what} {_said(error)}") from None


async def _get(
    asking: httpx.AsyncClient,
    url: str,
    what: str,
    params: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
) -> Answer:
    async with asking.stream("GET", url, params=params, headers=headers) as response:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > BODY_LIMIT:
                limit = BODY_LIMIT // 1048576
                raise Unreachable(f"{what} answers with more than {limit} MB: that is not what was asked for")
        return Answer(response.status_code, bytes(body), response.headers.get("location", ""))


def _said(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "gave no answer in time"
    under = causes(error)
    text = clean(under[-1], 160) or type(under[-1]).__name__
    if refused(error):
        return "refuses connections: is it running?"
    if isinstance(error, httpx.ConnectError):
        return f"cannot be reached: {text}"
    if any(isinstance(cause, (EOFError, IndexError)) or type(cause).__name__ == "EndOfStream" for cause in under):
        return "closed the connection without an answer"
    return f"broke off: {clean(error, 160) or text}"
