"""A try sends nothing, picks what a run would pick, and never gives a command that looks runnable and is not."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook import dry_run as module
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Passed, Scene
from alphapulse_tui.runbook.dry_run import dry_run
from alphapulse_tui.runbook.schema import ActionStep, CheckStep, Parameter, Procedure


class NoBoard:
    """Nothing was read."""

    readings: ClassVar[dict[str, Any]] = {}

    @staticmethod
    def clock() -> float:
        return 1.0


STEPS = (
    CheckStep(id="look", title="Look", why="To see it.", check="test.node", command="show {node} {size}"),
    CheckStep(id="all", title="Look at all", why="To see it.", check="test.node", command="show all"),
    ActionStep(id="act", title="Act", why="To mend it.", action="kubernetes.restart", params={"name": "{node}"}),
)
PARAMETERS = (Parameter("node", "a node", pick="test.node"), Parameter("size", "a size", default="3"))
PROCEDURE = Procedure("own", "Our own", "9", "P2", "vault", "What we do.", STEPS, parameters=PARAMETERS)


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the check finds; a test may empty it."""
    found = [("vault-1", "the sealed one"), ("vault-2", "another")]

    def check(scene: Scene) -> CheckResult:
        return CheckResult(Passed.YES, "found", choices=tuple(found))

    async def nothing_read(*_: object) -> NoBoard:
        return NoBoard()

    monkeypatch.setitem(CHECKS, "test.node", check)
    monkeypatch.setattr("alphapulse_tui.sources.build.read_once", nothing_read)
    return found


async def tried(**params: str) -> dict[str, dict[str, Any]]:
    values = {**PROCEDURE.defaults(Thresholds()), **params}
    return {step["id"]: step for step in await dry_run(Profile(name="bare"), PROCEDURE, values, lambda: 0.0)}


async def test_what_a_run_would_pick_is_picked_and_said(choices: list[tuple[str, str]]) -> None:
    assert choices
    steps = await tried()
    assert steps["look"]["command"] == "show vault-1 3"
    assert ["picked now", "node = vault-1"] in steps["look"]["evidence"]
    assert ["picked now", "node = vault-1"] in steps["act"]["evidence"]
    assert steps["all"]["evidence"] == []
    given = await tried(node="vault-2")
    assert given["look"]["command"] == "show vault-2 3" and given["look"]["evidence"] == []


async def test_a_command_that_lacks_a_value_is_comments_that_say_so(choices: list[tuple[str, str]]) -> None:
    choices.clear()
    command = (await tried())["look"]["command"]
    assert command.splitlines() == ["# Not to be run as it stands: fill in {node} first.", "# show {node} 3"]
    assert (await tried(node="a\nreboot"))["look"]["command"] == "show 'a\nreboot' 3"
    assert module.used(STEPS[2]) == ["node"]
