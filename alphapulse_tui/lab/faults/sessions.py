"""The misbehaving clients of the PostgreSQL faults, as a process of its own: ``python -m alphapulse_tui.lab.faults.sessions KIND``.

It holds real sessions until it is killed, and never comes back for one that was terminated: a person's fix stays fixed. Where the server is
comes from libpq's environment (PGHOST, PGPORT, PGDATABASE); ``LAB_SECRETS`` is the folder with a pass file for each role, so that no
password is on the command line. A line on stdout says when everything is held.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import random
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg

from alphapulse_tui.lab.faults.lock_chain import PREPARED

_POOLED = 6
_TOP_UP_SECONDS = 2.0
"""How long slots that somebody gives up are still taken, so that the storm ends with every slot gone."""
_DUMP_SECONDS_PER_LINE = 0.05
"""210,000 rows: almost three hours."""
_PAGES = 3
_PAGE_SECONDS = 0.2
"""Three pages that each read the whole table five times a second: about half a core without the index, nothing with it."""
_CROSS_JOIN = "SELECT count(*) FROM trades a, trades b WHERE a.price * b.quantity > 1000000"
_RUNS_LONGER = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND clock_timestamp() > query_start + '1 s'"
_TOUCH_TENANT = "UPDATE tenants SET plan = plan WHERE id = {}"
_EXPORT = "BEGIN; LOCK TABLE tenants IN SHARE MODE; SELECT count(*) FROM tenants; COMMIT"
_POSITION = "SELECT count(*), sum(quantity * price) FROM trades WHERE tenant_id = $1 AND symbol = $2"
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


async def slow_query() -> None:
    """A report whose join lost its condition: every trade with every trade, for hours, on one core."""
    session, watcher = (
        await _connect("reporting", "quarterly-report"),
        await _connect("reporting", "quarterly-report-ui"),
    )
    await session.execute("SET max_parallel_workers_per_gather = 0")
    query = asyncio.create_task(session.execute(_CROSS_JOIN))
    while not await watcher.fetchval(_RUNS_LONGER, session.get_server_pid()):  # noqa: ASYNC110 - the server's state: no event
        await asyncio.sleep(0.1)
    _say("holding one report that joins every trade with every trade")
    # A person who cancels or terminates it has mended it: it does not start again.
    await asyncio.wait([query])
    await asyncio.Event().wait()


async def lock_chain(*, prepared: bool) -> None:
    """Two forgotten transactions (and one prepared and forgotten) block an export, which blocks an update."""
    roots = [
        await _idle_in_transaction("alphapulse_worker", "settlement-worker", _TOUCH_TENANT.format(21)),
        await _idle_in_transaction("alphapulse_app", "billing-import", _TOUCH_TENANT.format(22)),
    ]
    blockers = {root.get_server_pid() for root in roots}
    if prepared:
        session = await _idle_in_transaction("migrator", "settlement-close", _TOUCH_TENANT.format(24))
        await session.execute(f"PREPARE TRANSACTION '{PREPARED}'")
        await session.close()
        blockers.add(0)  # how pg_blocking_pids names a prepared transaction
    export, update = await _connect("migrator", "tenant-export"), await _connect("alphapulse_app", "api-settings")
    watcher = await _connect("reporting", "lock-watcher")
    waiting = [asyncio.create_task(export.execute(_EXPORT))]
    await _until_blocked(watcher, export, blockers)
    waiting.append(asyncio.create_task(update.execute(_TOUCH_TENANT.format(23))))
    await _until_blocked(watcher, update, {export.get_server_pid()})
    await watcher.close()
    _say(f"holding {len(blockers)} transactions that block tenant-export, which blocks api-settings")
    await asyncio.wait(waiting)
    await asyncio.Event().wait()


async def _until_blocked(watcher: asyncpg.Connection, session: asyncpg.Connection, by: set[int]) -> None:
    while set(await watcher.fetchval("SELECT pg_blocking_pids($1)", session.get_server_pid())) != by:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def missing_index() -> None:
    """The load of a page that shows one tenant's position in one symbol."""
    sessions = [await _connect("alphapulse_app", "portfolio-page") for _ in range(_PAGES)]
    pages = [asyncio.create_task(_show_positions(session)) for session in sessions]
    _say(f"holding {len(pages)} sessions that ask for one tenant and one symbol")
    await asyncio.wait(pages)
    await asyncio.Event().wait()


async def monthly_report() -> None:
    """A report that reads the audit row by row, half a second each, for most of an hour: with the snapshot of its beginning."""
    session, watcher = await _connect("backup", "monthly-report"), await _connect("backup", "monthly-report-ui")
    query = asyncio.create_task(session.execute("SELECT count(*) FROM trade_audit WHERE pg_sleep(0.5) IS NOT NULL"))
    while not await watcher.fetchval(_RUNS_LONGER, session.get_server_pid()):  # noqa: ASYNC110 - the server's state: no event
        await asyncio.sleep(0.1)
    _say("holding one report that reads the audit for most of an hour")
    await asyncio.wait([query])
    await asyncio.Event().wait()


async def _show_positions(session: asyncpg.Connection) -> None:
    while True:
        await session.fetchrow(_POSITION, random.randint(1, 120), random.choice(("BTC-USD", "AAPL", "EUR-USD")))
        await asyncio.sleep(_PAGE_SECONDS)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


KINDS: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
    "storm": storm,
    "idle-in-transaction": idle_in_transaction,
    "slow-query": slow_query,
    "lock-chain": functools.partial(lock_chain, prepared=False),
    "lock-chain-prepared": functools.partial(lock_chain, prepared=True),
    "missing-index": missing_index,
    "monthly-report": monthly_report,
}


def main() -> None:
    """Hold the sessions of one kind until killed."""
    parser = argparse.ArgumentParser(prog="alphapulse-lab-sessions")
    parser.add_argument("kind", choices=KINDS)
    asyncio.run(KINDS[parser.parse_args().kind]())


if __name__ == "__main__":
    main()
