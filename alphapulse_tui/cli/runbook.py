"""``alphapulse runbook list|show|run``: the procedures without a screen. stdout is data, everything else is stderr."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from alphapulse_tui.cli.invocation import Invocation, pass_invocation, takes_profile
from alphapulse_tui.cli.journal import open_journal
from alphapulse_tui.config.paths import procedures_folder
from alphapulse_tui.errors import UsageError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.words import age
from alphapulse_tui.redact import redact_each
from alphapulse_tui.runbook.load import find_procedure, load_procedures
from alphapulse_tui.runbook.schema import Procedure, Step

if TYPE_CHECKING:
    from alphapulse_tui.runbook.past import Past


@click.group()
def runbook() -> None:
    """List, show, try and run the procedures of the runbook."""


def _procedures() -> dict[str, Procedure]:
    return load_procedures(procedures_folder())


@runbook.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@takes_profile
@pass_invocation
def list_command(invocation: Invocation, as_json: bool) -> None:
    """Every procedure: id, severity, section, steps, how long it takes, runs that mended of all in this environment, title."""
    from alphapulse_tui.runbook.engine import project
    from alphapulse_tui.runbook.past import past_of

    with open_journal(invocation) as journal:
        runs = list(project(journal.events()).values()) if journal is not None else []
    procedures = [(each, past_of(each, runs)) for each in _procedures().values()]
    if as_json:
        click.echo(json.dumps([_listed(each, past) for each, past in procedures], indent=2))
        return
    for each, past in procedures:
        takes = ("" if past.measured else "~") + age(past.typical)
        done = f"{past.succeeded}/{past.runs}" if past.runs else "-"
        steps = f"{len(each.steps):>2} steps"
        click.echo(f"{each.id:<20} {each.severity:<3} {each.section:<6} {steps} {takes:>4} {done:>5}  {each.title}")


def _listed(procedure: Procedure, past: Past) -> dict[str, Any]:
    return {
        "id": procedure.id,
        "title": procedure.title,
        "section": procedure.section,
        "severity": procedure.severity,
        "steps": len(procedure.steps),
        "runs": past.runs,
        "succeeded": past.succeeded,
        "under_way": past.under_way,
        "last_finished": past.last,
        "typical_seconds": past.typical,
        "typical_is_measured": past.measured,
    }


@runbook.command("show")
@click.argument("procedure_id", metavar="ID")
@takes_profile
def show_command(procedure_id: str) -> None:
    """One procedure, step by step, with what the runbook writes and what we run."""
    procedure = find_procedure(_procedures(), procedure_id)
    click.echo(f"{procedure.title} (runbook {procedure.section}, {procedure.severity})\n{procedure.summary}")
    for number, step in enumerate(procedure.steps, 1):
        click.echo(f"\n{number}. {step.title} [{step.kind}, usually {age(step.typical_seconds)}]\n   {step.why}")
        for title, text in (("as written", step.written), ("as run", step.run), ("why", step.because)):
            if text:
                click.echo(f"   {title}: " + "\n      ".join(text.strip().split("\n")))
    for sentence in procedure.prevention:
        click.echo(f"\nPrevention: {sentence}")


@runbook.command("run")
@click.argument("procedure_id", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Judge every check and plan every action, send nothing.")
@click.option("--copy", is_flag=True, help="Only the commands, with stock tools, to be run by hand; sends nothing.")
@click.option("--step", "step_name", default="", metavar="STEP", help="Only this step: its number or its id.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the procedure.")
@click.option("--yes", is_flag=True, help="Do actions without asking; a destructive one needs --confirm too.")
@click.option(
    "--confirm", default="", metavar="NAME", help="The object that a destructive action may hit, by its name."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@takes_profile
@pass_invocation
def run_command(
    invocation: Invocation,
    procedure_id: str,
    dry_run: bool,
    copy: bool,
    step_name: str,
    params: tuple[str, ...],
    yes: bool,
    confirm: str,
    as_json: bool,
) -> ExitCode:
    """Walk a procedure: checks are judged, actions done and proven, what needs a person is refused.

    Leaves with 0 when every step came out well, 2 when a proof did not hold or an action failed, 3 when something could not be verified, 77
    when a step was refused. A run that was left is taken up where it stood, here or on the screen.
    """
    procedure = find_procedure(_procedures(), procedure_id)
    values = _values(procedure, params)
    only = _step(procedure, step_name)
    if dry_run or copy:
        from alphapulse_tui.runbook.dry_run import dry_run as walk

        defaults = procedure.defaults(invocation.profile.thresholds)
        steps = asyncio.run(walk(invocation.profile, procedure, {**defaults, **values}, time.time))
        chosen = [redact_each(step) for step in steps if only is None or step["id"] == only.id]
        if copy and not as_json:
            _print_commands(chosen)
            return ExitCode.OK
        _print_all(procedure, chosen, as_json)
        return ExitCode.UNKNOWN if any(step["verdict"] == "not verified" for step in chosen) else ExitCode.OK
    return _run(invocation, procedure, values, only, (yes, confirm), as_json)


def _run(
    invocation: Invocation,
    procedure: Procedure,
    values: dict[str, str],
    only: Step | None,
    consent: tuple[bool, str],
    as_json: bool,
) -> ExitCode:
    from alphapulse_tui.runbook.deed import Consent
    from alphapulse_tui.runbook.unattended import Report, run_unattended

    steps: list[dict[str, Any]] = []

    def tell(report: Report) -> None:
        steps.append(redact_each(msgspec.to_builtins(report, builtin_types=())))
        if not as_json:
            _print(steps[-1])

    code = asyncio.run(
        run_unattended(
            invocation.profile,
            invocation.config_file,
            procedure,
            values=values,
            only=only,
            consent=Consent(*consent),
            read_only=invocation.read_only,
            tell=tell,
        )
    )
    if as_json:
        _print_all(procedure, steps, as_json)
    return code


def _values(procedure: Procedure, params: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` pairs, every name one of the procedure's parameters."""
    known = [parameter.name for parameter in procedure.parameters]
    values = {}
    for pair in params:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            raise UsageError(
                f"--param {pair}: write NAME=VALUE with one of: {', '.join(known) or 'none, this procedure has no parameters'}."
            )
        values[name] = value
    return values


def _step(procedure: Procedure, name: str) -> Step | None:
    """The step of that number or id; none for an empty name."""
    if not name:
        return None
    for number, step in enumerate(procedure.steps, 1):
        if name in (str(number), step.id):
            return step
    known = ", ".join(f"{number} {step.id}" for number, step in enumerate(procedure.steps, 1))
    raise UsageError(f"--step {name}: {procedure.id} has no such step; there are: {known}.")


def _print_commands(steps: list[dict[str, Any]]) -> None:
    """A script to read and to paste from: the title of each step as a comment, then its command, or why there is none."""
    for step in steps:
        click.echo(f"# {step['number']}. {step['title']}")
        said = step["sentence"] if step["verdict"] in ("refused", "by hand") else "look at it on the screen"
        click.echo(step["command"] or f"# no command: {' '.join(said.split())}")


def _print_all(procedure: Procedure, steps: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"procedure": procedure.id, "steps": steps}, indent=2))
        return
    for step in steps:
        _print(step)


def _print(step: dict[str, Any]) -> None:
    click.echo(f"{step['number']}. {step['title']}: {step['verdict']}: {step['sentence']}")
    for name, value in step["evidence"]:
        click.echo(f"     {name}: {value}")
    after = step.get("after", {})
    for name, value in step.get("before", {}).items():
        click.echo(f"     {name}: {value} -> {after.get(name, 'not read again')}")
