"""PostgreSQL under postgres_exporter's names. Its connection stays open: when the slots run out the exporter is already inside."""

from __future__ import annotations

import asyncpg
from prometheus_client.core import Metric

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.workloads.exported.source import gauge, no_labels

_ROLE = "viewer"
_SETTINGS = ("max_connections", "superuser_reserved_connections", "reserved_connections")
_ACTIVITY = """
SELECT coalesce(datname, ''), coalesce(state, ''), count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' GROUP BY 1, 2
"""
_DATABASE = """
SELECT datname, numbackends, xact_commit, xact_rollback, tup_inserted, tup_updated, deadlocks FROM pg_stat_database WHERE datname = $1
"""
_REPLICATION = "SELECT application_name, coalesce(extract(epoch FROM replay_lag), 0)::float8 FROM pg_stat_replication"


class PostgresFigures:
    """Figures of the primary."""

    name = "pg"
    failures = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._connection: asyncpg.Connection | None = None

    async def figures(self) -> list[Metric]:
        """Sessions by state, limits, row counts, lag of the replicas."""
        if self._connection is None:
            self._connection = await asyncpg.connect(
                host="127.0.0.1",
                port=self._lab.ports[postgres.PRIMARY],
                user=_ROLE,
                password=self._lab.credentials.password(f"postgres-{_ROLE}"),
                database=postgres.DATABASE,
                server_settings={"application_name": "exporter", "statement_timeout": "900"},
            )
        activity = await self._connection.fetch(_ACTIVITY)
        database = await self._connection.fetchrow(_DATABASE, postgres.DATABASE)
        lags = await self._connection.fetch(_REPLICATION)
        row = await self._connection.fetchrow(
            "SELECT " + ", ".join(f"current_setting('{one}')::int" for one in _SETTINGS)
        )
        found = [
            gauge(f"pg_settings_{name}", f"Setting {name}", no_labels(row[place]))
            for place, name in enumerate(_SETTINGS)
        ]
        sessions = {(one[0], one[1]): float(one[2]) for one in activity}
        found.append(gauge("pg_stat_activity_count", "Sessions of clients by state", sessions, ("datname", "state")))
        found.append(gauge("pg_stat_database_numbackends", "Sessions", {(database[0],): database[1]}, ("datname",)))
        for place, name in enumerate(
            ("xact_commit", "xact_rollback", "tup_inserted", "tup_updated", "deadlocks"), start=2
        ):
            # postgres_exporter calls these counters without the suffix that today's convention asks for.
            found.append(
                gauge(
                    f"pg_stat_database_{name}",
                    f"pg_stat_database.{name}",
                    {(database[0],): database[place]},
                    ("datname",),
                )
            )
        replay = {(one[0],): float(one[1]) for one in lags}
        found.append(gauge("pg_stat_replication_replay_lag_seconds", "Replay lag", replay, ("application_name",)))
        return found

    async def forget(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
