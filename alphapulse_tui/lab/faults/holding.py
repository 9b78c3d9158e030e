"""Starting and ending the misbehaving PostgreSQL clients (:mod:`~alphapulse_tui.lab.faults.sessions`) under the supervisor.

Shared by the faults that are sessions: ``connection-storm``, ``idle-in-transaction``, ``slow-query``, ``lock-chain``, ``missing-index``,
``replica-conflict``.
"""

from __future__ import annotations

import asyncio
import sys
import time

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import ProcessSpec

_HOLD_SECONDS = 30.0


def _name(kind: str) -> str:
    return f"fault-{kind}"


async def hold(lab: Lab, kind: str, server: str = postgres.PRIMARY) -> str:
    """Start the client of ``server`` and wait until it says that it holds everything; returns its words.

    Raises:
        LabError: It ended instead, or took longer than 30 s.
    """
    environment = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(lab.ports[server]),
        "PGDATABASE": postgres.DATABASE,
        "LAB_SOCKETS": str(postgres.sockets(lab)),
        "LAB_SECRETS": str(lab.credentials.path("")),
        "LAB_PG_DUMP": str(postgres.binary(lab, "pg_dump")),
    }
    argv = (sys.executable, "-m", "alphapulse_tui.lab.faults.sessions", kind)
    log = lab.log(_name(kind))
    log.unlink(missing_ok=True)
    process = await lab.supervisor.start(ProcessSpec(_name(kind), argv, lab.directory.root, log, environment))
    end = time.monotonic() + _HOLD_SECONDS
    while True:
        words = log.read_text(encoding="utf-8", errors="replace").strip()
        if words.startswith("holding"):
            return words.splitlines()[0]
        if not process.alive:
            raise LabError(
                f"The sessions of {kind} could not be opened: {words.splitlines()[-1] if words else 'no word'} (see {log})."
            )
        if time.monotonic() > end:
            raise NotReadyError(f"The sessions of {kind} were not open after {_HOLD_SECONDS:.0f} s; see {log}.")
        await asyncio.sleep(0.05)


async def release(lab: Lab, kind: str) -> None:
    """End the client with all its sessions."""
    await lab.supervisor.stop(_name(kind), grace=1.0)
    await lab.healthy("postgres")
