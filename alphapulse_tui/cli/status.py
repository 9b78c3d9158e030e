"""``alphapulse status``: every target judged once, without a screen; a monitoring check as it stands.

The same sources and rules as the cockpit's, read once. stdout is the table or, with ``--json``, one object whose fields are stable
(:class:`Report`); the exit code is Nagios' (0 healthy, 1 warning, 2 critical, 3 unknown). A target that hangs is *unknown* after
:data:`DEADLINE`; the whole command takes less than five seconds.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from alphapulse_tui.board import Board
from alphapulse_tui.cli.invocation import Invocation, json_text, pass_invocation, takes_profile
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.figures import figures
from alphapulse_tui.model.health import Health, worst
from alphapulse_tui.model.reading import Reading
from alphapulse_tui.model.verdict import judge
from alphapulse_tui.redact import redact, redact_each
from alphapulse_tui.sources.build import RECIPES, read_once

DEADLINE = 3.0
"""Seconds that a target may take; with start and goodbyes the command stays under five."""

EXITS = {
    Health.OK: ExitCode.OK,
    Health.WARNING: ExitCode.WARNING,
    Health.CRITICAL: ExitCode.CRITICAL,
    Health.UNKNOWN: ExitCode.UNKNOWN,
}


class FindingReport(msgspec.Struct):
    """One thing that is wrong, or not verified."""

    health: str
    """``warning``, ``critical`` or ``unknown``."""
    severity: str
    """``P0`` to ``P3`` where the runbook gives one, else empty."""
    subject: str
    sentence: str
    procedure: str
    """Id of the procedure that mends it, or empty."""
    source: str
    """Where the rule comes from."""


class TargetReport(msgspec.Struct):
    """One target."""

    target: str
    health: str
    """``ok``, ``warning``, ``critical``, ``unknown``; ``not configured`` counts for nothing."""
    link: str
    """``live``, ``denied``, ``down`` or ``not configured``."""
    problem: str
    """Why it could not be read, or empty."""
    findings: list[FindingReport]
    figures: dict[str, Any]
    """What was read, by target; empty when nothing was."""


class Report(msgspec.Struct):
    """What ``status --json`` prints. Fields are added, never renamed or removed, within a major version."""

    profile: str
    environment: str
    checked_at: str
    """ISO 8601, UTC."""
    seconds: float
    """How long it took."""
    health: str
    sentence: str
    """The verdict line."""
    targets: list[TargetReport]


@click.command()
@takes_profile
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with stable fields.")
@pass_invocation
def status(invocation: Invocation, as_json: bool) -> ExitCode:
    """Judge every target once and exit 0 when all is healthy.

    Exits 1 for a warning, 2 when something is critical, 3 when something could not be verified.
    """
    return report_once(invocation.profile, as_json)


def report_once(profile: Profile, as_json: bool = False) -> ExitCode:
    """Look at every target once and print what was found; also what the cockpit does where it cannot draw a screen."""
    started = time.monotonic()
    board = asyncio.run(read_once(profile, DEADLINE))
    health, report = make_report(profile, board, time.monotonic() - started)
    if as_json:
        click.echo(json_text(redact_each(msgspec.to_builtins(report))))
    else:
        for line in table(report):
            click.echo(redact(line))
    return EXITS[health]


def make_report(profile: Profile, board: Board, seconds: float) -> tuple[Health, Report]:
    """The platform's health, and everything that was found."""
    now = board.clock()
    targets = [_target(recipe.target, board.get(recipe.target), now) for recipe in RECIPES]
    verdict = judge(board.readings.values(), now)
    health = worst([verdict.health, *(reading.health(now) for reading in board.readings.values())])
    return health, Report(
        profile=profile.name,
        environment=profile.environment or profile.name,
        checked_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        health=health.value,
        sentence=f"{verdict.sentence} ({verdict.silenced})" if verdict.silenced else verdict.sentence,
        targets=targets,
    )


def _target(name: str, reading: Reading[Any] | None, now: float) -> TargetReport:
    if reading is None:
        return TargetReport(name, "not configured", "not configured", "", [], {})
    return TargetReport(
        target=name,
        health=reading.health(now).value,
        link=reading.link_at(now).value,
        problem=reading.problem,
        findings=[
            FindingReport(
                found.health.value,
                found.severity.value if found.severity else "",
                found.subject,
                found.sentence,
                found.procedure,
                found.source,
            )
            for found in (*reading.proven, *reading.findings)
        ],
        figures=figures(reading.snapshot) if reading.snapshot is not None else {},
    )


def table(report: Report) -> list[str]:
    """The report for a person: the verdict, a line for each target, its findings under it."""
    lines = [f"{report.environment}: {report.health.upper()}  {report.sentence}", ""]
    for target in report.targets:
        lines.append(f"{target.target:<12}{target.health:<16}{_summary(target)}".rstrip())
        for found in target.findings:
            mark = f"{found.health} {found.severity}".strip()
            procedure = f"  -> {found.procedure}" if found.procedure else ""
            lines.append(f"  {mark:<14}{found.sentence}{procedure}")
    return lines


def _summary(target: TargetReport) -> str:
    if target.problem:
        return target.problem
    return ", ".join(
        f"{key.replace('_', ' ')} {value}"
        for key, value in target.figures.items()
        if isinstance(value, int | float | str)
    )
