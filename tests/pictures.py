"""Screenshots of the running program on the lab, written to docs/pictures. Run by ``make pictures``; nothing in them is made up."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.model.reading import Link
from alphapulse_tui.screens.alarm import FLASH_SECONDS
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.procedure import ProcedureScreen
from alphapulse_tui.session import BOARD_TARGETS, Session
from tests import lab_picture, procedures_page
from tests.lab_handle import LabHandle, running_lab
from tests.screens.stage import text_of
from tests.waiting import until

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"

Scene = Callable[[Pilot[None], Cockpit], Awaitable[None]]


async def picture(lab: LabHandle, name: str, size: tuple[int, int], scene: Scene) -> None:
    """Open the cockpit, wait until every target is live, play the scene, write the picture."""
    loaded = load_profile(config=str(lab.profile))
    app = Cockpit(Session(loaded.profile, config=str(lab.profile)))
    async with app.run_test(size=size) as pilot:
        board = app.session.board
        await until(
            lambda: all((reading := board.get(target)) and reading.link is Link.LIVE for target in BOARD_TARGETS),
            60,
            "every panel to be live",
        )
        await until(
            lambda: app.session.desk is not None and app.session.executor is not None, 30, "journal and executor"
        )
        await scene(pilot, app)
        await pilot.pause(0.5)
        app.screen.set_focus(app.screen.focused)
        (FOLDER / f"{name}.svg").write_text(app.export_screenshot(title="alphapulse"), encoding="utf-8")
    print(f"docs/pictures/{name}.svg")


async def nothing(pilot: Pilot[None], app: Cockpit) -> None:
    """The start screen as it is."""
    await pilot.pause(0.5)


async def until_verdict(pilot: Pilot[None], app: Cockpit, procedure: str) -> None:
    """Wait until the verdict suggests a procedure."""
    cockpit = app.screen

    def suggested() -> bool:
        verdict = getattr(cockpit, "verdict", None)
        return bool(verdict and verdict.finding and verdict.finding.procedure == procedure)

    await until(suggested, 60, f"the verdict to suggest {procedure}")


async def sealed(pilot: Pilot[None], app: Cockpit) -> None:
    """The cockpit while a Vault node is sealed and its alert fires."""
    await until_verdict(pilot, app, "vault-sealed")
    alerts = app.session.board

    def fires() -> bool:
        reading = alerts.get("alerts")
        return bool(reading and reading.snapshot and reading.snapshot.firing)

    await until(fires, 60, "the alert")
    await pilot.pause(FLASH_SECONDS + 1)  # the flash of a new P0 is over


async def procedure(pilot: Pilot[None], app: Cockpit) -> None:
    """The procedure's screen at its first step: live result, evidence, as written, as run, why."""
    await sealed(pilot, app)
    await pilot.press("p")
    await pilot.pause(2.0)


async def victims(pilot: Pilot[None], app: Cockpit) -> None:
    """What terminating would do, while a storm holds every slot."""
    await until_verdict(pilot, app, "pg-connections")
    await pilot.press("3", "f", "1")
    await until(lambda: "press" in _prompt(app), 30, "the plan")


MENDED_BY = {
    "pg-connections": "connection-storm",
    "pg-slow-queries": "slow-query",
    "pg-replication-lag": "replica-lag",
    "redis-split-brain": "redis-partition",
    "redis-memory": "redis-memory-pressure",
    "vault-sealed": "vault-sealed-one",
    "vault-latency": "vault-slow",
    "api-crashloop": "api-crashloop-database",
    "api-latency": "bad-release-latency",
    "api-errors": "bad-release-errors",
    "rollback-deployment": "bad-release-never-ready",
}
"""The fault that each procedure is shown with."""

PATIENCE = 30
"""Seconds that a fault is given to show."""


def opened(procedure: str) -> Scene:
    """A procedure's screen at its first step, once what it reads has found the fault."""

    async def scene(pilot: Pilot[None], app: Cockpit) -> None:
        screen = app.screen
        assert isinstance(screen, CockpitScreen)
        screen.open_procedure(procedure)
        await until(lambda: isinstance(app.screen, ProcedureScreen), 10, "the procedure's screen")
        for _ in range(PATIENCE):  # What the first step asks may be well: then that is what it shows.
            if "bad: " in text_of(app):
                break
            await pilot.pause(1.0)
        await until(lambda: re.search("(bad|ok): ", text_of(app)), 60, f"{procedure} to say what it finds")
        await pilot.pause(1.0)

    return scene


def _prompt(app: Cockpit) -> str:
    lines = list(app.screen.query("PromptLine"))
    return str(getattr(lines[0], "text", "").text) if lines else ""


async def main() -> None:
    """Every picture of the documentation."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, running_lab() as lab:
        os.environ["ALPHAPULSE_STATE"] = state
        lab.wait()
        lab_picture.write(lab)
        await picture(lab, "cockpit", (160, 45), nothing)
        lab.break_("vault-sealed-one")
        await picture(lab, "cockpit-sealed", (120, 40), sealed)
        await picture(lab, "procedure", (140, 36), procedure)
        lab.mend()
        lab.break_("connection-storm")
        await picture(lab, "plan", (120, 40), victims)
        lab.mend()
        for name, fault in MENDED_BY.items():
            lab.break_(fault)
            await picture(lab, f"procedure-{name}", (120, 34), opened(name))
            lab.mend()
    procedures_page.PAGE.write_text(procedures_page.page(), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
