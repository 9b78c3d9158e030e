"""PostgreSQL's detail screen by keys: the lock tree, a row's text, its fixes, its procedure; ``psql`` says what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import fixes
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(400)]

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'"


def open_sessions(cockpit: CockpitTerminal) -> None:
    """From the cockpit to PostgreSQL's first view."""
    cockpit.wait_live("PostgreSQL")
    cockpit.press("3")
    cockpit.wait_text("[3 PostgreSQL]")
    cockpit.press("enter")
    cockpit.wait_text("[sessions]")


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (160, 45)])
def test_the_lock_tree_and_its_fix(postgres_lab: LabHandle, state: Path, columns: int, lines: int) -> None:
    postgres_lab.break_("lock-chain")
    with CockpitTerminal(postgres_lab.profile, state, columns=columns, lines=lines) as cockpit:
        open_sessions(cockpit)
        cockpit.press("2")
        cockpit.wait_text("WHO BLOCKS WHOM", "2 wait; at the root: pid", "settlement-worker", "tenant-export")
        cockpit.press("enter")
        cockpit.wait_text("what it wrote is rolled back", "2 sessions, directly or through others")
        cockpit.leave("what it wrote is rolled back")
        cockpit.press("f")
        cockpit.wait_text("terminate all 2 root blockers")
        cockpit.press("1")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "Esc back")
        cockpit.leave("verified:")
        cockpit.wait_text("nobody waits for a lock")
        done, failed = fixes(cockpit)
        assert ([action for action, _, _ in done], failed) == (["pg.terminate-root-blockers"], [])
    assert postgres_lab.psql(_WAITING) == "0"


def test_every_view_shows_what_is_broken(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("missing-index")
    postgres_lab.break_("replica-conflict", "lock")
    with CockpitTerminal(postgres_lab.profile, state, columns=160, lines=45) as cockpit:
        open_sessions(cockpit)
        for key, words in (
            ("3", ("usable slots", "portfolio-page")),
            ("4", ("in the last", "sum(quantity * price)")),
            ("5", ("replay waits: Lock:relation", "monthly-report", "slot postgres_replica_0")),
            ("6", ("public.trades", "read whole during the last")),
            ("7", ("public.idx_trades_executed_at", "unused")),
            ("8", ("max_connections", "nothing waits for a restart")),
        ):
            cockpit.press(key)
            cockpit.wait_text(*words)
        cockpit.press("5")
        cockpit.wait_text("monthly-report")
        cockpit.press("p")
        cockpit.wait_step("How far it is behind")


def go_to(cockpit: CockpitTerminal, head: str, words: str) -> None:
    """From the first row, below the head of columns that begins with ``head``, to the one that holds ``words``."""
    lines = cockpit.wait_text(head, words).split("\n")
    first = next(number for number, one in enumerate(lines) if one.lstrip().startswith(head)) + 1
    row = next(number for number, one in enumerate(lines) if words in one)
    cockpit.press(*["down"] * (row - first))


BLOATED = "SELECT last_vacuum IS NOT NULL, n_dead_tup FROM pg_stat_user_tables WHERE relname = 'trade_audit'"


@pytest.fixture
def bloated(postgres_lab: LabHandle) -> Iterator[LabHandle]:
    """Every row of a table is dead once over, and autovacuum does not come."""
    postgres_lab.superuser("ALTER TABLE trade_audit SET (autovacuum_enabled = off)")
    postgres_lab.superuser("UPDATE trade_audit SET note = note")
    wait_until(lambda: postgres_lab.psql(BLOATED).split("|")[1] == "5000", 20, "the statistics of what died")
    by = postgres_lab.superuser("SELECT max(xmin::text::bigint) FROM trade_audit")
    seen = f"SELECT bool_and(xmin::text::bigint > {by}) FROM pg_replication_slots WHERE active"
    wait_until(lambda: postgres_lab.psql(seen) == "t", 40, "the replica to say that it sees none of the dead rows")
    yield postgres_lab
    postgres_lab.superuser("ALTER TABLE trade_audit RESET (autovacuum_enabled)")


def test_a_bloated_table_is_vacuumed_from_its_view(bloated: LabHandle, state: Path) -> None:
    with CockpitTerminal(bloated.profile, state) as cockpit:
        open_sessions(cockpit)
        cockpit.press("6")
        go_to(cockpit, "TABLE", "public.trade_audit")
        cockpit.press("f")
        cockpit.wait_text("1  vacuum public.trade_audit  suggested")
        cockpit.press("1")
        cockpit.wait_text("Removes up to 5,000 dead rows")
        cockpit.confirm_safe()
        cockpit.wait_text("verified:", "1 of 1 tables are vacuumed", "Esc back")
        ((action, _, verified),), failed = fixes(cockpit)
        assert not failed
        figures = (verified.payload["before"], verified.payload["after"])
        assert (action, [one["dead rows of public.trade_audit"] for one in figures]) == ("pg.vacuum", ["5,000", "0"])
    assert bloated.psql(BLOATED) == "t|0"


def test_a_statement_is_explained_as_its_owner_by_choice_only(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("missing-index")
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        open_sessions(cockpit)
        cockpit.press("4")
        cockpit.wait_text("in the last")
        go_to(cockpit, "TOOK", "sum(quantity")
        cockpit.press("f")
        cockpit.wait_text("explain it (executes nothing)", "as the owner of the tables")
        cockpit.press("1")
        cockpit.wait_text("permission denied for table trades", "Esc back")
        cockpit.leave("permission denied")
        cockpit.press("f")
        cockpit.wait_text("as the owner of the tables")
        cockpit.press("2")
        cockpit.wait_text("read: the plan of statement", "Seq Scan on trades", "Esc back")
        assert cockpit.journal(Kind.INTENT) == []
