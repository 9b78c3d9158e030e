"""How a source is made: one recipe a target, and one a survey of it.

The figures are the source class's own; they stand here too so that a panel knows them before the class is imported (a test compares).
Credentials are fetched by the source for each connection and kept nowhere. Read by ``build``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from alphapulse_tui.config.settings import PostgresServer, Profile
from alphapulse_tui.sources.contract import Source


class Recipe(NamedTuple):
    """One target: how often it is read, how long a reading may take, whether it is configured, and how its source is made."""

    target: str
    """The board's key; a survey's is ``TARGET-WHAT``."""
    interval: float
    """Seconds between two readings."""
    deadline: float
    """Seconds that a reading may take."""
    configured: Callable[[Profile], bool]
    make: Callable[[Profile], Source[Any]]


def _postgres(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import postgres

    target = profile.postgres
    assert target is not None and target.primary is not None
    servers = [
        postgres.Server(server.name, partial(postgres_arguments, server))
        for server in (target.primary, *target.replicas)
    ]
    return postgres.PostgresSource(servers[0], servers[1:], profile.thresholds)


def postgres_arguments(server: PostgresServer) -> dict[str, Any]:
    """asyncpg's arguments for a completed server; the password is fetched for this connection and kept nowhere."""
    from alphapulse_tui.config.discover import postgres as discover

    credential = discover.password(server)
    return {
        "host": server.host,
        "port": server.port or 5432,
        "user": server.user or None,
        "database": server.database or None,
        "ssl": server.sslmode or "prefer",
        # An empty password, not none: asyncpg would go and look for one by rules that are not the profile's.
        "password": credential.load().reveal() if credential else "",
    }


def _redis(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import redis
    from alphapulse_tui.sources.redis_link import Address

    target = profile.redis
    assert target is not None
    nodes = [Address(node.name, node.host, node.port) for node in target.nodes]
    return redis.RedisSource(nodes, target.username, partial(redis_password, profile), profile.thresholds)


def redis_password(profile: Profile) -> str:
    """The Redis password of this moment; empty where there is none."""
    from alphapulse_tui.config.discover import redis as discover

    credential = discover.password(profile.redis) if profile.redis is not None else None
    return credential.load().reveal() if credential else ""


def _vault(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import vault

    target = profile.vault
    assert target is not None
    nodes = [vault.Address(node.name, node.address) for node in target.nodes]
    return vault.VaultSource(nodes, partial(vault_token, profile), target.ca_file, profile.thresholds)


def vault_token(profile: Profile) -> str:
    """The Vault token of this moment; empty where there is none."""
    from alphapulse_tui.config.discover import vault as discover

    credential = discover.token(profile.vault) if profile.vault is not None else None
    return credential.load().reveal() if credential else ""


def _kubernetes(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import kubernetes
    from alphapulse_tui.sources.kubernetes_link import import_library

    import_library()
    target = profile.kubernetes
    assert target is not None
    return kubernetes.KubernetesSource(target.kubeconfig, target.context, target.namespace, profile.thresholds)


def _alerts(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import alerts

    prometheus = profile.prometheus.url if profile.prometheus else ""
    alertmanager = profile.alertmanager.url if profile.alertmanager else ""
    return alerts.AlertsSource(prometheus, alertmanager, profile.alerts)


def _platform(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import platform

    prometheus = profile.prometheus.url if profile.prometheus else ""
    health_url = profile.api.health_url if profile.api else ""
    window = profile.prometheus.window if profile.prometheus else "5m"
    return platform.PlatformSource(prometheus, health_url, profile.thresholds, window)


RECIPES = (
    Recipe("alerts", 15.0, 5.0, lambda profile: bool(profile.prometheus or profile.alertmanager), _alerts),
    Recipe("kubernetes", 5.0, 5.0, lambda profile: profile.kubernetes is not None, _kubernetes),
    Recipe(
        "postgres",
        2.0,
        4.0,
        lambda profile: profile.postgres is not None and profile.postgres.primary is not None,
        _postgres,
    ),
    Recipe("redis", 5.0, 5.0, lambda profile: profile.redis is not None, _redis),
    Recipe("vault", 5.0, 5.0, lambda profile: profile.vault is not None, _vault),
    Recipe("platform", 10.0, 8.0, lambda profile: bool(profile.prometheus or profile.api), _platform),
)
"""Every target that has a source, in the order of the panels."""
