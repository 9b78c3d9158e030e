"""The way to the API server for a change: the source's login, JSON patches, and answers told apart by what they prove.

A patch has four kinds of end: stored; refused (certain that nothing changed); overtaken, because a ``test`` in it no longer held; and
silence, which is neither. kubernetes-asyncio gives kubeconfig, login and transport; bodies are raw JSON, because its models drop fields and
pick a wrong content type (facts 10.1). Used by ``actions.kubernetes_action``.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer, TargetUnreachable
from alphapulse_tui.config.discover.kubernetes import kubeconfig
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.sources.contract import SourceProblem, Unreachable
from alphapulse_tui.sources.kubernetes_link import Link
from alphapulse_tui.text import clean

Object = dict[str, Any]
"""A Kubernetes object as JSON gives it: every field is kept, known to us or not."""

Operations = Sequence[Mapping[str, Any]]
"""A JSON patch (RFC 6902)."""

FIELD_MANAGER = "alphapulse-tui"
"""Who the API server says has changed a field (facts 0.8)."""

READ_SECONDS = 5.0
WRITE_SECONDS = 8.0
"""In all, for one request; below a plan's deadline of 10 s, so that our own sentence comes before the executor's."""

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer; etcd takes objects up to 1.5 MiB."""

OVERTAKEN = "somebody changed it meanwhile: nothing was done, plan again"


class Overtaken(ActionProblem):
    """A precondition in the request did not hold any more (409, or 422 from a ``test``): nothing was changed."""


class NotThere(ActionProblem):
    """404: no such object, or an API that this server does not serve."""


