"""The platform: what a target is, what all targets share, and how they come up side by side.

A **target** is one panel's worth of servers. Its module offers ``TARGET``, an object with the three members of :class:`Target`, and is
listed under its name in :data:`TARGETS`; nothing else has to change to add one. All targets start at once, each in its own task; a target that fails
says why and never stops the others. What a target needs of another it awaits with :meth:`Lab.ready` (the API's workloads await
``postgres``, ``redis`` and ``vault``; a target that failed makes its waiters fail with its sentence).

**Pods.** Redis, Vault, the replica, the API and the workers are pods of real StatefulSets and Deployments, whose containers are local
processes. Whoever comes first starts the process:

- ``redis.node_spec(lab, n)``, ``vault.node_spec(lab, n)`` and ``postgres.replica_spec(lab, n)`` give the one
  :class:`~alphapulse_tui.lab.process.ProcessSpec` of a pod; its name is the pod's name (``redis-cluster-0..5``, ``vault-0..2``,
  ``postgres-replica-0``).
- A target starts its servers at once through ``lab.supervisor`` with ``Restart.ALWAYS``: the control plane may take minutes to be built.
- When the node agent is to run such a pod, it calls ``supervisor.adopt(name)``: the running :class:`Process`, whose restarts are the
  agent's business from then on. Only if that is none it starts the spec itself (``Restart.NEVER``).
- A container's end is ``await process.wait()``; its stop is ``await supervisor.stop(name, grace)``.

Everything in the daemon runs on one event loop in the main thread: fork only from there (see :mod:`~alphapulse_tui.lab.process`).
"""

from __future__ import annotations

import asyncio
import enum
import functools
import importlib
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from alphapulse_tui.lab.directory import Credentials, LabDirectory
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.ports import Ports
from alphapulse_tui.lab.process import Supervisor
from alphapulse_tui.lab.proxy.fronts import Fronts
from alphapulse_tui.lab.spec import unprivileged_account

TARGETS = {
    "postgres": "alphapulse_tui.lab.postgres",
    "redis": "alphapulse_tui.lab.redis",
    "vault": "alphapulse_tui.lab.vault",
    "kubernetes": "alphapulse_tui.lab.kubernetes.target",
    "api": "alphapulse_tui.lab.workloads.target",
    "prometheus": "alphapulse_tui.lab.monitoring.prometheus",
    "alertmanager": "alphapulse_tui.lab.monitoring.alertmanager",
    "s3": "alphapulse_tui.lab.s3.target",
    "standins": "alphapulse_tui.lab.standins.target",
}
"""Each target's module, which has a ``TARGET``; in the order in which they are shown and started. Imported by the daemon only, one after
the other: the first servers are starting while the modules of the next are still being read."""

NAMESPACE = "alphapulse"

_log = logging.getLogger("alphapulse.lab")


class TargetState(enum.Enum):
    """How far a target has come."""

    PENDING = "pending"
    BUILDING = "building"
    """Its server is being built or unpacked: minutes, once."""
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """What a target says about itself."""

    name: str
    state: TargetState
    sentence: str
    since: float
    """Unix seconds of the last change of state."""


class Report(Protocol):
    """How a target tells its progress: ``report(TargetState.STARTING, "forming the cluster")``."""

    def __call__(self, state: TargetState, sentence: str) -> None:
        """Say where the target stands, in one short sentence without a full stop."""


class Target(Protocol):
    """One part of the platform that comes up by itself."""

    name: str
    """As in the profile and on the screen: ``postgres``, ``redis``, ``vault``, ``kubernetes``, ``prometheus``, ``alertmanager``, ``api``, ``s3``."""

    async def up(self, lab: Lab, report: Report) -> None:
        """Start and return when it is usable; must not block the loop. The caller reports READY afterwards.

        Raises:
            LabError: It cannot be had or did not start; the text is shown as the target's sentence.
        """

    async def healthy(self, lab: Lab) -> str:
        """Ask the servers themselves: the empty string when all is well, else what is wrong in a few words.

        Bounded to a few seconds; an unreachable server is an answer, not an exception.
        """


HEALTH_SECONDS = 45.0
"""For a target to be whole again when nothing is broken any more: Vault's raft takes the longest."""


