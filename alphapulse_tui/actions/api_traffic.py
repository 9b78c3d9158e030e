"""Who is hurt: how many requests a second a Deployment serves now, and of which tenants, where the metrics know (runbook 4.1, 1.2 "impact").

Asked of Prometheus when a change is planned, within a second, and remembered for a minute: the plan is made again when it is sent, and no silent
Prometheus may stand between the key and the request. What is not known is said to be unknown and stops nothing. Used by
``actions.kubernetes_workload`` and ``actions.kubernetes_scale``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model import api_queries as queries
from alphapulse_tui.sources.contract import SourceProblem
from alphapulse_tui.sources.prometheus import Prometheus, Series

SECONDS = 1.0
"""For both queries: a plan is waited for by somebody."""

REMEMBERED_SECONDS = 60.0
"""How long an answer, or that there was none, is good for a plan that is made again."""

NAMED = 5
"""Tenants that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the metrics say of one Deployment's requests."""

    rate: float | None = None
    """Requests a second; none: not known, and ``problem`` says why."""
    tenants: tuple[tuple[str, float], ...] = ()
    """Tenant to requests a second, the busiest first; empty: not known."""
    problem: str = ""

    def facts(self) -> dict[str, str]:
        """For the plan."""
        if self.rate is None:
            return {"serves now": f"not known: {self.problem}"}
        if not self.rate:
            return {"serves now": "no request"}
        return {"serves now": f"{self.rate:.1f} requests a second", "tenants": self._told()}

    def _told(self) -> str:
        if not self.tenants:
            return f"not known: {queries.TENANT_METRIC} is absent"
        named = ", ".join(f"{tenant} ({rate:.2g}/s)" for tenant, rate in self.tenants[:NAMED])
        rest = len(self.tenants) - NAMED
        return f"{named}{f' and {rest} more' if rest > 0 else ''}"


class TrafficReader:
    """Asks for one profile; keeps the last answer of each Deployment for :data:`REMEMBERED_SECONDS`."""

    def __init__(self, profile: Profile, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = profile.prometheus
        self._clock = clock
        self._known: dict[str, tuple[float, Traffic]] = {}

    async def of(self, kind: str, name: str) -> Traffic | None:
        """What the Deployment serves; never raises. None of a StatefulSet: the API's metrics are not about it."""
        if kind.lower() != "deployment":
            return None
        if self._target is None:
            return Traffic(problem="no Prometheus in this profile")
        known = self._known.get(name)
        if known is not None and self._clock() - known[0] < REMEMBERED_SECONDS:
            return known[1]
        found = await self._ask(name, self._target.url, self._target.window)
        self._known[name] = self._clock(), found
        return found

    async def _ask(self, name: str, url: str, window: str) -> Traffic:
        prometheus = Prometheus(url)
        rate, tenants = (queries.over(query, window) for query in queries.of_deployment(re.escape(name)))
        try:
            rates, by_tenant = await prometheus.run(
                lambda: (prometheus.series(rate), prometheus.series(tenants)), SECONDS
            )
        except SourceProblem as problem:
            return Traffic(problem=str(problem))
        finally:
            prometheus.close()
        if not rates:
            return Traffic(problem=f"its pods have no {queries.REQUESTS_METRIC}")
        return Traffic(rates[0][1], _busiest(by_tenant))


def _busiest(series: list[Series]) -> tuple[tuple[str, float], ...]:
    found = [(labels.get("tenant", ""), rate) for labels, rate in series if rate > 0 and labels.get("tenant")]
    return tuple(sorted(found, key=lambda one: (-one[1], one[0])))
