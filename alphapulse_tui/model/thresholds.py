"""Where the lines are drawn: the numbers every health rule compares with.

Pure data, so that the rules in ``model`` can use it. ``config`` decodes it from ``[profiles.NAME.thresholds]``; every
default stands in the runbook, or in its review where the runbook names no number (``review``: the engineering review of
the runbook's procedures). Percent is 0 to 100; every field says its unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

MEBIBYTE = 1024 * 1024
"""Bytes in one MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """One profile's thresholds. A pair ``x_warning`` / ``x_critical`` turns warning, then critical, *at* the number."""

    api_no_ready_pod: float = 120.0
    """Seconds without a single ready API pod until the API counts as down, P0 (runbook 4.2, "API Down": 2 min)."""
    api_p99_warning: float = 300.0
    """Milliseconds of p99 request latency (review 2.4.2)."""
    api_p99_critical: float = 500.0
    """Milliseconds of p99 request latency (runbook 2.4 and 4.2, "High Latency")."""
    api_error_rate_healed: float = 0.1
    """Percent of requests failing under which the API counts as mended (runbook 1.2 step 8)."""
    api_error_rate_critical: float = 0.5
    """Percent of requests failing (runbook 4.2, "High Error Rate"). Between healed and critical it is a warning."""
    api_pool_size: float = 5.0
    """Connections to PostgreSQL that one pod of the API or of the workers may open: its pool's size (review 2.4.2; the runbook names none)."""
    health_probe_timeout: float = 5.0
    """Seconds the API's /health may take until the probe counts as failed (review 1.2)."""
    certificate_warning: float = 14 * 86400.0
    """Seconds until a TLS certificate ends (review 4.1 asks for the check and names no number; two on-call weeks)."""
    certificate_critical: float = 2 * 86400.0
    """Seconds until a TLS certificate ends (as above; a weekend)."""

    pod_restart_window: float = 600.0
    """Seconds over which a pod's restarts are counted (review 2.4.1: 10 min)."""
    pod_restarts_warning: float = 1.0
    """Restarts of one pod within the window (review 2.4.1)."""
    pod_restarts_critical: float = 3.0
    """Restarts of one pod within the window (review 2.4.1)."""

    postgres_slots_warning: float = 70.0
    """Percent of the usable connection slots in use (review 2.1.1)."""
    postgres_slots_critical: float = 80.0
    """Percent of the usable connection slots in use (runbook 4.2, "DB Connection Pool")."""
    postgres_slots_page: float = 95.0
    """Percent of the usable connection slots in use at which nobody waits any longer (review 2.1.1)."""
    postgres_idle_in_transaction_warning: float = 60.0
    """Seconds a backend idles inside a transaction (review 2.1.1)."""
    postgres_idle_in_transaction_critical: float = 300.0
    """Seconds a backend idles inside a transaction; from here on it may be terminated (review 2.1.1)."""
    postgres_idle: float = 600.0
    """Seconds a backend idles outside a transaction until it may be terminated (runbook 2.1: 10 minutes)."""
    postgres_slow_query: float = 1.0
    """Seconds an active query runs until it is listed as slow (runbook 2.1)."""
    postgres_slow_query_warning: float = 5.0
    """Seconds an active query runs (review 2.1.2)."""
    postgres_slow_query_critical: float = 30.0
    """Seconds an active query runs (review 2.1.2)."""
    postgres_blocked_critical: float = 5.0
    """Seconds a session waits for another one's lock (review 2.1.2)."""
    postgres_transaction_warning: float = 300.0
    """Seconds since the oldest transaction began (review 2.1.2)."""
    postgres_transaction_critical: float = 1800.0
    """Seconds since the oldest transaction began (review 2.1.2)."""
    postgres_replica_lag_warning: float = 10.0
    """Seconds a replica is behind (review 2.1.3)."""
    postgres_replica_lag_critical: float = 60.0
    """Seconds a replica is behind (runbook 2.1)."""
    postgres_replica_bytes_warning: float = 64.0 * MEBIBYTE
    """Bytes of WAL a replica has still to replay (review 2.1.3)."""
    postgres_replica_bytes_critical: float = 1024.0 * MEBIBYTE
    """Bytes of WAL a replica has still to replay (review 2.1.3)."""
    postgres_slot_retained_warning: float = 50.0
    """Percent of max_slot_wal_keep_size that one replication slot holds back (review 2.1.3)."""
    postgres_backup_age: float = 900.0
    """Seconds since the newest restore point: the RPO (runbook 5.1: 15 minutes)."""

    redis_memory_warning: float = 80.0
    """Percent of maxmemory in use (runbook 2.2)."""
    redis_memory_critical: float = 90.0
    """Percent of maxmemory in use (runbook 4.2, "Redis Memory")."""
    redis_hit_rate_warning: float = 85.0
    """Percent of lookups that hit, over the poll window; *under* it is a warning (runbook 2.2)."""
    redis_fragmentation_warning: float = 1.5
    """Resident over used memory, judged from 256 MB on (review 2.2.2)."""
    redis_backup_age: float = 3600.0
    """Seconds since the newest snapshot: the RPO (runbook 5.1: 1 hour)."""

    vault_no_active: float = 10.0
    """Seconds without an active node until it counts as an outage, P0 (review 2.3.1)."""
    vault_latency_warning: float = 100.0
    """Milliseconds of p99 request latency (review 2.3.2)."""
    vault_latency_critical: float = 500.0
    """Milliseconds of p99 request latency (runbook 2.3: credential lookups over 500 ms)."""
    vault_last_contact_warning: float = 200.0
    """Milliseconds since a raft follower heard of its leader (review 2.3.2)."""
    vault_last_contact_critical: float = 500.0
    """Milliseconds since a raft follower heard of its leader (review 2.3.2)."""
    vault_backup_age: float = 86400.0
    """Seconds since the newest raft snapshot: the RPO (runbook 5.1: 24 hours)."""

    credential_expiry_warning: float = 900.0
    """Seconds until one of *our own* credentials ends (review 8.4: 15 minutes)."""

    def contradictions(self) -> list[tuple[str, str]]:
        """Pairs of field name and sentence for every number that cannot be meant; empty when all is well.

        >>> Thresholds(redis_memory_warning=95).contradictions()
        [('redis_memory_warning', 'is 95, beyond redis_memory_critical = 90: nothing could ever be a warning')]
        """
        found: list[tuple[str, str]] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or value < 0:
                found.append((field.name, f"is {value:g}, but must be a number from 0 up"))
            elif field.name in PERCENTAGES and value > 100:
                found.append((field.name, f"is {value:g}, but is a percentage: 0 to 100"))
        wrong = {name for name, _ in found}
        for lower, upper in ORDERED:
            if not {lower, upper} & wrong and getattr(self, lower) > getattr(self, upper):
                low, high = getattr(self, lower), getattr(self, upper)
                found.append((lower, f"is {low:g}, beyond {upper} = {high:g}: nothing could ever be a warning"))
        return found


