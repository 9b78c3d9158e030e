"""One container: started, probed, ended, started again after a growing back-off.

:meth:`Container.run` is the whole life; everything that ``kubectl`` can see of it is in :meth:`Container.status`. The process belongs to the
lab's supervisor; one that already runs under the pod's name (started before the control plane was there) is taken over as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.agent import status
from alphapulse_tui.lab.kubernetes.agent.environment import UnresolvedError, resolve
from alphapulse_tui.lab.kubernetes.agent.logs import MARK_SECONDS, ContainerLog
from alphapulse_tui.lab.kubernetes.agent.services import Services
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.images import Launch, UnknownImageError
from alphapulse_tui.lab.kubernetes.quantities import to_bytes
from alphapulse_tui.lab.process import Process, ProcessSpec, Restart

BACKOFF_SECONDS = 5.0
"""The first wait in a crash loop; the kubelet's is 10 s. Shortened so that a drill is not spent waiting."""
BACKOFF_CAP_SECONDS = 30.0
"""The longest wait; the kubelet's is 300 s."""
BACKOFF_FORGOTTEN_SECONDS = 120.0
"""A container that ran this long starts again without a wait; with the kubelet it is twice its cap."""
_RETRY_SECONDS = 2.0
_MESSAGE_LINES = 20
_MESSAGE_CHARACTERS = 2048


