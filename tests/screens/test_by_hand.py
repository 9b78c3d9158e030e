"""What is refused from here is not handed out to be run by hand."""

from __future__ import annotations

from alphapulse_tui.runbook.deed import _evidence
from alphapulse_tui.screens.plan_lines import plan_lines
from tests.screens.hand import a_plan as plan

HURTS = "kubectl -n alphapulse delete pod vault-0"
REFUSED = plan(shell=HURTS, refusal="raft would lose its quorum")


def test_a_refused_plans_command_is_shown_as_comments() -> None:
    shown = [line.text.strip() for line in plan_lines(REFUSED, 100)]
    assert f"# {HURTS}" in shown and HURTS not in shown
    assert HURTS in [line.text.strip() for line in plan_lines(plan(shell=HURTS), 100)]


def test_headless_it_is_a_comment_as_well_and_no_command_is_no_line() -> None:
    assert _evidence(REFUSED)[0] == [
        "by hand",
        f"# Not to be run as it stands: raft would lose its quorum.\n# {HURTS}",
    ]
    assert _evidence(plan(shell=HURTS))[0] == ["by hand", HURTS]
    assert not any(name == "by hand" for name, _ in _evidence(plan(shell="", refusal="there is none")))
