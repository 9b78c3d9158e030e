"""What is read of PostgreSQL only while somebody looks: lock tree, statements, tables, replication, settings (runbook 2.1, facts 2.1 and 8.2).

One snapshot a survey, each frozen and plain. Moments are unix seconds of the server's clock, sizes are bytes, times of statements are
milliseconds as PostgreSQL counts them. Read by ``sources.postgres_surveys``; shown by ``screens.tables.postgres``; judged by the checks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from alphapulse_tui.model.postgres import HIDDEN

PREPARED = 0
"""How ``pg_blocking_pids`` names a prepared transaction."""


@dataclass(frozen=True, slots=True)
class LockNode:
    """One line of the lock tree: a session that waits or is waited for, or a prepared transaction (``pid`` 0)."""

    pid: int
    depth: int
    """0 for a root: it waits for nobody."""
    blocked_by: tuple[int, ...] = ()
    """Every blocker; the tree shows the session below the first of them."""
    backend_start: str = ""
    backend_type: str = ""
    user: str = ""
    application: str = ""
    state: str = ""
    wait: str = ""
    xact_start: float | None = None
    state_change: float | None = None
    query: str = ""
    waits_for: str = ""
    """The lock that it has not got: ``relation tenants ShareLock``."""
    locks: int = 0
    """Granted locks that it holds."""
    tables: tuple[str, ...] = ()
    """Tables on which it holds more than a read lock."""
    wrote: bool = False
    """Whether its transaction has written: then terminating it rolls that back."""
    behind: int = 0
    """Sessions that wait for it, directly or through others."""
    gid: str = ""
    """Global identifier of a prepared transaction."""
    blocks: tuple[int, ...] = ()
    """Who waits for a prepared transaction itself; sessions are told apart by ``blocked_by``, where all of these are pid 0."""
    leader_pid: int | None = None
    protected: str = ""
    """Why it is never ended from here: ``a superuser's session``; empty when it may be."""

    @property
    def key(self) -> str:
        """Identity: a pid alone is reused."""
        return f"prepared {self.gid}" if self.gid else f"{self.pid}@{self.backend_start}"

    @property
    def name(self) -> str:
        """``pid 4121`` or the prepared transaction's identifier."""
        return f"prepared {self.gid}" if self.gid else f"pid {self.pid}"

    @property
    def kind(self) -> str:
        """What it is in the trade's words, where it is no ordinary client."""
        if self.gid:
            return "prepared transaction"
        if self.leader_pid:
            return f"parallel worker of pid {self.leader_pid}"
        if self.backend_type == "autovacuum worker":
            wraparound = "to prevent wraparound" in self.query
            return "autovacuum, to prevent wraparound: let it finish" if wraparound else "autovacuum"
        return "" if self.backend_type in ("", "client backend") else self.backend_type


