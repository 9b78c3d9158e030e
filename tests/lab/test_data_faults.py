"""Each fault of PostgreSQL and the backups: broken, seen by psql, alembic or an S3 client, mended, and gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.lab import s3
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

REPLICA = "postgres-replica-0"
SLOT = "reporting_replica_1"
WAITING = "SELECT application_name, cardinality(pg_blocking_pids(pid)) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
EXPLAIN = "EXPLAIN (COSTS OFF) SELECT count(*) FROM trades WHERE tenant_id = 7 AND symbol = 'AAPL'"
BEHIND = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) > 20000000"


def refused(run: Callable[[], str]) -> str:
    """The error of something that must fail."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run()
    return str(failed.value.stderr)


def alembic(lab: LabHandle, *words: str) -> subprocess.CompletedProcess[str]:
    """alembic with the migrations of the running release, as ``migrator``."""
    environment = {
        "PGHOST": "127.0.0.1", "PGPORT": str(lab.ports["postgres-primary"]), "PGUSER": "migrator",
        "PGDATABASE": "alphapulse_prod", "PGPASSFILE": str(lab.secret("pgpass-migrator")),
    }  # fmt: skip
    argv = [sys.executable, "-m", "alphapulse_tui.lab.migrations", *words]
    return subprocess.run(
        argv, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def slow_query(lab: LabHandle) -> bool:
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'quarterly-report' AND state = 'active' "
    return lab.psql(running + "AND wait_event IS NULL AND now() - query_start > interval '1 s'") == "1"


def two_blockers(lab: LabHandle) -> bool:
    return sorted(lab.psql(WAITING).splitlines()) == ["api-settings|1", "tenant-export|2"]


def prepared_blocker(lab: LabHandle) -> bool:
    chain = sorted(lab.psql(WAITING).splitlines()) == ["api-settings|1", "tenant-export|3"]
    return chain and lab.psql("SELECT count(*) FROM pg_prepared_xacts") == "1"


def missing_index(lab: LabHandle) -> bool:
    plan = lab.psql(EXPLAIN, role="alphapulse_app")
    pages = lab.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'portfolio-page'")
    return "Seq Scan on trades" in plan and pages == "3"


def lagging(lab: LabHandle) -> bool:
    paused = lab.psql("SELECT pg_get_wal_replay_pause_state()", server=REPLICA) == "paused"
    return paused and lab.psql(BEHIND, server=REPLICA) == "t"


def receiver_dead(lab: LabHandle) -> bool:
    receivers = lab.psql("SELECT count(*) FROM pg_stat_wal_receiver", server=REPLICA)
    senders = lab.psql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
    slot = lab.psql("SELECT active FROM pg_replication_slots WHERE slot_name = 'postgres_replica_0'")
    return (receivers, senders, slot) == ("0", "0", "f")


def conflict(lab: LabHandle) -> bool:
    wait = "SELECT wait_event_type || ':' || wait_event FROM pg_stat_activity WHERE backend_type = 'startup'"
    return lab.psql(wait, server=REPLICA) in ("IPC:RecoveryConflictSnapshot", "Lock:relation")


def slot_left_behind(lab: LabHandle) -> bool:
    slot = f"FROM pg_replication_slots WHERE slot_name = '{SLOT}' AND NOT active"
    held = lab.psql(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > 48000000 {slot}")
    oldest = lab.psql(f"SELECT count(*) {slot} AND pg_walfile_name(restart_lsn) IN (SELECT name FROM pg_ls_waldir())")
    return (held, oldest) == ("t", "1")


def no_slot_but_the_replicas(lab: LabHandle) -> bool:
    return streaming(lab) and lab.psql("SELECT slot_name, active FROM pg_replication_slots") == "postgres_replica_0|t"


def half_way(lab: LabHandle) -> bool:
    left = lab.psql("SELECT to_regclass('settlement_batches') IS NOT NULL, (SELECT version_num FROM alembic_version)")
    return left == "t|b7e24c9d0f13"


def unknown_revision(lab: LabHandle) -> bool:
    done = alembic(lab, "downgrade", "-1")
    return done.returncode != 0 and "Can't locate revision identified by 'd51f7a3c6e08'" in done.stdout + done.stderr


def dropped(lab: LabHandle) -> bool:
    gone = 'relation "trades" does not exist'
    return gone in refused(lambda: lab.psql("SELECT count(*) FROM trades", role="alphapulse_app"))


def corrupted(lab: LabHandle) -> bool:
    said = refused(lambda: lab.psql("SELECT count(note) FROM trade_audit", role="backup"))
    return "invalid page in block 1 of relation" in said


def too_old(lab: LabHandle) -> bool:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    said = [datetime.fromisoformat(one["created"]) < long_ago for one in s3.manifests(lab)]
    kept = [one["LastModified"] < long_ago for one in s3.objects(lab).values()]
    running = {one.name: one.state for one in lab.status().processes}["backup-agent"] == "running"
    return all(said) and all(kept) and len(said) > 5 and not running


def nobody_reports(lab: LabHandle) -> bool:
    active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'quarterly-report' AND state = 'active'"
    return lab.psql(active) == "0"


@dataclass(frozen=True)
class Case:
    """One fault and its symptom; without the fault the symptom is not there."""

    fault: str
    shows: Callable[[LabHandle], bool]
    whole: Callable[[LabHandle], bool]
    parameter: str = ""


def trades_whole(lab: LabHandle) -> bool:
    counted = lab.psql("SELECT count(*) >= 210000, count(DISTINCT tenant_id) FROM trades", role="alphapulse_app")
    indexes = "SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'trades'"
    wanted = "idx_trades_executed_at,idx_trades_tenant_symbol,trades_pkey"
    lab.psql(
        "INSERT INTO trades (tenant_id, symbol, side, quantity, price, executed_at) VALUES (1, 'AAPL', 'buy', 1, 1, now())",
        role="alphapulse_app",
    )
    return (counted, lab.psql(indexes)) == ("t|120", wanted)


def no_waiters(lab: LabHandle) -> bool:
    return lab.psql(WAITING) == "" and lab.psql("SELECT count(*) FROM pg_prepared_xacts") == "0"


def migrated(lab: LabHandle) -> bool:
    done = alembic(lab, "upgrade", "head")
    tables = lab.psql("SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_stat_user_tables")
    return done.returncode == 0 and tables == "alembic_version,tenants,trade_audit,trades"


def streaming(lab: LabHandle) -> bool:
    return lab.psql("SELECT status FROM pg_stat_wal_receiver", server=REPLICA) == "streaming"


def caught_up(lab: LabHandle) -> bool:
    return streaming(lab) and lab.psql("SELECT pg_get_wal_replay_pause_state()", server=REPLICA) == "not paused"


def fresh(lab: LabHandle) -> bool:
    lately = datetime.now(UTC) - timedelta(minutes=15)
    new = {one["kind"] for one in s3.manifests(lab) if datetime.fromisoformat(one["created"]) > lately}
    return new >= {"base", "dump", "rdb", "raft"}


CASES = (
    Case("slow-query", slow_query, nobody_reports),
    Case("lock-chain", two_blockers, no_waiters),
    Case("lock-chain", prepared_blocker, no_waiters, "prepared"),
    Case("missing-index", missing_index, lambda lab: "idx_trades_tenant_symbol" in lab.psql(EXPLAIN, "alphapulse_app")),
    Case("replica-lag", lagging, caught_up),
    Case("replica-stopped", receiver_dead, streaming),
    Case("replica-conflict", conflict, caught_up),
    Case("replica-conflict", conflict, caught_up, "lock"),
    Case("replication-slot-left-behind", slot_left_behind, no_slot_but_the_replicas),
    Case("failed-migration", half_way, migrated),
    Case("failed-migration", unknown_revision, migrated, "unknown"),
    Case("dropped-table", dropped, trades_whole),
    Case(
        "corrupted-database", corrupted, lambda lab: lab.psql("SELECT count(note) FROM trade_audit", "backup") == "5000"
    ),
    Case("backup-too-old", too_old, fresh),
)


QUICK = ("slow-query", "lock-chain", "replica-lag", "dropped-table", "failed-migration")
"""Cases of every run; the others are the long part of the table."""


def named(case: Case) -> str:
    return f"{case.fault} {case.parameter}".strip()


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=named(case), marks=[] if named(case) in QUICK else [pytest.mark.long]) for case in CASES],
)
def test_a_fault_shows_and_is_mended(whole_lab: LabHandle, case: Case) -> None:
    whole_lab.wait("s3")
    whole_lab.break_(case.fault, case.parameter)
    wait_until(lambda: case.shows(whole_lab), 20, f"the symptom of {case.fault}")
    whole_lab.mend(case.fault)
    wait_until(lambda: case.whole(whole_lab), 20, f"{case.fault} to be mended")
    wait_until(lambda: healthy(whole_lab), 20, "PostgreSQL to be whole")


