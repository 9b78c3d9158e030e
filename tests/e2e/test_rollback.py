"""A release whose pods never get ready is rolled back to the revision that an engineer picks, and kubectl says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.api_walk import image
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(400)]


def test_a_release_that_never_gets_ready_is_rolled_back(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    before = image(kubectl)
    platform.break_("bad-release-never-ready")
    assert image(kubectl) != before
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Pods")
        cockpit.choose_procedure("rollback-deployment")
        cockpit.run_step("What there is to go back to", "the one before is")
        cockpit.run_step("Does the old code fit the database")
        cockpit.answer("What was done or found?", "no migration in it")
        cockpit.run_step("Roll back")
        letter = cockpit.confirmation()
        assert f"-> {before}"[-12:] in cockpit.screen.replace("\n", ""), "the plan shows what differs"
        cockpit.press(letter)
        cockpit.wait_text("sent and answered", "verified:", "Esc back", timeout=120)
        cockpit.press("escape")
        cockpit.run_step("Watch it", "ok: ")
        cockpit.run_step("The API answers", "ok: ")
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)
        assert image(kubectl) == before
        (verified,) = cockpit.journal(Kind.VERIFIED)
        assert verified.payload["verdict"] == "verified" and verified.payload["after"]["available"] == "3 of 3"
        assert_recorded(cockpit, "rollback-deployment", "kubernetes.rollback")
