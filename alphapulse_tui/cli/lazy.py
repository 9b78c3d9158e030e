"""Commands that are imported when they are called, and not one moment earlier.

``alphapulse --version`` and ``status`` must not pay for Textual, asyncpg and Kubernetes; and where the ``lab`` extra is not
installed everything else must still work.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from alphapulse_tui.errors import UnavailableError


class LazyCommand(NamedTuple):
    """Where a command is defined, and what the list of commands says of it."""

    place: str
    """``package.module:attribute``."""
    summary: str
    """One line."""


def load_attribute(place: str) -> Any:
    """What stands at ``package.module:attribute``; raises ``UnavailableError`` when a library that it needs is missing."""
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("alphapulse_tui"):
            raise
        extra = "alphapulse-tui[lab]" if ".lab" in module else "alphapulse-tui"
        raise UnavailableError(
            f"the Python package {error.name} is missing; pip install '{extra}' brings it"
        ) from error


class LazyGroup(click.Group):
    """A group whose commands are known by name and summary only, until one is called."""

    def __init__(self, *args: Any, lazy_commands: Mapping[str, LazyCommand], **options: Any) -> None:
        super().__init__(*args, **options)
        self.lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, in the order of the table."""
        return [*self.lazy_commands, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; none if there is no such command."""
        lazy = self.lazy_commands.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        command = load_attribute(lazy.place)
        if not isinstance(command, click.Command):
            raise TypeError(f"{lazy.place} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown command is answered with the nearest one."""
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not ctx.resilient_parsing and not name.startswith("-"):
            near = difflib.get_close_matches(name, known, n=1)
            ctx.fail(
                f'no command "{name}"' + (f'; did you mean "{near[0]}"?' if near else f"; there are {', '.join(known)}")
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """The list of commands, from the table: importing all of them for a help page would take a second."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self.lazy_commands.items()])
