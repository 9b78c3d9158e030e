"""Views of Vault."""

from __future__ import annotations

from alphapulse_tui.model.vault import VaultNode
from alphapulse_tui.screens.tables.view import View
from alphapulse_tui.widgets.table import Column

VAULTS: tuple[Column[VaultNode], ...] = (
    Column("NODE", 10, lambda row: row.name, lambda row: "critical" if row.role == "SEALED" else "plain"),
    Column("STATE", 14, lambda row: row.role, lambda row: "critical" if row.role == "SEALED" else "plain"),
    Column("UNSEAL", 7, lambda row: f"{row.progress}/{row.threshold}" if row.sealed else ""),
    Column("HEALTH", 6, lambda row: str(row.health_code or ""), right=True),
    Column("SEAL", 8, lambda row: row.seal_type),
    Column("VERSION", 9, lambda row: row.version),
    Column("ADDRESS", 30, lambda row: row.address, wide_only=True),
    Column("PROBLEM", 0, lambda row: row.problem, lambda row: "unknown"),  # noqa: ARG005
)


VIEWS = (View("nodes", "vault", VAULTS, lambda snapshot: snapshot.nodes, lambda row: row.name),)
