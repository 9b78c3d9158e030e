"""Vault's seal, asked of each node's ``sys/seal-status``: a sealed node does not serve its own metrics, so its absence would be the only sign."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from prometheus_client.core import Metric

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.http import http_client
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.workloads.exported.source import gauge

_NODE_SECONDS = 0.8


class VaultFigures:
    """Seal of every node, under Vault's own name for it."""

    name = "vault"
    failures = (OSError, httpx.HTTPError)

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._client = http_client(_NODE_SECONDS)

    async def figures(self) -> list[Metric]:
        """1 unsealed, 0 sealed; a node that does not answer has none."""
        answers = await asyncio.gather(*(self._status(ordinal) for ordinal in range(vault.NODES)))
        told = {vault.node_name(ordinal): answer for ordinal, answer in enumerate(answers) if answer}
        if not told:
            raise OSError("no node answers")
        unsealed = {(name,): float(not answer["sealed"]) for name, answer in told.items()}
        up = {(vault.node_name(ordinal),): float(bool(answer)) for ordinal, answer in enumerate(answers)}
        return [
            gauge("vault_core_unsealed", "Seal status (1 unsealed, 0 sealed)", unsealed, ("instance",)),
            gauge("vault_instance_up", "Whether the node answered", up, ("instance",)),
        ]

    async def _status(self, ordinal: int) -> dict[str, Any]:
        try:
            response = await self._client.get(f"{vault.address(self._lab, ordinal)}/v1/sys/seal-status")
            return dict(response.json()) if response.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return {}

    async def forget(self) -> None:
        """Nothing is kept that could have failed: the pool makes new connections by itself."""
