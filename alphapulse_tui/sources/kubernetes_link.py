"""The way to the API server: kubeconfig, login and transport by kubernetes-asyncio; lists and watches read raw.

The client's watch is not used: it repeats a stale version, loops hot on a proxy's HTML, hangs on a half-open connection (facts 10.1). Every
answer's code is checked here, every silence has a time limit, and what goes wrong is a sentence. Used by ``sources.kubernetes``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from alphapulse_tui.config.discover.kubernetes import chosen_context
from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.sources import kubernetes_decode as decode
from alphapulse_tui.sources.contract import Denied, Unreachable
from alphapulse_tui.text import clean

CONNECT = 3.0
"""Seconds until a connection must stand."""

LOGIN = 10.0
"""Seconds that the kubeconfig's login may take; an exec plugin may ask the network."""

PAGE = 1000
"""Objects a page of a list: one page is decoded in 10 ms, the whole list in one piece would hold the event loop up for 100 ms."""

PAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of a page; 1,000 pods take 5 MB."""

LINE_LIMIT = 8 * 1024 * 1024
"""Bytes of one event; etcd takes objects up to 1.5 MiB."""

FRESH = 60.0
"""Seconds for which a login counts as fresh: if it is refused then, logging in again would not help."""


class Gone(Exception):
    """410: the version that a watch would go on from is no longer kept; list again."""


class Link:
    """One client, opened by the first question and again after :meth:`close`."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        self._kubeconfig = kubeconfig
        self._wanted = context
        self.context = clean(context)
        self._client: Any = None
        self._opened = 0.0
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Log in now. An exec plugin may take longer than any question may."""
        await self._connected()

    async def get(self, path: str, what: str, params: Mapping[str, str] | None = None, timeout: float = 5.0) -> bytes:
        """The body of a GET; ``what`` names it in a refusal (``pods: list in namespace alphapulse``)."""
        async with self._answer(path, what, params, timeout) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(65536):
                body += chunk
                if len(body) > PAGE_LIMIT:
                    raise Unreachable(f"the API server answers {path} with more than {PAGE_LIMIT // 1048576} MB")
            return bytes(body)

    async def post(self, path: str, what: str, body: Mapping[str, Any], timeout: float = 5.0) -> bytes:
        """The answer to a question that is asked by POST and changes nothing (an access review); ``what`` as in :meth:`get`."""
        async with self._answer(path, what, None, timeout, body) as response:
            answer: bytes = await response.content.read(65536)
            return answer

    async def watch(self, path: str, what: str, params: Mapping[str, str], silence: float) -> AsyncIterator[bytes]:
        """The lines of a watch until the server ends it; :class:`Unreachable` after ``silence`` seconds without a byte."""
        async with self._answer(path, what, params, silence) as response:
            rest = b""
            async for chunk in response.content.iter_chunked(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield line
                if len(rest) > LINE_LIMIT:
                    raise Unreachable(f"the API server sends an event of more than {LINE_LIMIT // 1048576} MB")

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        path: str,
        what: str,
        params: Mapping[str, str] | None,
        silence: float,
        body: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Any]:
        client = await self._connected()
        import aiohttp

        limits = aiohttp.ClientTimeout(connect=CONNECT, sock_connect=CONNECT, sock_read=silence)
        response = None
        try:
            response = await client.call_api(
                path,
                "GET" if body is None else "POST",
                query_params=list((params or {}).items()),
                header_params={"Accept": "application/json"}
                | ({"Content-Type": "application/json"} if body is not None else {}),
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=limits,
            )
            if response.status not in (200, 201):
                raise await self._refusal(response, what)
            yield response
        except (aiohttp.ClientError, ssl.SSLError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise Unreachable(_said(error)) from None
        finally:
            if response is not None:
                response.close()

    async def _refusal(self, response: Any, what: str) -> Exception:
        body = await response.content.read(65536)
        try:
            told = decode.status.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            told = decode.Status()
        message = clean(told.message, 300)
        if response.status == 410:
            return Gone()
        if response.status == 401:
            if time.monotonic() - self._opened < FRESH:
                return Denied(
                    "the API server does not accept our login: it has expired or is not known there; log in again"
                )
            await self.close()
            return Unreachable("the API server's login has expired; logging in again")
        if response.status == 403:
            return Denied(what)
        if not told.reason and not told.message:
            return Unreachable(f"something answers with code {response.status} in the API server's place")
        return Unreachable(f"the API server answers with code {response.status}: {message or clean(told.reason)}")

    async def _connected(self) -> Any:
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
                self._opened = time.monotonic()
            return self._client

    async def _open(self) -> Any:
        try:
            chosen = await asyncio.to_thread(chosen_context, self._kubeconfig, self._wanted)
        except AlphaPulseError as error:
            raise Denied(error.sentence) from None
        self.context = chosen.name
        library = await asyncio.to_thread(import_library)
        config = library.client.Configuration()
        try:
            async with asyncio.timeout(LOGIN):
                await library.config.load_kube_config(
                    config_file=self._kubeconfig,
                    context=self._wanted or None,
                    client_configuration=config,
                    persist_config=False,
                )
        except TimeoutError:
            raise Unreachable(f"the kubeconfig's login took longer than {LOGIN:g} s") from None
        except (
            library.config.ConfigException,
            OSError,
            KeyError,
            TypeError,
            ValueError,
            json.JSONDecodeError,
        ) as error:
            raise Denied(f"the kubeconfig cannot be used: {clean(error, 200)}") from None
        try:
            return library.client.ApiClient(configuration=config)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise Denied(f"the kubeconfig's certificates cannot be used: {clean(error, 200)}") from None

    async def close(self) -> None:
        """Close the client's connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def import_library() -> Any:
    """kubernetes-asyncio: half a second of imports, paid in a thread by who needs it."""
    import kubernetes_asyncio
    import kubernetes_asyncio.client
    import kubernetes_asyncio.config

    return kubernetes_asyncio


def _said(error: Exception) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return f"the API server's certificate is not accepted: {clean(error, 200)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        if isinstance(cause, ConnectionRefusedError):
            return "the API server refuses connections: is it running?"
        return f"the API server cannot be reached: {clean(cause.strerror or cause, 200)}"
    if isinstance(error, TimeoutError):
        return "the API server gave no answer in time"
    return f"the API server broke off: {clean(error, 200) or type(error).__name__}"
