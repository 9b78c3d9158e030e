"""``vault-sealed-all``: every node of the Vault cluster is sealed.

What breaks: the standbys restart and come back sealed, then the active node is told to seal itself (``PUT sys/seal``).

How it shows: ``sys/health`` answers 503 everywhere, no node is active; the API and the workers cannot read their credentials.

What mends it: procedure ``vault-sealed``, three shares to each of two nodes at least. ``lab mend`` unseals all with the shares of the lab.
"""

from __future__ import annotations

import asyncio

import httpx

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.faults.sealing import restart_sealed, unseal_all
from alphapulse_tui.lab.platform import Lab


class VaultSealedAll:
    """See the module."""

    name = "vault-sealed-all"
    summary = "Every Vault node is sealed."
    mended_by = "procedure vault-sealed"
    parameters = ()
    needs = ("vault",)

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Seal the standbys first: otherwise one of them would take over from the sealed leader."""
        codes = [await vault.health_code(lab, ordinal) for ordinal in range(vault.NODES)]
        await asyncio.gather(
            *(restart_sealed(lab, ordinal) for ordinal, code in enumerate(codes) if code not in (200, 503))
        )
        for ordinal, code in enumerate(codes):
            if code == 200:
                await self._seal(lab, ordinal)
        return "Vault: all nodes are sealed"

    async def _seal(self, lab: Lab, ordinal: int) -> None:
        """Seal the active node; alone, it may have lost its quorum meanwhile and refuse: then it is restarted like the others."""
        try:
            async with vault.client(lab, ordinal, "root") as http:
                answer = await http.put("/v1/sys/seal", timeout=5.0)
            sealed = answer.status_code == 204
        except httpx.HTTPError:
            sealed = False
        if sealed:
            await vault.wait_health(lab, ordinal, 503)
        else:
            await restart_sealed(lab, ordinal)

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Unseal what is sealed."""
        await unseal_all(lab)


FAULT = VaultSealedAll()
