"""The runbook's key metrics (4.1) as PromQL that answers what it claims to (facts 2.3.2, 2.4.2, 4.2).

Pure data, read by ``sources.platform``. ``WINDOW`` is replaced by the profile's rate window. What the runbook's own forms got wrong: p99
without ``sum by (le)`` is one series a label set; ``rate(api_errors_total)`` is no ratio; hits over all time hide a miss storm of now;
``vault_request_duration_seconds`` does not exist. A query that answers nothing means *metric absent* or *no traffic*, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlatformQuery:
    """One figure and how it is asked for."""

    id: str
    title: str
    unit: str
    promql: str

    def over(self, window: str) -> str:
        """The query with its rates over ``window`` (``5m``)."""
        return self.promql.replace("WINDOW", window)


def _quantile(quantile: str) -> str:
    return f"1000 * histogram_quantile({quantile}, sum by (le) (rate(api_request_duration_seconds_bucket[WINDOW])))"


_HITS = "sum(rate(redis_keyspace_hits_total[WINDOW]))"
_MISSES = "sum(rate(redis_keyspace_misses_total[WINDOW]))"

PLATFORM_QUERIES = (
    PlatformQuery("p50", "p50 latency", "ms", _quantile("0.5")),
    PlatformQuery("p95", "p95 latency", "ms", _quantile("0.95")),
    PlatformQuery("p99", "p99 latency", "ms", _quantile("0.99")),
    PlatformQuery(
        "error_percent",
        "errors",
        "%",
        '100 * (sum(rate(api_requests_total{status=~"5.."}[WINDOW])) or vector(0)) / (sum(rate(api_requests_total[WINDOW])) > 0)',
    ),
    PlatformQuery("requests", "requests", "/s", "sum(rate(api_requests_total[WINDOW]))"),
    PlatformQuery("hit_percent", "cache hits", "%", f"100 * {_HITS} / (({_HITS} + {_MISSES}) > 0)"),
    PlatformQuery("vault_ms", "Vault p99", "ms", 'max(vault_core_handle_request{quantile="0.99"})'),
    PlatformQuery("vault_contact_ms", "raft contact", "ms", 'max(vault_raft_leader_lastContact{quantile="0.99"})'),
    PlatformQuery("inserts", "rows inserted", "/s", "sum(rate(pg_stat_database_tup_inserted[WINDOW]))"),
    PlatformQuery("updates", "rows updated", "/s", "sum(rate(pg_stat_database_tup_updated[WINDOW]))"),
)
"""In the order of the panel."""
