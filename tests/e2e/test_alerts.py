"""A P0 alert is silenced from its row while its procedure is walked, and nobody forgets it; Alertmanager itself says what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.e2e.vault import THRESHOLD, sealed_nodes, walk_vault_sealed
from tests.lab_handle import LabHandle
from tests.waiting import wait_until
from tests.web import web

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(600)]


def vault_sealed(lab: LabHandle) -> dict[str, Any]:
    """The alert at Alertmanager; empty when there is none."""
    found: list[dict[str, Any]] = web.get(f"{alertmanager(lab)}/api/v2/alerts").json()
    return next((one for one in found if one["labels"]["alertname"] == "VaultSealed"), {})


def silences(lab: LabHandle) -> dict[str, str]:
    """Every silence: id and state."""
    found = web.get(f"{alertmanager(lab)}/api/v2/silences").json()
    return {one["id"]: one["status"]["state"] for one in found}


def alertmanager(lab: LabHandle) -> str:
    return f"http://127.0.0.1:{lab.ports['alertmanager']}"


def choose_fix(cockpit: CockpitTerminal, words: str) -> None:
    """Press the digit of the fix that says ``words``."""
    screen = cockpit.wait_text("number chooses", words)
    (row,) = (row for row in screen.split("\n") if words in row)
    cockpit.press(row.partition(words)[0].strip(" │|").split()[-1])


def test_a_p0_is_silenced_never_forgotten_heard_again_and_mended(platform: LabHandle, state: Path) -> None:
    before = set(silences(platform))
    platform.break_("vault-sealed-one")
    wait_until(lambda: vault_sealed(platform), 90, "VaultSealed at Alertmanager", interval=0.3)
    with CockpitTerminal(platform.profile, state, columns=80, lines=24) as cockpit:
        cockpit.wait_live("Alerts", "Vault")
        cockpit.press("1")
        cockpit.wait_text("[1 Alerts]")
        cockpit.wait_verdict("alert VaultSealed")  # A pending one is listed too, and cannot be silenced.
        cockpit.press("f")
        choose_fix(cockpit, "silence VaultSealed")
        cockpit.wait_text("For how long", "until ")
        cockpit.press("1")
        cockpit.answer("Why, for whoever finds the silence?", "shares are coming")
        cockpit.wait_text("silence VaultSealed vault-")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "undoes it")
        (made,) = set(silences(platform)) - before
        assert vault_sealed(platform)["status"]["silencedBy"] == [made]
        cockpit.leave("undoes it")
        cockpit.wait_verdict("1 silenced, P0")

        cockpit.press("f")
        choose_fix(cockpit, f"expire silence {made[:8]} of VaultSealed")
        cockpit.wait_text("notifies again: VaultSealed vault-")
        cockpit.confirm_safe()
        cockpit.wait_text("verified:", "Esc back")
        assert silences(platform)[made] == "expired"
        assert vault_sealed(platform)["status"]["state"] == "active"
        cockpit.leave("no longer in force")
        cockpit.wait_until(lambda screen: "silenced" not in screen.split("\n")[1], 60, "nothing silenced")

        cockpit.press("f")
        choose_fix(cockpit, "open procedure vault-sealed")
        walk_vault_sealed(cockpit, platform.shares()[:THRESHOLD], given_before=2)
        assert sealed_nodes(platform) == set()
        fixes = ("alerts.silence", "alerts.expire-silence", *["vault.unseal"] * THRESHOLD)
        assert_recorded(cockpit, "vault-sealed", *fixes)
