"""A replica falls behind; an engineer finds out why and mends it by keyboard, and ``psql`` on the replica says that it replays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

REPLICA = "postgres-replica-0"
SLOT = "reporting_replica_1"
SLOTS = "SELECT slot_name FROM pg_replication_slots ORDER BY slot_name"
MAY_DROP = "GRANT replicator TO oncall WITH INHERIT FALSE, SET TRUE"


def on_replica(lab: LabHandle, sql: str) -> str:
    """What psql says on the replica."""
    return lab.psql(sql, server=REPLICA)


def diagnose(cockpit: CockpitTerminal, found: str, seen: str) -> None:
    """From the list of procedures through the four looks, to the branch."""
    cockpit.wait_live("PostgreSQL")
    cockpit.choose_procedure("pg-replication-lag")
    cockpit.run_step("How far it is behind", found)
    cockpit.run_step("What the primary sees")
    cockpit.run_step("The slots")
    cockpit.run_step("What the replica sees", seen)


def to_the_end(cockpit: CockpitTerminal) -> None:
    """The proofs: the replica has caught up, and no slot was left behind."""
    cockpit.run_step("It has caught up and stays so", "ok: no replica is behind")
    cockpit.run_step("Was a slot left behind too", "no slot was left behind")
    cockpit.run_step("No slot was left behind", "ok: no slot was left behind")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_forgotten_pause_is_resumed(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("replica-lag")
    assert on_replica(postgres_lab, "SELECT pg_get_wal_replay_pause_state()") == "paused"
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        diagnose(cockpit, "bad: the replay of postgres-replica-0 is paused; so far 2", "somebody paused the replay")
        cockpit.run_step("What to mend first", "suggests: Resume the replay")
        cockpit.run_step("Resume the replay")
        cockpit.wait_text("that it has received come first")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "has caught up", "Esc back")
        cockpit.press("escape")
        cockpit.run_step("Is anything else in the way", "nothing holds replication up")
        to_the_end(cockpit)
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)

        assert on_replica(postgres_lab, "SELECT pg_get_wal_replay_pause_state()") == "not paused"
        assert on_replica(postgres_lab, "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()") == "t"
        (intent,), (outcome,), (proof,) = (cockpit.journal(kind) for kind in (Kind.INTENT, Kind.OUTCOME, Kind.VERIFIED))
        assert intent.payload["plan"]["action"] == "pg.resume-replay"
        assert outcome.payload["outcome"] == "done" and proof.payload["verdict"] == "verified"
        assert proof.payload["before"]["replay"] == "paused" and proof.payload["after"]["replay"] == "not paused"
        assert_recorded(cockpit, "pg-replication-lag", "pg.resume-replay")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_query_that_stands_in_the_way_is_cancelled(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("replica-conflict")
    reader = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'monthly-report' AND state = 'active'"
    assert on_replica(postgres_lab, reader) == "1"
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        diagnose(cockpit, "postgres-replica-0", "IN THE WAY")
        cockpit.run_step("What to mend first", "suggests: End the conflicting query")
        cockpit.run_step("End the conflicting query")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "Esc back")
        cockpit.press("escape")
        cockpit.run_step("Is anything left", "nothing holds replication up")
        to_the_end(cockpit)
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)
        assert on_replica(postgres_lab, reader) == "0"
        assert on_replica(postgres_lab, "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()") == "t"
        assert_recorded(cockpit, "pg-replication-lag", "pg.cancel-conflicting")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_dead_receiver_is_no_green_lag_of_nothing(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("replica-stopped")
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        diagnose(cockpit, "receives nothing", "NOT RUNNING from 127.0.0.1:1")
        cockpit.run_step("What to mend first", "suggests: Mend the receiver")
        cockpit.wait_step("Mend the receiver")
        postgres_lab.mend("replica-stopped")
        cockpit.press("enter")
        cockpit.answer("What was done or found?", "primary_conninfo had port 1")
        cockpit.run_step("After the receiver is mended", "nothing holds replication up")
        to_the_end(cockpit)
        assert_recorded(cockpit, "pg-replication-lag")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_an_idle_primary_is_no_lag(postgres_lab: LabHandle, state: Path) -> None:
    naive = "SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp()) > 20"
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        cockpit.wait_live("PostgreSQL")
        wait_until(lambda: on_replica(postgres_lab, naive) == "t", 60, "the runbook's formula to cry wolf")
        cockpit.choose_procedure("pg-replication-lag")
        cockpit.run_step("How far it is behind", "ok: no replica is behind")


@pytest.fixture
def administrator(postgres_lab: LabHandle) -> Iterator[LabHandle]:
    """The lab with somebody who can grant; what was granted is taken back."""
    yield postgres_lab
    postgres_lab.superuser("REVOKE replicator FROM oncall")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_slot_that_was_left_behind_is_dropped_with_an_administrator(administrator: LabHandle, state: Path) -> None:
    administrator.break_("replication-slot-left-behind")
    assert administrator.psql(SLOTS) == f"postgres_replica_0\n{SLOT}"
    with CockpitTerminal(administrator.profile, state) as cockpit:
        cockpit.wait_live("PostgreSQL")
        cockpit.choose_procedure("pg-replication-lag")
        cockpit.run_step("How far it is behind", "ok: no replica is behind")
        cockpit.run_step("What the primary sees", "ok: ")
        cockpit.run_step("The slots", f"bad: slot {SLOT} was left behind", "of postgres-replica-0", "safe for")
        cockpit.run_step("What the replica sees", "every replica receives and replays")
        cockpit.run_step("What to mend first", "suggests: Drop the slot")
        cockpit.run_step("Drop the slot that was left behind")
        cockpit.wait_text("may not drop a slot", "not possible now")
        assert MAY_DROP in " ".join(cockpit.screen.replace("│", " ").split())
        cockpit.press("escape")
        administrator.superuser(MAY_DROP)
        cockpit.run_step("Drop the slot that was left behind", "Enter plans it")
        cockpit.wait_text(f"Drops slot {SLOT}", "becomes replicator by SET ROLE")
        cockpit.confirm_name(SLOT)
        cockpit.wait_text("verified:", "is gone", "Esc back")
        cockpit.press("escape")
        cockpit.run_step("Is another slot or a replica in trouble", "nothing holds replication up")
        to_the_end(cockpit)
        assert administrator.psql(SLOTS) == "postgres_replica_0"
        assert_recorded(cockpit, "pg-replication-lag", "pg.drop-slot")
