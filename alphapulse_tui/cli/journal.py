"""The journal of the profile's environment, for commands that look into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alphapulse_tui.cli.invocation import Invocation
from alphapulse_tui.config.paths import journal_file
from alphapulse_tui.incident.journal import Journal


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
    if not path.exists():
        yield None
        return
    journal = Journal.open(path)
    try:
        yield journal
    finally:
        journal.close()
