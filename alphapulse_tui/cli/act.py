"""``alphapulse act [ID]``: one action without a screen and without a procedure, by the same door. stdout is data, everything else is stderr."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click
import msgspec

from alphapulse_tui.cli.invocation import Invocation, pass_invocation, takes_profile
from alphapulse_tui.cli.unattended import print_json, run_until_told, sound_value, told_in_json
from alphapulse_tui.errors import UsageError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean

if TYPE_CHECKING:
    from alphapulse_tui.actions.contract import Action


@click.command()
@click.argument("action_id", metavar="[ID]", required=False, default="")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the action.")
@click.option(
    "--yes",
    is_flag=True,
    help="Do it (a destructive action needs --confirm too); without it it is only planned, and left with 77.",
)
@click.option(
    "--confirm", default="", metavar="NAME", help="The object that a destructive action may hit, by its name."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@takes_profile
@pass_invocation
def act(
    invocation: Invocation, action_id: str, params: tuple[str, ...], yes: bool, confirm: str, as_json: bool
) -> ExitCode:
    """Plan one action; with --yes do it and prove it.

    Leaves with 0 when it was proven, 2 when it failed or the target says otherwise, 3 when nobody can tell, 69 when the target gives no answer,
    77 when it was refused. Without an ID every action is listed.
    """
    from alphapulse_tui.actions.registry import ACTIONS, action_class

    if not action_id:
        _list([action_class(name) for name in ACTIONS], as_json)
        return ExitCode.OK
    from alphapulse_tui.runbook.deed import Consent
    from alphapulse_tui.runbook.unattended import act_unattended

    with told_in_json({"action": action_id}, as_json):
        if action_id not in ACTIONS:
            near = get_close_matches(action_id, ACTIONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`alphapulse act` lists them."
            raise UsageError(f"There is no action {clean(action_id, 80)!r}; {hint}")
        values = _values(action_class(action_id), params)
        deed = run_until_told(
            act_unattended(
                invocation.profile,
                invocation.config_file,
                action_id,
                values,
                consent=Consent(yes, confirm),
                read_only=invocation.read_only,
            )
        )
    if as_json:
        told = {"action": action_id, "params": values, **msgspec.to_builtins(deed, builtin_types=())}
        print_json(told)
        return deed.exit_code
    click.echo(redact(f"{action_id}: {deed.verdict}: {deed.sentence}"))
    for name, value in deed.evidence:
        click.echo(redact(f"     {name}: {value}"))
    for name, value in deed.before.items():
        click.echo(redact(f"     {name}: {value} -> {deed.after.get(name, 'not read again')}"))
    return deed.exit_code


def _values(action: type[Action], params: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` pairs, every name one of the action's parameters, every one that it cannot do without among them."""
    known = [parameter.name for parameter in action.parameters]
    values = {}
    for pair in params:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            names = ", ".join(known) or "none, this action has no parameters"
            raise UsageError(f"--param {clean(pair, 80)}: write NAME=VALUE with one of: {names}.")
        if name in values:
            raise UsageError(f"--param {name} is given twice; give it once.")
        values[name] = sound_value(name, value)
    missing = [one for one in action.parameters if one.required and not one.default and not values.get(one.name)]
    if missing:
        raise UsageError(f"{action.id} needs --param {missing[0].name}=VALUE: {missing[0].title}.")
    return values


def _list(actions: list[type[Action]], as_json: bool) -> None:
    """Every action with its risk and its parameters."""
    if as_json:
        rows = [
            {
                "id": action.id,
                "title": action.title,
                "risk": action.risk.value if action.changes else "only reads",
                "params": {
                    parameter.name: {"title": parameter.title, "required": parameter.required}
                    for parameter in action.parameters
                },
            }
            for action in actions
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for action in actions:
        names = " ".join(
            parameter.name if parameter.required else f"[{parameter.name}]" for parameter in action.parameters
        )
        risk = action.risk.value if action.changes else "only reads"
        click.echo(f"{action.id:<34} {risk:<12} {action.title}  {names}".rstrip())
