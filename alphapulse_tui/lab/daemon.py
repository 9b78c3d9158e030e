"""The daemon: the one process that owns a lab's servers, serves its control socket and injects its faults.

``python -m alphapulse_tui.lab.daemon --directory D`` is started by the warden (:mod:`~alphapulse_tui.lab.warden`), never by hand. One event
loop in the main thread. It ends on SIGTERM, on ``down``, and when the warden dies; in the last case it sweeps what it can see, because
nobody else will.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.control import WITH_HEALTH, ControlServer, LabStatus, ProcessLine, Request, TargetLine
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import LabError, UnknownFaultError
from alphapulse_tui.lab.faults.registry import Faults, nearest
from alphapulse_tui.lab.notices import write_notices
from alphapulse_tui.lab.platform import TARGETS, Lab, TargetState, bring_up, chosen_targets
from alphapulse_tui.lab.profile import write_profile
from alphapulse_tui.lab.proxy.table import make_toxic
from alphapulse_tui.lab.saved import SavedState

_STOP_SECONDS = 1.5
"""What a server gets to end politely; its data is thrown away anyway, and ``lab down`` promises 5 s in all."""
_SWEEP_SECONDS = 3.0


class Daemon:
    """One lab's life in this process."""

    def __init__(self, directory: LabDirectory, only: list[str]) -> None:
        self._directory = directory
        self._only = only
        self._started = time.time()
        self._warden = os.getppid()
        self._ending = asyncio.Event()
        self._changing = asyncio.Lock()

    async def live(self) -> None:
        """Bring the lab up, serve until somebody ends it, and stop everything.

        Raises:
            LabError: The directory cannot be used.
        """
        self._follow_warden()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._ending.set)
        self._directory.prepare()
        self._lab = lab = Lab(self._directory)
        self._faults = Faults(lab)
        self._saved = SavedState(lab, self._faults)
        lab.ports.renew_taken()
        lab.on_report = lambda: write_notices(self._directory.notices, lab.progress.values())
        names = chosen_targets(self._only)
        for name in names:
            lab.report(name, TargetState.PENDING, "waiting for its turn")
        write_profile(lab)
        control = ControlServer(self._directory, self._answer)
        await control.start()
        rising = asyncio.create_task(bring_up(lab, names), name="bring up")
        await self._ending.wait()
        rising.cancel()
        await asyncio.wait([rising])
        await lab.close(_STOP_SECONDS)
        await control.close()

    def _follow_warden(self) -> None:
        """End at once, with everything below us, when the warden dies."""
        loop = asyncio.get_running_loop()
        loop.add_reader(os.pidfd_open(self._warden), _orphaned)
        if os.getppid() != self._warden:
            _orphaned()

    async def _answer(self, request: Request) -> Any:
        match request.operation:
            case "status":
                return await self._status(with_health=request.parameter == WITH_HEALTH)
            case "break" | "mend" | "save" | "restore" | "proxy":
                return await self._change(request)
            case "down":
                self._ending.set()
                return "stopping"
            case other:
                raise LabError(
                    f"The lab knows no operation {other!r}: it was started by another version of this program."
                )

    async def _change(self, request: Request) -> Any:
        """What changes the platform is done one after the other: nothing may be broken while it is being put back."""
        async with self._changing:
            match request.operation:
                case "break":
                    return await self._faults.inject(request.name, request.parameter)
                case "mend":
                    return await self._faults.mend(request.name, request.parameter)
                case "proxy":
                    return await self._proxy(request)
                case "save":
                    return await self._saved.save()
            return await self._saved.restore()

    async def _proxy(self, request: Request) -> str:
        lab = self._lab
        if request.name not in TARGETS:
            raise UnknownFaultError(f"The lab has no target {request.name!r}.{nearest(request.name, TARGETS)}")
        if request.parameter:
            toxic = make_toxic(request.parameter, request.options)
            return await lab.fronts.put(request.name, request.parameter, toxic)
        taken = await lab.fronts.take_away(request.name)
        return f"{request.name}: the proxy is gone" if taken else f"no proxy stands before {request.name}"

    async def _status(self, *, with_health: bool) -> LabStatus:
        lab = self._lab
        ready = [one.name for one in lab.progress.values() if one.state is TargetState.READY] if with_health else []
        health = dict(
            zip(ready, await asyncio.gather(*(lab.targets[name].healthy(lab) for name in ready)), strict=True)
        )
        progress = list(lab.progress.values())
        return LabStatus(
            directory=str(self._directory.root),
            profile=str(self._directory.profile),
            pid=os.getpid(),
            warden=self._warden,
            started=self._started,
            settled=all(one.state in (TargetState.READY, TargetState.FAILED) for one in progress),
            targets=[
                TargetLine(one.name, one.state.value, one.sentence, one.since, health.get(one.name, ""))
                for one in progress
            ],
            faults=self._faults.active(),
            proxies=lab.fronts.active(),
            ports=lab.ports.known(),
            processes=[
                ProcessLine(one.name, one.target, one.pid, one.state.value, one.exit_code, one.since, one.rss)
                for one in lab.supervisor.status()
            ],
        )


def _orphaned() -> None:
    """The warden is dead: inherit the orphans in its place, kill everything below us, and leave."""
    linux.become_subreaper()
    linux.sweep_children(_SWEEP_SECONDS)
    os._exit(1)


def main(arguments: list[str] | None = None) -> int:
    """Run a lab until its end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="alphapulse-lab-daemon")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[])
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)

    async def live() -> None:
        await Daemon(LabDirectory(options.directory), options.only).live()

    if sys.version_info < (3, 12):
        # Python 3.11 would watch each helper with a thread, and we fork: pidfds need none (3.12 uses them by itself).
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    try:
        asyncio.run(live())
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