class Container:
    """One container of a pod. ``changed`` is called after every change of its status."""

    def __init__(
        self, services: Services, pod: Object, spec: Object, known: Object | None, changed: Callable[[], None]
    ) -> None:
        self._services = services
        self._pod = pod
        self.spec = spec
        self.name: str = spec["name"]
        self._changed = changed
        self._stopping = asyncio.Event()
        self._failures = 0
        self.state: Object = {"waiting": {"reason": "ContainerCreating"}}
        # An agent that comes back goes on counting where the API server's record stands.
        self.restarts = (
            int(known["restartCount"]) + 1 if known and ("running" in known["state"] or known["restartCount"]) else 0
        )
        self.last_state: Object = dict(known.get("lastState") or {}) if known else {}
        self.ready = False
        self.launch: Launch | None = None
        self.process: Process | None = None
        self.environment: dict[str, str] = {}
        self.log: ContainerLog | None = None
        self.previous_log: ContainerLog | None = None
        self._out_of_memory = False
        self._pulled = False
        self._failed_pulls = 0
        limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory")
        self.memory_limit = to_bytes(limit) if limit else 0

    # -- what is seen -------------------------------------------------------------------------------------------------------------

    def status(self) -> Object:
        """Its entry in ``status.containerStatuses``."""
        entry: Object = {
            "name": self.name,
            "image": self.spec["image"],
            # Without an image there is no identity of it, as with the kubelet: what tells "never pulled" from "pulled and not started".
            "imageID": f"lab://{self.spec['image']}" if self._pulled else "",
            "ready": self.ready,
            "started": "running" in self.state,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last_state,
        }
        if self.process is not None:
            entry["containerID"] = self._identity(self.process)
        return entry

    def _identity(self, process: Process) -> str:
        return f"lab://{process.pid}-{int(process.started)}"

    def _set(self, state: Object) -> None:
        self.state = state
        self._changed()

    async def _tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        await self._services.events.tell(self._pod, reason, message, container=self.name, warning=warning)

    # -- its life -----------------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until stopped, or until the restart policy lets it rest."""
        policy = self._pod["spec"].get("restartPolicy", "Always")
        while not self._stopping.is_set():
            process = await self._start()
            if process is None:
                continue
            code = await self._attend(process)
            if self._stopping.is_set() or policy == "Never" or (policy == "OnFailure" and code == 0):
                return
            await self._back_off(time.time() - process.started)
            self.restarts += 1

    async def stop(self, grace: float) -> None:
        """End it for good: its stop signal, then SIGKILL after ``grace`` seconds."""
        self._stopping.set()
        if self.process is not None and self.process.alive:
            await self._tell("Killing", f"Stopping container {self.name}")
            await self._services.supervisor.stop(self.process.name, grace)

    async def _start(self) -> Process | None:
        """Start or take over the process; none when it could not be started, after telling why and waiting a little."""
        try:
            launch = self._services.images.launch(self._pod, self.spec)
        except UnknownImageError as error:
            await self._not_pulled(str(error))
            return None
        self._pulled = True
        try:
            variables = await resolve(self._services.api, self._pod, self.spec)
        except UnresolvedError as error:
            await self._refused("CreateContainerConfigError", str(error), event="Failed", told=f"Error: {error}")
            return None
        except LabError as error:
            await self._refused("ContainerCreating", str(error), event="FailedMount")
            return None
        self.launch = launch
        self.environment = {**launch.spec.env, **variables, **launch.environment}
        adopted = self._services.supervisor.adopt(launch.spec.name)
        try:
            process = adopted or await self._services.supervisor.start(self._own(launch), Restart.NEVER)
        except LabError as error:
            await self._refused("RunContainerError", str(error), event="Failed")
            return None
        self.previous_log, self.log = self.log, ContainerLog(process.spec.log)
        self.process = process
        self._out_of_memory = False
        self._set({"running": {"startedAt": status.stamp(process.started)}})
        await self._tell("Started", f"Container started: {self.name}")
        return process

    def _own(self, launch: Launch) -> ProcessSpec:
        """The image's spec with this pod's environment and a log of its own for every run."""
        log = self._services.log_path(self._pod, self.name, self.restarts)
        return dataclasses.replace(launch.spec, env=self.environment, log=log)

    async def _refused(self, reason: str, message: str, *, event: str, told: str = "") -> None:
        """Say why there is no process (``told`` where the event says it otherwise), and wait before the next try."""
        self._set({"waiting": {"reason": reason, "message": message}})
        await self._tell(event, told or message, warning=True)
        await self._rest(_RETRY_SECONDS)

    async def _not_pulled(self, why: str) -> None:
        """As the kubelet tells it: the failed pull, then the back-off in which the reason is still told (kubelet 1.31 and later)."""
        image = self.spec["image"]
        await self._tell("Pulling", f'Pulling image "{image}"')
        self._set({"waiting": {"reason": "ErrImagePull", "message": why}})
        await self._tell("Failed", f'Failed to pull image "{image}": {why}', warning=True)
        await self._tell("Failed", "Error: ErrImagePull", warning=True)
        await self._rest(_RETRY_SECONDS)
        if self._stopping.is_set():
            return
        message = f'Back-off pulling image "{image}": ErrImagePull: {why}'
        self._set({"waiting": {"reason": "ImagePullBackOff", "message": message}})
        await self._tell("BackOff", f'Back-off pulling image "{image}"')
        await self._tell("Failed", "Error: ImagePullBackOff", warning=True)
        self._failed_pulls += 1
        await self._rest(min(BACKOFF_SECONDS * 2 ** (self._failed_pulls - 1), BACKOFF_CAP_SECONDS))

    async def _rest(self, seconds: float) -> None:
        """Wait, unless it is stopped meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _attend(self, process: Process) -> int:
        """Probe the process and mark its log until it ends; notes how it ended and returns its exit code."""
        assert self.log is not None
        companions = [asyncio.create_task(self._mark(self.log)), asyncio.create_task(self._probe())]
        try:
            code = await process.wait()
        finally:
            for companion in companions:
                companion.cancel()
            await asyncio.gather(*companions, return_exceptions=True)
        self.log.mark(time.time())
        self.log.closed = True
        self.ready = False
        failed = code != 0 and not self._stopping.is_set()
        self._set(
            {
                "terminated": status.terminated(
                    code,
                    process.started,
                    process.ended or time.time(),
                    out_of_memory=self._out_of_memory,
                    message=self._last_words() if failed else "",
                    identity=self._identity(process),
                )
            }
        )
        return code

    def _last_words(self) -> str:
        """The end of the log, where the pod asks for it (``terminationMessagePolicy: FallbackToLogsOnError``)."""
        if self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError" or self.log is None:
            return ""
        return self.log.tail_text(_MESSAGE_LINES, _MESSAGE_CHARACTERS)

    async def _back_off(self, lived: float) -> None:
        """Wait as the kubelet does: not at all after the first failure, then doubling."""
        self._failures = 0 if lived > BACKOFF_FORGOTTEN_SECONDS else self._failures + 1
        self.last_state = self.state
        if self._failures <= 1:
            return
        delay = min(BACKOFF_SECONDS * 2 ** (self._failures - 2), BACKOFF_CAP_SECONDS)
        metadata = self._pod["metadata"]
        where = f"container={self.name} pod={metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        self._set(
            {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {delay:g}s restarting failed {where}"}}
        )
        await self._tell(
            "BackOff", f"Back-off restarting failed container {self.name} in pod {metadata['name']}", warning=True
        )
        await self._rest(delay)

    # -- while it runs ------------------------------------------------------------------------------------------------------------

    async def _mark(self, log: ContainerLog) -> None:
        while True:
            log.mark(time.time())
            await asyncio.sleep(MARK_SECONDS)

    async def _probe(self) -> None:
        """Follow the readiness probe; without one a running container is ready."""
        probe = self.spec.get("readinessProbe")
        if not probe:
            self.ready = True
            self._changed()
            return
        assert self.launch is not None
        async with contextlib.aclosing(
            self._services.prober.watch(probe, self.launch.ports, self.launch.port)
        ) as verdicts:
            async for verdict in verdicts:
                if verdict.message:
                    await self._tell("Unhealthy", verdict.message, warning=True)
                if verdict.ready is not self.ready:
                    self.ready = verdict.ready
                    self._changed()

    def kill_for_memory(self) -> None:
        """Do as the kernel's OOM killer would; called by the node when the process is over its limit."""
        if self.process is not None and self.process.alive:
            self._out_of_memory = True
            self.process.signal_tree(signal.SIGKILL)
