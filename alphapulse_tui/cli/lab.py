"""``alphapulse lab`` and ``alphapulse demo``: the platform on loopback, by hand.

Progress goes to stderr, data to stdout. What these commands do is done by :mod:`alphapulse_tui.lab.launch` and by the lab's daemon, which
they ask over its control socket.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alphapulse_tui.cli.invocation import Invocation, pass_invocation
from alphapulse_tui.exits import ExitCode

if TYPE_CHECKING:
    from alphapulse_tui.lab.control import LabStatus
    from alphapulse_tui.lab.directory import LabDirectory
    from alphapulse_tui.lab.servers import Progress as BuildProgress

_MEGABYTE = 1 << 20
_WIDEST = 110
"""Columns of a list of texts: longer lines are hard to read."""
_STATE_SECONDS = 300.0
"""How long the lab may take to be saved or restored on a busy machine."""

_directory_option = click.option(
    "--directory",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the lab lives (default: ALPHAPULSE_LAB_DIRECTORY, else one place per user).",
)


def _at(directory: Path | None) -> LabDirectory:
    from alphapulse_tui.lab.directory import LabDirectory, default_directory

    return LabDirectory(directory or default_directory())


def _progress(text: str) -> None:
    click.echo(text, err=True)


class _ProgressLines:
    """Prints each new word of each target once, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._said: dict[str, tuple[str, str]] = {}

    def __call__(self, status: LabStatus) -> None:
        """Print what is new in ``status``."""
        for one in status.targets:
            if self._said.get(one.name) != (one.state, one.sentence):
                self._said[one.name] = (one.state, one.sentence)
                _progress(f"{time.monotonic() - self._started:6.1f} s  {one.name:<13} {one.state:<9} {one.sentence}")


@click.group()
def lab() -> None:
    """Run the platform on loopback with real servers, and break it."""


@lab.command()
@click.option("--build/--no-build", default=True, help="Build what is missing (default), or only list.")
def servers(build: bool) -> ExitCode:
    """List the lab's servers and where each was found; build what is missing."""
    from alphapulse_tui.lab import pooler
    from alphapulse_tui.lab.servers import SERVERS, ensure, listing
    from alphapulse_tui.lab.wheels import wheels

    if build:
        wanted = [name for name, server in SERVERS.items() if not server.optional]
        asyncio.run(ensure(wanted, _BuildLines()))
    for wheel in wheels():
        click.echo(f"{wheel.name:<24} {wheel.version:<9} {wheel.origin:<18} {wheel.path}")
    found = asyncio.run(listing())
    click.echo(f"{pooler.NAME:<24} {'-':<9} {'PATH':<18} {pooler.program() or pooler.ABSENT}")
    for one in found:
        click.echo(f"{one.name:<24} {one.version:<9} {one.origin:<18} {one.path or '-'}")
    complete = all(one.path or one.optional for one in found)
    return ExitCode.OK if complete else ExitCode.UNAVAILABLE