class WriteLink(Link):
    """The API server of a profile, for reading one object and changing it."""

    def __init__(self, profile: Profile) -> None:
        target = profile.kubernetes
        if target is None:
            raise ActionProblem(
                f'profile "{profile.name}" has no cluster: set [profiles.{profile.name}.kubernetes], or KUBECONFIG'
            )
        super().__init__(target.kubeconfig or kubeconfig()[0], target.context)
        self.namespace = target.namespace

    async def read(self, path: str, right: str, params: Mapping[str, str] | None = None) -> Object:
        """The object at ``path``; ``right`` is what reading it takes: ``apps deployments [get]``.

        Raises:
            NotThere: there is none.
            ActionProblem: it could not be read.
        """
        _, body = await self._ask("GET", path, right, params, READ_SECONDS)
        return _object(body)

    async def text(self, path: str, right: str, params: Mapping[str, str]) -> bytes:
        """The body at ``path``, whatever it is; raises as :meth:`read`."""
        _, body = await self._ask("GET", path, right, params, READ_SECONDS)
        return body

    async def patch(self, path: str, operations: Operations, right: str, *, dry_run: bool) -> Object:
        """The object as it is (``dry_run``: as it would be) after a JSON patch.

        Raises:
            Overtaken: a ``test`` did not hold.
            ActionProblem: refused, or never sent: nothing was changed.
            SentWithoutAnswer: sent, and no answer that says whether it was stored. Never for a dry run.
        """
        params = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
        try:
            _, body = await self._ask("PATCH", path, right, params, WRITE_SECONDS, list(operations))
        except SentWithoutAnswer as silence:
            if dry_run:
                raise TargetUnreachable(f"trying it without storing failed: {silence}") from None
            raise
        return _object(body)

    async def evict(self, pod: str, uid: str, *, dry_run: bool = False) -> None:
        """Ask for this very pod to be ended: unlike a delete, a disruption budget may refuse it.

        Raises:
            Overtaken: a pod of that name has another uid by now.
            ActionProblem: refused, or never sent: nothing was changed.
            SentWithoutAnswer: sent, and no answer. Never for a dry run.
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        await self.create(path, body, "pods/eviction [create]", dry_run=dry_run)

    async def create(self, path: str, body: Object, right: str, *, dry_run: bool) -> None:
        """POST ``body``; raises as :meth:`patch`."""
        params = {"dryRun": "All"} if dry_run else {}
        try:
            await self._ask("POST", path, right, params, WRITE_SECONDS, body, "application/json")
        except SentWithoutAnswer as silence:
            if dry_run:
                raise TargetUnreachable(f"trying it without storing failed: {silence}") from None
            raise

    async def connected(self) -> Any:
        """The library's client, logged in, for what is no request: a stream.

        Raises:
            ActionProblem: there is no login.
        """
        try:
            return await self._connected()
        except Unreachable as problem:
            raise TargetUnreachable(clean(problem)) from None
        except SourceProblem as problem:
            raise ActionProblem(clean(problem)) from None

    async def _ask(
        self,
        method: str,
        path: str,
        right: str,
        params: Mapping[str, str] | None,
        seconds: float,
        body: Any = None,
        content: str = "application/json-patch+json",
    ) -> tuple[int, bytes]:
        client = await self.connected()
        import aiohttp

        headers = {"Accept": "application/json, */*"}
        if body is not None:
            headers["Content-Type"] = content
        changes = method != "GET"
        try:
            async with asyncio.timeout(seconds):
                response = await client.call_api(
                    path,
                    method,
                    query_params=list((params or {}).items()),
                    header_params=headers,
                    body=body,
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                    _request_timeout=aiohttp.ClientTimeout(total=seconds),
                )
                async with response:
                    answer = await _bounded(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TargetUnreachable(f"the API server cannot be reached: {clean(error, 200)}") from None
        except TimeoutError:
            raise _silence(changes, f"the API server gave no answer within {seconds:g} s") from None
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
            raise _silence(changes, f"the API server broke off: {clean(error, 200) or type(error).__name__}") from None
        if 200 <= response.status <= 299:
            return response.status, answer
        raise refusal(response.status, answer, right, changes=changes)


def refusal(code: int, body: bytes, right: str, *, changes: bool) -> Exception:
    """What an answer that is no success proves, as the exception to raise. ``right``: what the request takes, for a 403."""
    told = _told(body)
    message = clean(told.get("message", ""), 400) or f"code {code} without a word"
    if code == 403 and "cannot" in message and "resource" in message:
        return ActionProblem(f"our login may not do that: its Role needs {right} ({message})")
    if code == 403:
        return ActionProblem(f"refused: {message}")  # A quota or an admission rule, in its own words.
    if code == 401:
        return ActionProblem(
            "the API server does not accept our login: it has expired or is not known there; log in again"
        )
    if code == 404:
        return NotThere(message)
    if code == 409 or (code == 422 and not _causes(told)):
        return Overtaken(OVERTAKEN)
    if code == 429:
        return ActionProblem(
            f"the API server is overloaded or a disruption budget forbids it, nothing was done: {message}"
        )
    if code < 500 or "failed calling webhook" in message or "admission webhook" in message:
        return ActionProblem(f"refused with code {code}: {message}")
    return _silence(changes, f"the API server answers with code {code}: {message}")


def _causes(told: Mapping[str, Any]) -> bool:
    """Whether a 422 names a field: then a value is invalid. A ``test`` that does not hold names none (facts 3.2)."""
    details = told.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return isinstance(causes, list) and any(isinstance(cause, dict) and cause.get("field") for cause in causes)


def _silence(changes: bool, sentence: str) -> Exception:
    return SentWithoutAnswer(sentence) if changes else TargetUnreachable(sentence)


def _told(body: bytes) -> Object:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _object(body: bytes) -> Object:
    """JSON as an object.

    Raises:
        ActionProblem: it is none.
    """
    found = _told(body)
    if not found:
        raise ActionProblem("something that is no API server answers in its place")
    return found


async def _bounded(response: Any) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise ValueError(f"more than {BODY_LIMIT // 1048576} MB")
    return bytes(body)