class Lab:
    """What all targets of one lab share. Made by the daemon, in its event loop."""

    def __init__(self, directory: LabDirectory) -> None:
        self.directory = directory
        self.ports = Ports(directory.root / "ports.json")
        self.credentials = Credentials(directory.root / "secrets")
        self.supervisor = Supervisor(unprivileged_account(), home=directory.root)
        self.fronts = Fronts(self)
        """The fault proxies that stand before targets; none at first."""
        self.targets: dict[str, Target] = {}
        self.progress: dict[str, Progress] = {}
        self.on_report: Callable[[], None] = lambda: None
        """Called after every report; the daemon has the cockpit's notices written by it."""
        self.patience = HEALTH_SECONDS
        """Seconds that :meth:`healthy` waits."""
        self._settled: dict[str, asyncio.Future[None]] = {}
        self._background: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something for as long as the lab lives (the node agent, a watcher); it is cancelled before the processes are stopped."""
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background_ended)
        return task

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s ended by itself", task.get_name(), exc_info=error)

    async def healthy(self, name: str, seconds: float | None = None) -> None:
        """Wait until the target of that name says that all is well.

        Raises:
            NotReadyError: It did not within ``seconds`` (``patience`` by default); carries its complaint.
            LabError: There is no such target.
        """
        target = self.targets.get(name)
        if target is None:
            raise LabError(f"The lab has no target {name}.")
        seconds = self.patience if seconds is None else seconds
        end = time.monotonic() + seconds
        while complaint := await target.healthy(self):
            if time.monotonic() > end:
                raise NotReadyError(f"{name} is not whole again after {seconds:.0f} s: {complaint}.")
            await asyncio.sleep(0.2)

    async def close(self, grace: float) -> None:
        """Cancel the background work, then stop every process, each within ``grace`` seconds."""
        for task in tuple(self._background):
            task.cancel()
        if self._background:
            await asyncio.wait(tuple(self._background), timeout=1.0)
        await self.supervisor.close(grace)

    def log(self, name: str) -> Path:
        """The log of the process of that name."""
        return self.directory.log(name)

    def report(self, name: str, state: TargetState, sentence: str) -> None:
        """Remember what a target says and wake those who wait for it."""
        before = self.progress.get(name)
        since = before.since if before and before.state is state else time.time()
        self.progress[name] = Progress(name, state, sentence, since)
        self.on_report()
        settled = self._future(name)
        if not settled.done() and state is TargetState.READY:
            settled.set_result(None)
        elif not settled.done() and state is TargetState.FAILED:
            settled.set_exception(NotReadyError(f"{name}: {sentence}"))
            settled.exception()  # somebody may wait or nobody: an unawaited failure is told by the progress, not by the loop's handler

    async def ready(self, name: str) -> None:
        """Wait until the target of that name is ready.

        Raises:
            NotReadyError: It failed; carries its sentence.
            LabError: There is no such target.
        """
        if name not in self.progress:
            raise LabError(f"The lab has no target {name}.")
        await asyncio.shield(self._future(name))

    def _future(self, name: str) -> asyncio.Future[None]:
        if name not in self._settled:
            self._settled[name] = asyncio.get_running_loop().create_future()
        return self._settled[name]


def chosen_targets(only: Collection[str] = ()) -> list[str]:
    """The names of a lab's targets; those in ``only``, or all.

    Raises:
        LabError: There is no target of such a name.
    """
    for name in only:
        if name not in TARGETS:
            raise LabError(f"The lab has no target {name}; there are {', '.join(TARGETS)}.")
    return [name for name in TARGETS if not only or name in only]


async def bring_up(lab: Lab, names: list[str]) -> None:
    """Bring targets up side by side; returns when each is ready or has failed, and raises for none of them.

    Not a TaskGroup: there one target's failure would cancel the others.
    """
    tasks = []
    for name in names:
        task = asyncio.create_task(_bring_up_one(lab, name), name=f"up {name}")
        task.add_done_callback(functools.partial(_settle, lab, name, time.monotonic()))
        tasks.append(task)
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _bring_up_one(lab: Lab, name: str) -> None:
    target: Target = importlib.import_module(TARGETS[name]).TARGET
    lab.targets[name] = target
    await target.up(lab, functools.partial(lab.report, name))


def _settle(lab: Lab, name: str, started: float, task: asyncio.Task[None]) -> None:
    """Say how the coming up of a target ended. What is not a LabError is our own mistake: its traceback belongs in the daemon's log."""
    if task.cancelled():
        return
    error = task.exception()
    if error is None:
        lab.report(name, TargetState.READY, f"ready after {time.monotonic() - started:.1f} s")
        return
    first = error
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, LabError):
        _log.error("the target %s failed", name, exc_info=error)
    sentence = (
        str(first)
        if isinstance(first, LabError)
        else f"{type(first).__name__}: {first} (see {lab.directory.daemon_log})"
    )
    lab.report(name, TargetState.FAILED, sentence)
