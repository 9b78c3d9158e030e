"""The surveys of Vault. Read by ``surveys``."""

from __future__ import annotations

from functools import partial
from typing import Any

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.recipes import Recipe, vault_token


def _raft(profile: Profile) -> Source[Any]:
    from alphapulse_tui.config.discover import vault as discover
    from alphapulse_tui.sources import vault_raft
    from alphapulse_tui.sources.vault import Address

    target = profile.vault
    assert target is not None

    def token() -> str:
        credential = discover.token(target)
        return credential.load().reveal() if credential else ""

    return vault_raft.VaultRaftSource(
        [Address(node.name, node.address) for node in target.nodes], token, target.ca_file
    )


def _rights(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import vault_rights
    from alphapulse_tui.sources.vault import Address

    target = profile.vault
    assert target is not None
    nodes = [Address(node.name, node.address) for node in target.nodes]
    return vault_rights.VaultRightsSource(nodes, partial(vault_token, profile), target.ca_file)


def _logs(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import vault_logs

    cluster, target = profile.kubernetes, profile.vault
    assert cluster is not None and target is not None
    names = [node.name for node in target.nodes]
    return vault_logs.VaultLogsSource(cluster.kubeconfig, cluster.context, cluster.namespace, names)


SURVEYS = (
    Recipe("vault-raft", 5.0, 9.0, lambda profile: profile.vault is not None, _raft),
    Recipe("vault-rights", 300.0, 8.0, lambda profile: profile.vault is not None, _rights),
    Recipe(
        "vault-logs", 10.0, 8.0, lambda profile: profile.vault is not None and profile.kubernetes is not None, _logs
    ),
)
"""Raft and latency; what our token may change; the nodes' own logs."""
