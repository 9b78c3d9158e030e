"""The misbehaving clients of the PostgreSQL faults, as a process of its own: ``python -m alphapulse_tui.lab.faults.sessions KIND``.

It holds real sessions until it is killed, and never comes back for one that was terminated: a person's fix stays fixed. Where the server is
comes from libpq's environment (PGHOST, PGPORT, PGDATABASE); ``LAB_SECRETS`` is the folder with a pass file for each role, so that no
password is on the command line. A line on stdout says when everything is held.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import asyncpg

_POOLED = 6
_TOP_UP_SECONDS = 2.0
"""How long slots that somebody gives up are still taken, so that the storm ends with every slot gone."""
_DUMP_SECONDS_PER_LINE = 0.05
"""40,000 rows: more than half an hour."""
_READ_TRADES = "SELECT count(*) FROM trades WHERE tenant_id = 7"


async def _connect(role: str, application: str) -> asyncpg.Connection:
    """One session of a role; the superuser comes through the socket, as he must."""
    secrets = Path(os.environ["LAB_SECRETS"])
    host = os.environ["LAB_SOCKETS"] if role == "postgres" else os.environ["PGHOST"]
    return await asyncpg.connect(
        host=host,
        user=role,
        passfile=secrets / f"pgpass-{role}",
        timeout=5.0,
        ssl=False,
        server_settings={"application_name": application},
    )


async def _idle(role: str, application: str) -> asyncpg.Connection:
    """A session that did its work and was not closed."""
    session = await _connect(role, application)
    await session.execute(_READ_TRADES)
    return session


async def _idle_in_transaction(role: str, application: str, *statements: str) -> asyncpg.Connection:
    """A session whose program forgot to commit."""
    session = await _connect(role, application)
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    for statement in statements or (_READ_TRADES,):
        await session.execute(statement)
    return session


async def storm() -> None:
    """Take every ordinary slot: some protected and pooled sessions, then leaking ones, three of five idle in a transaction."""
    held = [await _idle("pgbouncer", "pgbouncer") for _ in range(_POOLED)]
    held.append(await _idle_in_transaction("postgres", "dba-maintenance"))
    dump = asyncio.create_task(_dump_slowly())
    taken, full_since = 0, None
    loop = asyncio.get_running_loop()
    while full_since is None or loop.time() - full_since < _TOP_UP_SECONDS:
        try:
            if taken % 5 < 3:
                held.append(await _idle_in_transaction("reporting", "report-exporter"))
            else:
                held.append(await _idle("alphapulse_app", "api-leak"))
            taken += 1
        except asyncpg.TooManyConnectionsError:
            full_since = full_since or loop.time()
            await asyncio.sleep(0.1)
    # Only now: from this word on nothing is taken again, so that a fix stays one.
    _say(f"holding {taken} leaked sessions, every slot is taken")
    await dump


async def _dump_slowly() -> None:
    """A real pg_dump whose reader is slow (a backup over a thin line): a protected session that lasts."""
    program = await asyncio.create_subprocess_exec(
        os.environ["LAB_PG_DUMP"], "--username=backup", "--no-password",
        env={**os.environ, "PGPASSFILE": str(Path(os.environ["LAB_SECRETS"]) / "pgpass-backup")},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout is not None
    async for _line in program.stdout:
        await asyncio.sleep(_DUMP_SECONDS_PER_LINE)
    await asyncio.Event().wait()


async def idle_in_transaction() -> None:
    """Three forgotten transactions: one holds row locks, one an old snapshot, one has failed and was not rolled back."""
    update = "UPDATE tenants SET plan = plan WHERE id IN (7, 8, 9)"
    holder = await _idle_in_transaction("alphapulse_worker", "settlement-worker", update)
    reader = await _idle_in_transaction("reporting", "report-exporter")
    failed = await _idle_in_transaction("alphapulse_app", "api-import")
    try:
        await failed.execute("SELECT 1 / 0")
    except asyncpg.DivisionByZeroError:
        _say(f"holding {len((holder, reader, failed))} forgotten transactions")
    await asyncio.Event().wait()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Hold the sessions of one kind until killed."""
    parser = argparse.ArgumentParser(prog="alphapulse-lab-sessions")
    parser.add_argument("kind", choices=("storm", "idle-in-transaction"))
    kind = parser.parse_args().kind
    asyncio.run(storm() if kind == "storm" else idle_in_transaction())


if __name__ == "__main__":
    main()
