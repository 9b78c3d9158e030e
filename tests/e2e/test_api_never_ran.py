"""A release whose containers never run: the image or the Secret that is not there is named, and what mends it is done by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.api_walk import all_ready, container, do, flat, leave_out, look
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(400)]


def diagnose(cockpit: CockpitTerminal, *named: str) -> None:
    """From the first step to the one that says what to do; ``named`` stands in what the kubelet says."""
    cockpit.run_step("Which pods crash", "are not well")
    look(cockpit, "How it ended, and its last words", "never ran", *named)
    # It has no log, and says so: there is nothing to read in this step.
    cockpit.run_step("The whole previous log")
    cockpit.wait_text("has run before", "not possible now")
    cockpit.leave("not possible now")
    leave_out(cockpit, "The whole previous log", "none of them ever ran")
    cockpit.run_step("What the cluster says of its pods", "warnings; the newest")
    cockpit.run_step("Did a release bring it", "suspect number one")
    cockpit.run_step("What it is given", "variables")
    cockpit.run_step("Do database, Redis and Vault answer", "answer at the addresses")
    leave_out(cockpit, "The same from inside a pod", "the addresses are well")
    cockpit.run_step("Is it the memory", "no container was killed")


def watch(cockpit: CockpitTerminal) -> None:
    """From the fix to the end of the procedure."""
    cockpit.run_step("Watch the rollout", "ok: ")
    cockpit.run_step("The API answers", "ok: ")
    cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)


def test_an_image_that_does_not_exist_is_named_and_rolled_back(
    platform: LabHandle, kubectl: Kubectl, state: Path
) -> None:
    before = container(kubectl)
    platform.break_("bad-release-image")
    assert container(kubectl)["image"] == "alphapulse/api:v1.4.3-hotfix"
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods")
        cockpit.wait_until(
            re.compile("ErrImagePull|ImagePullBackOff").search, 60, "a pod without an image in the panel"
        )
        cockpit.choose_procedure("api-crashloop")
        diagnose(cockpit, "v1.4.3-hotfix", "no such image")
        look(cockpit, "What to do", "v1.4.3-hotfix", "suggests: Roll back")
        do(cockpit, "Roll back", f"-> {before['image']}")
        cockpit.run_step("Did that mend it", "suggests: Watch the rollout")
        watch(cockpit)
        assert container(kubectl) == before
        wait_until(lambda: all_ready(kubectl), 30, "three ready pods and none left over")
        assert_recorded(cockpit, "api-crashloop", "kubernetes.rollback")


def test_a_release_that_asks_for_a_missing_key_is_rolled_back(
    platform: LabHandle, kubectl: Kubectl, state: Path
) -> None:
    before = container(kubectl)
    platform.break_("api-secret-missing", "config-key")
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods")
        cockpit.choose_procedure("api-crashloop")
        diagnose(cockpit, '"RISK_LIMITS"', "ConfigMap")
        look(cockpit, "What to do", "asked for by", "brought it", "suggests: Roll back")
        do(cockpit, "Roll back", "env[RISK_LIMITS]", "removed")
        cockpit.run_step("Did that mend it", "suggests: Watch the rollout")
        watch(cockpit)
        assert container(kubectl) == before
        wait_until(lambda: all_ready(kubectl), 30, "three ready pods and none left over")
        assert_recorded(cockpit, "api-crashloop", "kubernetes.rollback")


def test_a_missing_secret_is_named_and_made_by_its_keeper(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    platform.break_("api-secret-missing", "secret")
    admin = kubectl.as_user("admin")
    try:
        with CockpitTerminal(platform.profile, state) as cockpit:
            cockpit.wait_live("Pods")
            cockpit.wait_text("CreateContainer", timeout=60)
            cockpit.choose_procedure("api-crashloop")
            diagnose(cockpit, '"alphapulse-signing"', "SIGNING_KEY")
            cockpit.wait_step("What to do")
            told = "its variable SIGNING_KEY asks for it; revision"
            cockpit.wait_until(lambda screen: told in flat(screen) and "its keeper makes it" in flat(screen), 30, told)
            # The engineer chooses otherwise than suggested: the release is wanted, and the Secret was forgotten.
            cockpit.press("y")
            way = re.search(r"(\d)  Have what is missing made", cockpit.wait_text("Have what is missing made"))
            assert way is not None
            cockpit.let_it_hear()
            cockpit.press(way[1])
            cockpit.wait_step("Have what is missing made")
            secret = ("create", "secret", "generic", "alphapulse-signing", "--from-literal=key=walk")
            admin("-n", "alphapulse", *secret)
            cockpit.press("enter")
            cockpit.answer("What was done or found?", "the payments team made it")
            leave_out(cockpit, "Mend what it depends on", "not needed here")
            watch(cockpit)
            wait_until(lambda: all_ready(kubectl), 30, "three ready pods and none left over")
            asked = [one["name"] for one in container(kubectl)["env"]]
            assert "SIGNING_KEY" in asked, "the release stayed"
            assert_recorded(cockpit, "api-crashloop")
    finally:
        platform.mend("api-secret-missing")
        admin("-n", "alphapulse", "delete", "secret", "alphapulse-signing", "--ignore-not-found")
