"""Every target's views, in the order of their digits."""

from __future__ import annotations

from alphapulse_tui.screens.tables import alerts, kubernetes, platform, postgres, redis, vault
from alphapulse_tui.screens.tables.view import View

VIEWS: dict[str, tuple[View, ...]] = {
    "alerts": alerts.VIEWS,
    "kubernetes": kubernetes.VIEWS,
    "postgres": postgres.VIEWS,
    "redis": redis.VIEWS,
    "vault": vault.VIEWS,
    "platform": platform.VIEWS,
}
"""By the board's target; every column sorts, the oldest first by its age."""
