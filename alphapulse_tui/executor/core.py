"""The executor: the one door for change. Plans, guards, runs, proves, and knows what is still open. Pure asyncio, no sockets.

Every run is a task of the executor's own: whoever watches it may go away at any time, and the run goes on. State that must survive is in the
journal; in memory are only the plans that were shown (a plan that was not made here does not run here), the arming, and the runs in
flight. Used by :mod:`alphapulse_tui.executor.server`, and directly by tests.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from alphapulse_tui.actions.contract import Action, ActionProblem, TargetUnreachable
from alphapulse_tui.actions.registry import action_class, make_action
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.arming import Arming
from alphapulse_tui.executor.confirm import confirms, required_confirmation
from alphapulse_tui.executor.instrument import ActionBroke, Instrument
from alphapulse_tui.executor.ledger import Ledger
from alphapulse_tui.executor.protocol import (
    PLAN_SECONDS,
    SHARE_SECONDS,
    Begun,
    ExecutorProblem,
    Progress,
    Stage,
    Status,
    TargetSilent,
)
from alphapulse_tui.executor.reconcile import Reconciler
from alphapulse_tui.executor.run import Order, Run
from alphapulse_tui.incident.journal import Journal, since_boot
from alphapulse_tui.model.plan import Outcome, Plan, Result, Risk
from alphapulse_tui.text import clean

log = logging.getLogger(__name__)

PLANS_KEPT = 64
PLAN_LIFETIME = 900.0
"""Seconds after which a plan that was shown must be made anew."""

Registry = Callable[[str, Profile], Action]
"""Makes an action by id; raises ``KeyError`` for one that there is not."""


@dataclass(slots=True)
class _Shown:
    """A plan that somebody has on the screen."""

    order: Order
    at: float


@dataclass(slots=True)
class _Held:
    """A run whose sending is somebody else's."""

    run: Run
    overdue: asyncio.TimerHandle


