"""What a procedure file may say.

One YAML file a procedure. Every step says *why*, and, where we differ from the runbook, "as the runbook writes it / as we run it /
because". ``load.py`` reads the files and names file, line and field of every mistake; ``engine.py`` walks them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from alphapulse_tui.model.thresholds import Thresholds

Identifier = Annotated[
    str,
    Meta(
        pattern=r"\A[a-z][a-z0-9]*(-[a-z0-9]+)*\Z",
        max_length=64,
        extra={"says": "words of a-z and 0-9 joined by dashes"},
    ),
]
"""Id of a procedure or step."""

Sentence = Annotated[str, Meta(min_length=3, pattern=r"\S", extra={"says": "a sentence"})]
"""A text for a person."""

Title = Annotated[
    str,
    Meta(
        min_length=3, max_length=120, pattern=r"\A[^\n]*\S[^\n]*\Z", extra={"says": "one line of 3 to 120 characters"}
    ),
]
"""What stands in a list."""

Seconds = Annotated[float, Meta(ge=0, le=86400, extra={"says": "seconds, from 0 to a day (86400)"})]
"""A time that somebody waits."""


class Parameter(Struct, frozen=True, forbid_unknown_fields=True):
    """An input of the procedure, changeable before an action is planned. ``default`` is the runbook's own value."""

    name: Identifier
    title: Title
    default: str = ""
    threshold: str = ""
    """A field of the profile's thresholds that gives the default instead; its own default is the runbook's."""
    source: str = ""
    """Where the default comes from: ``runbook 2.1``."""
    pick: str = ""
    """A check whose ``choices`` are offered for it, live; the first of them stands in for an empty value."""


class StepBase(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What all steps share."""

    kind: ClassVar[str]
    id: Identifier
    title: Title
    why: Sentence
    """Why this step, for somebody who has just been woken."""
    section: str = ""
    """The runbook's section: ``2.3``."""
    written: str = ""
    """As the runbook writes it."""
    run: str = ""
    """As we run it."""
    because: str = ""
    """Why we differ."""
    command: str = ""
    """The same with stock tools on a bastion, for copy mode; an action's comes from its plan. Parameters stand in braces: ``{replica}``, outside
    quotes; addresses and logins come from the environment (docs/procedures.md)."""
    needs: str = ""
    """Id of an earlier step that must have passed (or been skipped with a reason) first; empty for none."""
    opens: tuple[Identifier, ...] = ()
    """Other procedures that the step may lead to, by id."""
    typical_seconds: Seconds = 0.0
    """How long it usually takes, until past runs tell better."""


class CheckStep(StepBase, frozen=True, tag="check"):
    """Reads and judges. ``check`` names one of ``runbook.checks``."""

    kind: ClassVar[str] = "check"
    check: str
    proof: bool = False
    """Whether it must hold for the step to pass. A diagnosis is done once it has looked: trouble found is its result, not its failure."""


class ActionStep(StepBase, frozen=True, tag="action"):
    """Plans, confirms, runs and proves one action of the registry. Values may name parameters: ``{idle-seconds}``."""

    kind: ClassVar[str] = "action"
    action: str
    params: dict[str, str] = {}
    until: str = ""
    """A check that ends the step: until it holds, the action may be done again (one key share after the other). Empty: once is enough."""


class WaitStep(StepBase, frozen=True, tag="wait"):
    """A check that must hold for a while."""

    kind: ClassVar[str] = "wait"
    check: str
    hold_seconds: Seconds
    """How long it must hold without a break."""
    deadline_seconds: Annotated[float, Meta(gt=0, le=86400, extra={"says": "seconds, above 0, at most a day (86400)"})]
    """After this long without having held, the step has failed."""


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """One way out of a branch."""

    when: str
    """The observed value, as the check reports it in ``value``."""
    goto: Identifier
    say: Sentence


class BranchStep(StepBase, frozen=True, tag="branch"):
    """Suggests where to go by what was observed; the engineer may choose otherwise."""

    kind: ClassVar[str] = "branch"
    check: str
    cases: tuple[Case, ...]
    otherwise: Identifier


class ManualStep(StepBase, frozen=True, tag="manual"):
    """A person does it and says so."""

    kind: ClassVar[str] = "manual"
    ask: Sentence
    """What to do."""


class MessageStep(StepBase, frozen=True, tag="message"):
    """A message, drafted to be copied and sent by the person."""

    kind: ClassVar[str] = "message"
    channel: Sentence
    text: Sentence


class LinkStep(StepBase, frozen=True, tag="link"):
    """A page to open. ``link`` names a field of the profile's ``links``."""

    kind: ClassVar[str] = "link"
    link: str


Step = CheckStep | ActionStep | WaitStep | BranchStep | ManualStep | MessageStep | LinkStep
"""Any step."""


class Procedure(Struct, frozen=True, forbid_unknown_fields=True):
    """One chapter of the runbook."""

    id: Identifier
    title: Title
    section: Annotated[str, Meta(min_length=1, max_length=16, extra={"says": "a section of the runbook, as in 2.1"})]
    severity: Annotated[str, Meta(pattern=r"\AP[0-3]\Z", extra={"says": "P0, P1, P2 or P3"})]
    """What the runbook makes of it at worst: ``P0``."""
    target: str
    """The board's key of the target that it mends."""
    summary: Sentence
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=100, extra={"says": "a list of 1 to 100 steps"})]
    reads: tuple[str, ...] = ()
    """Surveys that its checks read besides the panels' own readings."""
    symptoms: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    prevention: tuple[str, ...] = ()
    """What keeps it from happening again; suggested as action items of the postmortem."""
    links: tuple[str, ...] = ()
    """Fields of the profile's ``links`` that help here."""

    def defaults(self, thresholds: Thresholds) -> dict[str, str]:
        """Every parameter's value before anybody changed it."""
        return {
            parameter.name: f"{getattr(thresholds, parameter.threshold):g}"
            if parameter.threshold
            else parameter.default
            for parameter in self.parameters
        }

    def step(self, step_id: str) -> Step:
        """The step of that id.

        Raises:
            KeyError: there is none.
        """
        found = next((step for step in self.steps if step.id == step_id), None)
        if found is None:
            raise KeyError(f"procedure {self.id} has no step {step_id!r}")
        return found
