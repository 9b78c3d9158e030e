"""Vault is sealed, one node and all; an engineer opens it with the procedure's keys, and ``bao status`` says that it is open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal, processes_of
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

NODES = 3
THRESHOLD = 3


def bao_status(lab: LabHandle, ordinal: int) -> dict[str, Any]:
    """``bao status`` of one node."""
    done = lab.bao(ordinal, "status", "-format=json")
    assert done.returncode in (0, 2), done.stderr
    return dict(json.loads(done.stdout))


def sealed_nodes(lab: LabHandle) -> set[int]:
    return {ordinal for ordinal in range(NODES) if bao_status(lab, ordinal)["sealed"]}


def walk(cockpit: CockpitTerminal, shares: list[str]) -> None:
    """The whole procedure by keys, the cockpit being on its first step."""
    cockpit.run_step("Which nodes are sealed", "sealed: vault-")
    cockpit.run_step("What opens it", "Shamir: 3 of 5 key shares")
    cockpit.run_step("Why did it seal")
    cockpit.answer("What was done or found?", "the pod restarted")
    cockpit.run_step("Is a round of shares under way", "no share has been given yet")
    for given, share in enumerate(shares, 1):
        cockpit.run_step("Give a key share")
        cockpit.type_share(share)
        assert_nowhere(cockpit, share)
        cockpit.send("\r")
        cockpit.wait_text("sent and answered", "verified:", "Esc back")
        cockpit.wait_journal(Kind.VERIFIED, given)
        cockpit.press("escape")
    cockpit.run_step("Every node is open", "all 3 nodes are unsealed")
    cockpit.run_step("Vault serves again")
    cockpit.run_step("The API recovers")
    cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)


def assert_nowhere(cockpit: CockpitTerminal, *shares: str) -> None:
    """A share is in no file of ours, no argument, no environment, and never was on the screen."""
    for share in (one.encode() for one in shares):
        assert share not in bytes(cockpit.raw)
        for file in (each for each in cockpit.state.rglob("*") if each.is_file()):
            assert share not in file.read_bytes(), f"a key share is in {file}"
        for process in processes_of(cockpit.state):
            about = Path(f"/proc/{process.pid}")
            assert share not in (about / "cmdline").read_bytes(), f"a key share is in the arguments of {process.pid}"
            assert share not in (about / "environ").read_bytes(), f"a key share is in the environment of {process.pid}"


def assert_journaled(cockpit: CockpitTerminal, nodes: set[str]) -> None:
    """Intent, sent, outcome, verified for every share, with how each node stood before and after."""
    kinds = (Kind.INTENT, Kind.SENT, Kind.OUTCOME, Kind.VERIFIED)
    events = cockpit.journal(*kinds)
    assert [event.kind for event in events] == list(kinds) * THRESHOLD
    for given in range(THRESHOLD):
        intent, sent, outcome, verified = events[given * 4 : given * 4 + 4]
        assert len({event.payload["action_run"] for event in (intent, sent, outcome, verified)}) == 1
        assert {victim["key"] for victim in intent.payload["plan"]["victims"]} == nodes
        assert outcome.payload["outcome"] == "done"
        assert verified.payload["verdict"] == "verified"
        for node in nodes:
            assert verified.payload["before"][node] == f"sealed {given}/{THRESHOLD}"
            after = verified.payload["after"][node]
            assert after == (f"sealed {given + 1}/{THRESHOLD}" if given + 1 < THRESHOLD else "unsealed")


def test_one_node_is_sealed_and_opened_on_a_wide_screen(platform: LabHandle, state: Path) -> None:
    platform.break_("vault-sealed-one")
    (sealed,) = sealed_nodes(platform)
    with CockpitTerminal(platform.profile, state, columns=160, lines=45) as cockpit:
        cockpit.wait_live("Vault")
        cockpit.wait_verdict(f"vault-{sealed} is sealed", "p: vault-sealed")
        cockpit.press("p")
        shares = platform.shares()[:THRESHOLD]
        walk(cockpit, shares)
        assert sealed_nodes(platform) == set()
        assert_journaled(cockpit, {f"vault-{sealed}"})
        assert_nowhere(cockpit, *shares)


def test_all_nodes_are_sealed_and_opened_on_the_smallest_screen(platform: LabHandle, state: Path) -> None:
    platform.break_("vault-sealed-all")
    assert sealed_nodes(platform) == set(range(NODES))
    with CockpitTerminal(platform.profile, state, columns=80, lines=24) as cockpit:
        cockpit.wait_verdict("sealed", "p: vault-sealed")
        cockpit.choose_procedure("vault-sealed")
        shares = platform.shares()[-THRESHOLD:]
        walk(cockpit, shares)
        assert sealed_nodes(platform) == set()
        wait_until(
            lambda: sum(bool(bao_status(platform, node).get("is_self")) for node in range(NODES)) <= 1, 5, "one leader"
        )
        assert_journaled(cockpit, {f"vault-{ordinal}" for ordinal in range(NODES)})
        assert_nowhere(cockpit, *shares)
