"""One run, from the intent to the proof (design 7).

``intent (synced) -> planned again -> sent (synced) -> done | failed | UNKNOWN -> verified | contradicted``

Each arrow is an event in the journal before it is anything else: no intent on disk, nothing is sent. An action that breaks after sending has an
unknown outcome, and that is written down.
"""

from __future__ import annotations

import asyncio
import syslog
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from alphapulse_tui.actions.contract import Action, ActionProblem, SentWithoutAnswer
from alphapulse_tui.executor.instrument import ActionBroke, Instrument, StillBusy
from alphapulse_tui.executor.ledger import KINDS, Ledger
from alphapulse_tui.executor.protocol import PLAN_SECONDS, ExecutorProblem, Progress, Stage
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.model.plan import Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.text import clean

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 2.0
"""Seconds between two looks at the target while it is verified."""

WRITE_AGAIN_SECONDS = (0.5, 2.0, 5.0)
"""Pauses before an outcome that could not be journaled is tried again; an intent never is: then nothing is sent."""

RISKS = list(Risk)
"""The mildest first: a plan that has become worse than what was confirmed is not run."""


@dataclass(slots=True)
class Order:
    """What was confirmed."""

    plan: Plan
    params: Mapping[str, str]
    """As they were asked for: planning again starts from the same."""
    reason: str = ""
    incident: str = ""
    override: str = ""


