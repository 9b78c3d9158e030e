"""``alphapulse incident list|show|export|verify``: incidents without a screen. stdout is data, everything else is stderr.

Reads the journal of the profile's environment; only ``export`` writes, a file and the event that it was written.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from alphapulse_tui.cli.invocation import Invocation, pass_invocation, say, takes_profile
from alphapulse_tui.cli.journal import environment_of, open_journal
from alphapulse_tui.config.paths import journal_file, procedures_folder
from alphapulse_tui.errors import BadDataError, UsageError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.incident.clocks import clocks
from alphapulse_tui.incident.export import export, preventions
from alphapulse_tui.incident.intervals import intervals, words
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.incident.state import project
from alphapulse_tui.incident.timeline import timeline
from alphapulse_tui.text import clean


@click.group()
def incident() -> None:
    """List, show, export and verify incidents."""


def _find(journal: Journal | None, incident_id: str, environment: str) -> IncidentState:
    """The incident of that id, in any case; raises ``UsageError`` naming the nearest one and the last that exist."""
    known = project(journal.events()) if journal is not None else {}
    found = known.get(incident_id.upper())
    if found is None:
        near = get_close_matches(incident_id.upper(), known, 1)
        meant = f' did you mean "{near[0]}"?' if near else ""
        there = ", ".join(list(known)[-5:]) or "none yet"
        raise UsageError(
            f'no incident "{clean(incident_id, 64)}" in environment {environment};{meant} there are: {there}'
        )
    return found


@incident.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@takes_profile
@pass_invocation
def list_command(invocation: Invocation, as_json: bool) -> None:
    """Every incident of the environment, oldest first."""
    with open_journal(invocation) as journal:
        states = list(project(journal.events()).values()) if journal is not None else []
    if as_json:
        click.echo(json.dumps([_summary(state) for state in states], indent=2))
        return
    if not states:
        say(f"no incident has been declared in environment {environment_of(invocation)}")
    for state in states:
        spent = words(state.resolved_at - state.started_at) if state.resolved_at is not None else "open"
        click.echo(
            f"{state.id}  {state.severity.value}  {_moment(state.declared_at)}  {state.phase:<11} {spent:>13}  {state.title}"
        )


@incident.command("show")
@click.argument("incident_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@takes_profile
@pass_invocation
def show_command(invocation: Invocation, incident_id: str, as_json: bool) -> None:
    """One incident: where it stands, its clocks, its timeline."""
    with open_journal(invocation) as journal:
        state = _find(journal, incident_id, environment_of(invocation))
    now = time.time()
    if as_json:
        click.echo(json.dumps(_whole(state, now), indent=2))
        return
    click.echo(f"{state.id} {state.severity.value} {state.title}: {state.phase}, commander {state.commander}")
    click.echo(f"declared by {state.declared_by} at {_moment(state.declared_at)}")
    for one in intervals(state):
        click.echo(f"  {one.name} {words(one.seconds)}: {one.start.what} -> {one.end.what}")
    click.echo("clocks:")
    for clock in clocks(state, now):
        click.echo(
            f"  {clock.state.value:<9} {_moment(clock.due)}  {clock.name} ({clock.source}; satisfied by: {clock.by})"
        )
    click.echo("timeline (UTC):")
    for entry in timeline(state):
        late = " (read afterwards)" if entry.read_afterwards else ""
        click.echo(f"  {_moment(entry.wall)}  {entry.sentence}{late}")


@incident.command("export")
@click.argument("incident_id", metavar="ID")
@click.option(
    "--out",
    metavar="FILE",
    default="",
    help="Write exactly there ('-' is stdout); default: the profile's postmortem folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Say what was written as one JSON document.")
@takes_profile
@pass_invocation
def export_command(invocation: Invocation, incident_id: str, out: str, as_json: bool) -> None:
    """Write the postmortem (runbook, appendix B). A file that was edited by hand is never overwritten."""
    environment = environment_of(invocation)
    prevention = preventions(procedures_folder())
    with open_journal(invocation) as journal:
        state = _find(journal, incident_id, environment)
        assert journal is not None  # an incident was found in it
        if out == "-":
            from alphapulse_tui.incident.postmortem import render

            click.echo(render(state, time.time(), environment, prevention), nl=False)
            return
        folder = Path(invocation.profile.incident.postmortem_folder)
        written = export(journal, state, environment, time.time(), prevention, folder, Path(out) if out else None)
    if written.beside:
        say(f"{clean(written.beside)} has been edited by hand and was left alone")
    if written.problem:
        say(f"the file is written, but the journal could not note it: {written.problem}")
    if as_json:
        click.echo(json.dumps({"path": str(written.path), "sha256": written.sha256}, indent=2))
    else:
        click.echo(clean(written.path))


@incident.command("verify")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@takes_profile
@pass_invocation
def verify_command(invocation: Invocation, as_json: bool) -> ExitCode:
    """Check every link of the journal's hash chains. Exits 0 intact, 2 changed or cut, 65 unreadable from the start."""
    path = journal_file(environment_of(invocation))
    with open_journal(invocation) as journal:
        if journal is None:
            raise BadDataError(f"there is no journal at {clean(path)}: nothing has been written in this environment")
        report = journal.verify()
    heads = {writer: {"events": head.writer_sequence, "sha256": head.hash} for writer, head in report.heads.items()}
    if as_json:
        findings = [
            {"damage": one.damage.value, "sequence": one.sequence, "sentence": one.sentence} for one in report.findings
        ]
        told = {
            "path": str(path),
            "intact": report.intact,
            "events": report.events,
            "heads": heads,
            "findings": findings,
        }
        click.echo(json.dumps(told, indent=2))
    else:
        verdict = "intact" if report.intact else f"{len(report.findings)} things are wrong"
        click.echo(f"{clean(path)}: {report.events} events by {report.writers} writers: {verdict}")
        for one in report.findings:
            click.echo(f"  {one.damage.value}: {one.sentence}")
    return ExitCode.OK if report.intact else ExitCode.CRITICAL


def _summary(state: IncidentState) -> dict[str, Any]:
    return {
        "id": state.id, "title": state.title, "severity": state.severity.value, "phase": state.phase, "commander": state.commander,
        "started": _moment(state.started_at), "detected": _moment(state.detected_at), "declared": _moment(state.declared_at),
        "acknowledged": _moment(state.acknowledged_at), "mitigated": _moment(state.mitigated_at), "resolved": _moment(state.resolved_at),
    }  # fmt: skip


def _whole(state: IncidentState, now: float) -> dict[str, Any]:
    return {
        **_summary(state),
        "intervals": {one.name: one.seconds for one in intervals(state)},
        "clocks": [
            {"name": clock.name, "due": _moment(clock.due), "state": clock.state.value, "satisfied": _moment(clock.satisfied_at),
             "satisfied_by": clock.by, "source": clock.source}
            for clock in clocks(state, now)
        ],
        "timeline": [
            {"at": _moment(entry.wall), "kind": entry.kind.value, "actor": entry.actor, "sentence": entry.sentence,
             "read_afterwards": entry.read_afterwards, "event": entry.event_id}
            for entry in timeline(state)
        ],
    }  # fmt: skip


def _moment(wall: float | None) -> str:
    """A moment in UTC; empty when it was not recorded, in JSON and in lines alike."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if wall is not None else ""
