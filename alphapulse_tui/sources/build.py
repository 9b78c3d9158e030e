"""From a profile to its sources: only the targets that are configured, and their client libraries only when they are first read.

A client library takes tenths of a second to import. So ``make_sources`` hands out :class:`Deferred` sources, which import their module in
a thread when they are first asked; neither the first paint nor ``status`` pays for what is not configured. Callers: ``session`` (the
cockpit), ``read_once`` for the headless ``status`` and ``runbook run --dry-run``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from alphapulse_tui.board import Board
from alphapulse_tui.config.settings import PostgresServer, Profile
from alphapulse_tui.importing import off_the_loop
from alphapulse_tui.model.health import Finding
from alphapulse_tui.sources.contract import Source, SourceLoop

__all__ = ["Deferred", "SourceLoop", "make_sources", "read_once"]


class Recipe(NamedTuple):
    """One target: how often it is read, how long a reading may take, whether it is configured, and how its source is made.

    The figures are the source class's own; they stand here too so that a panel knows them before the class is imported (a test compares).
    """

    target: str
    interval: float
    deadline: float
    configured: Callable[[Profile], bool]
    make: Callable[[Profile], Source[Any]]


class Deferred(Source[Any]):
    """A source whose module is imported, off the loop, when it is first read."""

    def __init__(self, recipe: Recipe, profile: Profile) -> None:
        self.target = recipe.target
        self.interval = recipe.interval
        self.deadline = recipe.deadline
        self._make = partial(recipe.make, profile)
        self._source: Source[Any] | None = None

    async def source(self) -> Source[Any]:
        """The source itself."""
        if self._source is None:
            self._source = await off_the_loop(self._make)
        return self._source

    async def read(self) -> Any:
        """Read the target once."""
        return await (await self.source()).read()

    def judge(self, snapshot: Any) -> tuple[Finding, ...]:
        """What the source's rules say."""
        return self._source.judge(snapshot) if self._source is not None else ()

    async def follow(self, publish: Callable[[Any], None]) -> None:
        """Follow the source."""
        await (await self.source()).follow(publish)

    async def close(self) -> None:
        """Close the source if there is one."""
        if self._source is not None:
            await self._source.close()


def make_sources(profile: Profile) -> list[Deferred]:
    """A source for every configured target of ``profile``; nothing is imported or connected yet."""
    return [Deferred(recipe, profile) for recipe in RECIPES if recipe.configured(profile)]


async def read_once(profile: Profile, deadline: float) -> Board:
    """Every configured target read once, all at the same time; what has not answered after ``deadline`` seconds is *down* on the board."""
    board = Board()
    sources = make_sources(profile)
    # What our imports take is no silence of a target's. One that cannot be made says so when it is read.
    await asyncio.gather(*(source.source() for source in sources), return_exceptions=True)
    loops = [SourceLoop(source, board) for source in sources]
    await asyncio.gather(*(loop.read_once(deadline) for loop in loops))
    return board


def _postgres(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import postgres

    target = profile.postgres
    assert target is not None and target.primary is not None
    servers = [
        postgres.Server(server.name, partial(_postgres_arguments, server))
        for server in (target.primary, *target.replicas)
    ]
    return postgres.PostgresSource(servers[0], servers[1:], profile.thresholds)


def _postgres_arguments(server: PostgresServer) -> dict[str, Any]:
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
    from alphapulse_tui.config.discover import redis as discover
    from alphapulse_tui.sources import redis

    target = profile.redis
    assert target is not None

    def password() -> str:
        credential = discover.password(target)
        return credential.load().reveal() if credential else ""

    nodes = [redis.Address(node.name, node.host, node.port) for node in target.nodes]
    return redis.RedisSource(nodes, target.username, password, profile.thresholds)


def _vault(profile: Profile) -> Source[Any]:
    from alphapulse_tui.config.discover import vault as discover
    from alphapulse_tui.sources import vault

    target = profile.vault
    assert target is not None

    def token() -> str:
        credential = discover.token(target)
        return credential.load().reveal() if credential else ""

    nodes = [vault.Address(node.name, node.address) for node in target.nodes]
    return vault.VaultSource(nodes, token, target.ca_file, profile.thresholds)


def _kubernetes(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import kubernetes

    target = profile.kubernetes
    assert target is not None
    return kubernetes.KubernetesSource(target.kubeconfig, target.context, target.namespace, profile.thresholds)


def _alerts(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources import alerts

    prometheus = profile.prometheus.url if profile.prometheus else ""
    alertmanager = profile.alertmanager.url if profile.alertmanager else ""
    return alerts.AlertsSource(prometheus, alertmanager)


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
