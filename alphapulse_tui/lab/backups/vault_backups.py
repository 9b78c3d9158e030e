"""Vault: a raft snapshot of the active node."""

from __future__ import annotations

from pathlib import Path

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.backups.bucket import Bucket
from alphapulse_tui.lab.backups.manifest import described, now, stamp
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab

_ACTIVE = 200


async def snapshot(lab: Lab, bucket: Bucket, spool: Path) -> None:
    """Take a snapshot with the on-call's token, which may read one (runbook-facts 11.4).

    Raises:
        LabError: No node is active, or it refused.
        httpx.HTTPError: It cannot be asked.
    """
    begun, file = now(), spool / "raft.snap"
    codes = [await vault.health_code(lab, ordinal) for ordinal in range(vault.NODES)]
    if _ACTIVE not in codes:
        raise LabError("No Vault node is active: there is no raft to snapshot.")
    active = codes.index(_ACTIVE)
    version = str((await vault.call(lab, active, "GET", "sys/health"))["version"])
    async with (
        vault.client(lab, active, "oncall") as http,
        http.stream("GET", "/v1/sys/storage/raft/snapshot") as answer,
    ):
        if answer.status_code != _ACTIVE:
            raise LabError(f"{vault.node_name(active)} refused a raft snapshot: {answer.status_code}.")
        with file.open("wb") as target:
            async for chunk in answer.aiter_bytes():
                target.write(chunk)
    key = f"vault/{stamp(begun)}.snap"
    await bucket.keep(file, described(file, "raft", key, begun, vault.node_name(active), version))
    file.unlink()