class _BuildLines:
    """One line for each step of a build, and one for each hundred packages."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, step: BuildProgress) -> None:
        """Print the step unless it is nearly the same as the last one."""
        key = f"{step.server} {step.phase} {step.done // 100}"
        if key != self._said:
            self._said = key
            _progress(str(step))


@lab.command()
@_directory_option
@click.option("--only", metavar="TARGET", multiple=True, help="Bring up this target only; may be repeated.")
def up(directory: Path | None, only: tuple[str, ...]) -> ExitCode:
    """Start the lab and wait until every target is ready."""
    from alphapulse_tui.lab.launch import follow, launch

    place = _at(directory)
    started = time.monotonic()
    launch(place, only=only)
    try:
        status = follow(place, _ProgressLines())
    except KeyboardInterrupt:
        _progress(f"The lab goes on coming up in {place.root}; `alphapulse lab down` ends it.")
        raise
    failed = [one.name for one in status.targets if one.state == "failed"]
    verdict = f"without {', '.join(failed)}" if failed else "every target is ready"
    _progress(f"{time.monotonic() - started:.1f} s, {verdict}. Open it: ALPHAPULSE_CONFIG={status.profile} alphapulse")
    click.echo(status.profile)
    return ExitCode.WARNING if failed else ExitCode.OK


@lab.command()
@_directory_option
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
@click.option("--processes", is_flag=True, help="List the processes too.")
def status(directory: Path | None, as_json: bool, processes: bool) -> ExitCode:
    """Say how the lab stands: its targets, its faults, its processes."""
    import msgspec

    from alphapulse_tui.lab.control import ask_status

    now = ask_status(_at(directory), with_health=True)
    if as_json:
        click.echo(msgspec.json.encode(now))
        return ExitCode.OK
    click.echo(f"directory  {now.directory}\nprofile    {now.profile}\nfaults     {', '.join(now.faults) or 'none'}")
    if now.proxies:
        click.echo(f"proxies    {', '.join(now.proxies)}")
    for one in now.targets:
        click.echo(f"{one.name:<13} {one.state:<9} {one.health or one.sentence}")
    alive = [one for one in now.processes if one.state in ("running", "frozen")]
    click.echo(f"{len(alive)} processes, {sum(one.rss for one in alive) / _MEGABYTE:.0f} MB")
    if processes:
        for process in now.processes:
            ended = "" if process.exit_code is None else f" (code {process.exit_code})"
            click.echo(
                f"{process.pid:>8}  {process.rss / _MEGABYTE:6.0f} MB  {process.name:<24} {process.state}{ended}"
            )
    return ExitCode.OK


@lab.command("break")
@click.argument("fault", required=False)
@click.argument("parameter", default="")
@_directory_option
@click.option("--list", "list_them", is_flag=True, help="List the faults, or tell all of FAULT.")
def break_(fault: str | None, parameter: str, directory: Path | None, list_them: bool) -> None:
    """Inject FAULT, for real. Some take a PARAMETER: `alphapulse lab break target-hung redis`."""
    from alphapulse_tui.lab.control import Request, ask

    if list_them:
        from alphapulse_tui.cli.lab_faults import page, table
        from alphapulse_tui.lab.faults.registry import catalogue, named

        width = min(shutil.get_terminal_size().columns, _WIDEST)
        click.echo(page(named(fault), width) if fault else table(catalogue(), width))
        return
    if not fault:
        raise click.UsageError("name a fault; `alphapulse lab break --list` lists them")
    click.echo(ask(_at(directory), Request("break", fault, parameter), timeout=120.0))


@lab.command()
@click.argument("fault")
@click.argument("parameter", default="")
@_directory_option
def mend(fault: str, parameter: str, directory: Path | None) -> None:
    """Undo FAULT, or `all` that are in force."""
    from alphapulse_tui.lab.control import Request, ask

    mended = ask(_at(directory), Request("mend", fault, parameter), timeout=120.0)
    click.echo(f"mended: {', '.join(mended)}" if mended else "nothing to mend")


@lab.command()
@click.argument("target", required=False)
@click.argument("toxic", required=False)
@click.option(
    "--option", "-o", "options", metavar="NAME=VALUE", multiple=True, help="An option of the toxic; may be repeated."
)
@_directory_option
@click.option("--list", "list_them", is_flag=True, help="List the toxics and their options.")
def proxy(
    target: str | None, toxic: str | None, options: tuple[str, ...], directory: Path | None, list_them: bool
) -> None:
    """Put the fault proxy with TOXIC before TARGET: `alphapulse lab proxy redis latency -o seconds=0.5`.

    Every client feels it at the ports that it knows. `alphapulse lab proxy redis off` takes it away.
    """
    from alphapulse_tui.lab.control import Request, ask

    if list_them:
        from alphapulse_tui.lab.proxy.table import TOXICS, options_of

        for name, kind in TOXICS.items():
            click.echo(f"{name}\n    {kind.summary}")
            for option, default in options_of(kind).items():
                click.echo(f"    -o {option}={default}")
        return
    if not target or not toxic:
        raise click.UsageError("name a target and a toxic (or `off`); `alphapulse lab proxy --list` lists the toxics")
    given = dict(option.partition("=")[::2] for option in options)
    if toxic == "off":
        toxic = ""
    click.echo(ask(_at(directory), Request("proxy", target, toxic, given)))


@lab.command()
@_directory_option
def save(directory: Path | None) -> None:
    """Save the whole lab as it is now, to come back to it in seconds."""
    from alphapulse_tui.lab.control import Request, ask

    click.echo(ask(_at(directory), Request("save"), timeout=_STATE_SECONDS))


@lab.command()
@_directory_option
def restore(directory: Path | None) -> None:
    """Come back to the saved lab: data, objects, keys, with nothing broken."""
    from alphapulse_tui.lab.control import Request, ask

    click.echo(ask(_at(directory), Request("restore"), timeout=_STATE_SECONDS))


@lab.command()
@_directory_option
def down(directory: Path | None) -> None:
    """End the lab; no process and no port of it is left."""
    from alphapulse_tui.lab.launch import end

    started = time.monotonic()
    end(_at(directory))
    _progress(f"The lab ended after {time.monotonic() - started:.1f} s.")


@click.command()
@_directory_option
@pass_invocation
def demo(invocation: Invocation, directory: Path | None) -> ExitCode:
    """Start the lab and open the cockpit on it; the lab ends with the cockpit.

    A lab that lives there already is used as it is and left running.
    """
    from alphapulse_tui.cli.lazy import load_attribute
    from alphapulse_tui.cli.main import COCKPIT
    from alphapulse_tui.config.load import load_profile
    from alphapulse_tui.lab.control import ask_status
    from alphapulse_tui.lab.launch import end, launch

    place = _at(directory)
    ours = not place.is_locked()
    if ours:
        launch(place, tied=True)
    else:
        ask_status(place)  # a lab that does not answer is told here, before the screen opens on it
    try:
        file = str(place.profile)
        code = load_attribute(COCKPIT)(
            load_profile("lab", file).profile,
            config=file,
            read_only=invocation.read_only,
            ascii_only=invocation.ascii_only,
        )
    finally:
        if ours and place.is_locked():
            end(place)
    return ExitCode(code)
