"""Write an incident's postmortem to disk and say so in the journal. Called by the desk (``x``) and by ``alphapulse incident export``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident.postmortem import file_name, render, write, write_as
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.runbook.load import read_shelf


@dataclass(frozen=True, slots=True)
class Exported:
    """A postmortem on disk."""

    path: Path
    sha256: str
    beside: str = ""
    """The file that was left alone because a person had edited it, or empty."""
    problem: str = ""
    """Why the journal does not know of it, or empty: a postmortem is not withheld because the journal's disk is full."""


def preventions(folder: Path) -> dict[str, tuple[str, ...]]:
    """What each procedure says keeps it from happening again, by procedure id; the team's own are in ``folder``, those with a mistake left out:
    a postmortem is not withheld because of a comma.
    """
    return {procedure.id: procedure.prevention for procedure in read_shelf(folder).procedures.values()}


def export(
    journal: Journal,
    state: IncidentState,
    environment: str,
    now: float,
    prevention: Mapping[str, Iterable[str]],
    folder: Path,
    out: Path | None = None,
) -> Exported:
    """Write the postmortem into ``folder`` (a relative one starts at the working directory), or exactly to ``out``. Blocks.

    Raises:
        CannotCreateError: it cannot be written, or ``out`` is a file that was edited by hand.
    """
    text = render(state, now, environment, prevention)
    ours = set(state.exported.values())
    written = (
        write_as(text, out.absolute(), ours)
        if out is not None
        else write(text, folder.absolute(), file_name(state), ours)
    )
    payload = {"path": str(written.path), "sha256": written.sha256}
    try:
        journal.append(Kind.EXPORTED, payload, state.id)
    except JournalUnavailable as problem:
        return Exported(written.path, written.sha256, written.beside, str(problem))
    return Exported(written.path, written.sha256, written.beside)
