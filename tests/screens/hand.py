"""An executor that does what a test tells it, in place of the real one's process; and a session that has it at hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.client import ExecutorClient
from alphapulse_tui.executor.protocol import ExecutorGone, OpenRun, Progress, Resolution, Stage
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.session import Session
from tests.screens.stage import Clock, QuietSession

GONE = "The executor is gone; what it had taken over, it finishes."


def a_plan(risk: Risk = Risk.DISRUPTIVE, **changed: object) -> Plan:
    """A plan to terminate one session."""
    fields: dict[str, object] = {
        "id": "plan-1",
        "action": "pg.terminate-idle",
        "title": "terminate idle",
        "target": "postgres",
        "environment": "stage",
        "object": "postgres/backends",
        "risk": risk,
        "sentence": "Terminates 1 session that idles.",
        "call": "SELECT pg_terminate_backend(4121)",
        "shell": "psql -c '...'",
        "params": {},
        "victims": (Victim("pid 4121", "then", "pid 4121 of app"),),
        "checks": (Check("gone", "pid 4121 is gone"),),
    }
    return Plan(**{**fields, **changed})  # type: ignore[arg-type]


def done(verdict: Verdict = Verdict.VERIFIED) -> list[Progress]:
    """A run that was answered and then read again."""
    return [
        Progress("plan-1", Stage.OUTCOME, "", Result(Outcome.DONE, "1 of 1 signalled", {"pid 4121": "signalled"})),
        Progress(
            "plan-1",
            Stage.VERIFIED,
            "",
            None,
            Verification(verdict, "it is gone", {"slots": "59 %"}),
            {"slots": "104 %"},
        ),
    ]


class Hand:
    """What the screens ask of an executor, answered at once. Everything asked is kept."""

    def __init__(self, plan: Plan | None = None, progress: Sequence[Progress] = ()) -> None:
        self.next_plan = plan or a_plan()
        self.progress = list(progress) or done()
        self.gone = False
        self.planned: list[tuple[str, dict[str, str]]] = []
        self.executed: list[tuple[str, str]] = []
        """Action and confirmation of each run."""
        self.open_runs: list[OpenRun] = []
        self.resolved: list[tuple[str, Resolution, str]] = []
        self.armed: list[str] = []

    async def plan(self, action_id: str, params: Mapping[str, str]) -> Plan:
        """The plan that the test has laid out."""
        if self.gone:
            raise ExecutorGone(GONE)
        self.planned.append((action_id, dict(params)))
        return self.next_plan

    async def execute(
        self, plan: Plan, *, confirmation: str, reason: str = "", incident: str = ""
    ) -> AsyncIterator[Progress]:
        """Tell the laid out progress."""
        self.executed.append((plan.action, confirmation))
        for progress in self.progress:
            if self.gone:
                raise ExecutorGone(GONE)
            yield progress

    async def unresolved(self) -> list[OpenRun]:
        """Runs whose end is not known."""
        if self.gone:
            raise ExecutorGone(GONE)
        return list(self.open_runs)

    async def probe(self, run: str) -> Verification:
        """What the target says of a run."""
        return Verification(Verdict.CONTRADICTED, f"{run}: the session lives", {"slots": "104 %"})

    async def resolve(self, run: str, how: Resolution, evidence: str = "", incident: str = "") -> Verification:
        """Settle a run."""
        self.resolved.append((run, how, evidence))
        self.open_runs = [each for each in self.open_runs if each.run != run]
        return Verification(Verdict.VERIFIED, "settled")

    async def arm(self, environment: str) -> float:
        """Allow changes."""
        self.armed.append(environment)
        return 3600.0

    def armed_seconds(self, now: float) -> float | None:
        """Seconds left of being armed."""
        return 3600.0 if self.armed else None

    async def close(self) -> None:
        """Nothing is held."""


class HandSession(QuietSession):
    """A session with a :class:`Hand` for an executor."""

    def __init__(self, profile: Profile, hand: Hand, clock: Clock, journal: bool) -> None:
        super().__init__(profile, clock=clock)
        self.hand = hand
        self._journal = journal

    async def open_desk(self) -> None:
        if self._journal:
            await Session.open_desk(self)

    async def start_executor(self) -> None:
        self.executor = cast("ExecutorClient", self.hand)


def at_hand(hand: Hand, profile: Profile | None = None, *, journal: bool = False) -> Cockpit:
    """A cockpit that reads nothing and acts through ``hand``; with ``journal``, a real one in the state folder that the test has set."""
    return Cockpit(HandSession(profile or Profile(name="stage"), hand, Clock(), journal))


def open_run(run: str = "run-1", *, under_way: bool = False) -> OpenRun:
    """A run that was sent, and no answer came."""
    return OpenRun(
        run=run,
        action="pg.terminate-idle",
        title=f"terminate idle {run}",
        object="postgres/backends",
        actor="ana",
        writer="bastion:1:1",
        incident="",
        sequence=1,
        began_at=1_700_000_000.0,
        sent=True,
        outcome=Outcome.UNKNOWN,
        sentence="sent, no answer",
        under_way=under_way,
        plan=a_plan(),
    )
