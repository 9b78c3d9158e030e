"""Kubernetes: pods, Deployments, ReplicaSets and StatefulSets of one namespace, by list and watch.

Each resource is listed in pages, then watched from the list's version with bookmarks; 410 lists again at once. A watch that is silent proves
nothing (an idle cluster sends no bookmark for minutes), so the server is asked for its version every interval: that is the stream's sign of
life, and its absence ends everything. Changes are published at most five times a second. A resource that we may not read is named as the
grant that is missing and asked for again once a minute; the others go on. Made by ``build``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.kubernetes import KubernetesSnapshot
from alphapulse_tui.model.rules import kubernetes as rules
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.sources import kubernetes_decode as decode
from alphapulse_tui.sources.contract import DENIED_RETRY, Denied, Source, Unreachable
from alphapulse_tui.sources.kubernetes_link import PAGE, Gone, Link
from alphapulse_tui.sources.kubernetes_store import Pods, Workloads
from alphapulse_tui.text import clean

COALESCE = 0.2
"""Seconds between two publications at least: a rollout of 100 pods is not 1,000 repaints."""

WATCH_SECONDS = 60
"""Seconds after which the server ends a watch by itself; opening another costs nothing."""

SILENCE = 75.0
"""Seconds without a byte after which a watch is held to be half-open."""

SHORTEST_WATCH = 1.0
"""Seconds between two watches of a resource at least: a server that ends each at once would be asked in a hot loop."""

BREATH = 100
"""Events after which the event loop gets its turn."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What is listed and watched."""

    kind: str
    plural: str
    group: str
    """Path of the API group and version."""


RESOURCES = (
    Resource("Pod", "pods", "/api/v1"),
    Resource("Deployment", "deployments", "/apis/apps/v1"),
    Resource("ReplicaSet", "replicasets", "/apis/apps/v1"),
    Resource("StatefulSet", "statefulsets", "/apis/apps/v1"),
)


