"""The fixes for Vault: give shares, or take a spoilt round back."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.fixes.contract import Fix, Maker, Readings, first, offer
from alphapulse_tui.model.vault import VaultNode, VaultSnapshot


def _vault(key: str, readings: Readings) -> list[Fix]:
    snapshot: VaultSnapshot | None = readings["vault"].snapshot
    if snapshot is None:
        return [offer("vault.unseal", "unseal next node", node="next")]
    sealed = [node for node in snapshot.sealed if not node.auto_unseal]
    none = _no_share_helps(snapshot)
    fixes = []
    row = first(snapshot.nodes, lambda node: node.name == key)
    if row is not None and row in sealed:
        fixes.append(offer("vault.unseal", f"unseal {row.name} ({_round(row)})", node=row.name))
    following = max(sealed, key=lambda node: node.progress, default=None)
    if not fixes:
        title = f"unseal next node: {following.name} ({_round(following)})" if following else "unseal next node"
        fixes.append(replace(offer("vault.unseal", title, node="next"), why_not=none))
    if len(sealed) > 1:
        fixes.append(offer("vault.unseal", f"give one share to all {len(sealed)} sealed nodes"))
    begun = [node.name for node in sealed if node.progress]
    reset = offer("vault.reset-unseal", f"reset the unseal round{' of ' + ', '.join(begun) if begun else ''}")
    fixes.append(replace(reset, why_not="" if begun else "no round of shares is under way"))
    if sealed:
        # A share that one person has brought opens every node a step further; without a row that is what the procedure does too.
        best = fixes[0] if row in sealed or len(sealed) == 1 else fixes[1]
        fixes = [replace(fix, suggested=fix is best) for fix in fixes]
    return fixes


def _no_share_helps(snapshot: VaultSnapshot) -> str:
    if not snapshot.sealed:
        silent = [node.name for node in snapshot.nodes if node.problem]
        return f"no node that answers is sealed; {', '.join(silent)}: no answer" if silent else "no node is sealed"
    if all(node.auto_unseal for node in snapshot.sealed):
        return f"{snapshot.sealed[0].name} is opened by {snapshot.sealed[0].seal_type}, not by shares: mend the KMS"
    return ""


def _round(node: VaultNode) -> str:
    return f"{node.progress}/{node.threshold}"


MAKERS: dict[str, Maker] = {"vault": _vault}
"""By menu."""
