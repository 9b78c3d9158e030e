"""The surveys of Redis. Read by ``surveys``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.recipes import Recipe, redis_password


def _configured(profile: Profile) -> bool:
    return profile.redis is not None


def _make(kind: str, profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.redis_keys import RedisKeysSource
    from alphapulse_tui.sources.redis_link import Address
    from alphapulse_tui.sources.redis_memory import RedisMemorySource
    from alphapulse_tui.sources.redis_rights import RedisRightsSource
    from alphapulse_tui.sources.redis_views import RedisViewsSource

    target = profile.redis
    assert target is not None
    makers: dict[str, Callable[..., Source[Any]]] = {
        "keys": RedisKeysSource,
        "memory": RedisMemorySource,
        "rights": RedisRightsSource,
        "views": RedisViewsSource,
    }
    nodes = [Address(node.name, node.host, node.port) for node in target.nodes]
    return makers[kind](nodes, target.username, partial(redis_password, profile))


SURVEYS = (
    Recipe("redis-views", 5.0, 8.0, _configured, partial(_make, "views")),
    Recipe("redis-memory", 5.0, 5.0, _configured, partial(_make, "memory")),
    Recipe("redis-keys", 300.0, 40.0, _configured, partial(_make, "keys")),
    Recipe("redis-rights", 300.0, 5.0, _configured, partial(_make, "rights")),
)
"""Every node's view side by side; memory and what was slow; the largest keys; what our user may change."""