@dataclass(frozen=True, slots=True)
class LockSurvey:
    """The lock tree, root after root, each followed by those who wait for it."""

    nodes: tuple[LockNode, ...] = ()
    taken: float = 0.0
    """Server's clock, whole seconds while nobody waits, so that an idle tree repaints nothing."""
    missing_grants: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[LockNode, ...]:
        """Who is waited for and waits for nobody; in a deadlock that the server has not broken yet there is none."""
        return tuple(node for node in self.nodes if node.depth == 0)

    @property
    def waiting(self) -> tuple[LockNode, ...]:
        """Who waits."""
        return tuple(node for node in self.nodes if node.blocked_by)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of pg_stat_statements, with what it took during the window."""

    key: str
    user: str
    database: str
    query: str
    calls: int
    """During the window, as all figures of this class; since the last reset while there is no window."""
    total_ms: float
    rows: int
    blocks_read: int
    blocks_hit: int
    temp_written: int
    mean_ms_before: float
    """Mean over everything before the window: what it used to take; 0 when it is new."""

    @property
    def mean_ms(self) -> float:
        """Milliseconds a call."""
        return self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class StatementSurvey:
    """Statements by the time that they took, most first."""

    statements: tuple[Statement, ...] = ()
    window: float = 0.0
    """Seconds between the two samples; 0 for the first reading, whose figures are totals since the last reset."""
    total_ms: float = 0.0
    """Of all statements during the window."""
    forgotten: int = 0
    """Entries that the extension has thrown away because its table is full (``pg_stat_statements.max``)."""
    missing: str = ""
    """Why there are none: the extension is not there, as one sentence with what to do."""
    missing_grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableFigures:
    """One table: how it is read, how dead it is, how fresh its statistics are."""

    schema: str
    name: str
    rows: int
    """Live rows as the statistics have them."""
    dead: int
    dead_limit: int
    """Dead rows from which autovacuum starts: its threshold and scale factor, the table's own where it has them."""
    modified: int
    """Rows changed since the last ANALYZE."""
    size: int
    """Bytes of the main fork as of the last VACUUM or ANALYZE (``relpages``): asking for more would take a lock."""
    seq_scans: int
    seq_rows: int
    index_scans: int
    seq_scans_a_second: float | None = None
    """Between the last two readings; none before the second."""
    rows_a_scan: float = 0.0
    """Rows that one sequential scan read, in the window where there is one."""
    last_analyze: float | None = None
    last_vacuum: float | None = None
    owner: str = ""
    columns: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    """Valid indexes as their columns: ``tenant_id, symbol``."""

    @property
    def full_name(self) -> str:
        """``public.trades``."""
        return f"{self.schema}.{self.name}"

    @property
    def dead_percent(self) -> float:
        """Dead of all rows, 0 to 100."""
        return 100.0 * self.dead / max(1, self.dead + self.rows)

    @property
    def stale_percent(self) -> float:
        """Rows changed since the last ANALYZE, in percent of the live ones."""
        return 100.0 * self.modified / max(1, self.rows)


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """An index that asks for attention: invalid, being built, or never used."""

    schema: str
    table: str
    name: str
    valid: bool
    definition: str
    scans: int
    size: int
    """Bytes as of the last VACUUM or ANALYZE."""
    unique: bool
    progress: str = ""
    """``building index: scanning table, 43 %`` while somebody builds it."""

    @property
    def full_name(self) -> str:
        """``public.idx_trades``."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class TableSurvey:
    """Tables and the indexes that ask for attention."""

    tables: tuple[TableFigures, ...] = ()
    indexes: tuple[IndexFigures, ...] = ()
    window: float = 0.0
    missing_grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandbyFigures:
    """A standby as the primary sees it; bytes, each the distance of one stage to the one before."""

    pid: int
    application: str
    client: str
    state: str
    sync_state: str
    pending: int | None
    """Written by the primary, not sent yet."""
    write: int | None
    flush: int | None
    replay: int | None
    total: int | None
    replay_lag: float | None
    """Seconds, as the server has it: stays at its last small value while replay is paused, so never shown alone."""


@dataclass(frozen=True, slots=True)
class SlotFigures:
    """A replication slot of the primary."""

    name: str
    kind: str
    active: bool
    wal_status: str
    retained: int | None
    limit: int | None
    """Bytes of ``max_slot_wal_keep_size``; none means without limit."""
    conflicting: bool = False
    """Logical slots, PostgreSQL 16 and later."""
    inactive_since: float | None = None
    """PostgreSQL 17 and later."""
    invalidation_reason: str = ""
    """PostgreSQL 17 and later."""
    safe: int | None = None
    """``safe_wal_size``: bytes that may still be written before the slot is in danger of losing WAL; none without a limit."""

    @property
    def lost(self) -> bool:
        """Whether its reader must be built anew. ``unreserved`` is not lost yet: a reader that comes back in time gets everything."""
        return self.wal_status == "lost" or bool(self.invalidation_reason)

    @property
    def endangered(self) -> bool:
        """Whether the next checkpoint may throw away WAL that its reader needs."""
        return self.wal_status == "unreserved" and not self.lost


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A session of a replica that holds a snapshot or a lock, and so may keep the replay waiting."""

    pid: int
    backend_start: str
    user: str
    application: str
    state: str
    xact_start: float | None
    query: str
    blocks_replay: bool = False
    """Holds the lock that the replaying process waits for, or is the oldest snapshot during a snapshot conflict."""

    @property
    def key(self) -> str:
        """Identity."""
        return f"{self.pid}@{self.backend_start}"


