"""``vault-peer-lost``: a raft peer is gone for good, with its disk.

What breaks: a standby is killed, its raft data is removed, and it is killed again whenever it is started, as a pod whose volume is lost.

How it shows: the peer does not answer, the autopilot calls the cluster unhealthy with a failure tolerance of 0; the configuration still
counts three voters, so the next failure is a lost quorum.

What mends it: procedure ``vault-latency``: a new node takes its place: the dead peer leaves the configuration, the new one joins and is
unsealed. ``lab mend`` does that, each step only where it is still needed.
"""

from __future__ import annotations

import asyncio
import shutil
import time

import httpx

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.platform import Lab

_NOTICED_SECONDS = 40.0
_AUTOPILOT = "sys/storage/raft/autopilot/state"


class VaultPeerLost:
    """See the module."""

    name = "vault-peer-lost"
    summary = "A Vault node is gone with its disk: raft has no failure to spare."
    mended_by = "procedure vault-latency (remove the dead peer, join and unseal a new one)"
    parameters = ()

    def __init__(self) -> None:
        self._lost: int | None = None

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Kill the last standby, remove its data, and wait until the autopilot says so.

        Raises:
            LabError: No node is a standby, or none is active.
        """
        codes = [await vault.health_code(lab, ordinal) for ordinal in range(vault.NODES)]
        standbys = [ordinal for ordinal, code in enumerate(codes) if code == 429]
        if codes.count(200) != 1 or len(standbys) < 2:
            raise LabError("Vault is not whole now, and would lose its quorum: `alphapulse lab mend all` first.")
        self._lost = lost = standbys[-1]
        name = vault.node_name(lost)
        process = lab.supervisor.running(name)
        lab.supervisor.doom(name)
        if process is not None:
            await process.wait()
        shutil.rmtree(vault.raft_folder(lab, lost))
        end = time.monotonic() + _NOTICED_SECONDS
        while await _content(lab):
            if time.monotonic() > end:
                raise NotReadyError(
                    f"{name} is gone, but the autopilot has not noticed within {_NOTICED_SECONDS:.0f} s."
                )
            await asyncio.sleep(0.2)
        return f"Vault: {name} is gone with its data; no further failure can be borne"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Put a new node in its place."""
        if self._lost is None:
            return
        lost, name = self._lost, vault.node_name(self._lost)
        vault.raft_folder(lab, lost)
        lab.supervisor.spare(name)
        if await vault.wait_health(lab, lost, 200, 429, 501, 503) in (501, 503):
            active = await _active(lab)
            await vault.call(lab, active, "POST", "sys/storage/raft/remove-peer", {"server_id": name}, holder="root")
            await vault.join(lab, lost, active)
        await lab.healthy("vault")


async def _active(lab: Lab) -> int:
    codes = [await vault.health_code(lab, ordinal) for ordinal in range(vault.NODES)]
    if 200 not in codes:
        raise LabError("No Vault node is active, so none can take the new one in: unseal the others first.")
    return codes.index(200)


async def _content(lab: Lab) -> bool:
    """Whether the autopilot still calls the cluster healthy, or has a failure to spare; also while nobody leads and none can be asked."""
    try:
        state = (await vault.call(lab, await _active(lab), "GET", _AUTOPILOT, holder="root"))["data"]
    except (LabError, httpx.HTTPError):
        return True  # A busy machine loses its leader for a moment now and then.
    return bool(state["healthy"] or state["failure_tolerance"])


FAULT = VaultPeerLost()
