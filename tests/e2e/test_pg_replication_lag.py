"""A replica falls behind; an engineer finds out why and mends it by keyboard, and ``psql`` on the replica says that it replays."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

REPLICA = "postgres-replica-0"


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


@pytest.mark.long
def test_a_forgotten_pause_is_resumed(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("replica-lag")
    assert on_replica(postgres_lab, "SELECT pg_get_wal_replay_pause_state()") == "paused"
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        diagnose(cockpit, "bad: postgres-replica-0 is 2", "somebody paused the replay")
        cockpit.run_step("What to mend first", "suggests: Resume the replay")
        cockpit.run_step("Resume the replay")
        cockpit.wait_text("that it has received come first")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "has caught up", "Esc back")
        cockpit.press("escape")
        cockpit.run_step("Is anything else in the way", "nothing holds replication up")
        cockpit.run_step("It has caught up and stays so", "ok: no replica is behind")
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)

        assert on_replica(postgres_lab, "SELECT pg_get_wal_replay_pause_state()") == "not paused"
        assert on_replica(postgres_lab, "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()") == "t"
        (intent,), (outcome,), (proof,) = (cockpit.journal(kind) for kind in (Kind.INTENT, Kind.OUTCOME, Kind.VERIFIED))
        assert intent.payload["plan"]["action"] == "pg.resume-replay"
        assert outcome.payload["outcome"] == "done" and proof.payload["verdict"] == "verified"
        assert proof.payload["before"]["replay"] == "paused" and proof.payload["after"]["replay"] == "not paused"


@pytest.mark.long
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
        cockpit.run_step("It has caught up and stays so", "ok: no replica is behind")
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)
    assert on_replica(postgres_lab, reader) == "0"
    assert on_replica(postgres_lab, "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()") == "t"


@pytest.mark.long
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
        cockpit.wait_step("It has caught up and stays so")
        assert cockpit.journal(Kind.INTENT) == []


@pytest.mark.long
def test_an_idle_primary_is_no_lag(postgres_lab: LabHandle, state: Path) -> None:
    naive = "SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp()) > 20"
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        cockpit.wait_live("PostgreSQL")
        wait_until(lambda: on_replica(postgres_lab, naive) == "t", 60, "the runbook's formula to cry wolf")
        cockpit.choose_procedure("pg-replication-lag")
        cockpit.run_step("How far it is behind", "ok: no replica is behind")
