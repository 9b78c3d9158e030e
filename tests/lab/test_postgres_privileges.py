"""The files of ``deploy/privileges/postgres``, which the lab applies: enough for what is done with each role, and not more.

A table of statements. What the cockpit's own code sends as ``oncall`` is taken from that code.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from alphapulse_tui.actions.sql import statement
from alphapulse_tui.lab.database import privilege_files
from alphapulse_tui.sources.sql import query
from tests.lab_handle import LabHandle

pytestmark = pytest.mark.lab

REPLICA = "postgres-replica-0"
SOURCES: dict[str, tuple[object, ...]] = {
    "connections": (), "groups": (), "limits": (), "sessions": ([],), "slots": (), "standbys": (), "blockers": (),
    "lock_edges": (), "lock_sessions": ([],), "lock_prepared": (), "statements_extension": (), "tables": (), "indexes": (),
    "replication_primary": (), "replication_standbys": (), "replication_slots": (), "settings": (),
}  # fmt: skip
"""The panels' queries on the primary, with parameters that choose nothing."""
ACTIONS: dict[str, tuple[object, ...]] = {
    "usage": (), "victims": (["idle"], "nobody", []), "remaining": ([], []), "terminate": ([], [], [], [], [], []),
    "queries": ([],), "signal_queries": ([], [], [], False, []), "running": ([], [], []), "terminate_blockers": ([], [], [], []),
    "prepared": ("",), "table": ("trades",), "index": (None, "nothing", "public"), "old_transactions": (60.0,), "builders": ("nobody",),
    "analyzable": ([], 10.0), "analyzable_17": ([], 10.0), "setting": (True,),
    "vacuumable": ([],), "vacuumable_17": ([],), "vacuuming": ("nobody",), "explainable_query": ([],), "planner": (),
    "slot": ("nobody",), "slot_17": ("nobody",), "unread_slots": (), "drop_slot": ("nobody", None),
}  # fmt: skip
"""The actions' statements, likewise."""
ON_REPLICA: dict[str, tuple[object, ...]] = {
    "replay": (),
    "replay_13": (),
    "conflicting": (),
    "signal_conflicting": ([], [], [], [], []),
}
"""The same for what is asked of a replica."""

ALLOWED = {
    "oncall": (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'nobody'",
        "SELECT version_num FROM alembic_version",
        "SELECT pg_reload_conf()",
        "ALTER SYSTEM SET max_connections = 60",
        "SELECT setting FROM pg_file_settings WHERE name = 'max_connections'",
        "SELECT count(query) FROM pg_stat_statements WHERE query = '<insufficient privilege>'",
        "ANALYZE trade_audit",
        "VACUUM (ANALYZE, SKIP_LOCKED) trade_audit",
        "SET ROLE alphapulse; CREATE INDEX idx_audit_trade ON trade_audit (trade_id); DROP INDEX idx_audit_trade",
    ),
    "viewer": (
        "SELECT version_num FROM alembic_version",
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'",
    ),
    "migrator": ("CREATE TABLE made_by_migrator (id int); DROP TABLE made_by_migrator",),
    "admin": (
        "SELECT count(*) FROM trades WHERE id < 10",
        "CREATE DATABASE beside",
        "ALTER DATABASE beside RENAME TO beside_old",
        "DROP DATABASE beside_old",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nobody'",
    ),
    "alphapulse_app": (
        "SELECT count(*) FROM trades WHERE tenant_id = 7",
        "UPDATE tenants SET plan = plan WHERE id = 1",
        "INSERT INTO trade_audit (trade_id, note, noted_at) SELECT 1, 'x', now() WHERE false",
    ),
    "alphapulse_worker": ("SELECT count(*) FROM trades WHERE tenant_id = 7",),
    "reporting": ("SELECT count(*) FROM tenants",),
    "backup": ("SELECT count(*) FROM trade_audit",),
}
DENIED = {
    "oncall": (
        "SELECT * FROM trades LIMIT 1",
        "UPDATE tenants SET plan = plan",
        "DROP TABLE trades",
        "CREATE TABLE mine (id int)",
        "CREATE INDEX ON trades (symbol)",
        "SELECT pg_wal_replay_pause()",
        "ALTER SYSTEM SET shared_buffers = '1GB'",
        "SELECT pg_stat_statements_reset()",
        "SELECT pg_promote()",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SELECT pg_read_file('postgresql.conf')",
        "CREATE ROLE friend",
        "CREATE DATABASE mine",
        "SELECT rolpassword FROM pg_authid",
        "SET ROLE backup",
        "SET ROLE replicator",
        "SELECT pg_drop_replication_slot('postgres_replica_0')",
        "SELECT pg_create_physical_replication_slot('mine')",
    ),
    "viewer": (
        "SELECT * FROM trades LIMIT 1",
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'replicator'",
        "SET ROLE alphapulse",
        "SET transaction_read_only = off; CREATE TABLE mine (id int)",
        "SELECT pg_wal_replay_resume()",
        "SELECT pg_reload_conf()",
        "ALTER SYSTEM SET max_connections = 60",
    ),
    "admin": (
        "ALTER SYSTEM SET work_mem = '1GB'",
        "CREATE ROLE friend SUPERUSER",
        "SELECT pg_read_file('postgresql.conf')",
    ),
    "alphapulse_app": (
        "DELETE FROM trades WHERE id = 1",
        "TRUNCATE trades",
        "DROP TABLE trades",
        "SELECT * FROM trade_audit",
        "UPDATE alembic_version SET version_num = 'x'",
        "CREATE TABLE mine (id int)",
        "SET ROLE alphapulse",
    ),
    "alphapulse_worker": ("DELETE FROM trades WHERE id = 1",),
    "reporting": ("UPDATE tenants SET plan = plan WHERE id = 1", "SELECT * FROM alembic_version"),
    "backup": ("UPDATE tenants SET plan = plan WHERE id = 1", "CREATE TABLE mine (id int)"),
    "replicator": ("SELECT 1",),
}


