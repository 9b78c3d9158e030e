"""PostgreSQL's surveys and how each is made."""

from __future__ import annotations

from functools import partial
from typing import Any

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.recipes import Recipe, postgres_arguments


def _servers(profile: Profile) -> list[Any]:
    """The primary, then the replicas."""
    from alphapulse_tui.sources.postgres_link import Server

    target = profile.postgres
    assert target is not None and target.primary is not None
    return [Server(server.name, partial(postgres_arguments, server)) for server in (target.primary, *target.replicas)]


def _configured(profile: Profile) -> bool:
    return profile.postgres is not None and profile.postgres.primary is not None


def _locks(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.postgres_locks import LockSource

    return LockSource(_servers(profile)[0])


def _statements(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.postgres_statements import StatementSource

    return StatementSource(_servers(profile)[0])


def _tables(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.postgres_tables import TableSource

    return TableSource(_servers(profile)[0])


def _replication(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.postgres_replication import ReplicationSource

    primary, *replicas = _servers(profile)
    return ReplicationSource(primary, replicas)


def _settings(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.postgres_settings import SettingSource

    primary, *replicas = _servers(profile)
    return SettingSource(primary, replicas)


def _rights(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.postgres_rights import PostgresRightsSource

    primary, *replicas = _servers(profile)
    return PostgresRightsSource(primary, replicas)


SURVEYS = (
    Recipe("postgres-locks", 3.0, 5.0, _configured, _locks),
    Recipe("postgres-statements", 5.0, 5.0, _configured, _statements),
    Recipe("postgres-tables", 5.0, 5.0, _configured, _tables),
    Recipe("postgres-replication", 2.0, 4.0, _configured, _replication),
    Recipe("postgres-settings", 5.0, 5.0, _configured, _settings),
    Recipe("postgres-rights", 300.0, 5.0, _configured, _rights),
)
"""In the order of the detail screen's views; then what our role may change."""
