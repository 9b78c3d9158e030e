"""PostgreSQL as the cockpit sees it: slots, sessions, who blocks whom, replication.

Read by ``sources.postgres``. Moments are unix seconds of the *server's* clock, so that an equal state is an equal snapshot; ages are
computed when they are drawn, against the server's own time: ours plus ``clock_offset``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """One row of ``pg_stat_activity`` that a person could act on. ``pid`` and ``backend_start`` together are its identity: pids are reused."""

    pid: int
    backend_start: str
    """ISO 8601 with microseconds, as the server sent it: half of the identity."""
    user: str
    database: str
    application: str
    client: str
    backend_type: str
    state: str
    wait: str
    """``type:event``, or empty when running."""
    xact_start: float | None
    query_start: float | None
    state_change: float | None
    query: str
    leader_pid: int | None = None
    superuser: bool = False
    replication: bool = False
    blocked_by: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """Stable identity, for the cursor and for plans."""
        return f"{self.pid}@{self.backend_start}"


def lock_roots(sessions: Sequence[Session]) -> list[int]:
    """Pids at the root of every wait for a lock, in order: they block others and wait for none. 0 is a prepared transaction.

    Whoever waits and blocks is no root: to end it frees nobody. Sessions that wait for one another in a ring are all roots.
    """
    waiting = [session for session in sessions if session.blocked_by]
    victims = {session.pid for session in waiting}
    return sorted({pid for session in waiting for pid in session.blocked_by} - victims) or sorted(victims)


@dataclass(frozen=True, slots=True)
class SessionGroup:
    """How many sessions one application of one user holds in one state."""

    user: str
    database: str
    application: str
    state: str
    count: int

    @property
    def key(self) -> str:
        """Identity, for the cursor."""
        return "/".join((self.application, self.user, self.database, self.state))


@dataclass(frozen=True, slots=True)
class ConnectionLimit:
    """A limit of a role or database, which is not ``max_connections`` and needs another fix."""

    subject: str
    """``role NAME`` or ``database NAME``."""
    limit: int
    used: int


@dataclass(frozen=True, slots=True)
class Standby:
    """A standby as the primary sees it in ``pg_stat_replication``; lags in bytes, none when unknown."""

    application: str
    client: str
    state: str
    sync_state: str
    total_lag_bytes: int | None


HIDDEN = "hidden"
"""The state of a WAL receiver that runs and shows it only to members of pg_read_all_stats."""


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """A replica as it sees itself; ``problem`` is set when it could not be asked."""

    name: str
    replaying: bool
    pause_state: str
    receiver: str
    """``streaming``, empty when no WAL receiver runs, or :data:`HIDDEN`."""
    lag_seconds: float | None
    """Seconds since the primary wrote what this replica has not replayed; 0 when nothing is missing, however idle the primary; else none."""
    problem: str = ""
    lag_bytes: int | None = None
    """WAL that the primary has written and this replica has not replayed; none when either could not be asked."""
    startup_wait: str = ""
    """What the replaying process waits for: ``RecoveryConflictSnapshot`` is a query that stands in its way."""

    @property
    def deaf(self) -> bool:
        """Whether it is seen to receive nothing."""
        return self.receiver not in ("streaming", HIDDEN)


@dataclass(frozen=True, slots=True)
class ReplicationSlot:
    """A slot of the primary: it holds WAL back for its reader, up to ``retained_limit``."""

    name: str
    kind: str
    """``physical`` or ``logical``."""
    active: bool
    wal_status: str
    """``reserved``, ``extended``, ``unreserved`` or ``lost``; only with the last must the reader be built anew."""
    retained_bytes: int | None
    retained_limit: int | None
    """Bytes, ``max_slot_wal_keep_size``; none means without limit."""


@dataclass(frozen=True, slots=True)
class PostgresSnapshot:
    """One reading of the primary (and of the replicas that the profile names)."""

    server_version: int
    """``server_version_num``: 170010."""
    in_recovery: bool
    max_connections: int
    superuser_reserved: int
    reserved: int
    """``reserved_connections``, PostgreSQL 16 and later; 0 before."""
    clients: int
    walsenders: int
    active: int
    idle: int
    idle_in_transaction: int
    lock_waiting: int
    sessions: tuple[Session, ...]
    groups: tuple[SessionGroup, ...]
    limits: tuple[ConnectionLimit, ...]
    standbys: tuple[Standby, ...]
    replicas: tuple[ReplicaView, ...]
    slots: tuple[ReplicationSlot, ...] = ()
    clock_offset: float = 0.0
    """Seconds that the server's clock is ahead of ours; moves only when it is off by more than a second."""
    missing_grants: tuple[str, ...] = ()
    """What could not be read, each as the grant that would allow it: ``GRANT pg_monitor TO oncall``."""

    @property
    def usable(self) -> int:
        """Slots that an ordinary role can take: ``max_connections`` less both reserves (runbook-facts 2.1.1)."""
        return max(1, self.max_connections - self.superuser_reserved - self.reserved)

    @property
    def used_percent(self) -> float:
        """Client backends in percent 0..100 of the usable slots; more than 100 when reserved slots are in use too."""
        return 100.0 * self.clients / self.usable
