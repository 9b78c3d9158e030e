"""A process that runs (:class:`Process`) and the one owner of all (:class:`Supervisor`).

The :class:`Supervisor` starts, watches and stops every server of the lab; the node agent is its client, so a pod's container and a bare
server are the same thing here. Single-threaded by design: children are forked from the event loop's thread (the main thread), because the
kernel ties ``PR_SET_PDEATHSIG`` to the parent *thread*, and they are reaped through a pidfd in the same loop, so no watcher thread holds
a lock at the moment of a fork.

Nothing survives the supervisor: direct children carry the parent-death signal, and whatever they had started falls to the warden
(:mod:`~alphapulse_tui.lab.warden`), which is a subreaper.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.errors import CommandFailedError, LabError
from alphapulse_tui.lab.spec import Account, ProcessSpec, ProcessState, ProcessStatus, Restart

__all__ = ["Account", "Process", "ProcessSpec", "ProcessState", "ProcessStatus", "Restart", "Supervisor"]

RESTART_DELAY_SECONDS = 0.5
RESTART_DELAY_CAP_SECONDS = 10.0
STABLE_AFTER_SECONDS = 30.0
"""A process that lived this long starts again at the shortest delay."""


class Process:
    """A started process. Its identity is the object: a restart makes a new one under the same name."""

    def __init__(self, spec: ProcessSpec, popen: subprocess.Popen[bytes]) -> None:
        self.spec = spec
        self.pid = popen.pid
        self.started = time.time()
        self.ended: float | None = None
        self.stopping = False
        """Set when the end was asked for: then it is not a failure, and nothing restarts it."""
        self._popen = popen
        self._ended = asyncio.Event()

    @property
    def name(self) -> str:
        """The spec's name."""
        return self.spec.name

    @property
    def returncode(self) -> int | None:
        """Exit code, minus the signal number when a signal ended it, none while it lives."""
        return self._popen.returncode

    @property
    def alive(self) -> bool:
        """Whether it has not been reaped yet."""
        return self._popen.returncode is None

    async def wait(self) -> int:
        """Wait for the end and return the exit code."""
        await self._ended.wait()
        code = self._popen.returncode
        assert code is not None
        return code

    def signal(self, signum: int) -> None:
        """Signal the process alone; nothing happens when it ended."""
        if self.alive:
            linux.send(self.pid, signum)

    def signal_tree(self, signum: int) -> None:
        """Signal the process and all its descendants; nothing happens when it ended."""
        if self.alive:
            linux.signal_tree(self.pid, signum)

    def status(self, children: dict[int, list[int]]) -> ProcessStatus:
        """What it looks like now; ``children`` is a fresh look at all processes."""
        if self.alive:
            state = ProcessState.FROZEN if linux.is_frozen(self.pid) else ProcessState.RUNNING
        else:
            state = ProcessState.STOPPED if self.stopping else ProcessState.EXITED
        rss = linux.resident_bytes(self.pid, children) if self.alive else 0
        return ProcessStatus(
            self.name, self.spec.target, self.pid, state, self.returncode, self.ended or self.started, rss
        )

    def reap(self) -> bool:
        """Collect the exit code if it ended; true when it did. Called by the supervisor when the pidfd wakes it."""
        if self._popen.poll() is None:
            return False
        self.ended = time.time()
        self._ended.set()
        return True


ExitCallback = Callable[[Process], None]


