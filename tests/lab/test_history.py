"""The real targets' memories: what is broken before anybody looks is found afterwards, at about the moment at which it happened."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest

from alphapulse_tui.config.load import load_profile
from alphapulse_tui.incident.backfill import backfill
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.model.history import History
from alphapulse_tui.sources.history import read_history
from tests.lab_handle import LabHandle
from tests.waiting import wait_until
from tests.web import web

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

STEPS = 60.0
"""Seconds by which a moment may be off: a scrape, a point of the range, a busy machine."""


def remembered(lab: LabHandle, since: float) -> History:
    profile = load_profile(config=str(lab.profile)).profile
    return asyncio.run(read_history(profile, since, time.time()))


def value(lab: LabHandle, promql: str) -> Any:
    """What Prometheus answers to an independent client."""
    url = f"http://127.0.0.1:{lab.ports['prometheus']}/api/v1/query"
    return web.get(url, params={"query": promql}).json()["data"]["result"]


@pytest.mark.long
def test_a_sealed_node_and_its_alert_are_found_afterwards(whole_lab: LabHandle) -> None:
    whole_lab.wait("api", "prometheus", "alertmanager", "kubernetes", timeout=500.0)
    wait_until(lambda: not value(whole_lab, 'ALERTS{alertname="VaultSealed"}'), 90, "no alert of an earlier test")
    broken = time.time()
    whole_lab.break_("vault-sealed-one")
    wait_until(lambda: value(whole_lab, 'ALERTS{alertname="VaultSealed",alertstate="firing"}'), 90, "the alert")

    def found() -> History | None:
        history = remembered(whole_lab, broken - 7200)
        sealed = [one for one in history.crossings if one.target == "vault" and one.ended_at is None]
        firing = [one for one in history.alerts if one.name == "VaultSealed" and one.ended_at is None]
        return history if sealed and firing else None

    history: Any = wait_until(found, 60, "the crossing and the alert", interval=1.0)
    assert history.missing == ()
    onset = next(one for one in history.crossings if one.target == "vault" and one.ended_at is None)
    assert abs(onset.starts_at - broken) <= STEPS + 1
    assert onset.subject.startswith("seal of vault-")
    assert "api" in {one.workload for one in history.rollouts}
    kinds = [kind for kind, _ in backfill(history, [], time.time())]
    assert Kind.ALERT_FIRED in kinds
    assert Kind.NOTE not in kinds


def test_every_key_series_exists_on_the_real_platform(whole_lab: LabHandle) -> None:
    """A query that can never answer would hide what happened and look like peace."""
    from alphapulse_tui.sources.history_metrics import KEY_SERIES

    whole_lab.wait("api", "prometheus", timeout=500.0)
    for series in KEY_SERIES:
        promql = series.promql.replace("WINDOW", "30s")
        if series.target == "redis" and not value(whole_lab, "redis_memory_max_bytes > 0"):
            continue  # No node has a limit: the query is rightly empty.
        answer: Any = wait_until(partial(value, whole_lab, promql), 60, series.subject)
        assert all(series.each in one["metric"] for one in answer if series.each)
