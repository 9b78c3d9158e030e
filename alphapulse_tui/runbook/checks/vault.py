"""Checks of Vault (runbook 2.3): per node, because the seal is a property of the node."""

from __future__ import annotations

from alphapulse_tui.model.vault import VaultNode, VaultSnapshot
from alphapulse_tui.model.vault_log import Cause, VaultLogs
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene

STANDBY_CODES = (429, 472, 473)
"""What ``sys/health`` answers on a node that is well and does not lead: standby, DR secondary, performance standby (facts 2.3.1, 8.4)."""


def seal(scene: Scene) -> CheckResult:
    """Which nodes are sealed, and how far an unseal has come on each."""
    snapshot: VaultSnapshot | None = scene.snapshot("vault")
    if snapshot is None:
        return scene.silence("vault")
    rows = tuple(
        (node.name, node.problem or (f"{node.role}  {node.progress}/{node.threshold}" if node.sealed else node.role))
        for node in snapshot.nodes
    )
    sealed, silent = snapshot.sealed, [node for node in snapshot.nodes if node.problem]
    if sealed:
        names = ", ".join(node.name for node in sealed)
        return CheckResult(Passed.NO, f"{len(sealed)} of {len(snapshot.nodes)} sealed: {names}", rows, "sealed")
    if snapshot.uninitialised:
        return CheckResult(Passed.NO, _empty(snapshot.uninitialised), rows, "uninitialised")
    if silent:
        return CheckResult(
            Passed.UNKNOWN,
            f"{', '.join(node.name for node in silent)} does not answer: its seal is not verified",
            rows,
            "silent",
        )
    return CheckResult(Passed.YES, f"all {len(snapshot.nodes)} nodes are unsealed", rows, "unsealed")


def seal_type(scene: Scene) -> CheckResult:
    """Whether key shares open the nodes, or a KMS does."""
    snapshot: VaultSnapshot | None = scene.snapshot("vault")
    if snapshot is None:
        return scene.silence("vault")
    answering = [node for node in snapshot.nodes if not node.problem]
    rows = tuple(
        (node.name, f"{node.seal_type}{', recovery seal' if node.recovery_seal else ''}") for node in answering
    )
    if not answering:
        return CheckResult(Passed.UNKNOWN, "no node answers", rows, "unknown")
    if any(not node.initialized for node in answering):
        return CheckResult(
            Passed.NO,
            "a node is not initialised: that is a new cluster or a lost volume, and never mended by init here",
            rows,
            "uninitialised",
        )
    if any(node.auto_unseal for node in answering):
        return CheckResult(
            Passed.NO,
            "auto-unseal: key shares do nothing; mend the KMS (permission, network, key state), then restart",
            rows,
            "auto",
        )
    threshold = max(node.threshold for node in answering)
    shares = max(node.shares for node in answering)
    return CheckResult(
        Passed.YES, f"Shamir: {threshold} of {shares} key shares open a node, from {threshold} people", rows, "shamir"
    )


def round_state(scene: Scene) -> CheckResult:
    """Whether a round of shares is under way, and whether the nodes agree on it."""
    snapshot: VaultSnapshot | None = scene.snapshot("vault")
    if snapshot is None:
        return scene.silence("vault")
    rows = tuple(
        (node.name, f"{node.progress}/{node.threshold}  round {node.nonce or 'not begun'}") for node in snapshot.sealed
    )
    begun = [node for node in snapshot.sealed if node.progress]
    if not snapshot.sealed:
        return CheckResult(Passed.YES, "no node is sealed", rows, "none")
    if begun:
        said = ", ".join(f"{node.name} {node.progress}/{node.threshold}" for node in begun)
        return CheckResult(
            Passed.YES,
            f"a round is under way: {said}; go on with it, or reset it if a wrong share is in it",
            rows,
            "begun",
        )
    return CheckResult(Passed.YES, "no share has been given yet", rows, "fresh")


def why(scene: Scene) -> CheckResult:
    """Why each sealed node sealed, as far as its log and its pod tell."""
    snapshot: VaultSnapshot | None = scene.snapshot("vault")
    if snapshot is None:
        return scene.silence("vault")
    if not snapshot.sealed:
        return CheckResult(Passed.YES, "no node is sealed", (), "open")
    logs: VaultLogs | None = scene.snapshot("vault-logs")
    if logs is None:
        silence = scene.silence("vault-logs").sentence
        return CheckResult(Passed.UNKNOWN, f"why is not known from here: {silence}", (), "unknown")
    found = [(node, logs.of(node.name)) for node in snapshot.sealed]
    rows = tuple(
        (node.name, "its log is not read" if log is None else log.problem or log.seal.sentence) for node, log in found
    )
    causes = {log.seal.cause for _, log in found if log is not None and not log.problem}
    for cause, said in _CAUSES.items():
        if cause in causes:
            return CheckResult(Passed.YES, said, rows, cause.value)
    return CheckResult(Passed.UNKNOWN, "the logs do not say why: look at the timeline, ask", rows, "unknown")


_CAUSES = {
    Cause.PERSON: "somebody sealed it on purpose: ask who and why before you open it",
    Cause.KMS: "its KMS does not open it: mend that (network, IAM, state of the key)",
    Cause.STORAGE: "it lost its storage: mend the disk before you open it",
    Cause.RESTART: "its process was started anew; a Shamir node always comes back sealed",
}
"""The gravest first."""


