"""The PostgreSQL source against a real primary and replica; psql is the independent witness."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from alphapulse_tui.lab.linux import signal_tree
from alphapulse_tui.model.health import Health
from alphapulse_tui.sources.contract import Denied, Unreachable
from alphapulse_tui.sources.postgres import PostgresSource, Server
from tests.sources.servers import PostgresPair, free_port
from tests.waiting import until


def server(name: str, port: int, user: str = "watcher") -> Server:
    return Server(
        name, lambda: {"host": "127.0.0.1", "port": port, "user": user, "database": "postgres", "ssl": "disable"}
    )


@contextlib.asynccontextmanager
async def source(pair: PostgresPair, user: str = "watcher") -> AsyncIterator[PostgresSource]:
    made = PostgresSource(server("primary", pair.primary_port, user), [server("replica-0", pair.replica_port, user)])
    try:
        yield made
    finally:
        await made.close()


@contextlib.asynccontextmanager
async def session(pair: PostgresPair, name: str = "app") -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(
        host="127.0.0.1",
        port=pair.primary_port,
        user="admin",
        database="postgres",
        ssl="disable",
        server_settings={"application_name": name},
    )
    try:
        yield opened
    finally:
        await opened.close(timeout=5)


async def test_reads_what_psql_reads(postgres: PostgresPair) -> None:
    async with source(postgres) as reader:

        async def settled() -> bool:
            read = await reader.read()
            return (
                reader.judge(read) == () and read.replicas[0].lag_bytes == 0 and read.standbys[0].state == "streaming"
            )

        await until(settled, 20, "the replica to have caught up with its own beginning")
        snapshot = await reader.read()
        assert str(snapshot.server_version) == postgres.psql("SHOW server_version_num")
        assert (snapshot.max_connections, snapshot.superuser_reserved, snapshot.usable) == (30, 3, 27)
        counted = int(postgres.psql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))
        assert snapshot.clients == counted - 1  # psql itself
        assert [standby.state for standby in snapshot.standbys] == ["streaming"]
        assert [(slot.name, slot.active) for slot in snapshot.slots] == [("r1", True)]
        assert snapshot.replicas[0].receiver == "streaming" and snapshot.replicas[0].lag_bytes == 0
        assert snapshot.missing_grants == ()
        assert reader.judge(snapshot) == ()


async def test_an_idle_platform_is_an_equal_snapshot_on_one_warm_connection(postgres: PostgresPair) -> None:
    async with source(postgres) as reader:
        first = await reader.read()
        pids = postgres.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'alphapulse-tui'")

        async def again() -> bool:
            return await reader.read() == first

        await until(again, 5, "an equal snapshot, once psql's own session has ended")
        assert postgres.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'alphapulse-tui'") == pids


async def test_cannot_write(postgres: PostgresPair) -> None:
    async with source(postgres) as reader:
        await reader.read()
        assert reader._primary._open is not None
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader._primary._open.execute("CREATE TABLE never ()")


async def test_shows_who_blocks_whom(postgres: PostgresPair) -> None:
    postgres.psql("DROP TABLE IF EXISTS t; CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    async with source(postgres) as reader, session(postgres, "holder") as holder, session(postgres, "victim") as victim:
        await holder.execute("BEGIN; UPDATE t SET a = 2")
        waiting = asyncio.create_task(victim.execute("UPDATE t SET a = 3 /* [/x] \x1b[31m */"))

        async def blocked() -> bool:
            return bool((await reader.read()).lock_waiting)

        await until(blocked, 10, "a lock waiter")
        snapshot = await reader.read()
        stuck = next(one for one in snapshot.sessions if one.application == "victim")
        root = next(one for one in snapshot.sessions if one.application == "holder")
        assert stuck.blocked_by == (root.pid,)
        assert "\\x1b" in stuck.query and "\x1b" not in stuck.query
        assert root.state == "idle in transaction"
        assert any(finding.procedure == "pg-slow-queries" for finding in reader.judge(snapshot))
        await holder.execute("ROLLBACK")
        await waiting


async def test_names_the_missing_grant(postgres: PostgresPair) -> None:
    async with source(postgres, "stranger") as reader, session(postgres):
        snapshot = await reader.read()
        assert snapshot.missing_grants == ("GRANT pg_monitor TO stranger",)
        assert snapshot.clients >= 2  # counted although their state is hidden
        findings = [finding for finding in reader.judge(snapshot) if "GRANT pg_monitor" in finding.sentence]
        assert [finding.health for finding in findings] == [Health.WARNING]


async def test_is_inside_when_the_slots_run_out(postgres: PostgresPair) -> None:
    async with source(postgres) as reader, contextlib.AsyncExitStack() as storm:
        await reader.read()
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                await storm.enter_async_context(session(postgres, "storm"))
        snapshot = await reader.read()
        assert snapshot.used_percent > 95
        worst = reader.judge(snapshot)[0]
        assert (worst.health, worst.procedure) == (Health.CRITICAL, "pg-connections")
        latecomer = PostgresSource(server("primary", postgres.primary_port))
        with pytest.raises(Unreachable) as refused:
            await latecomer.read()
        assert refused.value.proves[0].health is Health.CRITICAL


async def until_replayed(postgres: PostgresPair) -> None:
    """Wait until the replica has replayed what the primary writes when a checkpoint ends; afterwards it writes nothing by itself for a while."""
    postgres.psql("CHECKPOINT")
    written = postgres.psql("SELECT pg_current_wal_lsn()")
    replayed = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
    await until(lambda: postgres.psql(replayed, postgres.replica_port) == "t", 10, "the replica to have replayed all")


async def test_paused_replay_is_seen_and_an_idle_primary_is_no_lag(postgres: PostgresPair) -> None:
    now = [1000.0]
    reader = PostgresSource(
        server("primary", postgres.primary_port), [server("r", postgres.replica_port)], clock=lambda: now[0]
    )
    try:
        await until_replayed(postgres)
        await reader.read()
        now[0] += 500
        assert (await reader.read()).replicas[0].lag_seconds == 0.0
        postgres.psql("SELECT pg_wal_replay_pause()", postgres.replica_port)
        postgres.psql(
            "CREATE TABLE IF NOT EXISTS w (a text); INSERT INTO w SELECT repeat('x', 1000) FROM generate_series(1, 500)"
        )
        await reader.read()
        now[0] += 90
        replica = (await reader.read()).replicas[0]
        assert replica.pause_state == "paused" and not replica.replaying
        assert replica.lag_seconds == pytest.approx(90, abs=1) and (replica.lag_bytes or 0) > 400_000
    finally:
        postgres.psql("SELECT pg_wal_replay_resume()", postgres.replica_port)
        await reader.close()


async def test_a_hung_replica_marks_only_itself(postgres: PostgresPair) -> None:
    async with source(postgres) as reader:
        await reader.read()
        signal_tree(postgres.replica.pid, signal.SIGSTOP)
        try:
            started = asyncio.get_running_loop().time()
            snapshot = await reader.read()
            assert asyncio.get_running_loop().time() - started < reader.interval
            assert "no answer" in snapshot.replicas[0].problem
            assert reader.judge(snapshot)[0].health is Health.UNKNOWN
        finally:
            signal_tree(postgres.replica.pid, signal.SIGCONT)

        async def recovered() -> bool:
            return not (await reader.read()).replicas[0].problem

        await until(recovered, 10, "the replica's answer")


async def test_refusals_are_sentences(postgres: PostgresPair) -> None:
    nobody = PostgresSource(server("primary", postgres.primary_port, "nobody-here"))
    with pytest.raises(Denied, match="does not let us in"):
        await nobody.read()
    with pytest.raises(Unreachable, match="refuses connections"):
        await PostgresSource(server("primary", free_port())).read()
