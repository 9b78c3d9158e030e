"""Every ordinary PostgreSQL slot is taken; an engineer ends the leaking sessions by keyboard, and ``psql`` says what lives and what fell."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from alphapulse_tui.executor.confirm import LETTERS
from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

CRITICAL_PERCENT = 80.0
"""Runbook 4.2."""

PROTECTED = ("pgbouncer", "dba-maintenance", "pg_dump", "postgres-replica-0", "walreceiver")
"""Applications whose sessions must live on: a pool, a superuser, a backup, the replica."""

_USAGE = """
SELECT 100.0 * count(*) / (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                           - current_setting('reserved_connections')::int)
  FROM pg_stat_activity WHERE backend_type = 'client backend'
"""
_SESSIONS = "SELECT pid, backend_start, application_name FROM pg_stat_activity WHERE {} ORDER BY pid"
_LEAKED = "application_name IN ('report-exporter', 'api-leak')"
_YOUNG = f"{_LEAKED} AND now() - state_change < interval '11 seconds'"
_FORGOTTEN = (
    "state LIKE 'idle in transaction%' AND now() - state_change > interval '6 seconds' AND usename <> 'postgres'"
)


def usage(lab: LabHandle) -> float:
    """Percent of the ordinary slots that are taken."""
    return float(lab.psql(_USAGE))


def sessions(lab: LabHandle, which: str) -> list[str]:
    """``pid|backend_start|application`` of the sessions that the condition names."""
    return lab.psql(_SESSIONS.format(which)).splitlines()


def all_slots_taken(screen: str) -> bool:
    """Whether the PostgreSQL panel says so (the on-call's own session comes in by the reserve, so it may be one more)."""
    found = re.search(r"(\d+)/(\d+) slots", screen)
    return found is not None and int(found[1]) >= int(found[2])


def open_first_victims(cockpit: CockpitTerminal) -> None:
    """From the first step to the plan that ends sessions idle in transaction, which then asks for its letter."""
    cockpit.run_step("How many slots are taken", "usable slots taken")
    cockpit.run_step("Is it a role's or database's own limit")
    cockpit.run_step("Who holds them")
    cockpit.run_step("What to end first", "suggests: End sessions idle in transaction")
    cockpit.run_step("End sessions idle in transaction")


@pytest.mark.parametrize(
    ("columns", "lines", "to_the_end"),
    [(80, 24, False), pytest.param(160, 45, True, marks=[pytest.mark.long, pytest.mark.timeout(400)])],
)
def test_a_storm_is_mended_and_who_must_live_lives(
    platform: LabHandle, state: Path, columns: int, lines: int, to_the_end: bool
) -> None:
    platform.break_("connection-storm")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        platform.psql("SELECT 1", role="alphapulse_app")
    assert "remaining connection slots are reserved" in refused.value.stderr
    protected = f"application_name IN {PROTECTED}"
    before = sessions(platform, protected)
    assert {one.split("|")[2] for one in before} >= {"pgbouncer", "dba-maintenance", "pg_dump"}
    with CockpitTerminal(platform.profile, state, columns=columns, lines=lines) as cockpit:
        cockpit.wait_until(
            lambda _: cockpit.badges().get("PostgreSQL") == "CRIT", 60, "a live, critical PostgreSQL panel"
        )
        cockpit.wait_until(all_slots_taken, 30, "every slot taken")
        cockpit.wait_verdict("p: pg-connections")
        wait_until(lambda: not sessions(platform, _YOUNG), 40, "leaked sessions that are old enough")
        cockpit.press("p")
        open_first_victims(cockpit)
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("sent and answered", "verified:", "Esc back")
        cockpit.press("escape")
        cockpit.run_step("End sessions that only idle")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("sent and answered", "verified:", "Esc back")
        cockpit.press("escape")
        cockpit.run_step("Usage fell", "ok: ")
        cockpit.run_step("Is there room enough", "suggests: It stays down")
        cockpit.wait_step("It stays down")
        if to_the_end:
            cockpit.press("enter")
        else:
            cockpit.press("b")
            cockpit.answer("left out?", "watched elsewhere")
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=120)

        assert usage(platform) < CRITICAL_PERCENT
        assert sessions(platform, protected) == before
        assert sessions(platform, _LEAKED) == []
        assert platform.psql("SELECT 1", role="alphapulse_app") == "1"
        proofs = cockpit.journal(Kind.VERIFIED)
        assert [event.payload["verdict"] for event in proofs] == ["verified", "verified"]
        assert all(event.payload["before"] and event.payload["after"] for event in proofs)
        if to_the_end:
            assert_recorded(cockpit, "pg-connections", "pg.terminate-idle-in-transaction", "pg.terminate-idle")