def quorum(scene: Scene) -> CheckResult:
    """How many nodes must be open before raft can elect a leader, and how many are."""
    snapshot: VaultSnapshot | None = scene.snapshot("vault")
    if snapshot is None:
        return scene.silence("vault")
    total, needed = len(snapshot.nodes), len(snapshot.nodes) // 2 + 1
    opened = [node for node in snapshot.nodes if not node.problem and node.initialized and not node.sealed]
    rows = tuple((node.name, node.problem or node.role) for node in snapshot.nodes)
    silent = [node.name for node in snapshot.nodes if node.problem]
    if snapshot.active is not None:
        said = f"{snapshot.active.name} leads; {len(opened)} of {total} nodes are open"
        return CheckResult(Passed.YES, said, rows, "led")
    if len(opened) >= needed:
        return CheckResult(Passed.NO, f"{len(opened)} of {total} are open: enough, an election is due", rows, "enough")
    lacking = needed - len(opened)
    said = f"no quorum: {len(opened)} of {total} nodes are open, {lacking} more must be before one can lead"
    openable = len(snapshot.sealed)
    if openable < lacking:
        said += f"; only {openable} can be unsealed: bring {', '.join(silent) or 'another'} back first"
        return CheckResult(Passed.NO, said, rows, "lost")
    return CheckResult(Passed.NO, said, rows, "short")


def serving(scene: Scene) -> CheckResult:
    """Exactly one node answers as active, every other as its standby, and raft calls itself healthy (facts 2.3.1).

    A node that is removed (530) or cannot reach the leader (474) is not sealed either, and serves nobody. Raft's health that our token may
    not read is said to be unknown and is no verdict; one that was asked for in vain is *not verified*.
    """
    snapshot: VaultSnapshot | None = scene.snapshot("vault")
    if snapshot is None:
        return scene.silence("vault")
    raft = snapshot.raft
    rows = [(node.name, f"{node.role}  sys/health {node.health_code or 'no answer'}") for node in snapshot.nodes]
    if raft is not None:
        rows.append(("raft", f"{'healthy' if raft.healthy else 'UNHEALTHY'}, may lose {raft.failure_tolerance}"))
    evidence = tuple(rows)
    if snapshot.active is None:
        said = f"no node answers 200: Vault serves nobody; {quorum(scene).sentence}"
        return CheckResult(Passed.NO, said, evidence, "no-active")
    serves = f"{snapshot.active.name} serves"
    if snapshot.sealed:
        still = ", ".join(node.name for node in snapshot.sealed)
        return CheckResult(Passed.NO, f"{serves}, but still sealed: {still}", evidence, "sealed")
    if snapshot.uninitialised:
        return CheckResult(Passed.NO, f"{serves}, but {_empty(snapshot.uninitialised)}", evidence, "uninitialised")
    answering = [node for node in snapshot.nodes if not node.problem]
    leaders = [node.name for node in answering if node.health_code == 200]
    if len(leaders) > 1:
        return CheckResult(Passed.NO, f"{', '.join(leaders)} all answer as the active node", evidence, "split")
    astray = [node for node in answering if node.health_code not in (200, *STANDBY_CODES)]
    if astray:
        names = ", ".join(f"{node.name} answers its health check with code {node.health_code}" for node in astray)
        return CheckResult(Passed.NO, f"{serves}, but {names}", evidence, "astray")
    if len(answering) < len(snapshot.nodes):
        return CheckResult(Passed.UNKNOWN, f"{serves}, but not every node answers", evidence, "silent")
    return _with_raft(snapshot, snapshot.active, evidence)


def _with_raft(snapshot: VaultSnapshot, active: VaultNode, rows: tuple[tuple[str, str], ...]) -> CheckResult:
    """What raft adds to nodes that all answer as they should."""
    said = f"{active.name} is active, every node is unsealed"
    if snapshot.raft is not None and not snapshot.raft.healthy:
        names = ", ".join(snapshot.raft.unhealthy) or "a server"
        return CheckResult(Passed.NO, f"{said}, but raft does not call {names} healthy", rows, "raft")
    if snapshot.raft is not None:
        return CheckResult(Passed.YES, said, rows, "ok")
    if snapshot.raft_problem:
        return CheckResult(Passed.UNKNOWN, f"{said}, but {snapshot.raft_problem}", rows, "unknown")
    why = (
        "; ".join(f"our token needs {grant}" for grant in snapshot.missing_grants)
        or "it needs a token, and raft as the storage"
    )
    return CheckResult(Passed.YES, f"{said}; raft's health is not known: {why}", rows, "ok")


def _empty(nodes: tuple[VaultNode, ...]) -> str:
    """Nodes without data, in words."""
    names = ", ".join(node.name for node in nodes)
    return f"{names} is not initialised: it has lost its volume or never joined, and no key share opens it"


CHECKS: dict[str, Check] = {
    "vault.seal": seal,
    "vault.seal-type": seal_type,
    "vault.why": why,
    "vault.quorum": quorum,
    "vault.round": round_state,
    "vault.serving": serving,
}
