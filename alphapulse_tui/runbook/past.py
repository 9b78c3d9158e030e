"""What past runs tell of a procedure: how often it was run, how often it mended, how long it takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from alphapulse_tui.runbook.engine import RunState, StepState
from alphapulse_tui.runbook.schema import CheckStep, Procedure


@dataclass(frozen=True, slots=True)
class Past:
    """A procedure's runs in this environment's journal."""

    runs: int = 0
    """All that were begun."""
    succeeded: int = 0
    """Finished, with every proof passed and none left out."""
    under_way: bool = False
    last: float | None = None
    """When one was last finished, unix seconds."""
    typical: float = 0.0
    """Seconds: the median of the finished runs; without one what the file says of its steps together."""
    measured: bool = False
    """Whether ``typical`` comes from runs."""


def past_of(procedure: Procedure, runs: Iterable[RunState]) -> Past:
    """What those of ``runs`` that are the procedure's tell of it."""
    own = [run for run in runs if run.procedure == procedure.id]
    finished = [(run, run.finished_at) for run in own if run.finished_at is not None]
    lasted = [max(0.0, ended - run.started_at) for run, ended in finished]
    return Past(
        runs=len(own),
        succeeded=sum(1 for run, _ in finished if _proven(procedure, run)),
        under_way=len(finished) < len(own),
        last=max((ended for _, ended in finished), default=None),
        typical=median(lasted) if lasted else sum(step.typical_seconds for step in procedure.steps),
        measured=bool(lasted),
    )


def _proven(procedure: Procedure, run: RunState) -> bool:
    """Whether the run's proofs passed: one that was left out proves nothing."""
    proofs = [step.id for step in procedure.steps if isinstance(step, CheckStep) and step.proof]
    return all(proof in run.steps and run.steps[proof].state is StepState.PASSED for proof in proofs)
