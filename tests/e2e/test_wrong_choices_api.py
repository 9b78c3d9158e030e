"""What an engineer does wrong at the API's Deployment, or somebody else does meanwhile: nothing is sent, or what was sent is not called done."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from alphapulse_tui.actions.kubernetes_link import FIELD_MANAGER
from alphapulse_tui.incident.events import Kind
from tests.e2e.api_walk import all_ready, flat, generation, image
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.hanging import goes_on_at_the_end, hanging_api_server
from tests.e2e.wrong_choices import assert_unknown, settle
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(400)]

SENT = f"?fieldManager={FIELD_MANAGER} HTTP/1.1".encode()
"""In the first line of a change that is meant: a rehearsal has ``dryRun`` behind it."""


def open_pods(cockpit: CockpitTerminal) -> None:
    """The table of the pods, with the API's alone."""
    cockpit.wait_live("Pods")
    cockpit.wait_until(lambda screen: "opening the journal" not in screen, 30, "the journal")
    cockpit.press("2", "enter")
    cockpit.wait_text("READY", "agent-workers-")
    cockpit.press("/")
    cockpit.send("api-")
    cockpit.wait_until(lambda screen: "api-" in screen and "agent-workers-" not in screen, 30, "the API's pods alone")
    cockpit.press("enter")


def choose_fix(cockpit: CockpitTerminal, title: str) -> None:
    """Choose a fix of the first of the API's pods by its number."""
    cockpit.press("f")
    found = re.compile(rf"(\d)\W+{re.escape(title)}")
    number = found.search(cockpit.wait_until(found.search, 30, f"the fix {title!r}"))
    assert number is not None
    cockpit.let_it_hear()
    cockpit.press(number[1])


def plan_roll_back(cockpit: CockpitTerminal) -> str:
    """Open rollback-deployment at its action and have it planned; returns the letter."""
    cockpit.wait_live("Pods")
    cockpit.choose_procedure("rollback-deployment")
    cockpit.run_step("What there is to go back to", "the one before is")
    cockpit.run_step("Does the old code fit the database")
    cockpit.answer("What was done or found?", "no migration in it")
    cockpit.run_step("Roll back")
    return cockpit.confirmation()


def test_what_is_cancelled_is_not_done(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    before = generation(kubectl)
    with CockpitTerminal(platform.profile, state) as cockpit:
        open_pods(cockpit)
        for title in ("restart api", "scale api 3 -> 2", "roll back api"):
            choose_fix(cockpit, title)
            cockpit.confirmation()
            cockpit.leave("to do it")
        choose_fix(cockpit, "set another image for api")
        cockpit.wait_text("Which image?")
        cockpit.leave("Which image?")
        choose_fix(cockpit, "set another image for api")
        cockpit.answer("Which image?", "v1.4.3")
        cockpit.confirmation()
        assert "alphapulse/api:v1.4.3" in flat(cockpit.screen)
        cockpit.leave("to do it")
        assert cockpit.journal(Kind.INTENT) == []
    assert generation(kubectl) == before


def test_a_deployment_that_somebody_changed_meanwhile_is_left_alone(
    platform: LabHandle, kubectl: Kubectl, state: Path
) -> None:
    admin = kubectl.as_user("admin")

    def patch(seconds: int) -> None:
        admin("-n", "alphapulse", "patch", "deployment", "api", "-p", f'{{"spec":{{"minReadySeconds":{seconds}}}}}')

    platform.break_("bad-release-never-ready")
    try:
        with CockpitTerminal(platform.profile, state) as cockpit:
            letter = plan_roll_back(cockpit)
            patch(1)
            meanwhile = generation(kubectl), image(kubectl)
            cockpit.press(letter)
            cockpit.wait_until(lambda screen: "somebody changed it" in flat(screen), 30, "that it was changed")
            assert (generation(kubectl), image(kubectl)) == meanwhile, "nothing was sent"
            (outcome,) = cockpit.wait_journal(Kind.OUTCOME)
            assert outcome.payload["outcome"] != "done"
            assert (
                cockpit.journal(Kind.VERIFIED) == []
                or cockpit.journal(Kind.VERIFIED)[0].payload["verdict"] != "verified"
            )
    finally:
        patch(0)


def test_an_api_server_that_hangs_at_the_confirmation_gets_nothing(
    platform: LabHandle, kubectl: Kubectl, state: Path
) -> None:
    platform.break_("bad-release-never-ready")
    before = generation(kubectl), image(kubectl)
    with CockpitTerminal(platform.profile, state) as cockpit:
        letter = plan_roll_back(cockpit)
        platform.break_("target-hung", "kubernetes")
        try:
            cockpit.press(letter)
            (outcome,) = cockpit.wait_journal(Kind.OUTCOME, timeout=60)
        finally:
            platform.mend("target-hung", "kubernetes")
        assert outcome.payload["outcome"] == "refused", outcome.payload
        assert cockpit.journal(Kind.SENT) == []
    assert (generation(kubectl), image(kubectl)) == before


def test_an_api_server_that_hangs_with_a_restart_on_its_way_is_unknown_until_it_goes_on(
    platform: LabHandle, kubectl: Kubectl, state: Path, tmp_path: Path
) -> None:
    before = generation(kubectl)
    with (
        goes_on_at_the_end(platform, "kube-apiserver") as send,
        hanging_api_server(platform, SENT, lambda: send(signal.SIGSTOP), tmp_path) as profile,
        CockpitTerminal(profile, state) as cockpit,
    ):
        open_pods(cockpit)
        choose_fix(cockpit, "restart api")
        cockpit.press(cockpit.confirmation())
        assert_unknown(cockpit, 120)
        send(signal.SIGCONT)
        wait_until(
            lambda: kubectl.run("get", "--raw", "/readyz").returncode == 0, 60, "the API server to be ready again"
        )
        # One that stood for longer than it gives a request to arrive (32 s) has dropped it; what is told must be what is true.
        taken = generation(kubectl) == before + 1
        # The controllers have lost their lease meanwhile: they begin anew before they go on with the rollout.
        assert kubectl.run("rollout", "status", "deployment/api", "--timeout=240s", timeout=260).returncode == 0
        settle(cockpit, verdict="verified" if taken else "contradicted")
        assert generation(kubectl) == before + taken


def test_a_rollout_that_fails_half_way_is_not_called_done(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    before = image(kubectl)
    try:
        with CockpitTerminal(platform.profile, state) as cockpit:
            open_pods(cockpit)
            choose_fix(cockpit, "set another image for api")
            cockpit.answer("Which image?", "v1.5.2")
            cockpit.press(cockpit.confirmation())
            (verified,) = cockpit.wait_journal(Kind.VERIFIED, timeout=120)
            assert verified.payload["verdict"] != "verified", verified.payload
            assert "verified:" not in cockpit.screen
            assert image(kubectl) == "alphapulse/api:v1.5.2"
            assert len(kubectl.ready("api")) == 2, "the old pods go on serving"
    finally:
        kubectl("rollout", "undo", "deployment/api")
        wait_until(lambda: image(kubectl) == before and all_ready(kubectl), 60, "the image before, on every pod")
