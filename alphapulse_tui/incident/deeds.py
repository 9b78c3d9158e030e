"""What people did during an incident: actions with their proofs, procedures with their steps. Part of the projection."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

import msgspec

from alphapulse_tui.executor.ledger import reconciled_for_good
from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.records import ActionRun, IncidentState, ProcedureRun, StepRun
from alphapulse_tui.model.plan import Outcome, Plan, Verdict

Member = TypeVar("Member", bound=Enum)


class Deeds:
    """Takes the events of actions and procedures into ``state``."""

    def __init__(self, state: IncidentState) -> None:
        self.state = state
        self._takers = {
            Kind.INTENT: self._intent,
            Kind.SENT: self._sent,
            Kind.OUTCOME: self._outcome,
            Kind.VERIFIED: self._verified,
            Kind.RECONCILED: self._reconciled,
            Kind.PROCEDURE_STARTED: self._procedure_started,
            Kind.STEP: self._step,
            Kind.PROCEDURE_FINISHED: self._procedure_finished,
        }

    def take(self, event: Event) -> str | None:
        """Take one event in; the phase that it begins, if it begins one."""
        taker = self._takers.get(event.kind)
        return taker(event) if taker is not None else None

    def _run(self, event: Event) -> ActionRun | None:
        return self.state.actions.get(read.text(event.payload, "action_run"))

    def _intent(self, event: Event) -> None:
        payload, run = event.payload, read.text(event.payload, "action_run")
        raw = read.mapping(payload, "plan")
        title = read.text(raw, "title") or read.text(raw, "action") or "an action"
        made = ActionRun(
            run, event.id, _plan(raw), title, event.actor, read.text(payload, "reason"), read.written(event),
            before=read.texts(payload, "before"),
        )  # fmt: skip
        self.state.actions.setdefault(run, made)

    def _sent(self, event: Event) -> str | None:
        run = self._run(event)
        if run is None:
            return None
        run.sent_at = read.written(event)
        return "fix" if run.mends else None

    def _outcome(self, event: Event) -> None:
        run = self._run(event)
        if run is not None:
            payload = event.payload
            run.outcome = _member(Outcome, payload.get("outcome"), Outcome.UNKNOWN)
            run.sentence, run.details = read.text(payload, "sentence"), read.texts(payload, "details")
            run.outcome_at = read.written(event)
            seconds = payload.get("seconds")
            run.seconds = float(seconds) if isinstance(seconds, int | float) else None

    def _verified(self, event: Event) -> None:
        run = self._run(event)
        if run is not None:
            payload = event.payload
            run.verdict = _member(Verdict, payload.get("verdict"), Verdict.UNKNOWN)
            run.proof, run.verified_at = read.text(payload, "sentence"), read.written(event)
            run.before = read.texts(payload, "before") or run.before
            run.after = read.texts(payload, "after")

    def _reconciled(self, event: Event) -> None:
        run = self._run(event)
        if run is not None and not run.settled:
            payload = event.payload
            if reconciled_for_good(payload):
                run.reconciled, run.evidence = read.text(payload, "how"), read.text(payload, "evidence")
            run.verdict = _member(Verdict, payload.get("verdict"), run.verdict or Verdict.UNKNOWN)
            run.proof = read.text(payload, "sentence") or run.proof
            run.after = read.texts(payload, "after") or run.after
            run.verified_at = read.written(event)

    def _procedure(self, event: Event) -> ProcedureRun | None:
        """The run that the event tells of; one that began before our time is made up from its step."""
        payload, run = event.payload, read.text(event.payload, "run")
        if not run:
            return None
        procedure = read.text(payload, "procedure")
        title = read.text(payload, "title") if event.kind is Kind.PROCEDURE_STARTED else ""
        made = ProcedureRun(
            run, procedure, title or procedure, read.written(event), event.actor, read.texts(payload, "params")
        )
        return self.state.procedures.setdefault(run, made)

    def _procedure_started(self, event: Event) -> str | None:
        run = self._procedure(event)
        if run is None:
            return None
        return "investigate"

    def _step(self, event: Event) -> None:
        run = self._procedure(event)
        if run is None:
            return
        payload, step = event.payload, read.text(event.payload, "step")
        rows = payload.get("evidence")
        evidence = tuple(
            (str(row[0]), str(row[1]))
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, list) and len(row) >= 2
        )
        title, state, sentence = (read.text(payload, name) for name in ("title", "state", "sentence"))
        run.steps[step] = StepRun(step, title or step, state, sentence, read.written(event), event.actor, evidence)

    def _procedure_finished(self, event: Event) -> None:
        run = self._procedure(event)
        if run is not None:
            run.finished_at, run.result = read.written(event), read.text(event.payload, "result")


def _plan(raw: dict[str, object]) -> Plan | None:
    """The plan as it was recorded, or none when another version wrote it."""
    try:
        return msgspec.convert(raw, Plan)
    except msgspec.ValidationError:
        return None


def _member(kind: type[Member], value: object, otherwise: Member) -> Member:
    """The member of that value; ``otherwise`` for one that another version wrote."""
    return next((member for member in kind if member.value == value), otherwise)
