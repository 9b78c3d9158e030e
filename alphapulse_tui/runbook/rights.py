"""May I run it? What our logins lack for a procedure, known before its first step: grants of its changes, and those that its readings name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.rights import Right, RightsSurvey, needs
from alphapulse_tui.runbook.checks.look import target_of
from alphapulse_tui.runbook.schema import ActionStep, Procedure

Readings = Mapping[str, Reading[Any]]


@dataclass(frozen=True, slots=True)
class Lacking:
    """What stands between us and a procedure. Nothing in any of the three means that every right was verified."""

    missing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Grant, and what it is needed for: ids of actions, or ``reading``."""
    unknown: tuple[str, ...] = ()
    """Why some right could not be verified, a sentence each."""
    waiting: bool = False
    """Whether a system has not answered yet."""

    @property
    def verified(self) -> bool:
        """Whether everything that it takes is known to be there."""
        return not (self.missing or self.unknown or self.waiting)


def surveys_of(procedure: Procedure) -> tuple[str, ...]:
    """The surveys that know of the procedure's rights, each once."""
    return tuple(dict.fromkeys(f"{right.system}-rights" for _, right in _needs(procedure)))


def lacking(procedure: Procedure, readings: Readings, now: float) -> Lacking:
    """What is missing and what is not known, at ``now`` (the board's clock)."""
    missing: dict[str, dict[str, None]] = {}
    unknown: dict[str, None] = {}
    waiting = False
    for action, right in _needs(procedure):
        reading = readings.get(f"{right.system}-rights")
        survey = reading.snapshot if reading is not None and reading.trusted(now) else None
        if isinstance(survey, RightsSurvey):
            for grant in (grant for one, grant in survey.missing if one == right):
                missing.setdefault(grant, {})[action] = None
            for why in (why for one, why in survey.unknown if one == right):
                unknown[f"{right.system}: {why}"] = None
        elif reading is None or reading.link is Link.CONNECTING:
            waiting = True
        elif reading.link is Link.UNCONFIGURED:
            unknown[f"{right.system} is not configured in this profile"] = None
        else:
            unknown[f"{right.system}: {reading.problem or 'its rights were read too long ago'}"] = None
    for key in dict.fromkeys((procedure.target, *(target_of(key) for key in procedure.reads), *procedure.reads)):
        reading = readings.get(key)
        for grant in getattr(reading.snapshot, "missing_grants", ()) if reading is not None else ():
            missing.setdefault(grant, {})["reading"] = None
    return Lacking(tuple((grant, tuple(whom)) for grant, whom in missing.items()), tuple(unknown), waiting)


def _needs(procedure: Procedure) -> Iterator[tuple[str, Right]]:
    """Every right with the action that needs it, in the order of the steps."""
    for step in procedure.steps:
        if isinstance(step, ActionStep):
            for right in needs(step.action, step.params):
                yield step.action, right
