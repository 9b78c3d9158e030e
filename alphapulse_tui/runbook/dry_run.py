"""A procedure walked without a screen and without changing anything: every check judged, every action planned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, TargetUnreachable
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Scene
from alphapulse_tui.runbook.checks.look import look
from alphapulse_tui.runbook.engine import picks
from alphapulse_tui.runbook.filling import by_hand, fill, fill_command, places
from alphapulse_tui.runbook.schema import ActionStep, BranchStep, CheckStep, Procedure, Step, WaitStep

READ_SECONDS = 5.0
"""Seconds for one look at every target."""


async def dry_run(
    profile: Profile, procedure: Procedure, params: dict[str, str], wall: Callable[[], float]
) -> list[dict[str, Any]]:
    """One record a step: ``number, id, kind, title, verdict, sentence, evidence, command``. ``verdict`` is a check's own word, ``planned``,
    ``refused``, ``not verified`` or ``by hand``; ``command`` is the same with stock tools, empty where there is none. A value that nobody gave and
    that a run would pick from what is there is picked now, and said with the steps that use it.
    """
    from alphapulse_tui.sources.build import read_once

    board = await read_once(profile, READ_SECONDS, procedure.reads)
    scene = Scene(board.readings, board.clock(), wall(), profile.thresholds, params)
    picked = picks(procedure, scene)
    steps = [
        {
            "number": number,
            "id": step.id,
            "kind": step.kind,
            "title": step.title,
            **await _walk(profile, step, scene, picked),
        }
        for number, step in enumerate(procedure.steps, 1)
    ]
    for step, told in zip(procedure.steps, steps, strict=True):
        told["evidence"] += [["picked now", f"{name} = {picked[name]}"] for name in used(step) if name in picked]
    return steps


async def _walk(profile: Profile, step: Step, scene: Scene, picked: dict[str, str]) -> dict[str, Any]:
    values = {**scene.params, **picked}
    if isinstance(step, ActionStep):
        return await _planned(profile, step, values)
    command = {"command": fill_command(step.command, values)}
    if isinstance(step, CheckStep | WaitStep | BranchStep):
        return {**_judged(look(CHECKS[step.check], scene)), **command}
    return {"verdict": "by hand", "sentence": step.why, "evidence": [], **command}


def used(step: Step) -> list[str]:
    """The parameters that a step's command or action names."""
    texts = [step.command, *(step.params.values() if isinstance(step, ActionStep) else ())]
    return list(dict.fromkeys(name for text in texts for name in places(text)))


def _judged(result: CheckResult) -> dict[str, Any]:
    return {"verdict": result.passed.value, "sentence": result.sentence, "evidence": [list(row) for row in result.rows]}


async def _planned(profile: Profile, step: ActionStep, values: dict[str, str]) -> dict[str, Any]:
    action = make_action(step.action, profile)
    try:
        plan = await action.planned({name: fill(value, values) for name, value in step.params.items()})
    except TargetUnreachable as problem:
        return {"verdict": "not verified", "sentence": str(problem), "evidence": [], "command": ""}
    except ActionProblem as problem:
        return {"verdict": "refused", "sentence": str(problem), "evidence": [], "command": ""}
    finally:
        await action.close()
    shell = by_hand(plan.shell, plan.refusal)
    evidence = [*([["by hand", shell]] if shell else []), *([victim.key, victim.label] for victim in plan.victims)]
    if plan.refusal:
        return {"verdict": "refused", "sentence": plan.refusal, "evidence": evidence, "command": ""}
    return {"verdict": "planned", "sentence": plan.sentence, "evidence": evidence, "command": plan.shell}
