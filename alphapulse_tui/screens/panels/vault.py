"""Panel 5: Vault, node by node: sealed or not, unseal progress, who leads, quorum."""

from __future__ import annotations

from alphapulse_tui.model.vault import VaultNode, VaultSnapshot
from alphapulse_tui.widgets.lines import Line, line

NOT_CONFIGURED = "No Vault: set [vault] with its nodes in the profile, or VAULT_ADDR."

_STYLES = {"leader": "ok", "standby": "ok", "SEALED": "critical", "uninitialised": "critical", "no answer": "unknown"}


def body(snapshot: VaultSnapshot) -> list[Line]:
    """One line a node, then raft."""
    lines = [_node(node) for node in snapshot.nodes]
    if snapshot.active is None:
        lines.insert(0, line(("no active node: Vault serves nobody", "critical")))
    if snapshot.raft is not None:
        raft = snapshot.raft
        lines.append(
            line(
                "raft ",
                ("healthy" if raft.healthy else "UNHEALTHY", "ok" if raft.healthy else "critical"),
                f"  may lose {raft.failure_tolerance} of {raft.voters}",
            )
        )
    lines += [line(("missing right: ", "warning"), grant) for grant in snapshot.missing_grants]
    return lines


def _node(node: VaultNode) -> Line:
    role = node.role
    detail = ("", "dim")
    if node.problem:
        detail = (f"  {node.problem}", "unknown")
    elif node.sealed and node.auto_unseal:
        detail = (f"  auto-unseal by {node.seal_type}: key shares do nothing here", "warning")
    elif node.sealed:
        detail = (f"  unseal {node.progress}/{node.threshold}", "warning")
    else:
        detail = (f"  {node.version}", "dim")
    word = role if role == "SEALED" or node.problem else f"unsealed {role}" if node.initialized else role
    return line((f"{node.name} ", "strong"), (word, _STYLES[role]), detail, key=node.name)
