"""A release crashes; an engineer finds the cause and mends it by keyboard, and kubectl says that it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.api_walk import all_ready, container, do, leave_out
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

CAUSES = {
    "database": ("DATABASE_URL", "FATAL database"),
    "redis": ("REDIS_NODES", "FATAL redis"),
    "vault": ("VAULT_ADDRESSES", "FATAL vault"),
}


def diagnose(cockpit: CockpitTerminal, ends: str, words: str = "") -> None:
    """From the first step to the one that says what to do."""
    cockpit.run_step("Which pods crash", "are not well")
    cockpit.run_step("How it ended, and its last words", ends, *((words,) if words else ()))
    cockpit.run_step("The whole previous log")
    cockpit.wait_text("1 of 1 previous logs read", "Esc back")
    cockpit.press("escape")
    cockpit.run_step("What the cluster says of its pods", "warnings; the newest")
    cockpit.run_step("Did a release bring it", "suspect number one")
    cockpit.run_step("What it is given", "variables")


@pytest.mark.long
@pytest.mark.parametrize("cause", ["database", "redis", "vault"])
def test_a_wrong_address_is_found_and_rolled_back(
    platform: LabHandle, kubectl: Kubectl, state: Path, cause: str
) -> None:
    variable, words = CAUSES[cause]
    before = container(kubectl)
    platform.break_(f"api-crashloop-{cause}")
    assert container(kubectl) != before
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods")
        cockpit.choose_procedure("api-crashloop")
        diagnose(cockpit, "exit code 1", words)
        cockpit.run_step("Do database, Redis and Vault answer", f"bad: {variable} names")
        cockpit.run_step("The same from inside a pod")
        cockpit.wait_text("addresses fail from api-", "FAILS", "Esc back", timeout=60)
        cockpit.press("escape")
        cockpit.run_step("Is it the memory", "no container was killed")
        cockpit.run_step("What to do", "suggests: Roll back")
        do(cockpit, "Roll back", f"env[{variable}]", "serves now:")
        cockpit.run_step("Did that mend it", "suggests: Watch the rollout")
        cockpit.run_step("Watch the rollout", "ok: ")
        cockpit.run_step("The API answers", "ok: ")
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)

        assert container(kubectl) == before
        wait_until(lambda: all_ready(kubectl), 30, "three ready pods and none left over")
        (verified,) = cockpit.journal(Kind.VERIFIED)
        assert verified.payload["verdict"] == "verified"
        assert verified.payload["before"] and verified.payload["after"]["available"] == "3 of 3"
        assert_recorded(cockpit, "api-crashloop", "kubernetes.rollback")


@pytest.mark.long
def test_a_container_without_memory_is_given_some(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    platform.break_("api-crashloop-memory")
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods")
        cockpit.choose_procedure("api-crashloop")
        cockpit.run_step("Which pods crash", "are not well")
        cockpit.run_step("How it ended, and its last words", "OOMKilled (exit code 137)")
        # The cause is known; the steps between are left out, and say why.
        for title in (
            "The whole previous log",
            "What the cluster says of its pods",
            "Did a release bring it",
            "What it is given",
        ):
            leave_out(cockpit, title, "it was killed for memory")
        for title in ("Do database, Redis and Vault answer", "The same from inside a pod"):
            leave_out(cockpit, title, "it was killed for memory")
        cockpit.run_step("Is it the memory", "killed for want of memory", "limit 36Mi")
        cockpit.run_step("What to do", "suggests: Give one container memory")
        cockpit.wait_text("memory 8Gi")
        do(cockpit, "Give one container memory", "36Mi to 8Gi", "serves now:")
        cockpit.run_step("Did that mend it", "suggests: Watch the rollout")
        cockpit.run_step("Watch the rollout", "ok: ")
        cockpit.run_step("The API answers", "ok: ")

        found = container(kubectl)["resources"]
        assert found == {
            "requests": {"cpu": "100m", "memory": "24Mi"},
            "limits": {"cpu": "1", "memory": "8Gi"},
        }
        wait_until(lambda: all_ready(kubectl), 30, "three ready pods and none left over")
        assert_recorded(cockpit, "api-crashloop", "kubernetes.set-memory")


@pytest.mark.long
def test_what_is_not_confirmed_is_not_done(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    platform.break_("api-crashloop-database")
    before = kubectl.get("deployment", "api")["metadata"]["generation"]
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods")
        cockpit.open_at("api-crashloop", "Roll back")
        cockpit.run_step("Roll back")
        cockpit.confirmation()
        cockpit.leave("to do it")
        cockpit.wait_step("Roll back")
        assert cockpit.journal(Kind.INTENT) == []
    assert kubectl.get("deployment", "api")["metadata"]["generation"] == before
