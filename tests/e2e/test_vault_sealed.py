"""Vault is sealed, one node and all; an engineer opens it with the procedure's keys, and ``bao status`` says that it is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.vault import NODES, THRESHOLD, assert_nowhere, bao_status, sealed_nodes, walk_vault_sealed
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


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


@pytest.mark.long
def test_one_node_is_sealed_and_opened_on_a_wide_screen(platform: LabHandle, state: Path) -> None:
    platform.break_("vault-sealed-one")
    (sealed,) = sealed_nodes(platform)
    with CockpitTerminal(platform.profile, state, columns=160, lines=45) as cockpit:
        cockpit.wait_live("Vault")
        cockpit.wait_verdict(f"vault-{sealed} is sealed", "p: vault-sealed")
        cockpit.press("p")
        shares = platform.shares()[:THRESHOLD]
        walk_vault_sealed(cockpit, shares)
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
        walk_vault_sealed(cockpit, shares, why="somebody sealed it on purpose")
        assert sealed_nodes(platform) == set()
        wait_until(
            lambda: sum(bool(bao_status(platform, node).get("is_self")) for node in range(NODES)) <= 1, 5, "one leader"
        )
        assert_journaled(cockpit, {f"vault-{ordinal}" for ordinal in range(NODES)})
        assert_nowhere(cockpit, *shares)
