"""What the tests of PostgreSQL's actions share: making an action for a role, and waiting for its proof."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from alphapulse_tui.actions.contract import Action
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.settings import PostgresServer, PostgresTarget, Profile
from alphapulse_tui.model.plan import Plan, Verdict, Verification
from tests.actions.conftest import Postgres
from tests.waiting import until

Make = Callable[..., Action]


@pytest.fixture
async def action(postgres: Postgres) -> AsyncIterator[Make]:
    """A maker of actions on the server, as oncall unless told otherwise; all are closed at the end."""
    made: list[Action] = []

    def make(action_id: str, user: str = "oncall") -> Action:
        server = PostgresServer(
            name="primary", host="127.0.0.1", port=postgres.port, user=user, database="postgres", sslmode="disable"
        )
        profile = Profile(name="test", environment="lab", postgres=PostgresTarget(primary=server))
        made.append(make_action(action_id, profile))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def proof(action: Action, plan: Plan, verdict: Verdict = Verdict.VERIFIED) -> Verification:
    """The verification, once it has come to this verdict."""
    found: list[Verification] = []

    async def reached() -> bool:
        found.append(await action.verify(plan))
        return found[-1].verdict is verdict

    await until(reached, 10, f"{verdict}")
    return found[-1]
