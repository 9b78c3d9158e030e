"""PostgreSQL's detail screen by keys: the lock tree, a row's text, its fixes, its procedure; ``psql`` says what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.cockpit import CockpitTerminal
from tests.lab_handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.long]

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
