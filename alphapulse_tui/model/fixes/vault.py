"""The fixes for Vault: give shares, take a spoilt round back, let the leader step down, restart one node, take a dead peer out of raft."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.fixes.contract import Fix, Maker, Readings, first, offer
from alphapulse_tui.model.vault import VaultNode, VaultSnapshot
from alphapulse_tui.model.vault_raft import VaultSurvey


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
    return [*fixes, *_cluster(row, snapshot)]


def _cluster(row: VaultNode | None, snapshot: VaultSnapshot) -> list[Fix]:
    """Step down, restart, remove: what the panel's own reading already forbids says so, the rest the plan decides."""
    active = snapshot.active
    none = "" if active is not None else "no node leads: without a quorum raft can change nothing"
    spare = "raft has no node to spare" if snapshot.raft is not None and not snapshot.raft.failure_tolerance else ""
    title = f"let {active.name} step down" if active is not None else "let the leader step down"
    fixes = [replace(offer("vault.step-down", title), why_not=none or spare)]
    standby = row if row is not None and row is not active else None
    if row is not None and row is active:
        fixes.append(replace(_restart(row.name), why_not="it leads: let it step down first"))
    else:
        fixes.append(replace(_restart(standby.name if standby is not None else ""), why_not=none))
    fixes.append(_remove(standby, snapshot, none))
    return fixes


def _restart(name: str) -> Fix:
    params = {"node": name} if name else {}
    return offer("vault.restart-node", f"restart {name or 'the slowest standby'} (it comes back sealed)", **params)


def _remove(row: VaultNode | None, snapshot: VaultSnapshot, none: str) -> Fix:
    silent = [node for node in snapshot.nodes if node.problem]
    gone = row if row is not None and row.problem else silent[0] if len(silent) == 1 and row is None else None
    params = {"peer": gone.name} if gone is not None else {}
    fix = offer("vault.remove-peer", f"take {gone.name if gone else 'a dead server'} out of raft", **params)
    if none:
        return replace(fix, why_not=none)
    if row is not None and not row.problem:
        return replace(fix, why_not=f"{row.name} answers: it is not dead")
    return replace(fix, why_not="" if silent else "every node answers")


def _of_survey(key: str, readings: Readings) -> list[Fix]:
    """The menu of a server in raft or of a node's times: what fits that row first."""
    survey: VaultSurvey | None = readings["vault-raft"].snapshot
    if survey is None:
        return _vault(key, readings) if "vault" in readings else []
    peer = first(survey.peers, lambda peer: peer.name == key)
    found = _vault(key, readings) if "vault" in readings else []
    best = ""
    if peer is not None and peer.dead:
        best = "vault.remove-peer"
        fix = offer(best, f"take {peer.name} out of raft", peer=peer.name)
        none = "" if survey.leader is not None else "no node leads: without a quorum raft can change nothing"
        found = [replace(fix, why_not=none), *(other for other in found if other.action_id != best)]
    return [replace(fix, suggested=fix.suggested or (fix.action_id == best and not fix.why_not)) for fix in found]


def _no_share_helps(snapshot: VaultSnapshot) -> str:
    if not snapshot.sealed:
        silent = [node.name for node in snapshot.nodes if node.problem]
        return f"no node that answers is sealed; {', '.join(silent)}: no answer" if silent else "no node is sealed"
    if all(node.auto_unseal for node in snapshot.sealed):
        return f"{snapshot.sealed[0].name} is opened by {snapshot.sealed[0].seal_type}, not by shares: mend the KMS"
    return ""


def _round(node: VaultNode) -> str:
    return f"{node.progress}/{node.threshold}"


MAKERS: dict[str, Maker] = {"vault": _vault, "vault-raft": _of_survey}
"""By menu."""
