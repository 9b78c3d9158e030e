"""A procedure walked without a screen and without changing anything: every check judged, every action planned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Scene
from alphapulse_tui.runbook.checks.look import look
from alphapulse_tui.runbook.load import fill, fill_command
from alphapulse_tui.runbook.schema import ActionStep, BranchStep, CheckStep, Procedure, Step, WaitStep

READ_SECONDS = 5.0
"""Seconds for one look at every target."""


async def dry_run(
    profile: Profile, procedure: Procedure, params: dict[str, str], wall: Callable[[], float]
) -> list[dict[str, Any]]:
    """One record a step: ``number, id, kind, title, verdict, sentence, evidence, command``. ``verdict`` is a check's own word, ``planned``,
    ``refused``, or ``by hand``; ``command`` is the same with stock tools, empty where there is none.
    """
    from alphapulse_tui.sources.build import read_once

    board = await read_once(profile, READ_SECONDS, procedure.reads)
    scene = Scene(board.readings, board.clock(), wall(), profile.thresholds, params)
    return [
        {"number": number, "id": step.id, "kind": step.kind, "title": step.title, **await _walk(profile, step, scene)}
        for number, step in enumerate(procedure.steps, 1)
    ]


async def _walk(profile: Profile, step: Step, scene: Scene) -> dict[str, Any]:
    if isinstance(step, ActionStep):
        return await _planned(profile, step, scene)
    command = {"command": fill_command(step.command, dict(scene.params))}
    if isinstance(step, CheckStep | WaitStep | BranchStep):
        return {**_judged(look(CHECKS[step.check], scene)), **command}
    return {"verdict": "by hand", "sentence": step.why, "evidence": [], **command}


def _judged(result: CheckResult) -> dict[str, Any]:
    return {"verdict": result.passed.value, "sentence": result.sentence, "evidence": [list(row) for row in result.rows]}


async def _planned(profile: Profile, step: ActionStep, scene: Scene) -> dict[str, Any]:
    action = make_action(step.action, profile)
    try:
        plan = await action.planned({name: fill(value, dict(scene.params)) for name, value in step.params.items()})
    except ActionProblem as problem:
        return {"verdict": "refused", "sentence": str(problem), "evidence": [], "command": ""}
    finally:
        await action.close()
    evidence = [["by hand", plan.shell], *([victim.key, victim.label] for victim in plan.victims)]
    if plan.refusal:
        return {"verdict": "refused", "sentence": plan.refusal, "evidence": evidence, "command": ""}
    return {"verdict": "planned", "sentence": plan.sentence, "evidence": evidence, "command": plan.shell}
