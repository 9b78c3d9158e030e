"""``vault-quorum-lost``: two of three Vault nodes are gone; the third answers as if nothing were.

What breaks: the active node and one standby are killed, and killed again whenever they are started, as on two hosts that are down. Their disks
stay.

How it shows: the survivor's ``sys/health`` still answers 429, its ``sys/leader`` still names the dead leader, and it even reads; only nobody
answers 200, and in the survivor's own raft configuration nobody leads. Whatever writes or renews fails.

What mends it: the hosts; then three shares to each of the two, by procedure ``vault-latency`` or ``vault-sealed``. ``lab mend`` lets them run
and unseals what is still sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.faults.sealing import unseal_all
from alphapulse_tui.lab.platform import Lab


class VaultQuorumLost:
    """See the module."""

    name = "vault-quorum-lost"
    summary = "Two of three Vault nodes are gone: no quorum, and the survivor does not say so."
    mended_by = "the hosts come back, then shares by procedure vault-latency (`alphapulse lab mend vault-quorum-lost`)"
    parameters = ()
    needs = ("vault",)
    excludes: ClassVar[Mapping[str, str]] = {
        "vault-sealed-all": "no node leads that could be killed",
        "vault-peer-lost": "the quorum would be lost with a disk",
    }

    def __init__(self) -> None:
        self._gone: tuple[int, ...] = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Kill the leader and the last standby.

        Raises:
            LabError: The cluster is not whole.
        """
        codes = [await vault.health_code(lab, ordinal) for ordinal in range(vault.NODES)]
        if sorted(codes) != [200, 429, 429]:
            raise LabError("Vault is not whole now: `alphapulse lab mend all` first.")
        self._gone = (codes.index(200), len(codes) - 1 - codes[::-1].index(429))
        for ordinal in self._gone:
            process = lab.supervisor.running(vault.node_name(ordinal))
            lab.supervisor.doom(vault.node_name(ordinal))
            if process is not None:
                await process.wait()
        names = " and ".join(vault.node_name(ordinal) for ordinal in sorted(self._gone))
        return f"Vault: {names} are gone; the third has no quorum"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Let them run again and unseal what is sealed."""
        for ordinal in self._gone:
            lab.supervisor.spare(vault.node_name(ordinal))
        self._gone = ()
        await unseal_all(lab)


FAULT = VaultQuorumLost()
