"""An action without a screen whose executor goes away: what may have begun is unknown, what was never asked is refused."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from typing import cast

import pytest

from alphapulse_tui.executor.client import ExecutorClient
from alphapulse_tui.executor.protocol import ExecutorGone, Progress
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.plan import Plan, Risk
from alphapulse_tui.runbook.deed import Consent, do, why_not
from tests.screens.hand import Hand, a_plan


class Leaving(Hand):
    """Plans, and is gone when it is to act."""

    def __init__(self, *, asked: bool) -> None:
        super().__init__()
        self.asked = asked

    async def execute(
        self, plan: Plan, *, confirmation: str, reason: str = "", incident: str = ""
    ) -> AsyncIterator[Progress]:
        raise ExecutorGone("the executor is gone", asked=self.asked)
        yield


@pytest.mark.parametrize(
    ("asked", "verdict", "code"), [(True, "unknown", ExitCode.UNKNOWN), (False, "refused", ExitCode.UNAVAILABLE)]
)
async def test_an_executor_that_is_gone(asked: bool, verdict: str, code: ExitCode) -> None:
    executor = cast("ExecutorClient", Leaving(asked=asked))
    deed = await do(executor, "pg.terminate-idle", {}, Consent(yes=True), "why", "")
    assert (deed.verdict, deed.exit_code, deed.sentence) == (verdict, code, "the executor is gone")


def test_the_name_to_confirm_can_be_pasted_into_a_shell() -> None:
    """A key may be called anything; between double quotes a shell would run what is in its name."""
    hostile = "it's $(touch pwned)`id`"
    said = why_not(a_plan(Risk.DESTRUCTIVE, confirm_word=hostile), Consent(yes=True))
    words = shlex.split(said.partition("it needs ")[2].rpartition(", the name")[0])
    assert words == ["--yes", "--confirm", hostile]
    assert shlex.quote(hostile) in said
