"""``alphapulse runbook list|show|run --dry-run``: the procedures without a screen. stdout is data, everything else is stderr."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import click

from alphapulse_tui.cli.invocation import Invocation, pass_invocation, takes_profile
from alphapulse_tui.config.paths import config_file
from alphapulse_tui.errors import RefusedError, UsageError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.words import age
from alphapulse_tui.runbook.load import find_procedure, load_procedures
from alphapulse_tui.runbook.schema import Procedure


@click.group()
def runbook() -> None:
    """List, show and try the procedures of the runbook."""


def _procedures() -> dict[str, Procedure]:
    return load_procedures(config_file().parent / "procedures")


@runbook.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def list_command(as_json: bool) -> None:
    """Every procedure: id, severity, section, steps, title."""
    procedures = _procedures().values()
    if as_json:
        rows = [
            {
                "id": each.id,
                "title": each.title,
                "section": each.section,
                "severity": each.severity,
                "steps": len(each.steps),
            }
            for each in procedures
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for each in procedures:
        click.echo(f"{each.id:<20} {each.severity:<3} {each.section:<6} {len(each.steps):>2} steps  {each.title}")


@runbook.command("show")
@click.argument("procedure_id", metavar="ID")
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
@click.option(
    "--dry-run",
    is_flag=True,
    help="Judge every check and plan every action, send nothing. Needed: without a screen nothing is executed.",
)
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the procedure.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@takes_profile
@pass_invocation
def run_command(
    invocation: Invocation, procedure_id: str, dry_run: bool, params: tuple[str, ...], as_json: bool
) -> ExitCode:
    """Walk a procedure without changing anything."""
    procedure = find_procedure(_procedures(), procedure_id)
    if not dry_run:
        raise RefusedError(
            "Without a screen a procedure can only be tried: add --dry-run, or open it with `alphapulse` and r."
        )
    from alphapulse_tui.runbook.dry_run import dry_run as walk

    values = _values(procedure.defaults(invocation.profile.thresholds), params)
    steps = asyncio.run(walk(invocation.profile, procedure, values, time.time))
    if as_json:
        click.echo(json.dumps({"procedure": procedure.id, "steps": steps}, indent=2))
    else:
        _print(steps)
    return ExitCode.UNKNOWN if any(step["verdict"] == "not verified" for step in steps) else ExitCode.OK


def _values(values: dict[str, str], params: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` pairs over the procedure's defaults."""
    for pair in params:
        name, equals, value = pair.partition("=")
        if not equals or name not in values:
            raise UsageError(
                f"--param {pair}: write NAME=VALUE with one of: {', '.join(values) or 'none, this procedure has no parameters'}."
            )
        values[name] = value
    return values


def _print(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        click.echo(f"{step['number']}. {step['title']}: {step['verdict']}: {step['sentence']}")
        for name, value in step["evidence"]:
            click.echo(f"     {name}: {value}")
