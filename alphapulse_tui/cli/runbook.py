"""``alphapulse runbook list|show|run``: the procedures without a screen. stdout is data, everything else is stderr."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from alphapulse_tui.cli.invocation import Invocation, pass_invocation, say, takes_profile
from alphapulse_tui.cli.journal import open_journal
from alphapulse_tui.cli.unattended import print_json, run_until_told, sound_value, told_in_json
from alphapulse_tui.config.paths import procedures_folder
from alphapulse_tui.errors import UsageError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.words import age
from alphapulse_tui.redact import redact_each
from alphapulse_tui.runbook.load import read_shelf
from alphapulse_tui.runbook.schema import Parameter, Procedure, Step
from alphapulse_tui.text import clean

if TYPE_CHECKING:
    from alphapulse_tui.runbook.past import Past


@click.group()
def runbook() -> None:
    """List, show, try and run the procedures of the runbook."""


def _chosen(procedure_id: str) -> Procedure:
    """The procedure of that id; that other files of the team's own are wrong is one sentence on stderr.

    Raises:
        BadDataError: it is a team's own, and its file is wrong.
        UsageError: there is none.
    """
    shelf = read_shelf(procedures_folder())
    others = [one.sentence for one in shelf.mistakes if one.procedure != procedure_id]
    if others:
        more = f" (and {len(others) - 1} more: `alphapulse config validate` names them)" if len(others) > 1 else ""
        say(f"left out: {others[0]}{more}")
    return shelf.find(procedure_id)


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
    shelf = read_shelf(procedures_folder())
    for mistake in shelf.mistakes:
        say(mistake.sentence)
    procedures = [(each, past_of(each, runs)) for each in shelf.procedures.values()]
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
    procedure = _chosen(procedure_id)
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
@click.option("--step", "step_name", default=None, metavar="STEP", help="Only this step: its number or its id.")
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
    step_name: str | None,
    params: tuple[str, ...],
    yes: bool,
    confirm: str,
    as_json: bool,
) -> ExitCode:
    """Walk a procedure: checks are judged, actions done and proven, what needs a person is refused.

    Leaves with 0 when every step came out well, 2 when a proof did not hold or an action failed, 3 when something could not be verified, 69 when
    the target of an action gives no answer, 77 when a step was refused. A run that was left is taken up where it stood, here or on the screen.
    """
    steps: list[dict[str, Any]] = []
    with told_in_json({"procedure": procedure_id, "steps": steps}, as_json):
        procedure = _chosen(procedure_id)
        values = _values(procedure, params)
        only = _step(procedure, step_name)
        if dry_run or copy:
            return _try(invocation, procedure, values, only, (copy, as_json))
        return _run(invocation, procedure, values, only, (yes, confirm), as_json, steps)


def _try(
    invocation: Invocation, procedure: Procedure, values: dict[str, str], only: Step | None, form: tuple[bool, bool]
) -> ExitCode:
    """Nothing is sent; ``form``: whether the commands alone are wanted, and whether in JSON."""
    from alphapulse_tui.runbook.dry_run import dry_run as walk

    copy, as_json = form
    defaults = procedure.defaults(invocation.profile.thresholds)
    steps = run_until_told(walk(invocation.profile, procedure, {**defaults, **values}, time.time))
    chosen = [redact_each(step) for step in steps if only is None or step["id"] == only.id]
    if copy and not as_json:
        _print_commands(chosen)
        return ExitCode.OK
    _print_all(procedure, chosen, as_json)
    return ExitCode.UNKNOWN if any(step["verdict"] == "not verified" for step in chosen) else ExitCode.OK


def _run(
    invocation: Invocation,
    procedure: Procedure,
    values: dict[str, str],
    only: Step | None,
    consent: tuple[bool, str],
    as_json: bool,
    steps: list[dict[str, Any]],
) -> ExitCode:
    """Do it; what became of each step is told at once, and kept in ``steps``."""
    from alphapulse_tui.runbook.deed import Consent
    from alphapulse_tui.runbook.unattended import Report, run_unattended

    def tell(report: Report) -> None:
        steps.append(redact_each(msgspec.to_builtins(report, builtin_types=())))
        if not as_json:
            _print(steps[-1])

    code = run_until_told(
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
    """``NAME=VALUE`` pairs, every name one of the procedure's parameters, once; empty only what may be empty.

    ``--param node=$NODE`` with an empty variable would have something else picked than was meant.
    """
    known = {parameter.name: parameter for parameter in procedure.parameters}
    values = {}
    for pair in params:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            names = ", ".join(known) or "none, this procedure has no parameters"
            raise UsageError(f"--param {clean(pair, 80)}: write NAME=VALUE with one of: {names}.")
        if name in values:
            raise UsageError(f"--param {name} is given twice; give it once.")
        usual = known[name]
        if not value.strip() and (usual.default or usual.threshold or usual.pick):
            raise UsageError(f"--param {name} is empty; give it a value, or leave it out for {_usual(usual)}.")
        values[name] = sound_value(name, value)
    return values


def _usual(parameter: Parameter) -> str:
    """What an unnamed parameter is."""
    return "what a check picks" if parameter.pick else "its default"


def _step(procedure: Procedure, name: str | None) -> Step | None:
    """The step of that number or id; none where none was asked for. An empty name is a mistake: the whole procedure would be run for it."""
    if name is None:
        return None
    for number, step in enumerate(procedure.steps, 1):
        if name in (str(number), step.id):
            return step
    known = ", ".join(f"{number} {step.id}" for number, step in enumerate(procedure.steps, 1))
    raise UsageError(f"--step {clean(name, 80) or repr(name)}: {procedure.id} has no such step; there are: {known}.")


def _print_commands(steps: list[dict[str, Any]]) -> None:
    """A script to read and to paste from: the title of each step as a comment, then its command, or why there is none."""
    for step in steps:
        click.echo(f"# {step['number']}. {step['title']}")
        said = step["sentence"] if step["verdict"] in ("refused", "by hand") else "look at it on the screen"
        click.echo(step["command"] or f"# no command: {' '.join(said.split())}")


def _print_all(procedure: Procedure, steps: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"procedure": procedure.id, "steps": steps})
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
