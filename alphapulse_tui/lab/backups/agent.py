"""The backup agent: ``python -m alphapulse_tui.lab.backups.agent TARGETS``, where TARGETS are those to back up, joined by commas.

Everything once at its start, then by the clock; WAL every two seconds. It works nicely (in the scheduler's sense), and a job that fails is
told and tried again after a minute, whatever becomes of the others.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from alphapulse_tui.lab.backups import made, postgres_backups, redis_backups, vault_backups
from alphapulse_tui.lab.backups.bucket import Bucket, open_bucket
from alphapulse_tui.lab.backups.shipper import Shipper
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.workloads.output import say

_HOUR = 3600.0
_DAY = 24 * _HOUR
_AGAIN_SECONDS = 60.0
_SHIP_SECONDS = 2.0
_NICE = 10
_FAILURES = (
    LabError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, RedisError, httpx.HTTPError,
    BotoCoreError, ClientError,
)  # fmt: skip
"""What the servers' clients raise when a server is away or refuses."""

Work = Callable[[Lab, Bucket, Path], Awaitable[None]]


@dataclass
class Job:
    """One kind of backup and its clock."""

    name: str
    target: str
    work: Work
    every: float
    """Seconds (runbook 5.1; Redis hourly, because its RPO is an hour)."""
    due: float = 0.0


def jobs(targets: list[str]) -> list[Job]:
    """The jobs of these targets; the base backup first, because the shipper waits for it."""
    every = (
        Job("base", "postgres", postgres_backups.base, _DAY),
        Job("dump", "postgres", postgres_backups.dump, _DAY),
        Job("redis", "redis", redis_backups.snapshots, _HOUR),
        Job("vault", "vault", vault_backups.snapshot, _DAY),
    )
    return [job for job in every if job.target in targets]


async def attempt(name: str, work: Awaitable[None]) -> bool:
    """Do one thing; whether it succeeded. A failure is one line of the log."""
    try:
        await work
    except _FAILURES as error:
        say("ERROR", f"{name}: {type(error).__name__} {error}")
        return False
    return True


async def run_due(lab: Lab, bucket: Bucket, spool: Path, all_jobs: list[Job]) -> None:
    """Run the jobs whose time has come, one after the other."""
    for job in all_jobs:
        began = time.monotonic()
        if began >= job.due:
            done = await attempt(job.name, job.work(lab, bucket, spool))
            if done:
                made(lab, job.name).touch()
                say("INFO", f"{job.name}: kept after {time.monotonic() - began:.1f} s")
            job.due = time.monotonic() + (job.every if done else _AGAIN_SECONDS)


async def ship_for_ever(lab: Lab, bucket: Bucket) -> None:
    """Ship WAL once there is a base backup on which it could be replayed; until then it waits in the archive folder."""
    shipper: Shipper | None = None
    while True:
        if shipper is None:
            bases = [one for one in await bucket.manifests() if one.kind == "base"]
            if bases:
                shipper = Shipper(lab, bucket, min(bases, key=lambda one: one.created))
        if shipper is not None:
            await attempt("wal", shipper.ship())
        await asyncio.sleep(_SHIP_SECONDS)


async def _live(targets: list[str]) -> None:
    lab = Lab(LabDirectory(Path(os.environ["LAB_DIRECTORY"])))
    spool = lab.directory.data("backups", "spool")
    all_jobs = jobs(targets)
    async with open_bucket(lab) as bucket, asyncio.TaskGroup() as group:
        if "postgres" in targets:
            group.create_task(ship_for_ever(lab, bucket))
        while True:
            await run_due(lab, bucket, spool, all_jobs)
            await asyncio.sleep(_SHIP_SECONDS)


if __name__ == "__main__":
    os.nice(_NICE)
    asyncio.run(_live(sys.argv[1].split(",")))
