"""The platform: what a target is, what all targets share, and how they come up side by side.

A **target** is one panel's worth of servers. Its module offers ``TARGET``, an object with the three members of :class:`Target`, and is
listed in :data:`TARGETS`; nothing else has to change to add one. All targets start at once, each in its own task; a target that fails
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
import importlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from alphapulse_tui.lab.directory import Credentials, LabDirectory, Ports
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.process import Supervisor, unprivileged_account

TARGETS = (
    "alphapulse_tui.lab.postgres",
    "alphapulse_tui.lab.redis",
    "alphapulse_tui.lab.vault",
)
"""Modules with a ``TARGET``, in the order in which they are shown; imported by the daemon only."""

NAMESPACE = "alphapulse"


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
    """As in the profile and on the screen: ``postgres``, ``redis``, ``vault``, ``kubernetes``, ``prometheus``, ``alertmanager``, ``api``."""

    async def up(self, lab: Lab, report: Report) -> None:
        """Start and return when it is usable; must not block the loop. The caller reports READY afterwards.

        Raises:
            LabError: It cannot be had or did not start; the text is shown as the target's sentence.
        """

    async def healthy(self, lab: Lab) -> str:
        """Ask the servers themselves: the empty string when all is well, else what is wrong in a few words.

        Bounded to a few seconds; an unreachable server is an answer, not an exception.
        """


class Lab:
    """What all targets of one lab share. Made by the daemon, in its event loop."""

    def __init__(self, directory: LabDirectory) -> None:
        self.directory = directory
        self.ports = Ports(directory.root / "ports.json")
        self.credentials = Credentials(directory.root / "secrets")
        self.supervisor = Supervisor(unprivileged_account(), home=directory.root)
        self.progress: dict[str, Progress] = {}
        self._settled: dict[str, asyncio.Future[None]] = {}

    def log(self, name: str) -> Path:
        """The log of the process of that name."""
        return self.directory.log(name)

    def report(self, name: str, state: TargetState, sentence: str) -> None:
        """Remember what a target says and wake those who wait for it."""
        before = self.progress.get(name)
        since = before.since if before and before.state is state else time.time()
        self.progress[name] = Progress(name, state, sentence, since)
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


def load_targets() -> list[Target]:
    """The targets of this lab, imported now."""
    return [importlib.import_module(module).TARGET for module in TARGETS]


async def bring_up(lab: Lab, targets: list[Target]) -> None:
    """Bring all targets up side by side; returns when each is ready or has failed, and raises for none of them."""
    for target in targets:
        lab.report(target.name, TargetState.PENDING, "waiting for its turn")
    async with asyncio.TaskGroup() as group:
        for target in targets:
            group.create_task(_bring_up_one(lab, target), name=f"up {target.name}")


async def _bring_up_one(lab: Lab, target: Target) -> None:
    def report(state: TargetState, sentence: str) -> None:
        lab.report(target.name, state, sentence)

    started = time.monotonic()
    try:
        await target.up(lab, report)
    except (LabError, OSError) as error:
        report(TargetState.FAILED, str(error))
    else:
        report(TargetState.READY, f"ready after {time.monotonic() - started:.1f} s")