class KubernetesSource(Source[KubernetesSnapshot]):
    """One namespace of one cluster."""

    target = "kubernetes"
    interval = 5.0
    deadline = 5.0

    def __init__(
        self,
        kubeconfig: str,
        context: str,
        namespace: str,
        thresholds: Thresholds | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._thresholds = thresholds or Thresholds()
        self._clock = clock
        self._namespace = namespace
        self._link = Link(kubeconfig, context)
        self._pods = Pods(clock)
        self._workloads = Workloads()
        self._refused: dict[str, str] = {}
        self._version = ""
        self._changed = asyncio.Event()
        self._listed: set[str] = set()

    async def read(self) -> KubernetesSnapshot:
        """List everything once, without watching."""
        self._refused.clear()
        await _until(
            asyncio.ALL_COMPLETED, self._ask_version(), *(self._list_or_refuse(resource) for resource in RESOURCES)
        )
        return self._snapshot()

    async def follow(self, publish: Callable[[KubernetesSnapshot], None]) -> None:
        """List, then watch, for as long as the server shows signs of life."""
        self._listed.clear()
        self._refused.clear()
        self._changed.clear()
        await self._link.open()
        works = [self._keep(resource) for resource in RESOURCES]
        await _until(asyncio.FIRST_COMPLETED, *works, self._heartbeat(publish), self._tell(publish))

    def judge(self, snapshot: KubernetesSnapshot) -> tuple[Finding, ...]:
        """The rules."""
        return rules.judge(snapshot, self._thresholds, self._clock())

    async def close(self) -> None:
        """Close connections."""
        await self._link.close()

    def _snapshot(self) -> KubernetesSnapshot:
        if len(self._refused) == len(RESOURCES):
            raise Denied(f"nothing may be read; missing grants: {'; '.join(self._refused.values())}")
        return KubernetesSnapshot(
            namespace=self._namespace,
            context=self._link.context,
            server_version=self._version,
            pods=self._pods.snapshot(),
            workloads=self._workloads.snapshot(),
            missing_grants=tuple(self._refused[one.plural] for one in RESOURCES if one.plural in self._refused),
        )

    @property
    def _complete(self) -> bool:
        """Whether everything has been asked for once; half a namespace is not shown."""
        return len(self._listed) > len(RESOURCES)

    # -- the stream's life -----------------------------------------------------------------------------------------------------------

    async def _heartbeat(self, publish: Callable[[KubernetesSnapshot], None]) -> None:
        """Ask for the version every interval; each answer says that what is shown still holds."""
        while True:
            started = time.monotonic()
            try:
                async with asyncio.timeout(self.deadline):
                    await self._ask_version()
            except TimeoutError:
                raise Unreachable(f"the API server gave no answer within {self.deadline:g} s") from None
            self._listed.add("version")
            if self._complete:
                publish(self._snapshot())
            await self.pause(max(0.0, self.interval - (time.monotonic() - started)))

    async def _ask_version(self) -> None:
        try:
            body = await self._link.get("/version", "version", timeout=self.deadline)
        except Denied as refusal:
            if str(refusal) != "version":
                raise
            return  # A hardened cluster hides it; a refusal is a sign of life too.
        try:
            self._version = clean(msgspec.json.decode(body)["gitVersion"])
        except (msgspec.DecodeError, KeyError, TypeError):
            raise Unreachable("something answers in the API server's place, but not as it does") from None

    async def _tell(self, publish: Callable[[KubernetesSnapshot], None]) -> None:
        """Publish what changed, a few times a second, once everything has been listed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._complete:
                publish(self._snapshot())
                await asyncio.sleep(COALESCE)

    # -- one resource ----------------------------------------------------------------------------------------------------------------

    async def _keep(self, resource: Resource) -> None:
        """List and watch ``resource`` for ever."""
        version = ""
        while True:
            if not version:
                version = await self._list_or_refuse(resource)
                self._listed.add(resource.plural)
                self._changed.set()
                if not version:
                    await self.pause(DENIED_RETRY)
                    continue
            started = time.monotonic()
            try:
                version = await self._watch(resource, version)
            except Gone:
                version = ""
            except Denied as refusal:
                self._refused[resource.plural] = clean(refusal)  # What may be listed is shown all the same.
                self._changed.set()
                version = ""
                await self.pause(DENIED_RETRY)
            await asyncio.sleep(max(0.0, SHORTEST_WATCH - (time.monotonic() - started)) if version else 0.0)

    def _grant(self, resource: Resource, verb: str) -> str:
        return f"{resource.plural}: {verb} in namespace {clean(self._namespace)}"

    def _path(self, resource: Resource) -> str:
        return f"{resource.group}/namespaces/{self._namespace}/{resource.plural}"

    async def _list_or_refuse(self, resource: Resource) -> str:
        """The version of a fresh list, or nothing when we may not list: then the missing grant is kept."""
        try:
            version = await self._list(resource)
        except Denied as refusal:
            if str(refusal) != self._grant(resource, "list"):
                raise
            self._hide(resource, str(refusal))
            return ""
        self._refused.pop(resource.plural, None)
        return version

    def _hide(self, resource: Resource, refusal: str) -> None:
        """Keep the missing grant, and nothing of what we were shown before: it is not known any more."""
        self._refused[resource.plural] = refusal
        if resource.kind == "Pod":
            self._pods.replace(())
        else:
            self._workloads.replace(resource.kind, ())

    async def _list(self, resource: Resource) -> str:
        """List ``resource`` page by page into the store, and return the version to watch from."""
        found: list[Any] = []
        more = ""
        while True:
            params = {"limit": str(PAGE)} | ({"continue": more} if more else {})
            try:
                body = await self._link.get(self._path(resource), self._grant(resource, "list"), params)
            except Gone:  # The pages took longer than the server keeps versions.
                found, more = [], ""
                continue
            page = await self._decoded(resource, body)
            found += page.items or []
            more = page.metadata.continue_
            if not more:
                break
        if resource.kind == "Pod":
            await asyncio.to_thread(self._pods.replace, found)
        else:
            self._workloads.replace(resource.kind, found)
        return str(page.metadata.resource_version)

    async def _decoded(self, resource: Resource, body: bytes) -> Any:
        decoder = decode.pod_list if resource.kind == "Pod" else decode.workload_list
        try:
            return await asyncio.to_thread(decoder.decode, body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as garbled:
            raise Unreachable(f"the list of {resource.plural} cannot be understood: {clean(garbled, 200)}") from None

    async def _watch(self, resource: Resource, version: str) -> str:
        """Apply events until the server ends the watch; returns the version to go on from."""
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        lines = self._link.watch(self._path(resource), self._grant(resource, "watch"), params, SILENCE)
        count = 0
        async for line in lines:
            try:
                version = self._apply(resource, line) or version
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as garbled:
                raise Unreachable(
                    f"the watch of {resource.plural} cannot be understood: {clean(garbled, 200)}"
                ) from None
            count += 1
            if count % BREATH == 0:
                await asyncio.sleep(0)
        return version

    def _apply(self, resource: Resource, line: bytes) -> str:
        """Apply one event and return its version; :class:`Gone` or :class:`Unreachable` for an error event."""
        event = decode.event.decode(line)
        if event.type == "BOOKMARK":
            return decode.bookmark.decode(event.object).metadata.resource_version
        if event.type == "ERROR":
            told = decode.status.decode(event.object)
            if told.code == 410 or told.reason in ("Expired", "Gone"):
                raise Gone
            raise Unreachable(f"the watch of {resource.plural} failed: {clean(told.message or told.reason, 200)}")
        if resource.kind == "Pod":
            raw = decode.raw_pod.decode(event.object)
            self._pods.apply(event.type, raw)
            version = raw.metadata.resource_version
        else:
            workload = decode.raw_workload.decode(event.object)
            self._workloads.apply(resource.kind, event.type, workload)
            version = workload.metadata.resource_version
        self._changed.set()
        return version


async def _until(when: str, *works: Coroutine[Any, Any, Any]) -> None:
    """Run ``works`` together until all or the first of them end; the first failure ends the others and is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(
            tasks, return_when=asyncio.FIRST_EXCEPTION if when == asyncio.ALL_COMPLETED else when
        )
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # Marks it as seen: the first failure has been told, the others are its echoes.
