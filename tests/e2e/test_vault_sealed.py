"""Vault is sealed, one node and all; an engineer opens it with the procedure's keys, and ``bao status`` says that it is open."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.actions.recorded import recorded_nodes
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.e2e.vault import (
    BY_A_PERSON,
    NODES,
    RESTARTED,
    THRESHOLD,
    assert_nowhere,
    bao_status,
    prove_vault_open,
    sealed_nodes,
    walk_vault_sealed,
)
from tests.lab_handle import LabHandle
from tests.waiting import wait_until


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


@pytest.mark.lab
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
        assert_recorded(cockpit, "vault-sealed", *["vault.unseal"] * THRESHOLD)
        assert_nowhere(cockpit, *shares)


@pytest.mark.long
@pytest.mark.lab
def test_all_nodes_are_sealed_and_opened_on_the_smallest_screen(platform: LabHandle, state: Path) -> None:
    platform.break_("vault-sealed-all")
    assert sealed_nodes(platform) == set(range(NODES))
    with CockpitTerminal(platform.profile, state, columns=80, lines=24) as cockpit:
        cockpit.wait_verdict("sealed", "p: vault-sealed")
        cockpit.choose_procedure("vault-sealed")
        shares = platform.shares()[-THRESHOLD:]
        walk_vault_sealed(cockpit, shares, RESTARTED, BY_A_PERSON)
        assert sealed_nodes(platform) == set()
        wait_until(
            lambda: sum(bool(bao_status(platform, node).get("is_self")) for node in range(NODES)) <= 1, 5, "one leader"
        )
        assert_journaled(cockpit, {f"vault-{ordinal}" for ordinal in range(NODES)})
        assert_recorded(cockpit, "vault-sealed", *["vault.unseal"] * THRESHOLD)
        assert_nowhere(cockpit, *shares)


WRONG = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mr"
"""33 bytes in base64, as a share has; of no Vault."""


@pytest.mark.lab
@pytest.mark.long
def test_a_wrong_share_is_told_at_the_threshold_and_the_round_is_begun_anew(platform: LabHandle, state: Path) -> None:
    platform.break_("vault-sealed-one")
    (sealed,) = sealed_nodes(platform)
    first, second, third = platform.shares()[:THRESHOLD]
    with CockpitTerminal(platform.profile, state, columns=80, lines=24) as cockpit:
        cockpit.wait_live("Vault")
        cockpit.wait_verdict(f"vault-{sealed} is sealed", "p: vault-sealed")
        cockpit.press("p")
        cockpit.run_step("Which nodes are sealed", "sealed: vault-")
        cockpit.run_step("What opens it", "Shamir: 3 of 5 key shares")
        cockpit.run_step("What sealed it", "its process was started anew")
        cockpit.run_step("Why did it seal")
        cockpit.answer("What was done or found?", "the pod restarted")
        cockpit.run_step("How many must be opened", "leads; 2 of 3 nodes are open")
        cockpit.run_step("Is a round of shares under way", "no share has been given yet")
        give(cockpit, first, "sent and answered", "verified:")
        give(cockpit, second, "sent and answered", "verified:")
        give(cockpit, WRONG, "was wrong, and only now does it show")
        assert bao_status(platform, sealed)["progress"] == 0
        outcome = cockpit.journal(Kind.OUTCOME)[-1]
        assert outcome.payload["outcome"] == "failed"
        # A round with a share that somebody doubts is thrown away before it costs everybody theirs.
        give(cockpit, third, "sent and answered", "verified:")
        cockpit.press("left", "left")
        cockpit.wait_step("Is a round of shares under way")
        cockpit.wait_text("a round is under way", "suggests: Give a key share")
        cockpit.press("y")
        way = re.search(
            r"(\d)  Throw a spoilt round away", cockpit.wait_text("Throw a spoilt round away", "number chooses")
        )
        assert way is not None
        cockpit.let_it_hear()
        cockpit.press(way[1])
        cockpit.wait_step("Throw a spoilt round away")
        cockpit.press("enter")
        cockpit.wait_text("Throws away 1 share")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "Esc back")
        assert bao_status(platform, sealed)["progress"] == 0
        cockpit.press("escape")
        for share in (first, second, third):
            give(cockpit, share, "sent and answered", "verified:")
        prove_vault_open(cockpit)
        assert sealed_nodes(platform) == set()
        done = [*["vault.unseal"] * 3, "vault.reset-unseal", *["vault.unseal"] * THRESHOLD]
        assert_recorded(cockpit, "vault-sealed", *done, failed=["vault.unseal"])
        assert_nowhere(cockpit, first, second, third)


def give(cockpit: CockpitTerminal, share: str, *said: str) -> None:
    """One share by the procedure's step, and what is said of it."""
    cockpit.run_step("Give a key share")
    cockpit.type_share(share)
    cockpit.send("\r")
    cockpit.wait_text(*said, "Esc back", timeout=60)
    cockpit.press("escape")


AWS = {
    "type": "awskms",
    "initialized": True,
    "sealed": True,
    "recovery_seal": True,
    "t": 3,
    "n": 5,
    "version": "1.18.0",
}
"""``sys/seal-status`` of a node whose KMS does not answer."""


def test_auto_unseal_is_shown_as_such_and_asks_for_no_share(state: Path, tmp_path: Path) -> None:
    with recorded_nodes() as serve:
        nodes = ", ".join(f'{{ name = "vault-{number}", address = "{serve(AWS, 503)}" }}' for number in range(NODES))
        profile = tmp_path / "alphapulse.toml"
        profile.write_text(f'[profiles.lab]\nenvironment = "lab"\n[profiles.lab.vault]\nnodes = [ {nodes} ]\n')
        with CockpitTerminal(profile, state, columns=80, lines=24) as cockpit:
            cockpit.wait_verdict("3 of 3 nodes are sealed", "p: vault-sealed")
            cockpit.press("5")
            cockpit.wait_text("[5 Vault]")
            cockpit.press("f")
            cockpit.wait_text("opened by awskms, not by shares: mend")
            cockpit.leave("number chooses")
            cockpit.choose_procedure("vault-sealed")
            cockpit.run_step("Which nodes are sealed", "3 of 3 sealed")
            cockpit.run_step("What opens it", "auto-unseal: key shares do nothing", "suggests: Mend the KMS")
            cockpit.run_step("Mend the KMS, then restart the node")
            cockpit.answer("What was done or found?", "the role may decrypt again")
            cockpit.run_step("Has it opened itself", "suggests: Mend the KMS")
            cockpit.wait_step("Mend the KMS, then restart the node")
            assert cockpit.journal(Kind.INTENT) == []
