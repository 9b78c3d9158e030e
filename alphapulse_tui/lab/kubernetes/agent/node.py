"""The node: watches pods, binds those that have no node yet, and gives each of its own a worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.agent.container import Container
from alphapulse_tui.lab.kubernetes.agent.discovery import Discovery
from alphapulse_tui.lab.kubernetes.agent.events import Events
from alphapulse_tui.lab.kubernetes.agent.metrics import MetricsServer
from alphapulse_tui.lab.kubernetes.agent.pod import PodWorker
from alphapulse_tui.lab.kubernetes.agent.probes import Prober
from alphapulse_tui.lab.kubernetes.agent.registration import NODE_NAME, register, report_images, stay_ready
from alphapulse_tui.lab.kubernetes.agent.server import KubeletServer
from alphapulse_tui.lab.kubernetes.agent.services import Services
from alphapulse_tui.lab.kubernetes.agent.usage import EVERY_SECONDS, Meter
from alphapulse_tui.lab.kubernetes.client import KubeApi, Object
from alphapulse_tui.lab.kubernetes.images import Images
from alphapulse_tui.lab.kubernetes.pki import Pki
from alphapulse_tui.lab.platform import Lab

_MEMORY_SECONDS = 0.2
"""How often processes are held against their memory limit."""
_DISCOVERY_SECONDS = 0.05
_IMAGES_SECONDS = 2.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

log = logging.getLogger(__name__)


class Node:
    """The one node of the lab's cluster. Start it as a task; cancelling it leaves the processes to the supervisor."""

    def __init__(self, lab: Lab, api: KubeApi, pki: Pki) -> None:
        self._lab = lab
        self._api = api
        self._pki = pki
        self._pods: dict[str, PodWorker] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._binding: dict[str, asyncio.Task[None]] = {}
        self._images = Images(lab)
        self._discovery = Discovery(discovery_folder(lab))
        self._moved = asyncio.Event()
        self._meter = Meter()

    async def run(self) -> None:
        """Serve for ever."""
        kubelet_port = self._lab.ports["kubelet"]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            services = Services(
                api=self._api,
                supervisor=self._lab.supervisor,
                images=self._images,
                events=Events(self._api, NODE_NAME),
                prober=Prober(session),
                logs=self._lab.directory.data("kubernetes", "logs"),
            )
            async with (
                self._pods_end_with_us(),
                KubeletServer(self, self._pki, kubelet_port, self._lab.directory.data("kubernetes", "pods")),
                MetricsServer(self, self._meter, self._pki, self._lab.ports["metrics-api"]),
            ):
                await register(self._api, kubelet_port)
                async with asyncio.TaskGroup() as group:
                    group.create_task(stay_ready(self._api, kubelet_port), name="lease")
                    group.create_task(self._watch_memory(), name="memory")
                    group.create_task(self._measure(), name="usage")
                    group.create_task(self._tell_discovery(), name="discovery")
                    group.create_task(self._tell_images(), name="images")
                    group.create_task(self._watch_pods(services), name="pods")

    @contextlib.asynccontextmanager
    async def _pods_end_with_us(self) -> AsyncIterator[None]:
        """Cancel the pods' workers when the node is cancelled; nothing of theirs may outlive it."""
        try:
            yield
        finally:
            left = [*self._tasks.values(), *self._binding.values()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            # A node that is started again takes the pods over from the API server's list.
            self._pods.clear()

    def find(self, namespace: str, pod: str, container: str) -> Container | None:
        """The container that a reader of logs or a caller of exec means."""
        for worker in self._pods.values():
            if (worker.namespace, worker.name) == (namespace, pod):
                return worker.container(container)
        return None

    @property
    def pods(self) -> tuple[PodWorker, ...]:
        """The workers of all pods of this node."""
        return tuple(self._pods.values())

    # -- pods ---------------------------------------------------------------------------------------------------------------------

    async def _watch_pods(self, services: Services) -> None:
        async with contextlib.aclosing(self._api.follow("/api/v1/pods")) as events:
            async for kind, content in events:
                if kind == "LIST":
                    self._listed(services, content)
                elif kind == "DELETED":
                    self._gone(content["metadata"]["uid"])
                else:
                    self._seen(services, content)

    def _listed(self, services: Services, pods: list[Object]) -> None:
        present = {pod["metadata"]["uid"] for pod in pods}
        for uid in set(self._pods) - present:
            self._gone(uid)
        for pod in pods:
            self._seen(services, pod)

    def _seen(self, services: Services, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        node = pod["spec"].get("nodeName")
        finished = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if uid in self._pods:
            self._pods[uid].update(pod)
        elif not node and not pod["spec"].get("schedulingGates") and uid not in self._binding:
            self._start(self._binding, uid, self._bind(pod))
        elif node == NODE_NAME and not (finished and not pod["metadata"].get("deletionTimestamp")):
            worker = PodWorker(services, pod, self._moved.set)
            key = (worker.namespace, worker.name)
            self._pods[uid] = worker
            worker.update(pod)
            self._start(self._tasks, key, worker.run(self._tasks.get(key)))

    def _gone(self, uid: str) -> None:
        worker = self._pods.pop(uid, None)
        if worker is not None:
            worker.leave(0, deleted=True)
            self._images.release([worker.name])
            self._moved.set()

    def _start(self, tasks: dict[Any, asyncio.Task[None]], key: Any, work: Coroutine[Any, Any, None]) -> None:
        """Keep a task until it ends; one that fails is told, since nobody awaits it."""
        task = asyncio.create_task(work)
        tasks[key] = task

        def ended(done: asyncio.Task[None]) -> None:
            if tasks.get(key) is done:
                del tasks[key]
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("%s failed", key, exc_info=error)

        task.add_done_callback(ended)

    async def _bind(self, pod: Object) -> None:
        """Schedule: there is one node."""
        metadata = pod["metadata"]
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE_NAME}
        body: Object = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "target": target,
        }
        try:
            await self._api.post(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/binding", body)
        except LabError as error:
            log.warning("pod %s was not bound: %s", metadata["name"], error)

    # -- the loops ----------------------------------------------------------------------------------------------------------------

    async def _watch_memory(self) -> None:
        """Kill what is over its limit: an address-space limit would give a Python program a MemoryError instead of OOMKilled."""
        while True:
            for worker in tuple(self._pods.values()):
                for container in worker.containers:
                    process = container.process
                    watched = container.memory_limit and process is not None and process.alive
                    if watched and process is not None and _resident_bytes(process.pid) > container.memory_limit:
                        container.kill_for_memory()
            await asyncio.sleep(_MEMORY_SECONDS)

    async def _measure(self) -> None:
        while True:
            self._meter.measure(self._pods.values())
            await asyncio.sleep(EVERY_SECONDS)

    async def _tell_discovery(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            self._discovery.update(self._pods.values())
            # Changes come in bursts (a rollout): a short rest writes the files once.
            await asyncio.sleep(_DISCOVERY_SECONDS)

    async def _tell_images(self) -> None:
        """Report new images; a task of its own, because an API server that hangs must not keep the discovery waiting."""
        told: set[str] = set()
        while True:
            now = set(self._images.pulled)
            if now != told:
                try:
                    await report_images(self._api, now)
                except LabError as error:
                    log.warning("the images of %s were not reported: %s", NODE_NAME, error)
                else:
                    told = now
            await asyncio.sleep(_IMAGES_SECONDS)


def discovery_folder(lab: Lab) -> Path:
    """Where the files of :mod:`.discovery` are."""
    return lab.directory.data("kubernetes", "discovery")


def _resident_bytes(pid: int) -> int:
    """Resident memory of one process, without its children: one small read, five times a second for each container."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0
