"""``vault-sealed-one``: one standby of the Vault cluster is sealed.

What breaks: the process of a standby is stopped and comes back, as a pod does after an eviction; a Shamir-sealed node comes back sealed.
(A standby refuses ``sys/seal``: restarting it is how standbys get sealed in life.)

How it shows: its ``sys/health`` answers 503, ``sys/seal-status`` says 0 of 3; the cluster lives on two nodes, without tolerance.

What mends it: procedure ``vault-sealed``, three shares to that node. ``lab mend`` unseals every sealed node with the shares of the lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.faults.sealing import restart_sealed, unseal_all
from alphapulse_tui.lab.platform import Lab


class VaultSealedOne:
    """See the module."""

    name = "vault-sealed-one"
    summary = "One Vault standby restarts and comes back sealed."
    mended_by = "procedure vault-sealed"
    parameters = ()
    needs = ("vault",)
    excludes: ClassVar[Mapping[str, str]] = {"vault-sealed-all": "no standby is left to be sealed"}

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Restart the last standby and wait until it says that it is sealed."""
        for ordinal in reversed(range(vault.NODES)):
            if await vault.health_code(lab, ordinal) == 429:
                await restart_sealed(lab, ordinal)
                return f"Vault: {vault.node_name(ordinal)} is sealed"
        raise LabError(
            "No Vault node is a standby now, so none can be restarted without ending the service: `alphapulse lab mend all` first."
        )

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Unseal what is sealed."""
        await unseal_all(lab)


FAULT = VaultSealedOne()
