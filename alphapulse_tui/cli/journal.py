"""The journal of the profile's environment, for commands that look into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alphapulse_tui.cli.invocation import Invocation
from alphapulse_tui.config.paths import STATE_VARIABLE, journal_file, there
from alphapulse_tui.errors import ConfigError
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.incident.journal_file import JournalUnavailable


def environment_of(invocation: Invocation) -> str:
    """Whose journal it is: an environment's, whatever its profiles are called."""
    return invocation.profile.environment or invocation.profile.name


@contextmanager
def open_journal(invocation: Invocation) -> Iterator[Journal | None]:
    """The environment's journal, or none where nothing was ever written: looking must not begin one.

    Raises:
        JournalUnavailable: it is there and cannot be read.
    """
    path = journal_file(environment_of(invocation))
    try:
        begun = there(path)
    except ConfigError as error:
        raise JournalUnavailable(f"{error.sentence}; {STATE_VARIABLE} can name another folder") from None
    if not begun:
        yield None
        return
    journal = Journal.open(path)
    try:
        yield journal
    finally:
        journal.close()
