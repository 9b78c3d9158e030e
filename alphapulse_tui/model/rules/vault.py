"""What is wrong with Vault: sealed nodes, no active node, raft, our own token (runbook 2.3 and 4.2, facts 2.3).

The runbook makes any sealed node a P0. Settled in the open (design 3): one sealed standby is a warning; a sealed leader, no active node
or a quorum at risk is P0. Used by ``sources.vault`` after every reading.
"""

from __future__ import annotations

from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.rules import missing, span, worst_first
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.model.vault import VaultNode, VaultSnapshot

TARGET = "vault"
SEALED = "vault-sealed"
LATENCY = "vault-latency"


def judge(snapshot: VaultSnapshot, thresholds: Thresholds, now: float) -> tuple[Finding, ...]:
    """The findings, worst first. ``now`` is unix seconds."""
    return worst_first(
        [
            *_sealed(snapshot),
            *_no_active(snapshot, thresholds, now),
            *_two_active(snapshot),
            *[found for node in snapshot.nodes for found in _node(node)],
            *_raft(snapshot),
            *_token(snapshot, thresholds, now),
            *missing(TARGET, snapshot.missing_grants, "facts 11.4"),
        ]
    )


def _sealed(snapshot: VaultSnapshot) -> list[Finding]:
    sealed = snapshot.sealed
    if not sealed:
        return []
    total = len(snapshot.nodes)
    quorum = total // 2 + 1
    led = {node.leader_address.rstrip("/") for node in snapshot.nodes if node.leader_address}
    leaders = [node for node in sealed if node.is_leader or node.address.rstrip("/") in led]
    names = ", ".join(node.name for node in sealed)
    if total - len(sealed) < quorum:
        sentence = f"{len(sealed)} of {total} nodes are sealed ({names}): no quorum"
        return [_finding(Health.CRITICAL, sentence, sealed[0].name, SEALED, Severity.P0, "runbook 4.2")]
    if leaders and snapshot.active is None:
        sentence = f"the leader {leaders[0].name} is sealed"
        return [_finding(Health.CRITICAL, sentence, leaders[0].name, SEALED, Severity.P0, "runbook 4.2")]
    return [_finding(Health.WARNING, _about(node), node.name, SEALED, None, "design 3") for node in sealed]


def _about(node: VaultNode) -> str:
    if node.auto_unseal:
        return f"{node.name} is sealed and opens by {node.seal_type}, not by shares: look at its KMS"
    return f"{node.name} is sealed, {node.progress} of {node.threshold} shares given"


def _two_active(snapshot: VaultSnapshot) -> list[Finding]:
    """Exactly one node answers 200 (facts 2.3.1)."""
    active = [node.name for node in snapshot.nodes if node.health_code == 200]
    if len(active) < 2:
        return []
    said = f"{' and '.join(active)} both say that they are active: one of them is not of this cluster, or raft is split"
    return [_finding(Health.CRITICAL, said, active[0], LATENCY, Severity.P1, "facts 2.3.1")]


def _no_active(snapshot: VaultSnapshot, thresholds: Thresholds, now: float) -> list[Finding]:
    if snapshot.active is not None or snapshot.no_active_since is None:
        return []
    age = now - snapshot.no_active_since
    severity = Severity.P0 if age >= thresholds.vault_no_active else Severity.P1
    told = {node.leader_address for node in snapshot.nodes if node.leader_address}
    silent = [
        node.name
        for node in snapshot.nodes
        if node.problem and node.address.rstrip("/") in {one.rstrip("/") for one in told}
    ]
    sentence = "no node is active: Vault serves nobody" + (
        f"; the leader that they name, {silent[0]}, does not answer" if silent else ""
    )
    return [
        _finding(
            Health.CRITICAL, sentence, "cluster", LATENCY if not snapshot.sealed else SEALED, severity, "facts 2.3.1"
        )
    ]


def _node(node: VaultNode) -> list[Finding]:
    if node.problem:
        return [
            _finding(
                Health.UNKNOWN,
                f"{node.problem}: its seal state is not verified",
                node.name,
                SEALED,
                None,
                "facts 2.3.1",
            )
        ]
    if not node.initialized:
        return [_finding(Health.CRITICAL, f"{node.name} is not initialised", node.name, "", None, "facts 8.4")]
    if node.health_code == 474:
        return [
            _finding(Health.WARNING, f"{node.name} cannot reach the active node", node.name, LATENCY, None, "facts 8.4")
        ]
    if node.health_code == 530:
        return [
            _finding(Health.CRITICAL, f"{node.name} has been removed from raft", node.name, LATENCY, None, "facts 8.4")
        ]
    if not node.sealed and node.health_code not in (200, 429, 472, 473):
        sentence = f"{node.name} answers its health check with code {node.health_code}"
        return [_finding(Health.WARNING, sentence, node.name, LATENCY, None, "facts 8.4")]
    return []


def _raft(snapshot: VaultSnapshot) -> list[Finding]:
    raft = snapshot.raft
    if raft is None:
        return (
            [_finding(Health.UNKNOWN, snapshot.raft_problem, "raft", LATENCY, None, "facts 2.3.2")]
            if snapshot.raft_problem
            else []
        )
    found = []
    if raft.failure_tolerance == 0 and len(snapshot.nodes) > 1:
        found.append(
            _finding(Health.WARNING, "raft survives no further loss of a node", "raft", LATENCY, None, "facts 2.3.2")
        )
    elif not raft.healthy:
        names = ", ".join(raft.unhealthy) or "a server"
        found.append(
            _finding(Health.WARNING, f"raft does not call {names} healthy", "raft", LATENCY, None, "facts 2.3.2")
        )
    return found


def _token(snapshot: VaultSnapshot, thresholds: Thresholds, now: float) -> list[Finding]:
    if snapshot.token_expires_at is None:
        return []
    left = snapshot.token_expires_at - now
    if left > thresholds.credential_expiry_warning:
        return []
    return [
        _finding(Health.WARNING, f"our own Vault token ends in {span(max(0.0, left))}", "token", "", None, "facts 8.4")
    ]


def _finding(
    health: Health, sentence: str, subject: str, procedure: str, severity: Severity | None, source: str
) -> Finding:
    return Finding(TARGET, health, sentence, subject, procedure, severity, source)