@pytest.mark.long
def test_what_is_not_confirmed_is_not_done(platform: LabHandle, state: Path) -> None:
    platform.break_("idle-in-transaction")
    wait_until(lambda: len(sessions(platform, _FORGOTTEN)) == 3, 30, "three transactions that are old enough")
    before = sessions(platform, _FORGOTTEN)
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("PostgreSQL")
        cockpit.choose_procedure("pg-connections")
        open_first_victims(cockpit)
        letter = cockpit.confirmation()
        wrong = next(other for other in LETTERS if other != letter)
        cockpit.press(wrong, wrong.upper())
        assert cockpit.confirmation() == letter
        cockpit.leave("to do it")
        for _ in range(2):
            cockpit.run_step("End sessions idle in transaction", "Enter plans it")
            cockpit.confirmation()
            cockpit.press("enter")
            cockpit.wait_until(lambda screen: "to do it" not in screen, 30, "the dialog gone")
        cockpit.wait_step("End sessions idle in transaction")
        assert cockpit.journal(Kind.INTENT) == []
    assert sessions(platform, _FORGOTTEN) == before


BACKUP_LIMIT = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'backup'"


@pytest.fixture
def backups_at_their_limit(postgres_lab: LabHandle) -> Iterator[LabHandle]:
    """The lab with every connection of role backup taken by something that works; its limit is put back."""
    limit = int(postgres_lab.psql(BACKUP_LIMIT))
    environment = {"PGPASSFILE": str(postgres_lab.secret("pgpass-backup")), "PGAPPNAME": "nightly-export"}
    where = [
        "-h",
        "127.0.0.1",
        "-p",
        str(postgres_lab.ports["postgres-primary"]),
        "-U",
        "backup",
        "-d",
        "alphapulse_prod",
    ]
    argv = [str(postgres_lab.psql_path), "-X", *where, "-c", "SELECT pg_sleep(600)"]
    working = [
        subprocess.Popen(argv, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(limit)
    ]
    try:
        wait_until(lambda: len(sessions(postgres_lab, "usename = 'backup'")) == limit, 20, "every connection of backup")
        yield postgres_lab
    finally:
        for one in working:
            one.terminate()
            one.wait(10)
        postgres_lab.superuser(f"ALTER ROLE backup CONNECTION LIMIT {limit}")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_roles_own_limit_is_no_reason_for_a_larger_server(backups_at_their_limit: LabHandle, state: Path) -> None:
    lab = backups_at_their_limit
    with pytest.raises(subprocess.CalledProcessError, match="psql") as refused:
        lab.psql("SELECT 1", role="backup")
    assert 'too many connections for role "backup"' in refused.value.stderr
    assert usage(lab) < CRITICAL_PERCENT
    before = sessions(lab, "usename = 'backup'")
    with CockpitTerminal(lab.profile, state) as cockpit:
        cockpit.wait_live("PostgreSQL")
        cockpit.choose_procedure("pg-connections")
        cockpit.run_step("How many slots are taken", "ok: ")
        cockpit.run_step(
            "Is it a role's or database's own limit", "bad: role backup at its own limit", "the server has room"
        )
        cockpit.run_step("Who holds them")
        cockpit.run_step("What to end first", "suggests: Raise or drain that one limit")
        cockpit.wait_step("Raise or drain that one limit")
        cockpit.wait_text("max_connections does nothing for it")
        lab.superuser(f"ALTER ROLE backup CONNECTION LIMIT {len(before) + 3}")
        cockpit.press("enter")
        cockpit.answer("What was done or found?", "three more for role backup")
        cockpit.run_step("Nobody is at a limit of their own", "ok: no role or database")
        cockpit.wait_step("It stays down")
        cockpit.press("enter")
        assert_recorded(cockpit, "pg-connections")
        done = {event.payload["step"]: event.payload["state"] for event in cockpit.journal(Kind.STEP)}
        left_out = ("end-idle-in-transaction", "end-idle", "max-connections", "waits-for-restart")
        assert {step: done[step] for step in left_out} == dict.fromkeys(left_out, "skipped")
    assert lab.psql("SELECT 1", role="backup") == "1"
    assert sessions(lab, "usename = 'backup'") == before
    assert lab.psql("SELECT pending_restart FROM pg_settings WHERE name = 'max_connections'") == "f"
