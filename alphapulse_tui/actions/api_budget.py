"""How many pods the database has connections for: pods times the size of a pod's pool against the usable slots (facts 2.4.2).

More pods than that do not help: the ones that come last find no slot, and so does everybody else. Asked for the Deployments that hold a pool.
Used by ``actions.kubernetes_scale`` and ``actions.kubernetes_autoscaler``.
"""

from __future__ import annotations

from dataclasses import dataclass

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.text import clean

POOLED = {"api": "api", "agent-workers": "agent-worker"}
"""Workloads whose pods hold a pool, by the application name of their sessions (runbook 2.1)."""

_SLOTS = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int AS usable,
       pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all, current_user::text AS role,
       count(*) FILTER (WHERE NOT application_name = ANY ($1::text[])) AS others,
       count(*) FILTER (WHERE application_name = ANY ($1::text[])) AS own
  FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the database has for the pods of one workload."""

    pool: int = 0
    """Connections that a pod may open; 0: the workload holds no pool, or nothing is known."""
    usable: int = 0
    others: int = 0
    """Connections of everybody else now."""
    own: int = 0
    problem: str = ""
    """Why nothing is known."""

    @property
    def most(self) -> int:
        """Pods whose full pools fit beside what the others hold now."""
        return max(0, self.usable - self.others) // self.pool if self.pool else 0

    def facts(self, replicas: int) -> dict[str, str]:
        """For the plan."""
        if not self.usable or not self.pool:
            return {}
        return {
            "connections": f"{replicas} x {self.pool} = {replicas * self.pool}, others hold {self.others}, {self.usable} slots are usable"
        }


async def budget_of(profile: Profile, workload: str) -> Budget:
    """What PostgreSQL says now; never raises: who cannot be asked is said."""
    pool = int(profile.thresholds.api_pool_size) if workload in POOLED else 0
    if not pool or profile.postgres is None or profile.postgres.primary is None:
        return Budget()
    from alphapulse_tui.actions.postgres_connection import Connection

    connection = Connection(profile)
    try:
        (row,) = await connection.rows(_SLOTS, [POOLED[workload]])
    except ActionProblem as problem:
        return Budget(pool=pool, problem=str(problem))
    finally:
        connection.drop()
    if not row["sees_all"]:
        # Without it other people's sessions have no backend_type: nobody would be counted, and every number of pods would fit.
        role = clean(row["role"])
        return Budget(pool=pool, problem=f"role {role} does not see what other sessions do: GRANT pg_monitor TO {role}")
    return Budget(pool, int(row["usable"]), int(row["others"]), int(row["own"]))


def verdict_on(budget: Budget, replicas: int) -> tuple[str, str]:
    """Why that many pods are refused (empty: they fit), and a warning (empty: none)."""
    if budget.problem:
        return "", f"whether PostgreSQL has connections for them is not known: {budget.problem}"
    if not budget.pool or replicas <= budget.most:
        return "", ""
    need = replicas * budget.pool
    return (
        f"PostgreSQL has no connections for {replicas} pods: {replicas} x {budget.pool} = {need} and {budget.others} of others "
        f"exceed the {budget.usable} usable slots; at most {budget.most} pods fit. Free slots first (pg-connections), or make the pool smaller",
        "",
    )
