"""``alphapulse config show|validate|init``: what is set, where it came from, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from alphapulse_tui.cli.invocation import Invocation, json_text, pass_invocation, say, takes_profile
from alphapulse_tui.config.discover import logins
from alphapulse_tui.config.load import ProfileFile, chosen_file, named_file, read_profile_file
from alphapulse_tui.config.paths import procedures_folder
from alphapulse_tui.config.report import Row, all_problems, login_problem, report, rows
from alphapulse_tui.config.starter import plain_number, write_starter
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.text import clean


@click.group()
def config() -> None:
    """Show, check and start the configuration."""


@config.command()
@takes_profile
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_invocation
def show(invocation: Invocation, as_json: bool) -> None:
    """Print every setting and where it came from; of secrets only where they come from and when they end."""
    loaded = invocation.loaded
    now = datetime.now(UTC)
    if as_json:
        click.echo(json_text(report(loaded, now)))
        return
    place = clean(loaded.file) if loaded.file else "no file: made of what the environment offers"
    click.echo(f"profile {loaded.profile.name} ({place})\n")
    _print_columns([(row.key, _value(row), row.origin) for row in rows(loaded)])
    found = logins(loaded.profile)
    if found:
        click.echo("\nlogins")
    lines = []
    for finding in found:
        problem = login_problem(finding, now)
        ends = f"until {finding.expires_at:%Y-%m-%d %H:%MZ}" if finding.expires_at else ""
        state = f"not usable: {problem}" if problem else ends
        lines.append((finding.what, finding.source, state) if finding.source else (finding.what, state, ""))
    _print_columns(lines)


@config.command()
@takes_profile
@pass_invocation
def validate(invocation: Invocation) -> ExitCode:
    """Print everything that is wrong with the profile file and your own procedures, one sentence a line; exit 78 if anything is."""
    file = chosen_file(invocation.config_file)
    own, problems = _own_procedures()
    if file is None and not own and not problems:
        say(f"nothing to check: there is no {clean(named_file('')[0])}; `alphapulse config init` makes it")
        return ExitCode.OK
    if file is not None:
        content = read_profile_file(file)
        problems = [*all_problems(content), *_key_problems(content), *problems]
    for problem in problems:
        click.echo(problem)
    if not problems:
        if file is not None:
            click.echo(f"{clean(file)}: {_counted(len(content.settings.profiles), 'profile')}, nothing wrong")
        if own:
            click.echo(f"{clean(procedures_folder())}: {_counted(own, 'procedure')} of your own, nothing wrong")
        return ExitCode.OK
    say(_counted(len(problems), "problem"))
    return ExitCode.BAD_CONFIG


@config.command()
@takes_profile
@pass_invocation
def init(invocation: Invocation) -> None:
    """Write a commented file to start from; an existing one is never overwritten."""
    file, _ = named_file(invocation.config_file)
    write_starter(file)
    click.echo(clean(file))
    say("edit it, then `alphapulse config validate`")


def _own_procedures() -> tuple[int, list[str]]:
    """How many procedures of the user's own are sound, and what is wrong with the others, a sentence each."""
    from alphapulse_tui.runbook.load import read_shelf  # 0.2 s that only this command should pay
    from alphapulse_tui.runbook.names import procedure_files

    shelf = read_shelf(procedures_folder())
    problems = [mistake.sentence for mistake in shelf.mistakes]
    try:
        files = procedure_files(procedures_folder())
    except OSError:
        return 0, problems
    return len(files) - len(problems), problems


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _key_problems(content: ProfileFile) -> Iterator[str]:
    """What the cockpit would refuse of each profile's keys; the commands are known to the screens alone, and Textual's names of keys to it."""
    changed = {name: profile for name, profile in content.settings.profiles.items() if profile.keys}
    if not changed:
        return
    from alphapulse_tui.screens.commands import keymap_problems

    for name, profile in changed.items():
        for command, sentence in keymap_problems(profile.keys):
            place = content.place(("profiles", name, "keys", command))
            yield clean(f"{place}: profiles.{name}.{sentence}")


def _value(row: Row) -> str:
    """A value as the file would have it; a dash for what is not set."""
    if row.value is None:
        return "-"
    if isinstance(row.value, bool):
        return str(row.value).lower()
    return plain_number(row.value) if isinstance(row.value, float) else str(row.value)


def _print_columns(lines: list[tuple[str, str, str]]) -> None:
    """Three columns, as wide as they need to be up to 48 characters; the last one is free."""
    widths = (
        min(48, max((len(first) for first, _, _ in lines), default=0)),
        min(48, max((len(second) for _, second, third in lines if third), default=0)),
    )
    for first, second, third in lines:
        click.echo(f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third}".rstrip())
