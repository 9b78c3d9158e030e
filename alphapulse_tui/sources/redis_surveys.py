"""The surveys of Redis. Read by ``surveys``."""

from __future__ import annotations

from functools import partial
from typing import Any

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.recipes import Recipe, redis_password


def _configured(profile: Profile) -> bool:
    return profile.redis is not None


def _keys(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.redis_keys import RedisKeysSource
    from alphapulse_tui.sources.redis_link import Address

    target = profile.redis
    assert target is not None
    nodes = [Address(node.name, node.host, node.port) for node in target.nodes]
    return RedisKeysSource(nodes, target.username, partial(redis_password, profile))


SURVEYS = (Recipe("redis-keys", 300.0, 40.0, _configured, _keys),)
"""The largest keys."""
