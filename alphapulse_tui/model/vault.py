"""Vault or OpenBao, node by node: sealed or not, how far an unseal has come, who leads.

Read by ``sources.vault`` without a token (``sys/seal-status``, ``sys/health``, ``sys/leader``); raft health needs one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VaultNode:
    """One node's own answer. ``problem`` is set when it did not answer: then its seal state is *not verified*."""

    name: str
    address: str
    problem: str = ""
    health_code: int = 0
    """HTTP code of ``sys/health``: 200 active, 429 standby, 472/473 secondary, 501 uninitialised, 503 sealed."""
    initialized: bool = False
    sealed: bool = False
    seal_type: str = ""
    """``shamir``, ``awskms`` ...: with any but shamir the node unseals itself and key shares do nothing."""
    recovery_seal: bool = False
    threshold: int = 0
    shares: int = 0
    progress: int = 0
    nonce: str = ""
    """Changes whenever somebody starts the round anew."""
    version: str = ""
    is_leader: bool = False
    leader_address: str = ""

    @property
    def auto_unseal(self) -> bool:
        """Whether a KMS opens this node, so that shares do not."""
        return self.recovery_seal or (self.seal_type not in ("", "shamir"))

    @property
    def role(self) -> str:
        """One word of the trade: ``leader``, ``standby``, ``SEALED``, ``uninitialised``, or ``no answer``."""
        if self.problem:
            return "no answer"
        if not self.initialized:
            return "uninitialised"
        if self.sealed:
            return "SEALED"
        return "leader" if self.is_leader else "standby"


@dataclass(frozen=True, slots=True)
class RaftHealth:
    """``sys/storage/raft/autopilot/state``: quorum as raft knows it."""

    healthy: bool
    failure_tolerance: int
    leader: str
    voters: int
    unhealthy: tuple[str, ...] = ()
    """Names of the servers that autopilot does not call healthy."""


@dataclass(frozen=True, slots=True)
class VaultSnapshot:
    """Every configured node's own answer, and raft's."""

    nodes: tuple[VaultNode, ...]
    raft: RaftHealth | None = None
    """None without a token, without an active node, and where it could not be read."""
    missing_grants: tuple[str, ...] = ()
    raft_problem: str = ""
    """Why raft's health, which was asked for, is not known."""
    no_active_since: float | None = None
    """Unix seconds since when no node has been active, as we saw it (asked twice before it is believed)."""
    token_expires_at: float | None = None
    """Unix seconds when our own token ends; none for one that does not, and without one."""

    @property
    def sealed(self) -> tuple[VaultNode, ...]:
        """Nodes that say they are sealed."""
        return tuple(node for node in self.nodes if not node.problem and node.initialized and node.sealed)

    @property
    def uninitialised(self) -> tuple[VaultNode, ...]:
        """Nodes that answer and have no data: never joined, or lost their volume. No share opens them, so they are not among the sealed."""
        return tuple(node for node in self.nodes if not node.problem and not node.initialized)

    @property
    def active(self) -> VaultNode | None:
        """The node that answers 200, or none: then Vault serves nobody."""
        return next((node for node in self.nodes if node.health_code == 200), None)
