"""The contract of an action.

An action is asked three things, always by the executor: ``plan`` (reads the target and says what would happen), ``execute`` (one attempt,
with the plan's preconditions in the very request) and ``verify`` (reads the target again). It keeps no state between the three: what must
survive is in the :class:`~alphapulse_tui.model.plan.Plan`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Plan, Result, Risk, Verification


class ActionProblem(Exception):
    """The action could not be planned or sent; the message is one sentence for a person: what, and what would make it possible."""


class TargetUnreachable(ActionProblem):
    """The target cannot be reached or gives no answer: nobody forbids it, nothing was changed, and it may be tried again."""


class SentWithoutAnswer(Exception):
    """The request left and no answer came: the outcome is unknown. Never raised when it is certain that nothing was sent."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of an action."""

    name: str
    title: str
    default: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False


class Action(ABC):
    """One change to one target. Class attributes are what the registry, the fixes menu, the palette and the generated docs read."""

    id: str
    """``pg.terminate-idle-in-transaction``: target, dot, verb."""
    title: str
    """What the key says: ``terminate idle in transaction``."""
    target: str
    """The board's key of the target that it changes."""
    risk: Risk
    changes: bool = True
    """False for a fix that only reads (previous log): it needs no intent and no confirmation."""
    parameters: tuple[Parameter, ...] = ()
    source: str = ""
    """Where the runbook has it: ``runbook 2.1``."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def effective(self, params: Mapping[str, str]) -> dict[str, str]:
        """``params`` as the action takes them: empty ones left out, defaults filled in where they decide what is done.

        So the same change is the same plan, whether its defaults were written out (by a procedure) or left out (by a fix).

        Raises:
            ActionProblem: a parameter makes no sense.
        """
        return {name: value for name, value in params.items() if value}

    async def planned(self, params: Mapping[str, str]) -> Plan:
        """:meth:`plan` of the :meth:`effective` parameters: how everybody asks.

        Raises:
            ActionProblem: as :meth:`plan`.
        """
        return await self.plan(self.effective(params))

    @abstractmethod
    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Say what would happen now. A plan that cannot be run has its ``refusal`` set.

        Raises:
            TargetUnreachable: the target gives no answer.
            ActionProblem: the target could not be read otherwise, or a parameter makes no sense.
        """

    @abstractmethod
    async def execute(self, plan: Plan) -> Result:
        """Send it, once.

        Raises:
            ActionProblem: certain that nothing was changed.
            SentWithoutAnswer: sent, and no answer.
        """

    @abstractmethod
    async def verify(self, plan: Plan) -> Verification:
        """Read the target again and compare with the plan's checks; also used to probe an intent whose outcome is not recorded."""

    async def reading(self, plan: Plan) -> dict[str, str]:
        """Named figures of the target now, for before and after. By default what ``verify`` reads."""
        return (await self.verify(plan)).reading

    async def close(self) -> None:
        """Let go of connections."""
