"""A release that fails or is slow on one endpoint is named by the procedure, rolled back by keyboard, and kubectl says that it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.api_walk import do, image
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


def roll_back(cockpit: CockpitTerminal, watched: str) -> None:
    """From the step that says what to do to the one that watches."""
    cockpit.run_step("What to do", "suggests: Roll back")
    do(cockpit, "Roll back", "serves now:")
    cockpit.run_step("Is it under way", f"suggests: {watched}")
    cockpit.wait_step(watched)


def finish(cockpit: CockpitTerminal, watched: str, link: str) -> None:
    """Watch until it is over, then take the last step's address."""
    cockpit.wait_step(watched)
    cockpit.press("enter")
    cockpit.wait_step(link, timeout=300)
    cockpit.press("enter")


@pytest.mark.long
def test_errors_of_a_release_are_found_and_rolled_back(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    before = image(kubectl)
    platform.break_("bad-release-errors")
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods", "Platform")
        cockpit.choose_procedure("api-errors")
        cockpit.wait_step("How many fail")
        cockpit.run_step("How many fail", "of requests fail (at or over")
        cockpit.run_step("Where they are", "/api/v1/summary answers 500")
        cockpit.run_step("Of what kind they are", "most are of type internal")
        cockpit.run_step("What the pods say", "TypeError")
        cockpit.run_step("Did a release bring them", "suspect number one")
        roll_back(cockpit, "The error rate is healed")
        assert image(kubectl) == before
        (verified,) = cockpit.journal(Kind.VERIFIED)
        assert verified.payload["before"]["image"] != verified.payload["after"]["image"] == before
        finish(cockpit, "The error rate is healed", "The errors in Sentry")
        assert_recorded(cockpit, "api-errors", "kubernetes.rollback")


@pytest.mark.long
def test_a_slow_release_is_found_and_rolled_back(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    before = image(kubectl)
    platform.break_("bad-release-latency")
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods", "Platform")
        cockpit.choose_procedure("api-latency")
        cockpit.run_step("How slow is it", "(at or over the line")
        cockpit.run_step("Which endpoint", "/api/v1/trades")
        cockpit.run_step("Where its time goes", "of its time goes to the API itself")
        cockpit.run_step("Does the cache hit", "of lookups hit")
        cockpit.run_step("Which pods, and are they busy", "pods are slow")
        cockpit.run_step("Did a release bring it", "suspect number one")
        cockpit.run_step("May there be more pods", "it scales by itself")
        roll_back(cockpit, "p99 is under the line")
        assert image(kubectl) == before
        finish(cockpit, "p99 is under the line", "Traces")
        assert_recorded(cockpit, "api-latency", "kubernetes.rollback")


@pytest.mark.long
def test_a_surge_is_met_by_the_autoscalers_maximum(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    platform.break_("hpa-at-maximum")
    before = kubectl.get("hpa", "api-hpa")["spec"]["maxReplicas"]
    try:
        with CockpitTerminal(platform.profile, state) as cockpit:
            cockpit.wait_live("Pods", "Platform")
            cockpit.open_at("api-latency", "May there be more pods")
            cockpit.run_step("May there be more pods", f"is at its maximum of {before}")
            cockpit.walk_to("api-latency", "Let the autoscaler have more pods")
            cockpit.run_step("Let the autoscaler have more pods")
            cockpit.confirm_safe()
            cockpit.wait_text("sent and answered", "verified:", "Esc back", timeout=60)
            assert kubectl.get("hpa", "api-hpa")["spec"]["maxReplicas"] == before + before // 2
            cockpit.press("escape")
    finally:
        kubectl.as_user("admin")(
            "-n", "alphapulse", "patch", "hpa", "api-hpa", "-p", f'{{"spec":{{"maxReplicas":{before}}}}}'
        )
