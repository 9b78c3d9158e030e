"""Vault as ``bao`` sees it, and its procedure walked by keys; shared by the tests that end in an open Vault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import STEP_SECONDS, CockpitTerminal, processes_of
from tests.lab_handle import LabHandle

NODES = 3
THRESHOLD = 3


def bao_status(lab: LabHandle, ordinal: int) -> dict[str, Any]:
    """``bao status`` of one node."""
    done = lab.bao(ordinal, "status", "-format=json")
    assert done.returncode in (0, 2), done.stderr
    return dict(json.loads(done.stdout))


def sealed_nodes(lab: LabHandle) -> set[int]:
    """The nodes that `bao status` calls sealed."""
    return {ordinal for ordinal in range(NODES) if bao_status(lab, ordinal)["sealed"]}


RESTARTED, BY_A_PERSON = "its process was started anew", "somebody sealed it on purpose"
"""What the nodes' logs tell of the seal. The leader of ``vault-sealed-all`` is told to seal itself, and restarted where it leads no more."""


def walk_vault_sealed(cockpit: CockpitTerminal, shares: list[str], *why: str, given_before: int = 0) -> None:
    """The whole procedure by keys, the cockpit being on its first step; ``why``: what the nodes' logs may tell of the seal; ``given_before``:
    how many fixes were proven before it.
    """
    cockpit.run_step("Which nodes are sealed", "sealed: vault-")
    cockpit.run_step("What opens it", "Shamir: 3 of 5 key shares")
    cockpit.wait_step("What sealed it")
    cockpit.wait_until(lambda screen: any(cause in screen for cause in why or (RESTARTED,)), STEP_SECONDS, f"{why}")
    cockpit.run_step("What sealed it")
    cockpit.run_step("Why did it seal")
    cockpit.answer("What was done or found?", "the pod restarted")
    cockpit.run_step("How many must be opened")
    cockpit.run_step("Is a round of shares under way", "no share has been given yet")
    for given, share in enumerate(shares, given_before + 1):
        cockpit.run_step("Give a key share")
        cockpit.type_share(share)
        assert_nowhere(cockpit, share)
        cockpit.send("\r")
        cockpit.wait_text("sent and answered", "verified:", "Esc back")
        cockpit.wait_journal(Kind.VERIFIED, given)
        cockpit.press("escape")
    prove_vault_open(cockpit)


def prove_vault_open(cockpit: CockpitTerminal) -> None:
    """The procedure's last steps, to its end."""
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
