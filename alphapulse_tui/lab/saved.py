"""A saved state of the lab, to which it comes back in seconds: what ``alphapulse lab save`` and ``alphapulse lab restore`` do.

**Saving** freezes every process at once, copies what the servers have on disk, and lets them go on: one moment of the whole platform, as a
power cut would leave it, which each of these servers can start from. **Restoring** kills the servers, puts the copy in the place of their
data, starts them, unseals Vault, and lets the node agent find the pods of that moment; whatever ran that did not run then is stopped, and
faults in force are forgotten. Ports stay, so the cockpit need not be told.

A target takes part when :data:`STATES` says where its data lies and what it needs after a start. What others only remember (alerts in
Prometheus, what the stand-ins kept) is not put back, and neither are the backups in S3: those that were made since tell of another past, so
the backup agent begins anew and makes each once more.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from alphapulse_tui.lab import postgres, redis, vault
from alphapulse_tui.lab.backups import AGENT
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.faults.registry import Faults
from alphapulse_tui.lab.kubernetes.cluster import cluster_of
from alphapulse_tui.lab.kubernetes.target import rejoin
from alphapulse_tui.lab.platform import Lab, TargetState
from alphapulse_tui.lab.process import Process, ProcessSpec, Restart

_COPY_SECONDS = 120.0
_HEALTH_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MISSING_SECONDS = 15.0
"""How long the node may take to see the saved pods."""
_BLOCK_BYTES = 512
"""The unit of st_blocks: what a file takes on the disk, without its holes."""

_log = logging.getLogger("alphapulse.lab")


@dataclass(frozen=True, slots=True)
class State:
    """How the state of one target is kept."""

    folder: Callable[[Lab], Path]
    """Where its data lies."""
    left: tuple[str, ...] = ()
    """Names in that folder that are no data: neither copied nor removed."""
    before: Callable[[Lab], Awaitable[None]] | None = None
    """What makes a copy quick to start from; called before everything is frozen."""
    after: Callable[[Lab], Awaitable[None]] | None = None
    """What it needs once its processes run again on the old data, until it answers."""


async def _checkpoint(lab: Lab) -> None:
    """Otherwise a server that is started from the copy would replay all that was written since the last one."""
    try:
        connection = await postgres.connect(lab, "postgres", database="postgres")
        try:
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError) as error:
        raise LabError(f"PostgreSQL cannot be saved, it took no checkpoint: {error}.") from error


async def _postgres_back(lab: Lab) -> None:
    names = [process.name for process in lab.supervisor.of_target("postgres")]
    servers = [name for name in names if name.startswith((postgres.PRIMARY, postgres.REPLICA))]
    await asyncio.gather(*(postgres.wait_ready(lab, server) for server in servers))


async def _redis_back(lab: Lab) -> None:
    await asyncio.gather(*(redis.wait_answer(lab, ordinal) for ordinal in range(redis.NODES)))


async def _vault_back(lab: Lab) -> None:
    """Its nodes come back sealed, as in life."""

    async def one(ordinal: int) -> None:
        await vault.wait_health(lab, ordinal, 200, 429, 503)
        await vault.unseal(lab, ordinal)

    await asyncio.gather(*(one(ordinal) for ordinal in range(vault.NODES)))


async def _kubernetes_back(lab: Lab) -> None:
    """The node joins a control plane that remembers the saved pods."""
    await cluster_of(lab).control_plane.wait_ready()
    await rejoin(lab)


ANEW = (AGENT,)
"""Processes that begin anew when all others are back."""

STATES = {
    "postgres": State(postgres.home, left=("s",), before=_checkpoint, after=_postgres_back),
    "redis": State(lambda lab: lab.directory.data("redis"), after=_redis_back),
    "vault": State(lambda lab: lab.directory.data("vault"), after=_vault_back),
    "kubernetes": State(lambda lab: lab.directory.data("kubernetes", "etcd"), after=_kubernetes_back),
}
"""The targets that take part."""


class SavedState:
    """The one saved state of a living lab; it is gone with the lab."""

    def __init__(self, lab: Lab, faults: Faults) -> None:
        self._lab = lab
        self._faults = faults
        self._specs: dict[str, ProcessSpec] = {}
        """What ran when the state was saved, by name."""
        self._kept: set[str] = set()
        """Those of them that the supervisor itself keeps alive; the others are pods, which the node agent does."""
        self._pods: set[str] = set()
        """The names of the pods that were ready."""

    async def save(self) -> str:
        """Save the lab as it is now, in the place of an earlier state; returns a sentence with what it took.

        Raises:
            LabError: It is still coming up, a fault is in force, or the copy failed.
        """
        self._refuse_unless_whole()
        started = time.monotonic()
        if "kubernetes" in dict(self._states()):
            self._pods = {pod.name for pod in cluster_of(self._lab).node.pods if pod.ready}
        await _each(state.before(self._lab) for _, state in self._states() if state.before)
        self._specs = {}
        place = self._place()
        if place.exists():
            await asyncio.to_thread(shutil.rmtree, place)
        frozen = self._alive()
        for process in frozen:
            process.signal_tree(signal.SIGSTOP)
        try:
            for name, state in self._states():
                await self._copy(state.folder(self._lab), place / name, state.left)
            await self._copy(self._lab.directory.root / "secrets", place / "secrets")
        finally:
            for process in frozen:
                process.signal_tree(signal.SIGCONT)
        _log.info("saving: copied after %.1f s", time.monotonic() - started)
        await self._whole()
        self._specs = {process.name: process.spec for process in frozen}
        self._kept = {name for name in self._specs if self._lab.supervisor.keeps(name)}
        size = sum(file.lstat().st_blocks * _BLOCK_BYTES for file in place.rglob("*"))
        return f"saved {', '.join(name for name, _ in self._states())}: {size / 1e6:.0f} MB in {time.monotonic() - started:.1f} s"

    async def restore(self) -> str:
        """Come back to the saved state; returns a sentence with what it took.

        Raises:
            LabError: There is none, or the lab is not whole on it.
        """
        if not self._specs:
            raise LabError("There is no saved state: `alphapulse lab save` makes one.")
        started = time.monotonic()
        forgotten = self._faults.active()
        for line in self._lab.fronts.active():
            await self._lab.fronts.take_away(line.split()[0])
        anew = [process.spec for process in self._alive() if process.name in ANEW]
        await self._stop()
        _log.info("restoring: stopped after %.1f s", time.monotonic() - started)
        for name, state in self._states():
            await self._put_back(name, state)
        await self._copy(self._place() / "secrets", self._lab.directory.root / "secrets")
        _log.info("restoring: data is back after %.1f s", time.monotonic() - started)
        await self._start()
        await _each(self._after(name, state, started) for name, state in self._states())
        await self._faults.forget()
        _log.info("restoring: faults are forgotten after %.1f s", time.monotonic() - started)
        await self._whole()
        for spec in anew:
            await self._lab.supervisor.start(spec, Restart.ALWAYS)
        said = f"restored in {time.monotonic() - started:.1f} s"
        return f"{said}; forgotten: {', '.join(forgotten)}" if forgotten else said

    async def _after(self, name: str, state: State, started: float) -> None:
        if state.after:
            await state.after(self._lab)
        _log.info("restoring: %s answers after %.1f s", name, time.monotonic() - started)

    # -- what takes part ----------------------------------------------------------------------------------------------------------

    def _states(self) -> list[tuple[str, State]]:
        """Those of the targets of this lab that came up."""
        progress = self._lab.progress
        return [
            (name, state)
            for name, state in STATES.items()
            if name in progress and progress[name].state is TargetState.READY
        ]

    def _place(self) -> Path:
        place = self._lab.directory.data("saved")
        place.chmod(0o700)
        return place

    def _alive(self) -> list[Process]:
        return list(self._lab.supervisor.alive())

    def _refuse_unless_whole(self) -> None:
        if faults := self._faults.active():
            raise LabError(f"{', '.join(faults)} is in force: `alphapulse lab mend all` first, then save.")
        if proxies := self._lab.fronts.active():
            raise LabError(f"A proxy stands before {', '.join(proxies)}: take it away first, then save.")
        rising = [
            one.name for one in self._lab.progress.values() if one.state not in (TargetState.READY, TargetState.FAILED)
        ]
        if rising:
            raise LabError(f"{', '.join(rising)} is still coming up: save when `alphapulse lab status` says ready.")

    # -- the steps ----------------------------------------------------------------------------------------------------------------

    async def _copy(self, source: Path, target: Path, left: Iterable[str] = ()) -> None:
        """Copy what a folder holds into another, with owners, modes and holes."""
        if what := _entries(source, left):
            options = ("--archive", "--reflink=auto", "--sparse=always")
            argv = ("cp", *options, "--target-directory", str(_made(target)), *map(str, what))
            spec = ProcessSpec("copying the lab's state", argv, self._lab.directory.root, self._lab.log("saved"))
            await self._lab.supervisor.run(spec, _COPY_SECONDS)

    async def _stop(self) -> None:
        """Kill the servers whose data is put back, the pods (the node agent starts them), and whatever did not run then.

        The agent goes first: it would start what ends.
        """
        supervisor = self._lab.supervisor
        if "kubernetes" in dict(self._states()):
            node = cluster_of(self._lab).node_task
            node.cancel()
            await asyncio.wait([node])
        names = dict(self._states())
        doomed = [
            process.name
            for process in self._alive()
            if process.spec.target in names or process.name in ANEW or not supervisor.keeps(process.name)
        ]
        await asyncio.gather(*(supervisor.stop(name, 0.0) for name in doomed))
        supervisor.spare_all()
        for process in self._alive():
            process.signal_tree(signal.SIGCONT)
        if "postgres" in names:
            self._lab.directory.release_shared_memory()

    async def _put_back(self, name: str, state: State) -> None:
        folder = state.folder(self._lab)
        await asyncio.to_thread(_empty, folder, state.left)
        await self._copy(self._place() / name, folder)
        for stale in folder.glob("*/postmaster.pid"):
            # It names a process of the past; a server would look for it and wait.
            stale.unlink()

    async def _start(self) -> None:
        """What ran then and does not now, except the pods that only Kubernetes asks for."""
        names = dict(self._states())
        for spec in self._specs.values():
            ours = (spec.target in names or spec.name in self._kept) and spec.name not in ANEW
            if ours and not self._lab.supervisor.running(spec.name):
                await self._lab.supervisor.start(spec, Restart.ALWAYS)

    async def _whole(self) -> None:
        """Wait until every target that came up says that it is well.

        Raises:
            NotReadyError: One does not within a minute.
        """
        ready = [one.name for one in self._lab.progress.values() if one.state is TargetState.READY]
        await _each(self._lab.healthy(name, _HEALTH_SECONDS) for name in ready)
        if "kubernetes" in ready:
            await self._pods_ready()

    async def _pods_ready(self) -> None:
        """Wait for the node's own word: the statuses in the API server may still be those of the past.

        Raises:
            NotReadyError: A pod that was ready is not again after a minute.
        """
        node = cluster_of(self._lab).node
        started = time.monotonic()
        while True:
            now = {pod.name: pod.ready for pod in node.pods if pod.name in self._pods}
            waited = time.monotonic() - started
            # A pod may be missing for good: an autoscaler that finds no load any more takes some away at once.
            if all(now.values()) and (len(now) == len(self._pods) or waited > _MISSING_SECONDS):
                return
            if waited > _HEALTH_SECONDS:
                late = ", ".join(name for name, ready in now.items() if not ready)
                raise NotReadyError(f"After {_HEALTH_SECONDS:.0f} s these pods are not ready again: {late}.")
            await asyncio.sleep(_POLL_SECONDS)


async def _each(works: Iterable[Awaitable[None]]) -> None:
    """All side by side; the first failure is raised when all have ended."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _entries(folder: Path, left: Iterable[str]) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if entry.name not in left]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _empty(folder: Path, left: Iterable[str]) -> None:
    for entry in _entries(folder, left):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