class Executor:
    """One environment's executor. ``read_only`` refuses every change for as long as it lives."""

    def __init__(
        self,
        profile: Profile,
        journal: Journal,
        *,
        read_only: bool = False,
        registry: Registry = make_action,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        self.profile = profile
        self.environment = profile.environment or profile.name
        self.journal = journal
        self.read_only = read_only
        self.arming = Arming(self.environment, profile.production, read_only, journal, clock, monotonic)
        self._registry = registry
        self._clock, self._monotonic = clock, monotonic
        self._instruments: dict[str, Instrument] = {}
        self._shown: OrderedDict[str, _Shown] = OrderedDict()
        self._ledger = Ledger()
        self._held: dict[str, _Held] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self.reconciler = Reconciler(journal, self._ledger, self._instrument, self.holds, clock)

    def holds(self, run_id: str) -> bool:
        """Whether a run is in flight here."""
        return run_id in self._running or run_id in self._held

    @property
    def busy(self) -> bool:
        """Whether it holds a run; it must not leave then."""
        return bool(self._running or self._held)

    def status(self) -> Status:
        """How it stands."""
        return Status(
            self.environment,
            self.profile.production,
            self.read_only,
            self.arming.until,
            (*self._running, *self._held),
            os.getpid(),
        )

    async def plan(self, action_id: str, params: Mapping[str, str]) -> Plan:
        """What the action would do now. Read-only or not armed, it is shown all the same.

        Raises:
            TargetSilent: the target gives no answer.
            ExecutorProblem: no such action, or the target cannot be read otherwise.
        """
        instrument = await self._instrument(action_id)
        try:
            plan = await instrument.call(lambda action: action.planned(dict(params)), PLAN_SECONDS)
        except TargetUnreachable as problem:
            raise TargetSilent(clean(problem)) from None
        except ActionProblem as problem:
            raise ExecutorProblem(clean(problem)) from None
        except TimeoutError:
            raise TargetSilent(f"the target did not answer within {PLAN_SECONDS:g} s; nothing was planned") from None
        except ActionBroke as bug:
            raise ExecutorProblem(f"{action_id} cannot be planned: {bug}") from None
        self._shown[plan.id] = _Shown(Order(plan, dict(params)), self._monotonic())
        while len(self._shown) > PLANS_KEPT:
            self._shown.popitem(last=False)
        return plan

    async def execute(
        self, plan_id: str, digest: str, confirmation: str, reason: str = "", incident: str = "", override: str = ""
    ) -> AsyncGenerator[Progress]:
        """Run a plan that :meth:`plan` made and whose ``digest`` the person saw. Leaving the iteration does not stop the run.

        ``override`` (a reason) touches an object that an unsettled run has locked; it is journaled.

        Raises:
            ExecutorProblem: refused before anything was written. Later refusals come as progress with a ``REFUSED`` result.
        """
        order = self._order(plan_id, digest)
        if order.plan.needs_share:
            raise ExecutorProblem("this action needs a key share, which only the prompt on the terminal may take")
        steps: asyncio.Queue[Progress | None] = asyncio.Queue()
        run = await self._make_run(order, confirmation, reason, incident, override, steps.put_nowait)
        work = self._whole(run) if self._changes(run) else self._read_only_fix(run)
        self._start(run.id, work, lambda: steps.put_nowait(None))
        while (step := await steps.get()) is not None:
            yield step

    async def begin(
        self, plan_id: str, digest: str, confirmation: str, reason: str = "", incident: str = "", override: str = ""
    ) -> Begun:
        """The first half of a run that the key-share helper sends itself: afterwards it counts as sent.

        Raises:
            ExecutorProblem: refused, nothing was sent.
        """
        order = self._order(plan_id, digest)
        run = await self._make_run(order, confirmation, reason, incident, override, lambda _: None)
        ended = asyncio.get_running_loop().create_future()
        broken = ExecutorProblem("our own program failed; look into the unresolved actions")

        def told() -> None:
            if not ended.done():
                ended.set_exception(broken)

        self._start(run.id, self._begin(run, ended), told)
        await asyncio.shield(ended)
        return Begun(run.id, run.plan, SHARE_SECONDS)

    async def finish(self, run_id: str, result: Result) -> AsyncGenerator[Progress]:
        """The second half: what the helper says became of it, then the proof by reading the target.

        Raises:
            ExecutorProblem: no such run waits here (it may have been given up after :data:`SHARE_SECONDS`).
        """
        held = self._held.pop(run_id, None)
        if held is None:
            raise ExecutorProblem("no such run waits to be finished here; look into the unresolved actions")
        held.overdue.cancel()
        steps: asyncio.Queue[Progress | None] = asyncio.Queue()
        held.run.tell = steps.put_nowait
        self._start(run_id, self._end(held.run, result), lambda: steps.put_nowait(None))
        while (step := await steps.get()) is not None:
            yield step

    async def drain(self) -> None:
        """Return once every run that is in flight has its outcome and proof; a run at the share prompt counts as unknown now."""
        for run_id in tuple(self._held):
            self._give_up(run_id)
        while self._running:
            await asyncio.wait(tuple(self._running.values()))

    async def close(self) -> None:
        """Let go of the targets."""
        for instrument in self._instruments.values():
            await instrument.action.close()
        self._instruments.clear()

    def _order(self, plan_id: str, digest: str) -> Order:
        shown = self._shown.get(plan_id)
        if shown is None:
            raise ExecutorProblem("this plan is not known here (the executor is new, or it was run): plan again")
        if shown.order.plan.digest() != digest:
            raise ExecutorProblem("what was confirmed is not what was planned: plan again")
        old = self._monotonic() - shown.at
        if old > PLAN_LIFETIME:
            raise ExecutorProblem(f"this plan is {old / 60:.0f} minutes old: plan again")
        return shown.order

    async def _make_run(
        self,
        order: Order,
        confirmation: str,
        reason: str,
        incident: str,
        override: str,
        tell: Callable[[Progress], None],
    ) -> Run:
        """The guards that need no target; the plan is taken from the shelf, so that nobody runs it twice."""
        plan = order.plan
        instrument = await self._instrument(plan.action)
        if plan.refusal:
            raise ExecutorProblem(f"not possible: {plan.refusal}")
        run = Run(
            Order(plan, order.params, clean(reason), incident, clean(override)),
            instrument,
            self.journal,
            self._ledger,
            tell,
        )
        if self._changes(run):
            self.arming.check()
            if not confirms(plan, confirmation):
                demanded = (
                    "the object's name, typed" if plan.risk is Risk.DESTRUCTIVE else f'"{required_confirmation(plan)}"'
                )
                raise ExecutorProblem(f"not confirmed: {plan.title} demands {demanded}")
        if self._shown.pop(plan.id, None) is None:
            raise ExecutorProblem("this plan is being run already")
        return run

    @staticmethod
    def _changes(run: Run) -> bool:
        """Whether it changes anything: the class says so, and a plan can not talk it away."""
        return run.instrument.action.changes or run.order.plan.changes

    def _start(self, run_id: str, work: object, ended: Callable[[], None]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=f"run {run_id}")  # type: ignore[arg-type]
        self._running[run_id] = task

        def done(task: asyncio.Task[None]) -> None:
            if self._running.get(run_id) is task:
                del self._running[run_id]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("run %s broke; the journal says how far it came", run_id, exc_info=error)
            ended()

        task.add_done_callback(done)

    async def _whole(self, run: Run) -> None:
        try:
            await run.begin()
        except ExecutorProblem as problem:
            self._shelve_again(run)
            if not run.written:  # Otherwise its outcome is in the journal, and told from there.
                refused = Result(Outcome.REFUSED, problem.sentence)
                run.tell(Progress(run.id, Stage.OUTCOME, problem.sentence, result=refused))
            return
        await self._end(run, await run.send())

    async def _end(self, run: Run, result: Result) -> None:
        await run.settle(result)
        if result.outcome is not Outcome.REFUSED:
            run.instrument = await self._instrument(run.plan.action)
            await run.prove(result)

    async def _read_only_fix(self, run: Run) -> None:
        """A fix that only reads: no intent, no proof."""
        result = await run.send()
        if result.outcome is Outcome.UNKNOWN:  # Nothing was changed, so nothing is in doubt.
            result = Result(Outcome.FAILED, result.sentence.removeprefix("sent, and "), result.details)
        run.tell(Progress(run.id, Stage.OUTCOME, result.sentence, result=result))

    async def _begin(self, run: Run, ended: asyncio.Future[None]) -> None:
        try:
            await run.begin()
        except ExecutorProblem as problem:
            self._shelve_again(run)
            ended.set_exception(problem)
            return
        overdue = asyncio.get_running_loop().call_later(SHARE_SECONDS, self._give_up, run.id)
        self._held[run.id] = _Held(run, overdue)
        ended.set_result(None)

    def _shelve_again(self, run: Run) -> None:
        """A run that was refused before its intent may be tried again, with an override for instance."""
        if not run.written:
            self._shown[run.id] = _Shown(run.order, self._monotonic())

    def _give_up(self, run_id: str) -> None:
        """Nobody said what became of a held run."""
        held = self._held.pop(run_id, None)
        if held is not None:
            held.overdue.cancel()
            result = Result(Outcome.UNKNOWN, "the prompt for the key share ended without a word; the target is read")
            self._start(run_id, self._end(held.run, result), lambda: None)

    async def _instrument(self, action_id: str) -> Instrument:
        found = self._instruments.get(action_id)
        if found is None or found.spoiled:
            try:
                if self._registry is make_action:
                    await asyncio.to_thread(
                        action_class, action_id
                    )  # Importing a client library takes longer than a frame.
                found = Instrument(self._registry(action_id, self.profile))
            except KeyError as error:
                raise ExecutorProblem(clean(error.args[0])) from None
            self._instruments[action_id] = found
        return found
