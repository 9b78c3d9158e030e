"""Names in a procedure that must exist elsewhere: checks, actions and their parameters, links, surveys, thresholds, steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import yaml

from alphapulse_tui.actions.registry import ACTIONS, action_class
from alphapulse_tui.config.settings import Links
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks import CHECKS
from alphapulse_tui.runbook.document import Place, mistake, unknown
from alphapulse_tui.runbook.filling import PLACE, places
from alphapulse_tui.runbook.schema import ActionStep, BranchStep, CheckStep, LinkStep, Procedure, Step, WaitStep
from alphapulse_tui.sources.surveys import SURVEYS

TARGETS = ("alerts", "api", "kubernetes", "platform", "postgres", "redis", "vault")
"""What a procedure may mend: the panels' targets."""


def check_references(file: Path, root: yaml.Node, procedure: Procedure, *, actions: bool) -> None:
    """See that every name exists; ``actions``: also the parameters of actions, which takes importing their clients.

    Raises:
        BadDataError: the first that does not, with file, line and field.
    """

    def known(path: Place, what: str, name: str, names: Iterable[str]) -> None:
        if name and name not in names:
            raise mistake(file, root, path, unknown(what, name, names))

    known(["target"], "target", procedure.target, TARGETS)
    for index, survey in enumerate(procedure.reads):
        known(["reads", index], "survey", survey, [one.target for one in SURVEYS])
    for index, link in enumerate(procedure.links):
        known(["links", index], "link", link, Links.__struct_fields__)
    names = [parameter.name for parameter in procedure.parameters]
    for index, parameter in enumerate(procedure.parameters):
        here: Place = ["parameters", index]
        if names.index(parameter.name) != index:
            raise mistake(file, root, [*here, "name"], f"the name {parameter.name!r} is taken by an earlier parameter")
        known([*here, "threshold"], "threshold", parameter.threshold, [field.name for field in fields(Thresholds)])
        known([*here, "pick"], "check", parameter.pick, CHECKS)
    ids = [step.id for step in procedure.steps]
    for index, step in enumerate(procedure.steps):
        here = ["steps", index]
        if ids.index(step.id) != index:
            raise mistake(file, root, [*here, "id"], f"the id {step.id!r} is taken by step {ids.index(step.id) + 1}")
        known([*here, "needs"], "earlier step", step.needs, ids[:index])
        for field, what, name, there in _names(step, ids):
            known([*here, *field], what, name, there)
        _check_command(file, root, [*here, "command"], step.command, names)
        if isinstance(step, ActionStep):
            _check_params(file, root, here, step, names, actions=actions)


def _names(step: Step, ids: list[str]) -> Iterable[tuple[Place, str, str, Iterable[str]]]:
    """Each name that a step refers to: its field, what it is, the name, and those that there are."""
    if isinstance(step, CheckStep | WaitStep | BranchStep):
        yield ["check"], "check", step.check, CHECKS
    if isinstance(step, LinkStep):
        yield ["link"], "link", step.link, Links.__struct_fields__
    if isinstance(step, BranchStep):
        for number, case in enumerate(step.cases):
            yield ["cases", number, "goto"], "step", case.goto, ids
        yield ["otherwise"], "step", step.otherwise, ids
    if isinstance(step, ActionStep):
        yield ["until"], "check", step.until, CHECKS
        yield ["action"], "action", step.action, ACTIONS


def _check_params(
    file: Path, root: yaml.Node, here: Place, step: ActionStep, parameters: list[str], *, actions: bool
) -> None:
    """What an action is given: placeholders of the procedure's parameters, under names that the action has."""
    for name, value in step.params.items():
        for wanted in places(value):
            if wanted not in parameters:
                raise mistake(file, root, [*here, "params", name], unknown("parameter", wanted, parameters))
    if not actions:
        return
    wants = {parameter.name: parameter for parameter in action_class(step.action).parameters}
    for name, value in step.params.items():
        if name not in wants:  # It would be passed over, and the action do more than was meant.
            said = unknown(f"parameter of {step.action}", name, wants)
            raise mistake(file, root, [*here, "params", name], said)
        choices = wants[name].choices
        if choices and value and not places(value) and value not in choices:
            raise mistake(file, root, [*here, "params", name], f"must be one of: {', '.join(choices)}")
    for name, parameter in wants.items():
        if parameter.required and not parameter.default and not step.params.get(name):
            raise mistake(file, root, [*here, "params"], f"{step.action} needs {name!r}: {parameter.title}")


def _check_command(file: Path, root: yaml.Node, where: Place, command: str, parameters: Iterable[str]) -> None:
    """A command's placeholders name parameters, and stand where the shell takes a quoted word for one word."""
    for found in PLACE.finditer(command):
        if found.group(1) not in parameters:
            said = unknown("parameter", found.group(1), parameters)
            raise mistake(file, root, where, f"{said} (a brace of the shell's own needs a space behind it)")
        if _in_quotes(command[: found.start()]):
            raise mistake(
                file, root, where, f"{found.group(0)} stands inside quotes; its value is quoted when it is put in"
            )


def _in_quotes(before: str) -> bool:
    """Whether the shell is inside quotes after ``before``.

    >>> [_in_quotes(text) for text in ("echo 'it", "echo 'it' ", 'echo "a\\\\" b', "it\\\\'s ")]
    [True, False, True, False]
    """
    inside, escaped = "", False
    for character in before:
        if escaped:
            escaped = False
        elif character == "\\" and inside != "'":
            escaped = True
        elif character == inside:
            inside = ""
        elif not inside and character in "'\"":
            inside = character
    return bool(inside)