@dataclass(slots=True)
class Run:
    """One order on its way. ``tell`` hears of every step; it must not block."""

    order: Order
    instrument: Instrument
    journal: Journal
    ledger: Ledger
    tell: Callable[[Progress], None]
    plan: Plan = field(init=False)
    """As it runs: the victims that have gone are dropped from the confirmed one."""
    before: dict[str, str] = field(default_factory=dict)
    written: bool = False
    """Whether the intent is on disk."""
    marked: bool = False
    """Whether the journal says that it is being sent; who reads it without an outcome takes it for sent."""
    sent: bool = False
    started: float = 0.0

    def __post_init__(self) -> None:
        self.plan = self.order.plan

    @property
    def id(self) -> str:
        """The plan's id."""
        return self.order.plan.id

    async def begin(self) -> None:
        """Everything up to the moment of sending; afterwards :attr:`sent` is true and on disk.

        Raises:
            ExecutorProblem: nothing was sent, and why; written down as refused if there was an intent already.
        """
        await self._refuse_if_held()
        self.tell(Progress(self.id, Stage.CHECKING, "reading the target before the change"))
        self.before = await self._reading()
        intent = await self._write_or_refuse(Kind.INTENT, self._intent())
        self.written = True
        self.tell(Progress(self.id, Stage.INTENT, "the intent is on disk; planning again"))
        try:
            await self._refuse_if_second(intent)
            dropped = await self._plan_again()
            await self._write_or_refuse(Kind.SENT, {"dropped": dropped})
            self.marked = True
            await self._refuse_if_settled()
        except ExecutorProblem as problem:
            await self.settle(Result(Outcome.REFUSED, problem.sentence))
            raise
        self.sent = True
        self.started = asyncio.get_running_loop().time()
        said = (
            f"sending; {len(dropped)} of {len(self.order.plan.victims)} had gone by themselves"
            if dropped
            else "sending"
        )
        self.tell(Progress(self.id, Stage.SENT, said, plan=self.plan))

    async def send(self) -> Result:
        """Send it, once, whatever comes; what is not known for certain is ``UNKNOWN``."""
        plan = self.plan
        try:
            return await self.instrument.call(lambda action: _executed(action, plan), plan.deadline)
        except ActionProblem as problem:
            return Result(Outcome.FAILED, clean(problem))
        except StillBusy:
            busy = f"another {plan.action} has not ended for {plan.deadline:g} s"
            return Result(Outcome.REFUSED, f"nothing was sent: {busy}; settle that first")
        except TimeoutError:
            return Result(Outcome.UNKNOWN, f"sent, and no answer within {plan.deadline:g} s")
        except ActionBroke as bug:
            return Result(Outcome.UNKNOWN, f"sent, and then our own program failed: {bug}")

    async def settle(self, result: Result) -> None:
        """Write the outcome down and tell it. An outcome that cannot be written is said to syslog, and told as such."""
        seconds = asyncio.get_running_loop().time() - self.started if self.started else 0.0
        payload = {
            "outcome": result.outcome,
            "sentence": result.sentence,
            "details": result.details,
            "seconds": round(seconds, 3),
        }
        problem = await self._write_somehow(Kind.OUTCOME, payload)
        sentence = f"{result.sentence} ({problem})" if problem else result.sentence
        self.tell(Progress(self.id, Stage.OUTCOME, sentence, result=msgspec.structs.replace(result, sentence=sentence)))

    async def prove(self, result: Result) -> Verification:
        """Read the target until it says that the change is there, or the plan's time is over; the last reading is journaled.

        After a failure the target is read once: part of it may have happened. While the outcome is unknown a contradiction is no end,
        because the request may still be under way.
        """
        clock = asyncio.get_running_loop().time
        due = clock() + (0.0 if result.outcome is Outcome.FAILED else self.plan.verify_seconds)
        pause, told = FIRST_PAUSE, ""
        while True:
            found = await read_again(self.instrument, self.plan)
            ended = found.verdict is Verdict.VERIFIED
            ended = ended or (found.verdict is Verdict.CONTRADICTED and result.outcome is not Outcome.UNKNOWN)
            left = due - clock()
            if ended or left <= 0:
                break
            if found.sentence != told:
                told = found.sentence
                self.tell(Progress(self.id, Stage.VERIFYING, told))
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE)
        payload = {"verdict": found.verdict, "sentence": found.sentence, "before": self.before, "after": found.reading}
        problem = await self._write_somehow(Kind.VERIFIED, payload)
        sentence = f"{found.sentence} ({problem})" if problem else found.sentence
        found = msgspec.structs.replace(found, sentence=sentence)
        self.tell(Progress(self.id, Stage.VERIFIED, sentence, verification=found, before=self.before))
        return found

    def _intent(self) -> dict[str, Any]:
        plan = self.order.plan
        intent = {"plan": plan, "digest": plan.digest(), "reason": self.order.reason, "before": self.before}
        return {**intent, "override": self.order.override} if self.order.override else intent

    async def _refuse_if_held(self) -> None:
        await catch_up(self.ledger, self.journal)
        if self.id in self.ledger.runs:
            raise ExecutorProblem("this plan has been run before: plan again")
        holder = self.ledger.holder(self.plan.object)
        if holder is not None and not self.order.override:
            raise ExecutorProblem(
                f"{clean(self.plan.object)} is locked: {holder.who()} began {holder.raw_plan.get('title', 'an action')!s} on it and its "
                "outcome is not known; settle that first"
            )

    async def _refuse_if_second(self, intent: Event) -> None:
        """Two intents may have been written at once: the journal's order says who was first."""
        await catch_up(self.ledger, self.journal)
        holder = self.ledger.holder(self.plan.object, before=intent.sequence, but=self.id)
        if holder is not None and not self.order.override:
            raise ExecutorProblem(f"{clean(self.plan.object)}: {holder.who()} was first; nothing was sent from here")

    async def _refuse_if_settled(self) -> None:
        """We may have been stopped for so long that somebody has settled the run as one that was never sent, and acted on that."""
        await catch_up(self.ledger, self.journal)
        if self.ledger.runs[self.id].settled_at is not None:
            raise ExecutorProblem("it was settled meanwhile as one that never began; nothing was sent: plan again")

    async def _plan_again(self) -> list[str]:
        """Hold the confirmed plan against the target as it is now; returns the keys of the victims that have gone."""
        params = dict(self.order.params)
        try:
            now = await self.instrument.call(lambda action: action.planned(params), PLAN_SECONDS)
        except ActionProblem as problem:
            raise ExecutorProblem(clean(problem)) from None
        except TimeoutError:
            raise ExecutorProblem(
                f"the target did not answer within {PLAN_SECONDS:g} s when it was read again"
            ) from None
        except ActionBroke as bug:
            raise ExecutorProblem(f"planning again failed: {bug}") from None
        kept, dropped = surviving(self.order.plan, now)
        self.plan = msgspec.structs.replace(self.order.plan, victims=kept)
        return dropped

    async def _reading(self) -> dict[str, str]:
        """The figures before; one that is missing keeps nobody from mending."""
        plan = self.plan
        try:
            return await self.instrument.call(lambda action: action.reading(plan), PLAN_SECONDS)
        except (ActionProblem, ActionBroke, TimeoutError) as problem:
            return {"before": f"not read: {clean(problem) or 'no answer in time'}"}

    async def _write_or_refuse(self, kind: Kind, payload: Mapping[str, Any]) -> Event:
        try:
            return await self.journal.record(kind, {"action_run": self.id, **payload}, self.order.incident)
        except JournalUnavailable as problem:
            raise ExecutorProblem(f"nothing was sent: {problem.sentence}") from None

    async def _write_somehow(self, kind: Kind, payload: Mapping[str, Any]) -> str:
        """Write what has happened already; empty, or a sentence when the journal took it in none of several tries."""
        for pause in (*WRITE_AGAIN_SECONDS, None):
            try:
                await self.journal.record(kind, {"action_run": self.id, **payload}, self.order.incident)
            except JournalUnavailable as problem:
                if pause is None or not self.marked:
                    syslog.syslog(
                        syslog.LOG_ERR,
                        f"alphapulse: run {self.id} {kind.value} could not be journaled: {problem.sentence}",
                    )
                    return f"not journaled: {problem.sentence}"
                await asyncio.sleep(pause)
            else:
                return ""
        return ""


