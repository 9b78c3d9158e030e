"""Every value that a branch's check can answer has a case, or is left to ``otherwise`` on purpose; both are listed here."""

from __future__ import annotations

import pytest

from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import BranchStep

SILENT = {"unknown", "silent", "unreachable"}
"""Values of checks that could not look: a branch suggests nothing then, whatever its cases."""

VALUES: dict[str, set[str]] = {
    "pg.victims": {"idle-in-transaction", "idle", "limit", "none"},
    "pg.room": {"full", "limit", "enough", "idle"},
    "pg.lag-cause": {"lost", "settings", "paused", "conflict", "receiver", "sending", "replaying", "slot", "none"},
    "pg.slots-unforgotten": {"slot", "none"},
    "pg.slow-cause": {"blocked", "prepared", "deadlock", "slow", "index", "building", "stale", "untold", "none"},
    "redis.memory-first": {"giant", "buffers", "policy", "memory", "ok"},
    "redis.memory-next": {"buffers", "policy", "memory", "ok"},
    "redis.leaders": {"partition", "master-down", "no-majority", "master-lost", "forgotten", "ok"},
    "redis.slots": {"open", "uncovered", "gone", "differ", "ok"},
    "redis.ghosts": {"ghosts", "none"},
    "vault.trouble": {"no-quorum", "no-leader", "sealed", "dead-peer", "audit", "all", "leader", "standby", "fine"},
    "vault.seal-type": {"shamir", "auto", "uninitialised"},
    "vault.seal": {"sealed", "uninitialised", "unsealed"},
    "vault.round": {"none", "begun", "fresh"},
    "api.cause": {
        "memory",
        "image",
        "config",
        "database",
        "redis",
        "vault",
        "application",
        "release",
        "dependency",
        "room",
        "well",
    },
    "api.error-verdict": {
        "well",
        "release",
        "release-database",
        "release-redis",
        "release-vault",
        "database",
        "redis",
        "vault",
    },
    "api.latency-verdict": {
        "well",
        "release",
        "release-cache",
        "cache",
        "release-database",
        "release-redis",
        "release-vault",
        "database",
        "redis",
        "vault",
        "crowded",
        "crowded-by-hand",
        "api",
    },
    "api.room": {"by-hand", "broken", "at-maximum", "scales"},
    "rollout.mending": {"broken", "mending"},
}
"""What each check that a branch asks can answer, but for :data:`SILENT`."""

OTHERWISE: dict[str, set[str]] = {
    "api-crashloop/after-memory": {"broken"},
    "api-crashloop/after-roll-back": {"broken"},
    "api-errors/after-roll-back": {"broken"},
    "api-latency/verdict": {"api"},
    "api-latency/after-roll-back": {"broken"},
    "api-latency/after-maximum": {"at-maximum", "broken", "by-hand"},
    "pg-connections/choose": {"none"},
    "pg-replication-lag/still": {"replaying", "sending"},
    "redis-memory/choose": {"ok"},
    "redis-memory/after-clients": {"ok"},
    "redis-memory/after-unlink": {"ok"},
    "redis-memory/after-policy": {"ok", "policy"},
    "redis-memory/enough": {"ok"},
    "redis-split-brain/leaders": {"forgotten", "ok"},
    "redis-split-brain/leads-now": {"forgotten", "master-lost", "ok"},
    "redis-split-brain/after-force": {"forgotten", "master-lost", "ok", "partition"},
    "redis-split-brain/after-takeover": {"forgotten", "master-lost", "ok"},
    "redis-split-brain/slots": {"differ", "ok"},
    "redis-split-brain/coverage": {"differ", "ok"},
    "redis-split-brain/lost": {"differ", "ok", "open", "uncovered"},
    "redis-split-brain/ghosts": {"none"},
    # All of these lead to ``quick``, a proof that fails and names what it found.
    "vault-latency/after-quorum": {"all", "audit", "leader", "no-leader", "standby"},
    "vault-latency/after-peer": {"audit", "dead-peer", "no-leader", "no-quorum"},
    "vault-latency/after-unseal": {"no-leader", "no-quorum", "sealed"},
    "vault-latency/after-step-down": {"audit", "dead-peer", "leader", "no-leader", "no-quorum", "sealed"},
    "vault-latency/after-restart": {"audit", "dead-peer", "no-leader", "no-quorum", "sealed"},
    "vault-latency/after-audit": {"dead-peer", "no-leader", "no-quorum", "sealed"},
    "vault-latency/after-host": {"audit", "dead-peer", "no-leader", "no-quorum", "sealed"},
    "vault-sealed/kms-opened": {"sealed"},
}
"""Values that a branch leaves to ``otherwise`` because that is where they belong."""

BY_HAND: dict[str, set[str]] = {"vault-sealed/round": {"spoilt"}}
"""Cases that only a person chooses: what no check can know, or must not suggest."""

BRANCHES = {
    f"{procedure.id}/{step.id}": step
    for procedure in load_procedures().values()
    for step in procedure.steps
    if isinstance(step, BranchStep)
}


@pytest.mark.parametrize("name", BRANCHES)
def test_every_value_has_its_way(name: str) -> None:
    step = BRANCHES[name]
    cases = {case.when for case in step.cases}
    assert VALUES[step.check] - cases == OTHERWISE.get(name, set()), "a value has no case"
    assert cases - BY_HAND.get(name, set()) <= VALUES[step.check] | SILENT, "a case is for a value that never comes"


def test_the_tables_name_no_branch_that_is_gone() -> None:
    assert set(OTHERWISE) | set(BY_HAND) <= set(BRANCHES)
    assert set(VALUES) == {step.check for step in BRANCHES.values()}


def test_nobodys_shares_are_thrown_away_unless_a_person_says_so() -> None:
    goes = {case.when: case.goto for case in BRANCHES["vault-sealed/round"].cases}
    assert goes == {"fresh": "unseal", "begun": "unseal", "none": "unsealed", "spoilt": "reset"}
    assert "spoilt" not in VALUES["vault.round"]
