"""What an incident is made of, as read from the journal: plain data, filled by :mod:`alphapulse_tui.incident.state`.

All moments are Unix seconds, UTC. ``event`` is the id of the journal event that a record stands on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from alphapulse_tui.incident.events import Event
from alphapulse_tui.incident.when_started import operators_start
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.plan import Outcome, Plan, Verdict

SIGN_SECONDS = 7200.0
"""Seconds before declaring within which a trouble can belong to the incident (design 5: the last 2 hours); an older one is another matter."""

PHASES = ("assess", "investigate", "fix", "mitigated", "resolved")
"""The phases in their order (runbook 1.2 and 1.3); the last two end the escalation clocks."""

FIELDS: dict[str, str] = {
    "summary": "Summary",
    "root_cause": "Root cause",
    "trigger": "Trigger",
    "detection": "Detection",
    "impact": "Impact",
    "users": "Users affected",
    "failed_requests": "Failed requests",
    "revenue": "Revenue impact",
    "went_well": "What went well",
    "went_wrong": "What went wrong",
    "lucky": "Where we got lucky",
    "lessons": "Lessons learned",
    "started": "Started at (UTC)",
    "data_breach": "Data breach (yes or no)",
    "systemic": "Systemic (yes or no)",
    "meeting": "Postmortem meeting",
}
"""What can be entered for the postmortem (appendix B, and ours), by field name."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person wrote down."""

    event: str
    wall: float
    actor: str
    text: str
    read_afterwards: bool = False


@dataclass(slots=True)
class ActionItem:
    """Something to be done after the incident."""

    number: int
    item: str
    owner: str = ""
    due: str = ""
    status: str = "Pending"


@dataclass(slots=True)
class ActionRun:
    """One change: what was planned, what came of it, what the target said before and after."""

    run: str
    event: str
    plan: Plan | None
    """None when another version wrote it."""
    title: str
    actor: str
    reason: str
    intent_at: float
    sent_at: float | None = None
    outcome: Outcome | None = None
    """None while nothing is known."""
    outcome_at: float | None = None
    sentence: str = ""
    details: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    verdict: Verdict | None = None
    """None when nobody looked."""
    verified_at: float | None = None
    proof: str = ""
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    reconciled: str = ""
    """``probed``, ``marked done`` or ``abandoned``, when it was settled later; empty while a probe said neither yes nor no."""
    evidence: str = ""

    @property
    def changed_something(self) -> bool:
        """Whether the target may have been changed: sent, whatever is known of it."""
        return self.sent_at is not None and self.outcome is not Outcome.REFUSED

    @property
    def verified(self) -> bool:
        """Whether reading the target again proved it."""
        return self.verdict is Verdict.VERIFIED

    @property
    def settled(self) -> bool:
        """Whether its end is known: by its outcome, by the target, or by a person. The first to say so is right."""
        return self.outcome not in (None, Outcome.UNKNOWN) or self.verified or bool(self.reconciled)

    @property
    def mends(self) -> bool:
        """Whether it acts on the platform: to silence an alert mends nothing."""
        return self.plan is None or not self.plan.action.startswith("alerts.")


@dataclass(frozen=True, slots=True)
class StepRun:
    """What became of one step of a procedure."""

    step: str
    title: str
    state: str
    sentence: str
    wall: float
    actor: str
    evidence: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class ProcedureRun:
    """One run of a procedure."""

    run: str
    procedure: str
    title: str
    wall: float
    actor: str
    params: dict[str, str] = field(default_factory=dict)
    steps: dict[str, StepRun] = field(default_factory=dict)
    finished_at: float | None = None
    result: str = ""


@dataclass(frozen=True, slots=True)
class ClockMark:
    """What a person did to a clock."""

    wall: float
    clock: str
    state: str
    """``satisfied`` or ``snoozed``."""
    reason: str
    actor: str
    until: float | None = None


@dataclass(slots=True)
class Trouble:
    """Something that was wrong, from when to when: an alert that fired, a subject that turned critical."""

    key: str
    target: str
    sentence: str
    began: float
    alert: str = ""
    """The alert's name, or empty."""
    severity: Severity | None = None
    ended: float | None = None
    acknowledged_at: float | None = None
    event: str = ""


