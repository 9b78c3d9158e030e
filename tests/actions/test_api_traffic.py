"""Who is hurt by a change: what Prometheus says of a Deployment, and what is said where it says nothing."""

from __future__ import annotations

import time

import pytest

from alphapulse_tui.actions.api_traffic import REMEMBERED_SECONDS, TrafficReader
from alphapulse_tui.config.settings import Profile, PrometheusTarget
from tests.sources.doors import door, silent
from tests.sources.test_api_surveys import prometheus

Vector = list[tuple[dict[str, str], float]]


def reader(port: int, clock: list[float] | None = None) -> TrafficReader:
    profile = Profile(name="test", prometheus=PrometheusTarget(url=f"http://127.0.0.1:{port}", window="30s"))
    return TrafficReader(profile, (lambda: clock[0]) if clock else time.monotonic)


async def facts(rate: Vector, tenants: Vector) -> dict[str, str]:
    asked = []

    def answer(query: str) -> Vector:
        asked.append(query)
        return tenants if "by (tenant)" in query else rate

    async with door(prometheus(answer, [])) as port:
        found = await reader(port).of("Deployment", "api")
    assert found is not None
    assert 'query=sum(rate(api_requests_total{pod=~"api-[a-z0-9]+-[a-z0-9]+"}[30s]))' in asked[0]
    return found.facts()


async def test_requests_and_the_busiest_tenants_are_told() -> None:
    tenants = [({"tenant": f"t{n}"}, float(n)) for n in range(8)]
    assert await facts([({}, 28.04)], tenants) == {
        "serves now": "28.0 requests a second",
        "tenants": "t7 (7/s), t6 (6/s), t5 (5/s), t4 (4/s), t3 (3/s) and 2 more",
    }


async def test_what_the_metrics_do_not_say_is_unknown_and_not_zero() -> None:
    assert await facts([], []) == {"serves now": "not known: its pods have no api_requests_total"}
    assert await facts([({}, 0.0)], []) == {"serves now": "no request"}
    assert (await facts([({}, 3.0)], []))["tenants"] == "not known: api_tenant_requests_total is absent"


async def test_without_prometheus_and_for_a_stateful_set() -> None:
    nobody = TrafficReader(Profile(name="test"))
    found = await nobody.of("Deployment", "api")
    assert found is not None and found.facts() == {"serves now": "not known: no Prometheus in this profile"}
    assert await nobody.of("StatefulSet", "vault") is None


@pytest.mark.parametrize("kind", ["Deployment", "deployment"])
async def test_a_silent_prometheus_is_waited_for_once(kind: str) -> None:
    clock = [100.0]
    async with door(silent) as port:
        asking = reader(port, clock)
        began = time.monotonic()
        first = await asking.of(kind, "api")
        took = time.monotonic() - began
        began = time.monotonic()
        assert await asking.of(kind, "api") is first, "the plan that is made again does not wait"
        assert time.monotonic() - began < took / 2
        assert first is not None and "no answer within 1 s" in first.facts()["serves now"]
        clock[0] += REMEMBERED_SECONDS
        assert await asking.of(kind, "api") is not first
