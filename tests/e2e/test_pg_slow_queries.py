"""The database is slow; an engineer finds the blockers, the runaway and the missing index by keyboard, and ``psql`` confirms each cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.lab_handle import LabHandle

pytestmark = pytest.mark.lab

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'"
_ROOTS = "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('settlement-worker', 'billing-import')"
_REPORT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'quarterly-report' AND state = 'active'"
_VALID = "SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass('idx_trades_tenant_symbol')"


def diagnose(cockpit: CockpitTerminal, lock: str, active: str = "ok: no query") -> None:
    """From the list of procedures through the four looks, to the branch."""
    cockpit.wait_live("PostgreSQL")
    cockpit.choose_procedure("pg-slow-queries")
    cockpit.run_step("What runs for long", active)
    cockpit.run_step("Who blocks whom", lock)
    cockpit.run_step("What takes the time", "ok: ")
    cockpit.run_step("Which index is missing", "ok: ")


def confirm(cockpit: CockpitTerminal, *said: str) -> None:
    """Press the letter, and go back when the target has said that it is done."""
    cockpit.press(cockpit.confirmation())
    cockpit.wait_text("verified:", "Esc back", *said)
    cockpit.press("escape")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_both_root_blockers_are_ended_and_the_waiting_go_on(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.superuser("ANALYZE")
    postgres_lab.break_("lock-chain")
    assert (postgres_lab.psql(_WAITING), postgres_lab.psql(_ROOTS)) == ("2", "2")
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        diagnose(cockpit, "bad: 2 wait for locks")
        cockpit.run_step("What to do first", "suggests: End the root blockers")
        cockpit.run_step("End the root blockers")
        cockpit.wait_text("Terminates 2 root blockers: 2 of 2")
        confirm(cockpit, "nobody waits for a lock")
        cockpit.run_step("What is left of the locks", "suggests: Nobody waits")
        cockpit.run_step("Nobody waits, nothing runs long", "ok: nobody waits")
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)

        assert (postgres_lab.psql(_WAITING), postgres_lab.psql(_ROOTS)) == ("0", "0")
        (proof,) = cockpit.journal(Kind.VERIFIED)
        assert proof.payload["before"]["sessions waiting for a lock"] == "2"
        assert proof.payload["after"]["sessions waiting for a lock"] == "0"
        assert_recorded(cockpit, "pg-slow-queries", "pg.terminate-root-blockers")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_prepared_transaction_is_named_and_rolled_back_by_its_name(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.superuser("ANALYZE")
    postgres_lab.break_("lock-chain", "prepared")
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        diagnose(cockpit, "settlement-close-2026-11")
        cockpit.run_step("What to do first", "suggests: End the root blockers")
        cockpit.run_step("End the root blockers")
        confirm(cockpit, "2 sessions wait for others")
        cockpit.run_step("What is left of the locks", "suggests: Roll back the prepared")
        cockpit.run_step("Roll back the prepared transaction")
        cockpit.confirm_name("settlement-close-2026-11")
        cockpit.wait_text("verified:", "Esc back")
        cockpit.press("escape")
        assert postgres_lab.psql("SELECT count(*) FROM pg_prepared_xacts") == "0"
        assert postgres_lab.psql(_WAITING) == "0"
        cockpit.run_step("Does anybody wait still", "suggests: Nobody waits")
        cockpit.run_step("Nobody waits, nothing runs long", "ok: nobody waits")
        assert_recorded(cockpit, "pg-slow-queries", "pg.terminate-root-blockers", "pg.rollback-prepared")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_runaway_report_is_cancelled_and_its_session_lives(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.superuser("ANALYZE")
    postgres_lab.break_("slow-query")
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        diagnose(cockpit, "ok: nobody waits", "quarterly-report")
        cockpit.run_step("What to do first", "suggests: Cancel the longest query")
        cockpit.run_step("Cancel the longest query")
        cockpit.wait_text("quarterly-report")
        cockpit.confirm_safe()
        cockpit.wait_text("verified:", "Esc back")
        cockpit.press("escape")
        cockpit.run_step("Did it stop", "suggests: Nobody waits")
        cockpit.run_step("Nobody waits, nothing runs long", "ok: nobody waits")
        assert postgres_lab.psql(_REPORT) == "0"
        alive = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'quarterly-report'"
        assert postgres_lab.psql(alive) == "1"
        assert_recorded(cockpit, "pg-slow-queries", "pg.cancel-query")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_missing_index_is_found_and_built(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("missing-index")
    postgres_lab.superuser("ANALYZE")
    assert postgres_lab.psql(_VALID) == ""
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        cockpit.wait_live("PostgreSQL")
        cockpit.choose_procedure("pg-slow-queries")
        cockpit.run_step("What runs for long", "ok: no query")
        cockpit.run_step("Who blocks whom", "ok: nobody waits")
        cockpit.run_step("What takes the time", "one statement took")
        cockpit.run_step("Which index is missing", "bad: public.trades is read whole", "(tenant_id, symbol)")
        cockpit.run_step("What to do first", "suggests: Build the missing index")
        cockpit.run_step("Build the missing index", "name idx_trades_tenant")
        confirm(cockpit, "is valid and ready")
        assert postgres_lab.psql(_VALID) == "t"
        cockpit.run_step("Is anything left", "suggests: Nobody waits")
        cockpit.run_step("Nobody waits, nothing runs long", "ok: nobody waits")
        assert_recorded(cockpit, "pg-slow-queries", "pg.create-index")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_where_nothing_is_wrong_the_plan_itself_is_looked_at(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("missing-index")
    postgres_lab.superuser("CREATE INDEX idx_trades_tenant_symbol ON trades (tenant_id, symbol)")
    postgres_lab.superuser("ANALYZE")
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        diagnose(cockpit, "ok: nobody waits")
        cockpit.run_step("What to do first", "suggests: Look at the plan")
        cockpit.run_step("Look at the plan", "Enter plans it")
        cockpit.wait_text("read: the plan of statement", "idx_trades_tenant_symbol")
        cockpit.leave("read: the plan")
        cockpit.run_step("Nobody waits, nothing runs long", "ok: nobody waits")
        assert_recorded(cockpit, "pg-slow-queries")
