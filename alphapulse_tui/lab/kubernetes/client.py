"""A small client of the API server for the lab's own programs: JSON in, JSON out, and a watch that comes back by itself.

The node agent, the manifests and the faults use it. Not ``kubernetes_asyncio``: its models cost more than this whole file, and its watch
has the traps listed in the research (retries with a stale version, no time-out, hot reconnect).
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.pki import Pair, Pki

Object = dict[str, Any]
"""A Kubernetes object as JSON gives it: the fields of the API, not ours to type."""

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_REQUEST_SECONDS = 10.0
_WATCH_SECONDS = 290
_WATCH_SILENCE_SECONDS = 320.0
_RETRY_SECONDS = 0.5
_RETRY_CAP_SECONDS = 5.0
_LINE_BYTES = 4 * 1024 * 1024

log = logging.getLogger(__name__)


class ApiError(LabError):
    """The API server refused; carries its status and its own sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Kubernetes answered {status}: {message}")
        self.status = status


class UnreachableError(LabError):
    """The API server did not answer."""


class KubeApi:
    """One connection pool to the API server, as one user. Use it as an async context manager."""

    def __init__(self, url: str, pki: Pki, pair: Pair) -> None:
        self._url = url
        context = ssl.create_default_context(cafile=str(pki.authority))
        context.load_cert_chain(pair.certificate, pair.key)
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, read_bufsize=_LINE_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; a second time is fine."""
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
    ) -> Object:
        """One request; the answer's JSON.

        Raises:
            ApiError: The server answered with an error.
            UnreachableError: It did not answer within 10 seconds.
        """
        assert self._session is not None, "KubeApi is used outside its context"
        data = None if body is None else json.dumps(body)
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=data,
                params=params,
                headers={"Content-Type": content_type},
                timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS),
            ) as response:
                answer = _object(await response.read())
                if response.status >= 400:
                    raise ApiError(response.status, str(answer.get("message") or response.reason))
                return answer
        except TimeoutError:
            raise UnreachableError(
                f"{method} {path}: the API server did not answer within {_REQUEST_SECONDS:g} s"
            ) from None
        except aiohttp.ClientError as error:
            raise UnreachableError(f"{method} {path}: the API server cannot be reached ({error})") from error

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        """GET."""
        return await self.request("GET", path, params=params)

    async def post(self, path: str, body: Object) -> Object:
        """POST."""
        return await self.request("POST", path, body)

    async def patch(self, path: str, body: Any, content_type: str = MERGE_PATCH) -> Object:
        """PATCH, a merge patch unless told otherwise."""
        return await self.request("PATCH", path, body, content_type=content_type)

    async def delete(self, path: str, body: Object | None = None) -> Object:
        """DELETE."""
        return await self.request("DELETE", path, body)

    async def apply(self, path: str, body: Object, manager: str = "alphapulse-lab") -> Object:
        """Server-side apply: create or change, owning the fields that are named."""
        params = {"fieldManager": manager, "force": "true"}
        return await self.request("PATCH", path, body, content_type=APPLY_PATCH, params=params)

    async def follow(self, path: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[tuple[str, Any]]:
        """List and watch a collection for ever: ``("LIST", items)`` first and after every gap, then ``("ADDED" ..., object)``.

        Never ends by itself: what goes wrong is logged and tried again, at most every 5 seconds.
        """
        query = dict(params or {})
        delay = _RETRY_SECONDS
        while True:
            try:
                listed = await self.get(path, query)
                yield "LIST", listed.get("items") or []
                delay = _RETRY_SECONDS
                async for event in self._watch(path, query, listed["metadata"]["resourceVersion"]):
                    yield event
            except LabError as error:
                log.warning("the watch of %s is tried again: %s", path, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _RETRY_CAP_SECONDS)

    async def _watch(self, path: str, params: Mapping[str, str], version: str) -> AsyncGenerator[tuple[str, Object]]:
        """Events after ``version``; ends when only a new list helps (410), raises :class:`UnreachableError` when the stream breaks."""
        assert self._session is not None
        while True:
            query = {
                **params,
                "watch": "true",
                "resourceVersion": version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": str(_WATCH_SECONDS),
            }
            limit = aiohttp.ClientTimeout(total=None, sock_connect=_REQUEST_SECONDS, sock_read=_WATCH_SILENCE_SECONDS)
            try:
                async with self._session.get(self._url + path, params=query, timeout=limit) as response:
                    if response.status == 410:
                        return
                    if response.status >= 400:
                        raise ApiError(response.status, str(response.reason))
                    async for line in response.content:
                        event = _object(line)
                        kind, content = event.get("type"), event.get("object") or {}
                        if kind == "ERROR":
                            return
                        version = content["metadata"]["resourceVersion"]
                        if kind != "BOOKMARK":
                            yield str(kind), content
            except TimeoutError:
                raise UnreachableError(f"the watch of {path} fell silent") from None
            except aiohttp.ClientError as error:
                raise UnreachableError(f"the watch of {path} broke ({error})") from error


def _object(data: bytes) -> Object:
    """JSON as an object; anything else is told as a message."""
    try:
        parsed = json.loads(data)
    except ValueError:
        return {"message": data[:200].decode(errors="replace")}
    return parsed if isinstance(parsed, dict) else {"message": str(parsed)[:200]}
