"""One pod: its containers, its status as the API server keeps it, its graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.agent import status
from alphapulse_tui.lab.kubernetes.agent.container import Container
from alphapulse_tui.lab.kubernetes.agent.services import Services
from alphapulse_tui.lab.kubernetes.client import ApiError, Object

_RETRY_SECONDS = 1.0
_LAST_WORD_SECONDS = 1.0

log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod from its binding to its deletion. Made and fed by the node."""

    def __init__(self, services: Services, pod: Object, changed: Callable[[], None]) -> None:
        self._services = services
        self._pod = pod
        self._changed = changed
        self._dirty = asyncio.Event()
        self._dirty.set()
        self._leaving = asyncio.Event()
        self._grace = 0.0
        self._deleted = False
        known = {entry["name"]: entry for entry in (pod.get("status") or {}).get("containerStatuses") or []}
        self.containers = [
            Container(services, pod, spec, known.get(spec["name"]), self._container_changed)
            for spec in pod["spec"]["containers"]
        ]
        self._started = (pod.get("status") or {}).get("startTime") or status.now()
        self._conditions: list[Object] = list((pod.get("status") or {}).get("conditions") or [])

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self._pod["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return str(self._pod["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """The pod's uid: a pod of the same name may follow it."""
        return str(self._pod["metadata"]["uid"])

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        return dict(self._pod["metadata"].get("labels") or {})

    @property
    def ready(self) -> bool:
        """Whether it takes traffic: every container is ready and nobody wants it gone."""
        return not self._leaving.is_set() and all(container.ready for container in self.containers)

    def container(self, name: str) -> Container | None:
        """The container of that name."""
        return next((one for one in self.containers if one.name == name), None)

    def update(self, pod: Object) -> None:
        """Take a newer version of the object. What somebody else wrote into its status (of a node that was away) is written anew."""
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp") and not self._leaving.is_set():
            self.leave(float(metadata.get("deletionGracePeriodSeconds") or 0))
        elif self.ready and not status.says_ready(pod):
            self._dirty.set()

    def leave(self, grace: float, *, deleted: bool = False) -> None:
        """Begin the end, with ``grace`` seconds for the processes; ``deleted``: the API server has forgotten the pod already."""
        self._grace = 0.0 if deleted else grace
        self._deleted = self._deleted or deleted
        self._leaving.set()
        self._container_changed()

    def _container_changed(self) -> None:
        self._dirty.set()
        self._changed()

    async def run(self, predecessor: asyncio.Task[None] | None) -> None:
        """Live; returns when all processes have ended and the API server has let the pod go."""
        if predecessor is not None:
            # A pod that was deleted by force may still be dying under the same name.
            await asyncio.wait([predecessor])
        lives = [
            asyncio.create_task(container.run(), name=f"container {self.name}/{container.name}")
            for container in self.containers
        ]
        publishing = asyncio.create_task(self._publish(), name=f"status {self.name}")
        try:
            await self._leaving.wait()
            await asyncio.gather(*(container.stop(self._grace) for container in self.containers))
            # They end by themselves now and say how; one that is still asking the API server for a variable is not waited for.
            await asyncio.wait(lives, timeout=_LAST_WORD_SECONDS)
        finally:
            for task in (*lives, publishing):
                task.cancel()
            ended = await asyncio.gather(*lives, publishing, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome
        if not self._deleted:
            await self._forget()

    async def _publish(self) -> None:
        """Write the status whenever it changed; changes that come while one is written are written together."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._services.api.patch(
                    f"{self._path}/status", {"metadata": {"uid": self.uid}, "status": self._status()}
                )
            except ApiError as error:
                # 404: gone; 409: a pod of the same name has taken its place. The watch will tell.
                if error.status not in (404, 409):
                    log.warning("the status of pod %s was refused: %s", self.name, error)
            except LabError:
                self._dirty.set()
                await asyncio.sleep(_RETRY_SECONDS)

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def _status(self) -> Object:
        statuses = [container.status() for container in self.containers]
        pod_phase = status.phase([one["state"] for one in statuses], self._pod["spec"].get("restartPolicy", "Always"))
        self._conditions = status.conditions(self._conditions, statuses, pod_phase)
        return {
            "phase": pod_phase,
            "conditions": self._conditions,
            "hostIP": status.ADDRESS,
            "hostIPs": [{"ip": status.ADDRESS}],
            "podIP": status.ADDRESS,
            "podIPs": [{"ip": status.ADDRESS}],
            "startTime": self._started,
            "containerStatuses": statuses,
        }

    async def _forget(self) -> None:
        """Tell the API server that nothing of the pod runs any more."""
        body: Object = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        while True:
            try:
                with contextlib.suppress(ApiError):
                    await self._services.api.delete(self._path, body)
            except LabError:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return
