"""``vault-slow``: every Vault node gets a fifth of the CPU time that it wants, in slices.

What breaks: all three nodes are stopped (SIGSTOP) for 240 ms of each 300 ms, at the same time, as on hosts whose CPU quota is used up. Stopping
is preferred to the fault proxy because Vault must be slow by its own clock: its metrics, raft's contact and the autopilot then say so, while a
slow network would only show from outside. All nodes together, because a leader that is slow alone loses the lead and the fault with it; 240 ms
because a leader that has not heard of its peers for 500 ms (raft's lease at this performance multiplier) steps down.

How it shows: an answer takes up to some tenths of a second instead of a millisecond; ``vault_core_handle_request`` is over the runbook's 100 ms
at the 99th percentile (measured: 291 ms), ``vault_raft_leader_lastContact`` over 200 ms (300 ms).

What mends it: CPU; ``lab mend`` lets the nodes run.
"""

from __future__ import annotations

import asyncio
import signal

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab

_STOPPED_SECONDS = 0.24
_RUNNING_SECONDS = 0.06


class VaultSlow:
    """See the module."""

    name = "vault-slow"
    summary = "Every Vault node is stopped four fifths of the time: answers take tenths of a second."
    mended_by = "procedure vault-latency shows it; CPU mends it (`alphapulse lab mend vault-slow`)"
    parameters = ()

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Begin to stop and continue the nodes.

        Raises:
            LabError: No node runs.
        """
        if not lab.supervisor.of_target("vault"):
            raise LabError("No process of vault runs, so none can be slow (see `alphapulse lab status`).")
        self._task = lab.spawn(_throttle(lab), "slowing of Vault")
        return f"Vault: all nodes run {_RUNNING_SECONDS * 1000:.0f} of each {(_STOPPED_SECONDS + _RUNNING_SECONDS) * 1000:.0f} ms"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Let them run, and wait until the cluster is whole; a node that was sealed meanwhile is another fault."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await lab.healthy("vault")


async def _throttle(lab: Lab) -> None:
    """Stop and continue for ever; whatever ends this, the nodes run afterwards."""
    try:
        while True:
            _signal(lab, signal.SIGSTOP)
            await asyncio.sleep(_STOPPED_SECONDS)
            _signal(lab, signal.SIGCONT)
            await asyncio.sleep(_RUNNING_SECONDS)
    finally:
        _signal(lab, signal.SIGCONT)


def _signal(lab: Lab, signum: int) -> None:
    # The processes alone, not their trees: bao has no children, and walking /proc seven times a second would cost more than the fault.
    for ordinal in range(vault.NODES):
        if (process := lab.supervisor.running(vault.node_name(ordinal))) is not None:
            process.signal(signum)


FAULT = VaultSlow()
