"""Wrong choices at Vault, by keys: cancelled, overtaken by somebody else, and nodes that hang once the change has left."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.hanging import goes_on_at_the_end, hanging_at, through
from tests.e2e.test_vault_latency import leader_of, wait_whole
from tests.e2e.vault import THRESHOLD, assert_nowhere, bao_status, sealed_nodes
from tests.e2e.wrong_choices import assert_nothing_is_open, assert_told_and_not_sent, assert_unknown, settle
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(300)]

GIVE, STEP_DOWN = "Give a key share", "Let the leader step down"
PROMPT = b"Key share (unseen"


def office(lab: LabHandle) -> tuple[int, str]:
    """Who leads, and since when, as ``bao status`` tells it."""
    ordinal = leader_of(lab)
    return ordinal, str(json.loads(lab.bao(ordinal, "status", "-format=json").stdout)["active_time"])


def plan_share(cockpit: CockpitTerminal, sealed: int) -> None:
    """To the plan of a key share."""
    cockpit.wait_live("Vault")
    cockpit.choose_procedure("vault-sealed")
    cockpit.run_step("Which nodes are sealed", "sealed: vault-")
    cockpit.run_step("What opens it", "Shamir: 3 of 5 key shares")
    cockpit.walk_to("vault-sealed", GIVE, "What sealed it")
    cockpit.run_step(GIVE)
    cockpit.wait_text(f"vault-{sealed} 0/3 -> 1/3", "Enter does it")
    cockpit.let_it_hear()


def plan_step_down(cockpit: CockpitTerminal, leader: int) -> str:
    """To the plan of a step-down; the letter that confirms it."""
    cockpit.wait_live("Vault")
    cockpit.open_at("vault-latency", STEP_DOWN)
    cockpit.run_step(STEP_DOWN, "Enter plans it")
    cockpit.wait_text(f"vault-{leader} gives up the lead")
    return cockpit.confirmation()


def test_a_share_that_is_not_wanted_any_more_is_not_asked_for(vault_lab: LabHandle, state: Path) -> None:
    vault_lab.break_("vault-sealed-one")
    (sealed,) = sealed_nodes(vault_lab)
    with CockpitTerminal(vault_lab.profile, state) as cockpit:
        plan_share(cockpit, sealed)
        cockpit.leave("Enter does it")
        cockpit.wait_step(GIVE)
        assert bao_status(vault_lab, sealed)["progress"] == 0 and PROMPT not in cockpit.raw
        assert_nothing_is_open(cockpit)
        assert [event for event in cockpit.journal() if "action_run" in event.payload] == []


def test_a_node_that_somebody_else_has_opened_asks_for_no_share(vault_lab: LabHandle, state: Path) -> None:
    vault_lab.break_("vault-sealed-one")
    (sealed,) = sealed_nodes(vault_lab)
    with CockpitTerminal(vault_lab.profile, state) as cockpit:
        plan_share(cockpit, sealed)
        for share in vault_lab.shares()[:THRESHOLD]:
            assert vault_lab.bao(sealed, "operator", "unseal", share).returncode == 0
        wait_until(lambda: sealed_nodes(vault_lab) == set(), 30, "somebody else's shares to count")
        cockpit.press("enter")
        assert_told_and_not_sent(cockpit, "nothing is left to do", "none of the 3 nodes is sealed")
        assert PROMPT not in cockpit.raw


def test_a_node_that_hangs_with_a_share_on_its_way_is_unknown_until_it_goes_on(
    vault_lab: LabHandle, state: Path, tmp_path: Path
) -> None:
    vault_lab.break_("vault-sealed-one")
    (sealed,) = sealed_nodes(vault_lab)
    name, share = f"vault-{sealed}", vault_lab.shares()[0]
    with (
        goes_on_at_the_end(vault_lab, name) as send,
        hanging_at(vault_lab.ports[name], b"sys/unseal", lambda: send(signal.SIGSTOP)) as relay,
        CockpitTerminal(through(vault_lab, vault_lab.ports[name], relay, tmp_path), state) as cockpit,
    ):
        plan_share(cockpit, sealed)
        cockpit.type_share(share)
        cockpit.send("\r")
        assert_unknown(cockpit, 90)
        send(signal.SIGCONT)
        wait_until(lambda: bao_status(vault_lab, sealed)["progress"] == 1, 20, "the share to count")
        settle(cockpit, "1 of 3 shares")
        assert_nowhere(cockpit, share)


def test_a_step_down_that_is_not_wanted_is_cancelled_by_any_other_key(vault_lab: LabHandle, state: Path) -> None:
    wait_whole(vault_lab)
    before = office(vault_lab)
    with CockpitTerminal(vault_lab.profile, state) as cockpit:
        plan_step_down(cockpit, before[0])
        cockpit.press("enter")  # Only the letter does it.
        cockpit.wait_step(STEP_DOWN)
        assert office(vault_lab) == before
        assert_nothing_is_open(cockpit)
        assert [event for event in cockpit.journal() if "action_run" in event.payload] == []


def test_a_leader_that_was_replaced_meanwhile_is_not_told_to_step_down(vault_lab: LabHandle, state: Path) -> None:
    wait_whole(vault_lab)
    first, since = office(vault_lab)
    with CockpitTerminal(vault_lab.profile, state) as cockpit:
        letter = plan_step_down(cockpit, first)
        assert vault_lab.bao(first, "operator", "step-down", token="root").returncode == 0
        wait_until(lambda: office(vault_lab)[1] != since, 40, "somebody else's step-down")
        wait_whole(vault_lab)
        now = office(vault_lab)
        cockpit.press(letter)
        assert_told_and_not_sent(cockpit, "nothing is left to do", "is not the one that was shown")
        assert office(vault_lab) == now


def test_nodes_that_hang_with_a_step_down_on_its_way_are_unknown_until_they_go_on(
    vault_lab: LabHandle, state: Path, tmp_path: Path
) -> None:
    wait_whole(vault_lab)
    first, since = office(vault_lab)
    port = vault_lab.ports[f"vault-{first}"]
    with (
        hanging_at(port, b"PUT /v1/sys/step-down", lambda: vault_lab.break_("target-hung", "vault")) as relay,
        CockpitTerminal(through(vault_lab, port, relay, tmp_path), state) as cockpit,
    ):
        letter = plan_step_down(cockpit, first)
        cockpit.press(letter)
        assert_unknown(cockpit, 90)
        vault_lab.mend("target-hung", "vault")
        wait_until(lambda: office(vault_lab)[1] != since, 40, "a leader of a newer term")
        settle(cockpit)
