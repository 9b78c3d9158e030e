"""Hand the terminal to the helper that asks for a key share. This process never sees the share, and draws nothing meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from alphapulse_tui.executor.protocol import ExecutorProblem, Progress, Stage
from alphapulse_tui.executor.share import ask_share
from alphapulse_tui.model.plan import Outcome, Plan, Result

if TYPE_CHECKING:
    from alphapulse_tui.app import Cockpit


async def enter_share(
    app: Cockpit, plan: Plan, confirmation: str, reason: str, incident: str
) -> AsyncIterator[Progress]:
    """Intent first, then the prompt on the terminal, then the proof. What is refused before anybody is asked is told as not sent.

    Raises:
        ExecutorProblem: what became of the share could not be handed over.
    """
    executor = app.session.executor
    assert executor is not None
    try:
        begun = await executor.begin(plan, confirmation=confirmation, reason=reason, incident=incident)
    except ExecutorProblem as problem:
        refused = Result(Outcome.REFUSED, problem.sentence)
        yield Progress(plan.id, Stage.OUTCOME, problem.sentence, result=refused)
        return
    with app.suspend():
        result = await ask_share(begun.plan, app.session.profile, begun.seconds)
    async for progress in executor.finish(begun, result):
        yield progress
