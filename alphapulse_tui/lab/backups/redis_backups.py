"""Redis: an RDB of every master, each its own shard's (runbook-facts 5.3: one file holds one shard, and must return to its slots)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.backups.bucket import Bucket
from alphapulse_tui.lab.backups.manifest import described, now, stamp
from alphapulse_tui.lab.backups.tools import run
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab

_MYSELF = "myself"


async def snapshots(lab: Lab, bucket: Bucket, spool: Path) -> None:
    """Snapshot all masters.

    Raises:
        LabError: No node is a master of slots, or redis-cli failed.
        redis.exceptions.RedisError: A node cannot be asked.
    """
    begun, kept = now(), 0
    for ordinal in range(redis.NODES):
        # Who is master is asked of each node itself; a node of the cluster that is down is no master of anything now.
        slots = await _own_slots(lab, ordinal)
        if slots:
            await _snapshot(lab, bucket, spool, ordinal, slots, begun)
            kept += 1
    if not kept:
        raise LabError("No Redis node is a master of slots: there is nothing to snapshot.")


async def _own_slots(lab: Lab, ordinal: int) -> str:
    """The slots that a node serves as a master, ``0-5460``; empty for a replica."""
    view = str(await redis.command(lab, ordinal, "CLUSTER", "NODES"))
    fields = next(line.split() for line in view.splitlines() if _MYSELF in line.split()[2])
    return " ".join(fields[8:]) if "master" in fields[2] else ""


async def _snapshot(lab: Lab, bucket: Bucket, spool: Path, ordinal: int, slots: str, begun: datetime) -> None:
    name = redis.node_name(ordinal)
    file = spool / f"{name}.rdb"
    server = await redis.info(lab, ordinal, "INFO server")
    details = {
        "slots": slots,
        "node_id": str(await redis.command(lab, ordinal, "CLUSTER", "MYID")),
        "keys": str(await redis.command(lab, ordinal, "DBSIZE")),
    }
    # The password by the environment: a command line is everybody's to read.
    environment = {"REDISCLI_AUTH": lab.credentials.password("redis-admin")}
    arguments = ("-p", str(lab.ports[name]), "--user", "admin", "--no-auth-warning", "--rdb", str(file))
    await run(redis.command_line_client(), *arguments, environment=environment)
    version = server.get("valkey_version", "") or server["redis_version"]
    key = f"redis/{stamp(begun)}/{name}.rdb"
    await bucket.keep(file, described(file, "rdb", key, begun, name, version, details=details))
    file.unlink()
