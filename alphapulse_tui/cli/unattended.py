"""What every command that acts without a screen needs: to leave well when it is told to, and to say in JSON why it ended early."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from alphapulse_tui.errors import AlphaPulseError, UsageError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.redact import redact_each
from alphapulse_tui.text import clean, spell

T = TypeVar("T")


class LeftEarlyError(AlphaPulseError):
    """A signal told us to leave; ``exit_code`` is 128 and its number."""

    exit_code = ExitCode.TERMINATED

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(
            f"ended by {name}: what was sent goes on in the executor, and `alphapulse incident show` or the cockpit (o) tells what became of it"
        )
        self.exit_code = ExitCode(128 + number)  # type: ignore[misc] # a ClassVar: all others have one for ever


def run_until_told(work: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` that ends ``work`` on SIGINT, SIGTERM and SIGHUP, and lets it close what it holds.

    Raises:
        LeftEarlyError: a signal came first.
    """

    async def watched() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
        came: list[int] = []

        def leave(number: int) -> None:
            came.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                loop.add_signal_handler(number, leave, number)
        try:
            return await task
        except asyncio.CancelledError:
            if came:
                raise LeftEarlyError(came[0]) from None
            raise

    return asyncio.run(watched())


@contextmanager
def told_in_json(told: dict[str, Any], as_json: bool) -> Iterator[None]:
    """With ``as_json``, print ``told`` with the sentence as ``problem`` when the command ends by an error, so that stdout is one document always."""
    try:
        yield
    except AlphaPulseError as problem:
        if as_json:
            print_json({**told, "problem": clean(problem.sentence), "exit_code": problem.exit_code})
        raise


def print_json(told: dict[str, Any]) -> None:
    """One document, without secrets."""
    click.echo(json.dumps(redact_each(told), indent=2))


LARGEST_VALUE = 4096
"""Characters of a parameter's value; what is longer is no name, number or sentence that any action takes."""


def sound_value(name: str, value: str) -> str:
    """``value``, if any action could mean it.

    Raises:
        UsageError: it is too long, no text, or holds what cannot be seen.
    """
    if len(value) > LARGEST_VALUE:
        raise UsageError(f"--param {name}: {len(value):,} characters are too many (at most {LARGEST_VALUE:,}).")
    if spell(value.replace("\n", " ").replace("\t", " ")) != value.replace("\n", " ").replace("\t", " "):
        raise UsageError(
            f"--param {name}: {clean(value, 80)} holds characters that cannot be seen; write it without them."
        )
    return value
