"""The root command, and the one place where an error becomes a sentence and an exit code.

``alphapulse`` alone opens the cockpit. Commands raise ``AlphaPulseError`` or return an ``ExitCode``; nothing else in the
program prints an error or leaves. Unexpected exceptions are caught here, and here only: a traceback on a screen that is
recorded would show what nobody should see, and would lose the documented exit code.
"""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from alphapulse_tui import __version__
from alphapulse_tui.cli.invocation import Invocation, abandon, say
from alphapulse_tui.cli.lazy import LazyCommand, LazyGroup, load_attribute
from alphapulse_tui.errors import AlphaPulseError, CannotCreateError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean

COMMANDS = {
    "status": LazyCommand(
        "alphapulse_tui.cli.status:status", "Judge every target once and exit 0 when all is healthy."
    ),
    "incident": LazyCommand("alphapulse_tui.cli.incident:incident", "List, show, export and verify incidents."),
    "runbook": LazyCommand(
        "alphapulse_tui.cli.runbook:runbook", "List, show, try and run the procedures of the runbook."
    ),
    "act": LazyCommand("alphapulse_tui.cli.act:act", "Do one action by itself; without an id list all of them."),
    "config": LazyCommand("alphapulse_tui.cli.config:config", "Show, check and start the configuration."),
    "lab": LazyCommand("alphapulse_tui.cli.lab:lab", "Run the platform on loopback, and break it."),
    "demo": LazyCommand("alphapulse_tui.cli.lab:demo", "Start the lab and open the cockpit on it."),
}
"""Every command, where it is defined, and what the list says of it."""

COCKPIT = "alphapulse_tui.app:run"
"""Opens the screen: called with a profile, its file (``config``), ``read_only`` and ``ascii_only``; returns an exit code."""

EPILOG = (
    "Exit codes: 0 healthy or done, 1 warning, 2 critical, 3 unknown, 64 usage, 65 bad data, 69 unavailable, 70 crash, "
    "73 cannot create, 77 refused, 78 configuration, 130 interrupted."
)


OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a write to a redirected stdout can fail with; unlike a file of ours it has no name in the exception."""


class ReaderGoneError(AlphaPulseError):
    """Whoever read our output has left, as ``head`` does: nothing to say, nobody to say it to."""

    exit_code = ExitCode.BROKEN_PIPE


class RootGroup(LazyGroup):
    """The root command: output that goes nowhere gets an exit code of its own, in the command and in its help."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Parse the command line; ``--help`` and ``--version`` print here."""
        with _output_watched():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and see to it that all output is written before the exit code says so."""
        with _output_watched():
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
            return result


@contextmanager
def _output_watched() -> Iterator[None]:
    """Raise ``ReaderGoneError`` or ``CannotCreateError`` when stdout takes no more: click would exit 1, our *warning*."""
    try:
        yield
    except BrokenPipeError:
        abandon(sys.stdout)
        raise ReaderGoneError from None
    except OSError as error:
        if error.errno not in OUTPUT_ERRORS or error.filename is not None:
            raise
        abandon(sys.stdout)
        raise CannotCreateError(f"the output cannot be written: {clean(error.strerror or error)}") from None


@click.group(
    cls=RootGroup,
    lazy_commands=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.option("--profile", metavar="NAME", default="", help="Profile to use (default: the file's default_profile).")
@click.option("--config", metavar="FILE", default="", help="Profile file (default: ALPHAPULSE_CONFIG, then your own).")
@click.option("--read-only", is_flag=True, help="Change nothing, whatever the profile allows.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@click.version_option(__version__, prog_name="alphapulse", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, profile: str, config: str, read_only: bool, ascii_only: bool) -> int | None:
    """See the platform, mend it by the runbook, leave with a postmortem.

    Without a command the cockpit opens.
    """
    ctx.obj = Invocation(profile, config, read_only, ascii_only)
    if ctx.invoked_subcommand is not None:
        return None
    chosen = ctx.obj.profile  # first: a wrong profile is told before a second is spent on importing the screen
    file = str(ctx.obj.loaded.file or "")
    code: int = load_attribute(COCKPIT)(chosen, config=file, read_only=read_only, ascii_only=ascii_only)
    return code


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error becomes one sentence on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale without a character of ours is no reason to crash
    try:
        code = root.main(list(arguments), prog_name="alphapulse", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "alphapulse"
        say(f"{_sentence(error.format_message())} (see `{command} --help`)")
        return ExitCode.USAGE
    except click.ClickException as error:
        say(_sentence(error.format_message()))
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except ReaderGoneError as error:
        return error.exit_code
    except AlphaPulseError as error:
        say(_sentence(error.sentence))
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last one who can tell: see the module docstring
        from alphapulse_tui.cli.crash import record_crash

        say(record_crash(error))
        return ExitCode.CRASHED
    return code if isinstance(code, int) else ExitCode.OK


def _sentence(text: str) -> str:
    """A message for stderr: one line, clean, without secrets, without the full stop that click puts."""
    return clean(redact(text.strip())).removesuffix(".")