async def connect(lab: LabHandle, role: str, server: str = "postgres-primary") -> asyncpg.Connection:
    """As the cockpit connects."""
    return await asyncpg.connect(
        host="127.0.0.1", port=lab.ports[server], user=role, database="alphapulse_prod",
        passfile=lab.secret(f"pgpass-{role}"), ssl=False, timeout=10,
    )  # fmt: skip


async def ask(lab: LabHandle, role: str, sql: str, *parameters: object, server: str = "postgres-primary") -> list[Any]:
    """A statement as the cockpit sends it."""
    connection = await connect(lab, role, server)
    try:
        return list(await connection.fetch(sql, *parameters))
    finally:
        await connection.close()


@pytest.mark.parametrize("role", ["oncall", "viewer"])
async def test_everything_that_the_panels_ask_is_answered(postgres_lab: LabHandle, role: str) -> None:
    for name, parameters in SOURCES.items():
        await ask(postgres_lab, role, query(name, 170000), *parameters)
    for name in ("replication_replica", "replication_sessions"):
        assert (await ask(postgres_lab, role, query(name, 170000), server=REPLICA)) is not None
    row = (await ask(postgres_lab, role, query("replica", 170000), server=REPLICA))[0]
    assert (row["in_recovery"], row["receiver"], row["sees_all"]) == (True, "streaming", True)
    hidden = "SELECT count(*) FROM pg_stat_activity WHERE query = '<insufficient privilege>'"
    assert (await ask(postgres_lab, role, hidden))[0][0] == 0


async def test_every_statement_of_the_actions_runs_as_oncall_and_viewer_is_told_that_he_may_not(
    postgres_lab: LabHandle,
) -> None:
    for name, parameters in ACTIONS.items():
        await ask(postgres_lab, "oncall", statement(name), *parameters)
    for name, parameters in ON_REPLICA.items():
        await ask(postgres_lab, "oncall", statement(name), *parameters, server=REPLICA)
    postgres_lab.break_("idle-in-transaction")
    states = ["idle in transaction", "idle in transaction (aborted)"]
    for role, may in (("oncall", True), ("viewer", False)):
        victims = await ask(postgres_lab, role, statement("victims"), states, "", [])
        assert [row["may_signal"] for row in victims] == [may] * 3
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'report-exporter'"
    with pytest.raises(subprocess.CalledProcessError, match="psql"):
        postgres_lab.psql(ended, "viewer")
    assert postgres_lab.psql(ended, "oncall") == "t"


def test_the_oncall_resumes_replay_that_somebody_paused(postgres_lab: LabHandle) -> None:
    postgres_lab.psql("SELECT pg_wal_replay_pause()", "admin", REPLICA)
    with pytest.raises(subprocess.CalledProcessError):
        postgres_lab.psql("SELECT pg_wal_replay_resume()", "viewer", REPLICA)
    postgres_lab.psql("SELECT pg_wal_replay_resume()", "oncall", REPLICA)
    assert postgres_lab.psql("SELECT pg_is_wal_replay_paused()", "oncall", REPLICA) == "f"


async def test_a_role_that_leaks_is_stopped_at_its_own_limit(postgres_lab: LabHandle) -> None:
    limit = int(postgres_lab.psql("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'viewer'"))
    unlimited = "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND rolconnlimit < 0"
    assert postgres_lab.psql(unlimited) == ""
    async with contextlib.AsyncExitStack() as stack:
        taken = int(postgres_lab.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'viewer'"))  # the exporter
        for _ in range(limit - taken):
            stack.push_async_callback((await connect(postgres_lab, "viewer")).close)
        with pytest.raises(asyncpg.TooManyConnectionsError, match='too many connections for role "viewer"'):
            await connect(postgres_lab, "viewer")


def test_the_files_can_be_applied_again(postgres_lab: LabHandle) -> None:
    roles = "SELECT string_agg(rolname || rolconnlimit || rolcreatedb, ',' ORDER BY rolname) FROM pg_roles"
    before = postgres_lab.psql(roles)
    for file in privilege_files():
        superuser(postgres_lab, file)
    assert postgres_lab.psql(roles) == before


def superuser(lab: LabHandle, file: Path) -> None:
    """Apply a file as the README says."""
    environment = {
        "PGPASSFILE": str(lab.secret("pgpass-postgres")), "PGHOST": lab.psql("SHOW unix_socket_directories"),
        "PGPORT": str(lab.ports["postgres-primary"]), "PGUSER": "postgres",
    }  # fmt: skip
    argv = [str(lab.psql_path), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "alphapulse_prod", "-f", str(file)]
    subprocess.run(argv, env={**os.environ, **environment}, check=True, timeout=30)


def pairs(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(role, sql) for role, statements in table.items() for sql in statements]


@pytest.mark.parametrize(("role", "sql"), pairs(ALLOWED))
def test_enough(postgres_lab: LabHandle, role: str, sql: str) -> None:
    postgres_lab.psql(sql, role)


@pytest.mark.parametrize(("role", "sql"), pairs(DENIED))
def test_and_not_more(postgres_lab: LabHandle, role: str, sql: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        postgres_lab.psql(sql, role)
    assert "permission denied" in refused.value.stderr or "must be" in refused.value.stderr, refused.value.stderr
