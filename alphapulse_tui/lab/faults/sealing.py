"""Sealing and unsealing Vault nodes, for the faults ``vault-sealed-one`` and ``vault-sealed-all``."""

from __future__ import annotations

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab


async def restart_sealed(lab: Lab, ordinal: int) -> None:
    """End the node's process; whoever owns it starts it again (node agent or supervisor), and it comes back sealed.

    Raises:
        LabError: It does not run.
        NotReadyError: It did not come back within 45 s.
    """
    name = vault.node_name(ordinal)
    process = lab.supervisor.running(name)
    if process is None:
        raise LabError(f"{name} does not run now, so it cannot be restarted: see `alphapulse lab status`.")
    process.signal(process.spec.stop_signal)
    await process.wait()
    await vault.wait_health(lab, ordinal, 503)


async def unseal_all(lab: Lab) -> None:
    """Unseal every sealed node with the lab's shares and wait until the cluster is whole."""
    for ordinal in range(vault.NODES):
        await vault.wait_health(lab, ordinal, 200, 429, 503)
        await vault.unseal(lab, ordinal)
    await lab.healthy("vault")