async def _executed(action: Action, plan: Plan) -> Result:
    try:
        return await action.execute(plan)
    except SentWithoutAnswer as problem:
        return Result(Outcome.UNKNOWN, clean(problem))


def surviving(confirmed: Plan, now: Plan) -> tuple[tuple[Victim, ...], list[str]]:
    """The confirmed victims that are still there and the same, and the keys of those that are gone. New ones are never added.

    Raises:
        ExecutorProblem: what was confirmed is not what is there now.
    """
    found = {victim.key: victim for victim in now.victims}
    for victim in confirmed.victims:
        other = found.get(victim.key)
        if other is not None and other.identity != victim.identity:
            raise ExecutorProblem(f"{victim.key} is not the one that was shown (it was replaced since): plan again")
    kept = tuple(victim for victim in confirmed.victims if victim.key in found)
    dropped = [victim.key for victim in confirmed.victims if victim.key not in found]
    if confirmed.victims and not kept:
        raise ExecutorProblem(
            f"nothing is left to do: {', '.join(dropped[:5])}{' ...' if len(dropped) > 5 else ''} gone by now"
        )
    if now.refusal:
        raise ExecutorProblem(f"no longer possible: {now.refusal}")
    if RISKS.index(now.risk) > RISKS.index(confirmed.risk):
        raise ExecutorProblem(
            f"it was {confirmed.risk.value} when it was confirmed and is {now.risk.value} now: plan again and see what it would do"
        )
    names = sorted({*confirmed.preconditions, *now.preconditions})
    for name in names:
        was, became = confirmed.preconditions.get(name, "none"), now.preconditions.get(name, "none")
        if was != became:
            raise ExecutorProblem(
                f"{name} was {was} when this was planned and is {became} now: somebody changed it; plan again"
            )
    return kept, dropped


async def read_again(instrument: Instrument, plan: Plan) -> Verification:
    """What the target says now; ``UNKNOWN`` when it cannot be read, for whatever reason."""
    try:
        return await instrument.call(lambda action: action.verify(plan), PLAN_SECONDS)
    except (ActionProblem, ActionBroke) as problem:
        return Verification(Verdict.UNKNOWN, f"the target cannot be read: {clean(problem)}")
    except TimeoutError:
        return Verification(Verdict.UNKNOWN, f"the target cannot be read: no answer within {PLAN_SECONDS:g} s")


async def catch_up(ledger: Ledger, journal: Journal) -> None:
    """Take in what every process has written since.

    Raises:
        ExecutorProblem: the journal cannot be read, so nobody knows what is locked.
    """
    try:
        ledger.take(await journal.read(ledger.sequence, kinds=KINDS))
    except JournalUnavailable as problem:
        raise ExecutorProblem(f"nothing was sent: {problem.sentence}") from None
    if journal.damage:
        raise ExecutorProblem(f"nothing was sent, because what is locked cannot be known: {journal.damage}")