PERCENTAGES = frozenset(
    {
        "api_error_rate_healed",
        "api_error_rate_critical",
        "postgres_slots_warning",
        "postgres_slots_critical",
        "postgres_slots_page",
        "postgres_slot_retained_warning",
        "redis_memory_warning",
        "redis_memory_critical",
        "redis_hit_rate_warning",
    }
)
"""The thresholds that are percentages, 0 to 100."""

ORDERED = (
    ("api_p99_warning", "api_p99_critical"),
    ("api_error_rate_healed", "api_error_rate_critical"),
    ("certificate_critical", "certificate_warning"),
    ("pod_restarts_warning", "pod_restarts_critical"),
    ("postgres_slots_warning", "postgres_slots_critical"),
    ("postgres_slots_critical", "postgres_slots_page"),
    ("postgres_idle_in_transaction_warning", "postgres_idle_in_transaction_critical"),
    ("postgres_slow_query", "postgres_slow_query_warning"),
    ("postgres_slow_query_warning", "postgres_slow_query_critical"),
    ("postgres_transaction_warning", "postgres_transaction_critical"),
    ("postgres_replica_lag_warning", "postgres_replica_lag_critical"),
    ("postgres_replica_bytes_warning", "postgres_replica_bytes_critical"),
    ("redis_memory_warning", "redis_memory_critical"),
    ("vault_latency_warning", "vault_latency_critical"),
    ("vault_last_contact_warning", "vault_last_contact_critical"),
)
"""Pairs of which the first may not exceed the second."""
