"""PostgreSQL's surveys: trees and decoders on recorded rows of every version, the rest against a real primary and replica."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.sources.postgres_link import Server
from alphapulse_tui.sources.postgres_locks import LockSource, tree
from alphapulse_tui.sources.postgres_replication import ReplicationSource, replica, slot
from alphapulse_tui.sources.postgres_settings import SettingSource
from alphapulse_tui.sources.postgres_statements import StatementSource, differences, figures_query, sample_of
from alphapulse_tui.sources.postgres_tables import TableSource, table
from alphapulse_tui.sources.sql import query
from tests.sources.servers import PostgresPair, free_port
from tests.waiting import until

START = datetime(2026, 1, 1, tzinfo=UTC)


def server(name: str, port: int, user: str = "watcher") -> Server:
    return Server(
        name, lambda: {"host": "127.0.0.1", "port": port, "user": user, "database": "postgres", "ssl": "disable"}
    )


def edge(pid: int, *blocked_by: int) -> dict[str, Any]:
    return {"pid": pid, "blocked_by": list(blocked_by), "server_time": 100.0}


def member(pid: int, **fields: Any) -> dict[str, Any]:
    return {
        "pid": pid, "backend_start": START, "usename": "app", "application": f"app-{pid}", "backend_type": "client backend", "state": "active",
        "wait": "Lock:relation", "leader_pid": None, "xact_start": 1.0, "state_change": 2.0, "query": "UPDATE \x1b[31m", "wrote": False,
        "superuser": False, "replication": False, "locks": 1, "waits_for": "relation t ShareLock", "tables": [], **fields,
    }  # fmt: skip


def shape(edges: list[dict[str, Any]], prepared: tuple[dict[str, Any], ...] = ()) -> list[tuple[int, int, int]]:
    """(depth, pid, behind) line by line."""
    pids = {one["pid"] for one in edges} | {pid for one in edges for pid in one["blocked_by"]}
    survey = tree(edges, [member(pid) for pid in sorted(pids - {0})], prepared)
    return [(node.depth, node.pid, node.behind) for node in survey.nodes]


def test_a_chain_is_a_tree_with_every_blocker_counted() -> None:
    assert shape([edge(3, 1, 2), edge(4, 3)]) == [(0, 1, 2), (1, 3, 1), (2, 4, 0), (0, 2, 2)]


def test_a_prepared_transaction_is_a_root_with_a_name() -> None:
    forgotten = {"gid": "close\x1b", "owner": "app", "database": "db", "prepared": 5.0, "locks": 2, "blocks": [3]}
    survey = tree([edge(3, 0)], [member(3)], [forgotten])
    root = survey.roots[0]
    assert (root.pid, root.gid, root.behind, root.kind) == (0, "close\\x1b", 1, "prepared transaction")
    assert [node.pid for node in survey.waiting] == [3]
    unseen = tree([edge(3, 0)], [member(3)], [])
    assert unseen.roots[0].gid == "(not visible)"


def test_a_deadlock_has_no_root_and_every_member() -> None:
    survey = tree([edge(1, 2), edge(2, 1)], [member(1), member(2)], [])
    assert survey.roots == () and {node.pid for node in survey.waiting} == {1, 2}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"leader_pid": 9, "backend_type": "parallel worker"}, "parallel worker of pid 9"),
        ({"backend_type": "autovacuum worker", "query": "autovacuum: VACUUM t"}, "autovacuum"),
        ({"backend_type": "autovacuum worker", "query": "VACUUM t (to prevent wraparound)"}, "let it finish"),
        ({"backend_type": "walsender"}, "walsender"),
        ({}, ""),
    ],
)
def test_what_is_no_client_is_named(fields: dict[str, Any], kind: str) -> None:
    root = tree([edge(2, 1)], [member(1, **fields), member(2)], []).roots[0]
    assert kind in root.kind and bool(kind) == bool(root.kind)
    assert "\x1b" not in root.query


SLOT = {
    "name": "r1", "kind": "physical", "active": False, "wal_status": "extended", "retained": 1 << 20, "limit": None,
    "conflicting": False, "inactive_since": None, "invalidation_reason": "", "safe": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [(130000, (), ("coalesce(conflicting", "FROM inactive_since)")), (160000, ("coalesce(conflicting, false",), ("FROM inactive_since)",)),
     (180000, ("coalesce(conflicting, false", "invalidation_reason, ''"), ())],
)  # fmt: skip
def test_slots_are_asked_for_what_the_version_has(version: int, has: tuple[str, ...], lacks: tuple[str, ...]) -> None:
    text = query("replication_slots", version)
    assert all(one in text for one in has) and not any(one in text for one in lacks)


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({}, False),
        ({"wal_status": "lost"}, True),
        ({"wal_status": "unreserved"}, False),
        ({"invalidation_reason": "wal_removed"}, True),
    ],
)
def test_a_lost_slot_is_one_in_every_version(fields: dict[str, Any], lost: bool) -> None:
    assert slot({**SLOT, **fields}).lost is lost


def test_the_pause_is_asked_by_version() -> None:
    assert "pg_is_wal_replay_paused()" in query("replication_replica", 130000)
    assert "pg_get_wal_replay_pause_state()" in query("replication_replica", 140000)


REPLICA = {
    "in_recovery": True, "pause_state": "not paused", "receiver": "streaming", "slot": "r1", "last_message_age": 1.2, "sender": "db:5432",
    "received": 1000, "replayed": 900, "last_transaction_age": 8.0, "replay_wait": "", "blocked_by": [], "conflicts": 0, "max_delay": "30s",
    "feedback": True, "settings": ["max_connections=60"], "role": "watcher", "sees_all": True,
}  # fmt: skip
READER = {
    "pid": 7, "backend_start": START, "usename": "app", "application": "report", "state": "active", "xact_start": 1.0, "query": "SELECT 1",
    "has_snapshot": True,
}  # fmt: skip


def seen(written: int | None = 1000, settings: tuple[str, ...] | None = ("max_connections=60",), **fields: Any) -> Any:
    rows = {"primary": [{**REPLICA, **fields}], "sessions": [READER, {**READER, "pid": 8, "has_snapshot": False}]}
    return replica("r", rows, written, settings, lambda replayed, naive: 3.0 if replayed < 1000 else 0.0)


def test_a_replica_is_measured_in_bytes_then_by_history() -> None:
    found = seen()
    assert (found.behind_bytes, found.received_not_replayed, found.behind_seconds) == (100, 100, 3.0)
    idle = seen(replayed=1000, last_transaction_age=500.0)
    assert (idle.behind_bytes, idle.behind_seconds, idle.naive_seconds) == (0, 0.0, 500.0)
    blind = seen(written=None, settings=None)
    assert (blind.behind_bytes, blind.behind_seconds, blind.compared) == (None, None, False)
    fresh = seen(replayed=None, received=None, last_transaction_age=None)
    assert (fresh.behind_bytes, fresh.naive_seconds) == (None, None)


def test_who_is_in_the_way_of_a_conflict() -> None:
    assert not any(one.blocks_replay for one in seen().in_the_way)
    snapshot = seen(replay_wait="IPC:RecoveryConflictSnapshot")
    assert [one.blocks_replay for one in snapshot.in_the_way] == [True, False] and snapshot.conflict
    locked = seen(replay_wait="Lock:relation", blocked_by=[8])
    assert [one.blocks_replay for one in locked.in_the_way] == [False, True] and locked.conflict


def test_settings_below_the_primarys_are_named() -> None:
    assert seen(settings=("max_connections=100",)).too_small == ("max_connections 60 < 100",)
    assert seen(in_recovery=False).problem == "r is not a replica: it takes writes itself"


def figures(calls: int, total: float) -> dict[str, Any]:
    return {
        "userid": 1, "dbid": 2, "queryid": 3, "toplevel": True, "calls": calls, "total_ms": total, "rows": calls, "shared_blks_read": 0,
        "shared_blks_hit": 0, "temp_blks_written": 0,
    }  # fmt: skip


def test_statements_are_the_difference_of_two_samples() -> None:
    before, now = sample_of([figures(10, 1000.0)]), sample_of([figures(14, 1100.0)])
    (took,) = differences(now, before).values()
    assert (took.calls, took.total_ms) == (4, 100.0)
    assert differences(now, now) == {}


@pytest.mark.parametrize(
    ("columns", "has"),
    [
        (["total_time"], "total_time AS total_ms"),
        (["total_exec_time"], "true AS toplevel"),
        (["total_exec_time", "toplevel"], ", toplevel,"),
    ],
)
def test_statements_are_asked_by_the_extensions_columns(columns: list[str], has: str) -> None:
    assert has in figures_query("public", columns)


def test_a_table_says_what_is_scanned_now() -> None:
    row = {
        "schema": "public", "name": "t", "rows": 100, "dead": 0, "dead_limit": 50, "modified": 0, "size": 8192, "seq_scans": 30, "seq_rows": 3000,
        "index_scans": 0, "last_analyze": None, "last_vacuum": None, "owner": "app", "columns": ["a"], "indexes": ["a", None],
    }  # fmt: skip
    assert table(row, None, 0.0).seq_scans_a_second is None
    found = table(row, (10, 1000), 5.0)
    assert (found.seq_scans_a_second, found.rows_a_scan, found.indexes) == (4.0, 100.0, ("a",))


async def test_the_tree_of_a_real_server(postgres: PostgresPair) -> None:
    postgres.psql("DROP TABLE IF EXISTS t; CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    source = LockSource(server("primary", postgres.primary_port))
    sessions = [
        await asyncpg.connect(
            host="127.0.0.1", port=postgres.primary_port, user="admin", database="postgres", ssl="disable"
        )
        for _ in range(2)
    ]
    try:
        assert (await source.read()).nodes == ()
        await sessions[0].execute("BEGIN; UPDATE t SET a = 2")
        waiting = asyncio.create_task(sessions[1].execute("UPDATE t SET a = 3"))

        async def seen() -> bool:
            return len((await source.read()).nodes) == 2

        await until(seen, 10, "the tree")
        root, waiter = (await source.read()).nodes
        assert root.pid == sessions[0].get_server_pid() and root.wrote and root.tables == ("t",) and root.behind == 1
        assert waiter.blocked_by == (root.pid,) and "transactionid" in waiter.waits_for
        assert "superuser" in root.protected
        await sessions[0].execute("ROLLBACK")
        await waiting
    finally:
        await source.close()
        for session in sessions:
            await session.close(timeout=5)


async def test_an_absent_extension_and_hidden_rows_are_said(postgres: PostgresPair) -> None:
    source = StatementSource(server("primary", postgres.primary_port))
    survey = await source.read()
    await source.close()
    assert survey.missing.startswith("pg_stat_statements is not installed in database postgres")
    assert "CREATE EXTENSION" in survey.missing and survey.statements == ()
    stranger = ReplicationSource(server("primary", postgres.primary_port, "stranger"))
    assert (await stranger.read()).missing_grants == ("GRANT pg_monitor TO stranger",)
    await stranger.close()


async def test_replicas_are_shown_while_the_primary_is_silent(postgres: PostgresPair) -> None:
    source = ReplicationSource(server("primary", free_port()), [server("r", postgres.replica_port)])
    survey = await source.read()
    await source.close()
    assert "refuses connections" in survey.primary_problem
    (one,) = survey.replicas
    assert (one.receiver, one.behind_bytes, one.compared) == ("streaming", None, False)
    alone = ReplicationSource(server("primary", free_port()), [server("r", free_port())])
    with pytest.raises(Unreachable):
        await alone.read()
    await alone.close()


async def test_both_sides_of_a_real_pair(postgres: PostgresPair) -> None:
    source = ReplicationSource(server("primary", postgres.primary_port), [server("r", postgres.replica_port)])

    async def settled() -> bool:
        return (await source.read()).replicas[0].behind_bytes == 0

    await until(settled, 20, "the replica to have caught up")
    survey = await source.read()
    await source.close()
    (one,) = survey.replicas
    assert one.sender == f"127.0.0.1:{postgres.primary_port}" and one.slot == "r1" and one.too_small == ()
    assert [standby.state for standby in survey.standbys] == ["streaming"]
    assert [(found.name, found.active) for found in survey.slots] == [("r1", True)]


async def test_tables_and_settings_of_a_real_server(postgres: PostgresPair) -> None:
    postgres.psql("DROP TABLE IF EXISTS mine; CREATE TABLE mine (a int, b int); CREATE INDEX mine_a ON mine (a, b)")
    tables = TableSource(server("primary", postgres.primary_port))
    found = next(one for one in (await tables.read()).tables if one.name == "mine")
    assert (found.columns, found.indexes, found.owner) == (("a", "b"), ("a, b",), "admin")
    await tables.close()
    settings = SettingSource(server("primary", postgres.primary_port), [server("r", free_port())])
    survey = await settings.read()
    await settings.close()
    assert ("primary", "max_connections", "30") in {(one.server, one.name, one.value) for one in survey.settings}
    assert len(survey.problems) == 1 and "r refuses connections" in survey.problems[0] and survey.waiting == ()
