"""What the root options say, handed to every command as click's context object; the profile is loaded when asked for.

::

    @click.command()
    @takes_profile
    @pass_invocation
    def status(invocation: Invocation) -> ExitCode:
        profile = invocation.profile
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from alphapulse_tui.config.load import LoadedProfile
    from alphapulse_tui.config.settings import Profile

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Invocation:
    """One call of ``alphapulse``."""

    profile_name: str = ""
    """``--profile``; empty for the default one."""
    config_file: str = ""
    """``--config``; empty for ``ALPHAPULSE_CONFIG``, then the user's own."""
    read_only: bool = False
    """``--read-only``: nothing may be changed, whatever the profile says."""
    ascii_only: bool = False
    """``--ascii``: no character outside ASCII is drawn."""

    @cached_property
    def loaded(self) -> LoadedProfile:
        """The profile and its origins, loaded once; notices go to stderr. Raises ``ConfigError``."""
        from alphapulse_tui.config.load import load_profile  # 50 ms that --version and --help need not wait

        loaded = load_profile(self.profile_name, self.config_file)
        for notice in loaded.notices:
            say(notice)
        return loaded

    @property
    def profile(self) -> Profile:
        """The profile, loaded once; raises ``ConfigError``."""
        return self.loaded.profile


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
"""Decorator: the command's first argument is the :class:`Invocation`."""


def takes_profile(command: Function) -> Function:
    """Let a command take ``--profile`` and ``--config`` behind its name too, where fingers put them."""
    for option, field, what in (
        ("--config", "config_file", "Profile file to read."),
        ("--profile", "profile_name", "Profile to use."),
    ):
        click.option(option, metavar="FILE" if option == "--config" else "NAME", expose_value=False, help=what,
                     callback=_setter(field))(command)  # fmt: skip
    return command


def say(sentence: str) -> None:
    """Tell the person something that is no data: one line on stderr. Where it takes nothing, the data and the exit code still say their part."""
    if sys.stderr is None:  # closed by the shell (2>&-): click would print to stdout, which is for data
        return
    try:
        click.echo(f"alphapulse: {sentence}", file=sys.stderr)
    except OSError:
        abandon(sys.stderr)


def json_text(told: Any) -> str:
    """One JSON document in ASCII, which a terminal of any encoding writes as it is; what is no number (NaN) is null."""
    import msgspec  # 10 ms that only a command with --json should pay

    return json.dumps(msgspec.json.decode(msgspec.json.encode(told)), indent=2)


def abandon(stream: TextIO) -> None:
    """Point a stream that takes no more at nothing, so that the interpreter's last flush does not complain (Python docs, SIGPIPE)."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _setter(field: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def set_field(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            setattr(ctx.ensure_object(Invocation), field, value)

    return set_field
