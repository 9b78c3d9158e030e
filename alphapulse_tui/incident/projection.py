"""Takes the events of one incident, one after the other, into its :class:`IncidentState`. Called by :mod:`alphapulse_tui.incident.state` alone.

Phases are derived as design 5 has them: *investigate* with the first procedure opened, *fix* with the first fix sent, *mitigated* once a fix
was verified, something that was wrong has ended since the declaring, and nothing is wrong any more. A person's word overrides each.
"""

from __future__ import annotations

from collections.abc import Callable

from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.deeds import Deeds
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.records import (
    PHASES,
    SIGN_SECONDS,
    ActionItem,
    ActionRun,
    ClockMark,
    IncidentState,
    Note,
    Trouble,
)
from alphapulse_tui.model.health import Health, Severity


class Projection:
    """Takes one event after the other. A method for each kind; what a method cannot read it leaves as it was."""

    def __init__(self, state: IncidentState) -> None:
        self.state = state
        self._deeds = Deeds(state)
        self._since = 0.0
        """When it was declared, or when a person last said that it is not mitigated: what ended before that shows nothing."""
        self._too_little: set[str] = set()
        """Fixes that had been verified before a person said so."""
        self._derived = False
        """Whether nobody has said that it is mitigated: what was derived is taken back when the record shows otherwise."""
        self._takers: dict[Kind, Callable[[Event], None]] = {
            Kind.DECLARED: self._declared, Kind.ACKNOWLEDGED: self._acknowledged, Kind.SEVERITY: self._severity, Kind.PHASE: self._phase,
            Kind.ROLE: self._role, Kind.NOTE: self._note, Kind.PIN: self._pin, Kind.CORRECTION: self._correction, Kind.MESSAGE: self._message,
            Kind.ESCALATED: self._escalated, Kind.CLOCK: self._clock, Kind.POSTMORTEM_FIELD: self._field, Kind.RESOLVED: self._resolved,
            Kind.REOPENED: self._reopened, Kind.EXPORTED: self._exported, Kind.ALERT_FIRED: self._alert_fired,
            Kind.ALERT_CLEARED: self._alert_cleared, Kind.FLIP: self._flip,
        }  # fmt: skip

    def take(self, event: Event) -> None:
        """Take one event in; kinds that say nothing of an incident pass."""
        taker = self._takers.get(event.kind)
        if taker is not None:
            taker(event)
        elif (begun := self._deeds.take(event)) is not None:
            self._advance(begun, read.written(event))
        self._see_mitigation()

    def _declared(self, event: Event) -> None:
        state, payload = self.state, event.payload
        if state.declared_by:
            return  # The first declaring counts; a number is given out once.
        state.title = read.text(payload, "title") or "Incident"
        self._since = state.declared_at = read.written(event)
        state.declared_by = event.actor
        state.severity = read.severity(payload, "severity") or Severity.P0
        state.severities.append((state.declared_at, state.severity))
        state.phases.append((state.declared_at, PHASES[0]))
        # What fires now is what was declared; an alert that came and went before is another matter, unless there is no other.
        alerts = [one for one in state.troubles if one.alert and state.concerns(one)]
        standing = [one for one in alerts if one.ended is None]
        state.alerted_at = min((one.began for one in standing or alerts), default=None)
        for one in state.troubles:
            if not (standing and one.alert and one.ended is not None):
                self._sign(one.began)
        if state.procedures:
            self._advance("investigate", state.declared_at)
        if any(run.sent_at is not None and run.mends for run in state.actions.values()):
            self._advance("fix", state.declared_at)

    def _sign(self, wall: float) -> None:
        """An early sign; what is older than two hours before declaring is another matter."""
        state = self.state
        if state.declared_at and wall >= state.declared_at - SIGN_SECONDS:
            state.sign_at = wall if state.sign_at is None else min(state.sign_at, wall)

    def _acknowledged(self, event: Event) -> None:
        state, what = self.state, read.text(event.payload, "what", "incident")
        wall = read.when(event)
        if what != "incident":
            for trouble in state.troubles:
                if trouble.alert == what and trouble.acknowledged_at is None:
                    trouble.acknowledged_at = wall
        if state.acknowledged_at is None:
            state.acknowledged_at, state.acknowledged_by = wall, event.actor

    def _severity(self, event: Event) -> None:
        after = read.severity(event.payload, "after")
        if after is not None and after is not self.state.severity:
            self.state.severity = after
            self.state.severities.append((read.written(event), after))

    def _phase(self, event: Event) -> None:
        phase = read.text(event.payload, "phase")
        if phase in PHASES[:-1]:
            state, wall = self.state, read.written(event)
            goes_back = PHASES.index(phase) < PHASES.index(state.phase)
            state.phases.append((wall, phase))
            if phase == "mitigated":
                self._derived = False
                self._mitigate(wall)
            elif goes_back or state.mitigated_at is not None:  # The same phase said again contradicts nothing.
                self._not_mitigated(wall)

    def _role(self, event: Event) -> None:
        role, name = read.text(event.payload, "role"), read.text(event.payload, "name")
        if role:
            self.state.roles[role] = name

    def _note(self, event: Event) -> None:
        late = read.flag(event.payload, "read_afterwards")
        self.state.notes.append(Note(event.id, read.when(event), event.actor, read.text(event.payload, "text"), late))

    def _pin(self, event: Event) -> None:
        target = read.text(event.payload, "event")
        self.state.pins.symmetric_difference_update({target} if target else set())

    def _correction(self, event: Event) -> None:
        target = read.text(event.payload, "event")
        if target:
            self.state.corrections[target] = read.text(event.payload, "text")
            right_at = read.moment(event.payload, "right_at")
            if right_at is not None:
                self.state.corrected_at[target] = right_at

    def _message(self, event: Event) -> None:
        channel, state, text = (read.text(event.payload, name) for name in ("channel", "state", "text"))
        if state in ("sent", "copied"):
            self.state.messages.append((read.written(event), channel, text))

    def _escalated(self, event: Event) -> None:
        level, to, reason = (read.text(event.payload, name) for name in ("level", "to", "reason"))
        self.state.escalations.append((read.written(event), level, to, reason))

    def _clock(self, event: Event) -> None:
        clock, state, reason = (read.text(event.payload, name) for name in ("clock", "state", "reason"))
        until = read.moment(event.payload, "until")
        self.state.clock_marks.append(ClockMark(read.written(event), clock, state, reason, event.actor, until))

    def _field(self, event: Event) -> None:
        payload, name = event.payload, read.text(event.payload, "field")
        if name == "action_item":
            number = payload.get("number")
            number = number if isinstance(number, int) and number > 0 else max(self.state.action_items, default=0) + 1
            item, owner, due = (read.text(payload, part) for part in ("item", "owner", "due"))
            status = read.text(payload, "status") or "Pending"
            self.state.action_items[number] = ActionItem(number, item, owner, due, status)
        elif name:
            self.state.fields[name] = read.text(payload, "text")

    def _resolved(self, event: Event) -> None:
        state = self.state
        state.resolved_at, state.resolved_by = read.written(event), event.actor
        state.resolved_reason = read.text(event.payload, "reason")

    def _reopened(self, event: Event) -> None:
        state, wall = self.state, read.written(event)
        state.reopened_at.append((wall, read.text(event.payload, "reason")))
        state.resolved_at = None
        state.phases.append((wall, "fix"))
        self._not_mitigated(wall)

    def _not_mitigated(self, wall: float) -> None:
        """A person says so: whatever was verified until now was too little."""
        self.state.mitigated_at = self.state.watch_since = None
        self._since = wall
        self._too_little = {run.run for run in self.state.actions.values() if run.verified}

    def _exported(self, event: Event) -> None:
        self.state.exported[read.text(event.payload, "path")] = read.text(event.payload, "sha256")
        self.state.exported_at.append(read.written(event))

    def _alert_fired(self, event: Event) -> None:
        payload = event.payload
        key = "alert " + (read.text(payload, "fingerprint") or read.text(payload, "name"))
        if self._standing(key) is not None:
            return
        began = read.moment(payload, "starts_at") or read.when(event)
        name = read.text(payload, "name")
        sentence = read.text(payload, "summary") or name
        severity = read.severity(payload, "severity")
        trouble = Trouble(key, "alerts", sentence, began, name, severity, event=event.id)
        self._open(trouble, event)
        state = self.state
        if state.declared_at and state.concerns(trouble):
            state.alerted_at = began if state.alerted_at is None else min(state.alerted_at, began)

    def _alert_cleared(self, event: Event) -> None:
        self._close(
            "alert " + (read.text(event.payload, "fingerprint") or read.text(event.payload, "name")), read.when(event)
        )

    def _flip(self, event: Event) -> None:
        payload = event.payload
        key = f"{read.text(payload, 'target')} {read.text(payload, 'subject')}"
        health = read.health(payload, "after")
        if read.flag(payload, "sign"):  # Read afterwards: it says when trouble began; nobody would ever tell its end.
            self._sign(read.when(event))
        if health is Health.CRITICAL:
            if self._standing(key) is None:
                target, sentence = read.text(payload, "target"), read.text(payload, "sentence")
                self._open(Trouble(key, target, sentence, read.when(event), event=event.id), event)
        elif health in (Health.OK, Health.WARNING):
            self._close(key, read.when(event))

    def _standing(self, key: str) -> Trouble | None:
        return next((one for one in self.state.troubles if one.key == key and one.ended is None), None)

    def _open(self, trouble: Trouble, event: Event) -> None:
        state = self.state
        state.troubles.append(trouble)
        self._sign(trouble.began)
        if state.mitigated_at is None or not state.concerns(trouble):
            return
        if not read.flag(event.payload, "read_afterwards"):
            state.breaches.append((read.written(event), trouble.sentence))
            state.watch_since = None
        else:
            self._was_wrong_all_along(state.mitigated_at)

    def _was_wrong_all_along(self, mitigated_at: float) -> None:
        """The targets told afterwards of something that is wrong: what was derived without it is taken back, a person's word is not."""
        state = self.state
        state.watch_since = None
        if self._derived:
            state.mitigated_at = None
            state.breaches = [breach for breach in state.breaches if breach[0] < mitigated_at]
            state.phases = [phase for phase in state.phases if phase != (mitigated_at, "mitigated")]

    def _close(self, key: str, wall: float) -> None:
        state, trouble = self.state, self._standing(key)
        if trouble is None:
            return
        trouble.ended = wall
        if state.mitigated_at is not None and state.concerns(trouble) and not self._recent():
            state.watch_since = max(state.mitigated_at, *self._ends())

    def _advance(self, phase: str, wall: float) -> None:
        """Derived phases only go forward; going back is a person's word, or reopening."""
        state = self.state
        if state.declared_at and PHASES.index(phase) > PHASES.index(state.phase):
            state.phases.append((wall, phase))

    def _see_mitigation(self) -> None:
        """Mitigated: a fix was proven, something that was wrong has ended, and nothing is wrong any more."""
        state = self.state
        if not state.declared_at or state.mitigated_at is not None or self._recent():
            return
        proofs = [run.verified_at or 0.0 for run in state.actions.values() if self._fixed(run)]
        ends = self._ends()
        if proofs and ends and max(ends) >= self._since:
            wall = max(min(proofs), *ends)
            self._derived = True
            self._advance("mitigated", wall)
            self._mitigate(wall)

    def _fixed(self, run: ActionRun) -> bool:
        return run.verified and run.mends and run.run not in self._too_little

    def _recent(self) -> list[Trouble]:
        """Troubles that stand and belong to this incident."""
        return [one for one in self.state.standing if self.state.concerns(one)]

    def _ends(self) -> list[float]:
        """When troubles of this incident ended."""
        return [one.ended for one in self.state.troubles if one.ended is not None and self.state.concerns(one)]

    def _mitigate(self, wall: float) -> None:
        state = self.state
        if state.mitigated_at is None:
            state.mitigated_at = wall
        state.watch_since = wall if not self._recent() else None
