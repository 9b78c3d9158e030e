"""``vault-slow WHICH``: Vault nodes get a fifth of the CPU time that they want, in slices: ``all`` of them, or one ``standby``.

What breaks: the nodes are stopped (SIGSTOP) for 240 ms of each 300 ms, at the same time, as on hosts whose CPU quota is used up. Stopping
is preferred to the fault proxy because Vault must be slow by its own clock: its metrics, raft's contact and the autopilot then say so, while a
slow network would only show from outside. There is no slow leader among slower ones: a leader that is slow alone loses the lead and the fault
with it; 240 ms because a leader that has not heard of its peers for 500 ms (raft's lease at this performance multiplier) steps down. Of
``standby`` it is the last one's process that is slow, not its place: a new process is quick.

How it shows: an answer takes up to some tenths of a second instead of a millisecond. Of ``all``: ``vault_core_handle_request`` is over the
runbook's 100 ms at the 99th percentile (measured: 291 ms), ``vault_raft_leader_lastContact`` over 200 ms (300 ms). Of ``standby``: its own answers
alone are slow.

What mends it: of ``all``, CPU; of ``standby``, a restart and its key shares, by procedure ``vault-latency``. ``lab mend`` lets the nodes run.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable
from functools import partial

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.errors import FaultRefusedError
from alphapulse_tui.lab.faults.sealing import unseal_all
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import Process

_STOPPED_SECONDS = 0.24
_RUNNING_SECONDS = 0.06


class VaultSlow:
    """See the module."""

    name = "vault-slow"
    summary = "Vault nodes, all or one standby, are stopped four fifths of the time: answers take tenths of a second."
    mended_by = "procedure vault-latency: restart one standby; CPU, where all are slow"
    parameters = ("all", "standby")

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def inject(self, lab: Lab, parameter: str) -> str:
        """Begin to stop and continue the nodes.

        Raises:
            LabError: No node runs, no node is a standby, or nodes are slow already.
        """
        if any(not task.done() for task in self._tasks.values()):
            raise FaultRefusedError("Vault nodes are slow already: `alphapulse lab mend vault-slow` first.")
        if not lab.supervisor.of_target("vault"):
            raise FaultRefusedError("No process of vault runs, so none can be slow (see `alphapulse lab status`).")
        if parameter == "all":
            slow, who = _every(lab), "all nodes"
        else:
            process = await _standby(lab)
            slow, who = partial(_alone, process), process.name
        self._tasks[parameter] = lab.spawn(_throttle(slow), f"slowing of Vault ({parameter})")
        slice_, whole = _RUNNING_SECONDS * 1000, (_STOPPED_SECONDS + _RUNNING_SECONDS) * 1000
        return f"Vault: {who} {'run' if parameter == 'all' else 'runs'} {slice_:.0f} of each {whole:.0f} ms"

    async def mend(self, lab: Lab, parameter: str) -> None:
        """Let them run, and wait until the cluster is whole; a node that was sealed meanwhile is another fault.

        A standby that a person restarted and has not opened yet is opened: that was what mended it.
        """
        task = self._tasks.pop(parameter, None)
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        if parameter == "standby":
            await unseal_all(lab)
        await lab.healthy("vault")


async def _throttle(slow: Callable[[], Iterable[Process]]) -> None:
    """Stop and continue for ever; whatever ends this, the nodes run afterwards."""
    try:
        while True:
            _signal(slow(), signal.SIGSTOP)
            await asyncio.sleep(_STOPPED_SECONDS)
            _signal(slow(), signal.SIGCONT)
            await asyncio.sleep(_RUNNING_SECONDS)
    finally:
        _signal(slow(), signal.SIGCONT)


def _every(lab: Lab) -> Callable[[], Iterable[Process]]:
    """Whatever runs as a node, restarted ones too: their hosts are slow."""
    names = [vault.node_name(ordinal) for ordinal in range(vault.NODES)]
    return lambda: [process for name in names if (process := lab.supervisor.running(name)) is not None]


def _alone(process: Process) -> Iterable[Process]:
    return (process,)


async def _standby(lab: Lab) -> Process:
    """The last standby's process as it is now."""
    for ordinal in reversed(range(vault.NODES)):
        name = vault.node_name(ordinal)
        process = lab.supervisor.running(name)
        if process is not None and await vault.health_code(lab, ordinal) == 429:
            return process
    raise FaultRefusedError("No Vault node is a standby now: `alphapulse lab mend all` first.")


def _signal(processes: Iterable[Process], signum: int) -> None:
    # The processes alone, not their trees: bao has no children, and walking /proc seven times a second would cost more than the fault.
    for process in processes:
        process.signal(signum)


FAULT = VaultSlow()
