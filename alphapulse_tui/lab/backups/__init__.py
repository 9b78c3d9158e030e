"""The backups of the lab: what a platform's own jobs would leave in ``s3://alphapulse-backups``, made by one agent process.

::

    pg/base/<time>/base.tar.gz, backup_manifest      pg_basebackup, daily
    wal/<segment>                                    WAL archive, as segments are finished (every 5 minutes at the latest)
    pg/alphapulse_prod/<time>.dump                   pg_dump -Fc, daily
    redis/<time>/<pod>.rdb                           every master's own, hourly (runbook 5.1: RPO 1 h)
    vault/<time>.snap                                raft snapshot, daily

Beside each object stands ``<key>.manifest.json`` (:class:`~alphapulse_tui.lab.backups.manifest.Manifest`), written last: an object without
one is not finished. Times are UTC, ``2026-11-27T01-30-00Z``.

Measured: the first round takes 3.4 s of CPU with its tools, at the lowest claim to it; idle the agent takes 65 MB (PSS) and no CPU to speak of.

**Point in time recovery** (runbook 5.2, facts 5.2) from these, into an empty folder, never over the damaged one:

1. Choose the newest base whose manifest's ``wal_stop`` is before the damage; unpack ``base.tar.gz`` there, put ``backup_manifest`` beside it.
2. Copy ``wal/*`` from that base's ``wal_start`` on into a folder W; ``pg_verifybackup --wal-directory=W`` must say that the backup is whole.
3. ``touch recovery.signal``; ``restore_command = 'cp W/%f %p'``, ``recovery_target_time = '... UTC'``, ``recovery_target_action = 'pause'``,
   ``archive_mode = off`` (or another prefix), another port.
4. Start, look (``pg_get_wal_replay_pause_state()``), then ``pg_promote()``, and make a new base backup of the new timeline.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import ProcessSpec

AGENT = "backup-agent"
_BACKED_UP = ("postgres", "redis", "vault")
SMALL = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc gives memory back after a large object; without it the agent keeps the room of the largest one for good."""


def agent_spec(lab: Lab) -> ProcessSpec:
    """How the agent runs; it makes everything once at its start, then by the clock."""
    return _program(lab, AGENT, "agent", ",".join(name for name in _BACKED_UP if name in lab.progress))


def ageing_spec(lab: Lab, days: int) -> ProcessSpec:
    """How every backup in the bucket is made older by ``days``; see :mod:`.ageing`."""
    return _program(lab, "age-backups", "ageing", str(days))


def made(lab: Lab, job: str) -> Path:
    """The file that the agent touches whenever ``job`` (``base``, ``dump``, ``redis``, ``vault``) has left something in the bucket."""
    return lab.directory.data("backups", "made") / job


def jobs_of(lab: Lab) -> tuple[str, ...]:
    """The jobs that the agent does in this lab."""
    by_target = {"postgres": ("base", "dump"), "redis": ("redis",), "vault": ("vault",)}
    return tuple(job for target, jobs in by_target.items() if target in lab.progress for job in jobs)


async def wait_made(lab: Lab, jobs: Iterable[str], seconds: float) -> None:
    """Wait until these jobs have left something in the bucket since the agent's start.

    Raises:
        LabError: This lab has no S3.
        NotReadyError: They have not within ``seconds``.
    """
    if "s3" not in lab.progress:
        raise LabError("This lab has no backups: it was started without the target s3.")
    end = time.monotonic() + seconds
    while missing := [job for job in jobs if not made(lab, job).exists()]:
        if time.monotonic() > end:
            raise NotReadyError(
                f"The backups {', '.join(missing)} were not made within {seconds:.0f} s; see {lab.log(AGENT)}."
            )
        await asyncio.sleep(0.2)


def _program(lab: Lab, name: str, module: str, argument: str) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", f"alphapulse_tui.lab.backups.{module}", argument),
        directory=lab.directory.data("backups"),
        log=lab.log(name),
        env={"LAB_DIRECTORY": str(lab.directory.root), **SMALL},
        stop_seconds=2.0,
        target=AGENT,
    )
