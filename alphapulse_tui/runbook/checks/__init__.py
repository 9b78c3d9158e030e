"""The checks that procedures name: pure functions from the board to a result. One module a target.

A check reads what the sources have read; it never talks to a target itself. What it cannot know it reports as ``UNKNOWN``: a check that
could not look never passes.
"""

from __future__ import annotations

from alphapulse_tui.runbook.checks import (
    api,
    api_crash,
    api_errors,
    api_latency,
    postgres,
    postgres_queries,
    postgres_replication,
    redis,
    redis_memory,
    rollout,
    vault,
    vault_latency,
)
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene

CHECKS: dict[str, Check] = {
    **postgres.CHECKS,
    **postgres_queries.CHECKS,
    **postgres_replication.CHECKS,
    **redis.CHECKS,
    **redis_memory.CHECKS,
    **vault.CHECKS,
    **vault_latency.CHECKS,
    **api.CHECKS,
    **api_crash.CHECKS,
    **api_latency.CHECKS,
    **api_errors.CHECKS,
    **rollout.CHECKS,
}
"""Every check by the name that procedure files use."""

__all__ = ["CHECKS", "Check", "CheckResult", "Passed", "Scene"]
