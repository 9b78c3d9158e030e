"""A release that forgets what it has cached is found behind the slow database and rolled back; redis-cli says that the cache hits again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.api_walk import all_ready, do, image, look
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.kubectl import Kubectl
from tests.lab.kubernetes.test_bad_releases import lookups
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(600)]


def hit_percent(lab: LabHandle) -> float:
    """Of the next hundred lookups of all nodes."""
    hits, asked = lookups(lab)
    wait_until(lambda: lookups(lab)[1] >= asked + 100, 60, "a hundred lookups")
    now_hits, now_asked = lookups(lab)
    return 100.0 * (now_hits - hits) / (now_asked - asked)


def test_a_cache_that_forgets_is_found_and_rolled_back(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    before = image(kubectl)
    platform.break_("cache-cold")
    assert hit_percent(platform) < 50.0
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods", "Platform")
        cockpit.choose_procedure("api-latency")
        cockpit.run_step("How slow is it", "(at or over the line")
        cockpit.run_step("Which endpoint", "/api/v1/summary")
        look(cockpit, "Where its time goes", "of its time goes to database", "the cache misses")
        look(cockpit, "Does the cache hit", "of lookups hit (under the line")
        cockpit.run_step("Which pods, and are they busy", "pods are slow")
        look(cockpit, "Did a release bring it", "suspect number one")
        cockpit.run_step("May there be more pods", "it scales by itself")
        look(cockpit, "What to do", "the cache misses", "suggests: Roll back")
        do(cockpit, "Roll back", f"-> {before}")
        cockpit.run_step("Is it under way", "suggests: p99 is under the line")
        cockpit.wait_step("p99 is under the line")
        cockpit.press("enter")
        cockpit.wait_step("Traces", timeout=240)
        cockpit.press("enter")
        assert image(kubectl) == before
        wait_until(lambda: all_ready(kubectl), 30, "three ready pods and none left over")
        assert hit_percent(platform) > 60.0
        assert_recorded(cockpit, "api-latency", "kubernetes.rollback")