class Supervisor:
    """The owner of every process of one lab. Use it from one event loop in the main thread."""

    def __init__(self, account: Account | None = None, home: Path | None = None) -> None:
        self.account = account
        self._home = home or Path("/")
        self._processes: dict[str, Process] = {}
        self._callbacks: list[ExitCallback] = []
        self._restarts: dict[str, int] = {}
        """Names that the supervisor restarts by itself, with the number of quick deaths in a row."""
        self._doomed: set[str] = set()
        self._closing = False

    # -- starting -----------------------------------------------------------------------------------------------------------------

    async def start(self, spec: ProcessSpec, restart: Restart = Restart.NEVER) -> Process:
        """Start a process and watch it; returns as soon as it is forked, not when its server answers.

        Raises:
            LabError: A process of that name runs already, the program is missing, or the lab is closing.
        """
        return self._launch(spec, restart)

    def _launch(self, spec: ProcessSpec, restart: Restart) -> Process:
        if self._closing:
            raise LabError(f"{spec.name} was not started: the lab is being stopped.")
        if self.running(spec.name):
            raise LabError(f"{spec.name} runs already: stop it first, or adopt it.")
        process = Process(spec, self._spawn(spec))
        self._processes[spec.name] = process
        if restart is Restart.ALWAYS:
            self._restarts.setdefault(spec.name, 0)
        else:
            self._restarts.pop(spec.name, None)
        self._watch(process)
        if spec.name in self._doomed:
            process.signal_tree(signal.SIGKILL)
        return process

    def _spawn(self, spec: ProcessSpec) -> subprocess.Popen[bytes]:
        """Fork and exec: own process group, parent-death signal after the drop of privileges, no stdin, output to the log."""
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        account = self.account if spec.unprivileged else None
        supervisor_pid = os.getpid()
        base = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
        }
        try:
            with spec.log.open("ab") as log:
                return subprocess.Popen(
                    spec.argv,
                    cwd=spec.directory,
                    env={**base, **spec.env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                    preexec_fn=lambda: linux.die_with_parent(supervisor_pid),
                )
        except (OSError, subprocess.SubprocessError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise LabError(f"{spec.name} cannot be started: {spec.argv[0]}: {reason}.") from error

    def _watch(self, process: Process) -> None:
        """Reap the process when its pidfd says that it ended."""
        loop = asyncio.get_running_loop()
        pidfd = os.pidfd_open(process.pid)

        def ended() -> None:
            if process.reap():
                loop.remove_reader(pidfd)
                os.close(pidfd)
                self._after_end(process)

        loop.add_reader(pidfd, ended)

    def _after_end(self, process: Process) -> None:
        """Tell who asked to be told, and start again what we were asked to keep alive."""
        for callback in tuple(self._callbacks):
            callback(process)
        if process.name in self._restarts and not process.stopping:
            quick = 0 if time.time() - process.started > STABLE_AFTER_SECONDS else self._restarts[process.name] + 1
            self._restarts[process.name] = quick
            self._start_later(process)

    def _start_later(self, process: Process) -> None:
        """Start a new process of the same spec after the back-off, unless somebody else took the name over meanwhile."""
        quick = self._restarts[process.name]
        delay = min(RESTART_DELAY_SECONDS * 2 ** max(0, quick - 1), RESTART_DELAY_CAP_SECONDS)

        def again() -> None:
            if self._closing or process.name not in self._restarts or self._processes.get(process.name) is not process:
                return
            try:
                self._launch(process.spec, Restart.ALWAYS)
            except LabError as error:
                with process.spec.log.open("a", encoding="utf-8") as log:
                    log.write(f"{error}\n")
                self._restarts[process.name] += 1
                self._start_later(process)

        asyncio.get_running_loop().call_later(delay, again)

    # -- looking ------------------------------------------------------------------------------------------------------------------

    def running(self, name: str) -> Process | None:
        """The living process of that name; none when there is none."""
        process = self._processes.get(name)
        return process if process is not None and process.alive else None

    def adopt(self, name: str) -> Process | None:
        """Take over a running process: from now on the caller restarts it, not the supervisor. None when it does not run.

        The node agent calls this for a pod whose server was started before the control plane was there.
        """
        self._restarts.pop(name, None)
        return self.running(name)

    def keeps(self, name: str) -> bool:
        """Whether the supervisor itself starts the process of that name again; false for the pods of a node agent and for helpers."""
        return name in self._restarts

    def of_target(self, target: str) -> tuple[Process, ...]:
        """The living processes of a target, by name."""
        return tuple(self._processes[name] for name in sorted(self._processes) if self._belongs(name, target))

    def _belongs(self, name: str, target: str) -> bool:
        process = self._processes[name]
        return process.alive and process.spec.target == target

    def alive(self) -> tuple[Process, ...]:
        """The living processes, by name."""
        return tuple(self._processes[name] for name in sorted(self._processes) if self._processes[name].alive)

    def status(self) -> tuple[ProcessStatus, ...]:
        """Every process ever started, the latest of each name, by name."""
        # One look for all: with one each, a status took longer than the time between two of those who wait for a lab to come up.
        children = linux.children_by_parent()
        return tuple(self._processes[name].status(children) for name in sorted(self._processes))

    def add_exit_callback(self, callback: ExitCallback) -> None:
        """Call ``callback`` with every process that ends, from the event loop."""
        self._callbacks.append(callback)

    # -- signalling and stopping --------------------------------------------------------------------------------------------------

    def signal(self, name: str, signum: int, *, tree: bool = False) -> None:
        """Signal a process, or with ``tree`` it and all its descendants.

        Raises:
            LabError: No process of that name runs.
        """
        process = self.running(name)
        if process is None:
            raise LabError(f"{name} does not run.")
        if tree:
            process.signal_tree(signum)
        else:
            process.signal(signum)

    def doom(self, name: str) -> None:
        """Kill the process of that name now and each time somebody starts it again, until :meth:`spare`."""
        self._doomed.add(name)
        process = self.running(name)
        if process is not None:
            process.signal_tree(signal.SIGKILL)

    def spare(self, name: str) -> None:
        """Let processes of that name live again."""
        self._doomed.discard(name)

    def spare_all(self) -> None:
        """Let every process live again."""
        self._doomed.clear()

    async def stop(self, name: str, grace: float | None = None) -> None:
        """End a process: its stop signal (and SIGCONT, so that a frozen one hears it), then SIGKILL to its whole tree after ``grace`` seconds.

        ``grace`` defaults to the spec's ``stop_seconds``. A process that does not run is stopped already.
        """
        self._restarts.pop(name, None)
        process = self.running(name)
        if process is None:
            return
        process.stopping = True
        process.signal(process.spec.stop_signal)
        process.signal_tree(signal.SIGCONT)
        seconds = process.spec.stop_seconds if grace is None else grace
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            # Children that left the group (PostgreSQL's backends) would outlive their parent when frozen: name them while it lives.
            process.signal_tree(signal.SIGKILL)
            await process.wait()

    async def close(self, grace: float) -> None:
        """Stop everything side by side, each within ``grace`` seconds at most; nothing can be started afterwards."""
        self._closing = True
        self._restarts.clear()
        async with asyncio.TaskGroup() as group:
            for name, process in self._processes.items():
                if process.alive:
                    group.create_task(self.stop(name, min(grace, process.spec.stop_seconds)))

    # -- commands -----------------------------------------------------------------------------------------------------------------

    async def run(self, spec: ProcessSpec, timeout: float = 60.0) -> str:
        """Run a helper command to its end and return its output; it is not listed in :meth:`status`. ``spec.log`` keeps the output too.

        Raises:
            CommandFailedError: It ended with a non-zero code or took longer than ``timeout`` seconds; carries its last line.
        """
        before = spec.log.stat().st_size if spec.log.exists() else 0
        process = Process(spec, self._spawn(spec))
        self._watch(process)
        try:
            async with asyncio.timeout(timeout):
                code = await process.wait()
        except TimeoutError:
            raise CommandFailedError(
                f"{spec.name} did not end within {timeout:g} s; its output is in {spec.log}."
            ) from None
        finally:
            process.signal_tree(signal.SIGKILL)
            await process.wait()
        with spec.log.open("rb") as log:
            log.seek(before)
            output = log.read().decode(errors="replace")
        if code != 0:
            last = next((line for line in reversed(output.splitlines()) if line.strip()), "no output")
            raise CommandFailedError(f"{spec.name} ended with code {code}: {last.strip()} (all of it: {spec.log}).")
        return output
