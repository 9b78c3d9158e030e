"""One action without a screen: what was agreed to beforehand, what is not done without a person, and what came of it.

Used by ``runbook.unattended`` for the actions of a procedure, and by ``alphapulse act`` for one alone.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from alphapulse_tui.executor.client import ExecutorClient, ExecutorGone, ExecutorProblem, Progress, TargetSilent
from alphapulse_tui.executor.confirm import required_confirmation
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict
from alphapulse_tui.runbook.filling import by_hand


@dataclass(frozen=True, slots=True)
class Consent:
    """What the command line agrees to beforehand."""

    yes: bool
    """Do safe and disruptive actions."""
    confirm: str = ""
    """The name of the object that a destructive action may hit."""


@dataclass(slots=True)
class Deed:
    """What became of an action."""

    verdict: str = "unknown"
    """``verified``, ``unknown``, ``failed``, ``refused``, ``unreachable``; of what only reads ``done``."""
    sentence: str = "no word of its outcome"
    evidence: list[list[str]] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    """Of the plan, as the journal has it; empty where nothing could be planned."""
    exit_code: ExitCode = ExitCode.UNKNOWN


async def do(
    executor: ExecutorClient, action: str, params: dict[str, str], consent: Consent, reason: str, incident: str
) -> Deed:
    """Plan ``action`` and, if ``consent`` goes that far, run and prove it."""
    try:
        plan = await executor.plan(action, params)
        refusal = why_not(plan, consent)
        if refusal:
            return Deed("refused", refusal, _evidence(plan), digest=plan.digest(), exit_code=ExitCode.REFUSED)
        return await _run(executor, plan, reason, incident)
    except ExecutorProblem as problem:
        verdict = "unreachable" if isinstance(problem, TargetSilent) else "refused"
        return Deed(verdict, str(problem), exit_code=problem.exit_code)


def why_not(plan: Plan, consent: Consent) -> str:
    """Why this plan is not run without a screen; empty when it is."""
    if plan.refusal:
        return plan.refusal
    if plan.needs_share:
        return f"{plan.sentence} A key share is typed by its holder at a terminal: open the procedure on the screen."
    if not plan.changes:
        return ""
    if plan.risk is Risk.DESTRUCTIVE and consent.confirm != plan.confirm_word:
        return f"{plan.sentence} It is destructive: it needs --yes --confirm {shlex.quote(plan.confirm_word)}, the name of what it hits."
    if not consent.yes:
        return f"{plan.sentence} Nothing was sent: it needs --yes."
    return ""


async def _run(executor: ExecutorClient, plan: Plan, reason: str, incident: str) -> Deed:
    deed = Deed(evidence=_evidence(plan), digest=plan.digest())
    confirmation = required_confirmation(plan) if plan.changes else ""
    try:
        async for progress in executor.execute(plan, confirmation=confirmation, reason=reason, incident=incident):
            _take(deed, plan, progress)
    except ExecutorGone as gone:
        if not gone.asked:
            raise
        if deed.exit_code is ExitCode.UNKNOWN:  # It may have been sent: "refused" would say that nothing was.
            deed.verdict, deed.sentence = "unknown", str(gone)
    return deed


def _take(deed: Deed, plan: Plan, progress: Progress) -> None:
    """What one step of the run says of the deed."""
    deed.before = progress.before or deed.before
    if progress.result is not None:
        deed.verdict, deed.sentence = progress.result.outcome.value, progress.result.sentence
        read = not plan.changes and progress.result.outcome is Outcome.DONE  # Of what only reads, that is the proof.
        deed.exit_code = ExitCode.OK if read else _OUTCOME_CODES[progress.result.outcome]
    elif progress.verification is not None:
        found = progress.verification
        deed.verdict, deed.sentence, deed.after = found.verdict.value, found.sentence, found.reading
        deed.exit_code = _VERDICT_CODES[found.verdict]


_OUTCOME_CODES = {
    Outcome.DONE: ExitCode.UNKNOWN,  # An answer is no proof; the verification that follows is.
    Outcome.FAILED: ExitCode.CRITICAL,
    Outcome.UNKNOWN: ExitCode.UNKNOWN,
    Outcome.REFUSED: ExitCode.REFUSED,
}

_VERDICT_CODES = {
    Verdict.VERIFIED: ExitCode.OK,
    Verdict.PENDING: ExitCode.UNKNOWN,
    Verdict.CONTRADICTED: ExitCode.CRITICAL,
    Verdict.UNKNOWN: ExitCode.UNKNOWN,
}


def _evidence(plan: Plan) -> list[list[str]]:
    """The shell form, the victims and the warnings, for whoever reads what was about to be done."""
    shell = by_hand(plan.shell, plan.refusal)
    return [
        *([["by hand", shell]] if shell else []),
        *([victim.key, victim.label] for victim in plan.victims),
        *(["warning", warning] for warning in plan.warnings),
    ]