def healthy(lab: LabHandle) -> bool:
    return {one.name: one.health for one in lab.status(with_health=True).targets}["postgres"] == ""


def by_hand(lab: LabHandle, sql: str, role: str = "oncall", server: str = "postgres-primary") -> None:
    for statement in sql.split(";"):
        lab.psql(statement, role, server)


HANDS: dict[str, Callable[[LabHandle], None]] = {
    "slow-query": lambda lab: by_hand(
        lab, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'quarterly-report'"
    ),
    "lock-chain": lambda lab: by_hand(
        lab,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('settlement-worker', 'billing-import') "
        "AND state = 'idle in transaction'",
    ),
    "replica-lag": lambda lab: by_hand(lab, "SELECT pg_wal_replay_resume()", server=REPLICA),
}


@pytest.mark.parametrize("fault", HANDS)
def test_what_the_oncall_mends_by_hand_stays_mended(whole_lab: LabHandle, fault: str) -> None:
    case = next(one for one in CASES if one.fault == fault)
    whole_lab.break_(fault)
    HANDS[fault](whole_lab)
    wait_until(lambda: case.whole(whole_lab), 20, f"{fault} to be mended by hand")
    whole_lab.mend(fault)
    assert case.whole(whole_lab)


def test_a_failed_migration_fails_again_and_a_downgrade_loses_what_it_says(whole_lab: LabHandle) -> None:
    whole_lab.break_("failed-migration")
    again = alembic(whole_lab, "--with", "broken", "upgrade", "heads")
    assert again.returncode != 0
    assert 'relation "settlement_batches" already exists' in again.stderr
    whole_lab.mend("failed-migration")
