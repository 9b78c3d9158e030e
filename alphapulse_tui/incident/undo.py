"""What can be taken back: read from the journal, so it can be done after the action's dialog was left, and by somebody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.model.plan import Outcome

_UNDO_OF, _RUN = "undo of ", ", run "


def undo_reason(title: str, run: str) -> str:
    """The reason of an action that takes ``run`` back, by which it is known in the journal.

    >>> undo_reason("scale api", "7f")
    'undo of scale api, run 7f'
    """
    return f"{_UNDO_OF}{title}{_RUN}{run}"


@dataclass(frozen=True, slots=True)
class WayBack:
    """The action that takes one back."""

    run: str
    """The run that is taken back."""
    title: str
    action: str
    params: dict[str, str]
    said: str
    """How, in one sentence."""
    reason: str
    """Why the run was done, as it was recorded."""


def ways_back(events: Iterable[Event]) -> dict[str, WayBack]:
    """Every action that may have changed something and has a way back which nobody has taken yet, by run, oldest first."""
    plans: dict[str, Mapping[str, Any]] = {}
    reasons: dict[str, str] = {}
    ways: dict[str, WayBack] = {}
    for event in events:
        run = read.text(event.payload, "action_run")
        if event.kind is Kind.INTENT:
            plans[run] = read.mapping(event.payload, "plan")
            reasons[run] = read.text(event.payload, "reason")
        elif event.kind is Kind.OUTCOME and run in plans:
            if event.payload.get("outcome") not in (Outcome.DONE.value, Outcome.UNKNOWN.value):
                continue
            if reasons[run].startswith(_UNDO_OF):
                ways.pop(reasons[run].rpartition(_RUN)[2], None)
            way = _way(run, plans[run], reasons[run])
            if way is not None:
                ways[run] = way
    return ways


def _way(run: str, plan: Mapping[str, Any], reason: str) -> WayBack | None:
    action = read.text(plan, "undo_action")
    if not action:
        return None
    return WayBack(
        run, read.text(plan, "title"), action, read.texts(plan, "undo_params"), read.text(plan, "undo"), reason
    )
