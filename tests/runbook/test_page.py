"""docs/procedures.md says what the procedure files say."""

from __future__ import annotations

from alphapulse_tui.actions.registry import ACTIONS
from alphapulse_tui.runbook.load import load_procedures
from tests.procedures_page import PAGE, page


def test_the_page_is_current_and_names_every_step_and_action() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(), "docs/procedures.md is old: python -m tests.procedures_page"
    for procedure in load_procedures().values():
        assert f"## {procedure.id}\n" in written
        assert all(f"`{step.id}`" in written for step in procedure.steps)
    assert all(f"| `{action}` |" in written for action in ACTIONS)
