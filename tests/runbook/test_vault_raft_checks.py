"""What raft says of itself, and who votes."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.runbook.checks import Passed
from tests.runbook.test_vault_checks import ALONE, ONE_LOST, TOLD, WHOLE, look, node


def test_raft_whole_lost_late_and_leaderless() -> None:
    assert look("vault.raft", WHOLE).sentence == "raft is whole: 3 voters, raft may lose 1 more"
    lost = look("vault.raft", ONE_LOST)
    assert lost.sentence == "vault-2 is not healthy; raft may lose 0 more"
    assert "not heard of for 65 s" in dict(lost.rows)["vault-2"]
    late = replace(WHOLE, nodes=(replace(node(0, 200), telemetry=replace(TOLD, contact_p99=306.0)), node(1), node(2)))
    assert look("vault.raft", late).value == "contact" and look("vault.whole", late).passed is Passed.YES
    assert look("vault.raft", replace(WHOLE, failure_tolerance=0)).value == "no-spare"
    unwell = look("vault.raft", replace(WHOLE, healthy=False, peers=()))
    assert (unwell.passed, "unhealthy" in unwell.sentence) == (Passed.NO, True)
    unseen = look("vault.raft", replace(WHOLE, peers=()))
    assert (unseen.passed, "who votes is not known" in unseen.sentence) == (Passed.UNKNOWN, True)
    alone = look("vault.raft", ALONE)
    assert (alone.passed, alone.sentence) == (Passed.NO, "no quorum: 1 of 3 nodes are open and raft needs 2")
    assert look("vault.whole", ONE_LOST).passed is Passed.NO