@dataclass(slots=True)
class IncidentState:
    """One incident. All moments are Unix seconds; none means *not recorded*."""

    id: str
    title: str = ""
    severity: Severity = Severity.P0
    """The severity now; P0 where the journal lost it, because in doubt the higher counts."""
    declared_at: float = 0.0
    declared_by: str = ""
    sign_at: float | None = None
    """The earliest sign of trouble that anything recorded."""
    alerted_at: float | None = None
    """When the first alert fired."""
    severities: list[tuple[float, Severity]] = field(default_factory=list)
    """Every severity with the moment from which it held, the first at declaring."""
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    mitigated_at: float | None = None
    watch_since: float | None = None
    """Since when nothing has been wrong after mitigation; none before it and while something is wrong again."""
    breaches: list[tuple[float, str]] = field(default_factory=list)
    """What broke the watch window: when, and the sentence."""
    resolved_at: float | None = None
    resolved_by: str = ""
    resolved_reason: str = ""
    reopened_at: list[tuple[float, str]] = field(default_factory=list)
    """Every reopening with its reason."""
    phases: list[tuple[float, str]] = field(default_factory=list)
    """Every phase with the moment from which it held."""
    roles: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    actions: dict[str, ActionRun] = field(default_factory=dict)
    procedures: dict[str, ProcedureRun] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    messages: list[tuple[float, str, str]] = field(default_factory=list)
    """Moment, channel, text of every message that was sent or copied."""
    escalations: list[tuple[float, str, str, str]] = field(default_factory=list)
    """Moment, level, to whom, reason."""
    clock_marks: list[ClockMark] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    """What was entered for the postmortem, by field (:data:`FIELDS`)."""
    action_items: dict[int, ActionItem] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)
    """Path to SHA-256 of what was last written there."""
    exported_at: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """Everything that belongs to it, in the order of the journal."""
    corrections: dict[str, str] = field(default_factory=dict)
    """Event id to its corrected text; the original stays in the journal."""
    corrected_at: dict[str, float] = field(default_factory=dict)
    """Event id to its corrected moment."""
    pins: set[str] = field(default_factory=set)
    recurring: bool = False
    """Whether the same alert caused another incident in the 30 days before (runbook 1.3: then P1 needs a postmortem)."""

    @property
    def open(self) -> bool:
        """Whether nobody has resolved it."""
        return self.resolved_at is None

    @property
    def phase(self) -> str:
        """``assess`` ... ``resolved``."""
        if self.resolved_at is not None:
            return "resolved"
        return self.phases[-1][1] if self.phases else PHASES[0]

    @property
    def commander(self) -> str:
        """The incident commander: the one who was named, or who declared it."""
        return self.roles.get("commander") or self.declared_by

    @property
    def started_at(self) -> float:
        """When it began: what a person entered, else the earliest sign, else the declaring itself."""
        told = operators_start(self.fields.get("started", ""))
        if told is not None:
            return told
        return min(self.sign_at, self.declared_at) if self.sign_at is not None else self.declared_at

    @property
    def detected_at(self) -> float:
        """When it was known: the first alert that fired, or a person's declaring."""
        return min(self.alerted_at, self.declared_at) if self.alerted_at is not None else self.declared_at

    @property
    def worst_severity(self) -> Severity:
        """The highest that it ever had."""
        return max((one for _, one in self.severities), key=lambda one: one.urgency, default=self.severity)

    @property
    def standing(self) -> list[Trouble]:
        """What is still wrong."""
        return [trouble for trouble in self.troubles if trouble.ended is None]

    def concerns(self, trouble: Trouble) -> bool:
        """Whether ``trouble`` can belong to it: a noisy alert of last week neither began it nor keeps it from being mitigated."""
        return trouble.began >= self.declared_at - SIGN_SECONDS

    def reached(self, phase: str) -> float | None:
        """When the incident first came to ``phase`` or beyond it; none if it never did."""
        place = PHASES.index(phase)
        known = [wall for wall, name in self.phases if PHASES.index(name) >= place]
        return min(known) if known else None

    def says_yes(self, name: str) -> bool:
        """Whether a yes-or-no field was entered as yes."""
        return self.fields.get(name, "").strip().casefold() in ("yes", "y", "true")