@dataclass(frozen=True, slots=True)
class ReplicaFigures:
    """A replica as it sees itself."""

    name: str
    problem: str = ""
    """Set when it could not be asked."""
    in_recovery: bool = True
    pause_state: str = ""
    receiver: str = ""
    """``streaming``, empty when no WAL receiver runs, or ``postgres.HIDDEN``."""
    sender: str = ""
    """``host:port`` where it looks for its primary."""
    slot: str = ""
    """The slot that it reads, or would read if its receiver ran (``primary_slot_name``)."""
    last_message_age: float | None = None
    """Seconds since the receiver heard of the primary."""
    behind_bytes: int | None = None
    """WAL that the primary has written and this replica has not replayed."""
    received_not_replayed: int | None = None
    behind_seconds: float | None = None
    """By the history of the primary's WAL position; 0 when nothing is missing, however idle the primary."""
    naive_seconds: float | None = None
    """``now() - pg_last_xact_replay_timestamp()``, the runbook's formula; none since no transaction was replayed."""
    replay_wait: str = ""
    """What the replaying process waits for: ``IPC:RecoveryConflictSnapshot``."""
    conflicts: int = 0
    """Queries cancelled by conflicts since the statistics were reset."""
    max_delay: str = ""
    """``max_standby_streaming_delay``: how long a query may hold the replay up before the server cancels it."""
    feedback: bool = False
    """``hot_standby_feedback``."""
    too_small: tuple[str, ...] = ()
    """Settings that are lower than the primary's: ``max_connections 60 < 100``; resuming would shut the replica down."""
    compared: bool = False
    """Whether those settings could be compared with the primary's."""
    in_the_way: tuple[InTheWay, ...] = ()

    @property
    def deaf(self) -> bool:
        """Whether it is seen to receive nothing."""
        return self.receiver not in ("streaming", HIDDEN)

    @property
    def paused(self) -> bool:
        """Whether a pause is requested or in force."""
        return self.pause_state not in ("", "not paused")

    @property
    def conflict(self) -> bool:
        """Whether the replay waits for a query of the replica."""
        return "RecoveryConflict" in self.replay_wait or self.replay_wait.startswith("Lock:")


@dataclass(frozen=True, slots=True)
class ReplicationSurvey:
    """Both sides of replication."""

    primary_problem: str = ""
    standbys: tuple[StandbyFigures, ...] = ()
    slots: tuple[SlotFigures, ...] = ()
    replicas: tuple[ReplicaFigures, ...] = ()
    missing_grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of one server that matters on call."""

    server: str
    name: str
    value: str
    context: str
    """``postmaster`` needs a restart, ``sighup`` a reload; ``role NAME`` or ``database NAME`` where it is theirs alone."""
    pending_restart: bool
    source: str

    @property
    def key(self) -> str:
        """Identity."""
        return f"{self.server}/{self.name}/{self.context}"


@dataclass(frozen=True, slots=True)
class SettingSurvey:
    """What waits for a restart on every server, and the settings that the procedures speak of."""

    settings: tuple[Setting, ...] = ()
    problems: tuple[str, ...] = ()
    """Servers that could not be asked, as sentences."""
    versions: dict[str, int] = field(default_factory=dict)
    """``server_version_num`` by server."""

    @property
    def waiting(self) -> tuple[Setting, ...]:
        """Those that wait for a restart."""
        return tuple(setting for setting in self.settings if setting.pending_restart)
