"""A procedure and its chosen step as lines."""

from __future__ import annotations

from dataclasses import dataclass

from alphapulse_tui.model.words import clock, many
from alphapulse_tui.runbook.checks import CheckResult, Passed
from alphapulse_tui.runbook.engine import Engine, StepState
from alphapulse_tui.runbook.rights import Lacking
from alphapulse_tui.runbook.schema import ActionStep, BranchStep, LinkStep, ManualStep, MessageStep, Step, WaitStep
from alphapulse_tui.widgets.lines import Line, line, wrap
from alphapulse_tui.widgets.panel import fit, middle_cut

MARKS = {
    StepState.OPEN: (" ", "dim"),
    StepState.RUNNING: (">", "accent"),
    StepState.PASSED: ("+", "ok"),
    StepState.FOUND: ("*", "warning"),
    StepState.FAILED: ("!", "critical"),
    StepState.SKIPPED: ("-", "dim"),
    StepState.DONE: ("+", "ok"),
}
"""A shape beside every colour."""

PASSED_STYLES = {Passed.YES: "ok", Passed.NO: "critical", Passed.UNKNOWN: "unknown"}

ROWS_SHOWN = 12
"""Rows of evidence shown; all of them are in the journal."""

VALUE_LINES = 3
"""Lines of one value."""

RIGHTS_LINES = 3
"""Lines that missing rights may take: what happens now must stay in view (design 4, rule 13); the list of procedures counts them."""


def step_list(engine: Engine, chosen: str) -> list[Line]:
    """Every step in order, always whole."""
    lines = []
    for number, step in enumerate(engine.procedure.steps, 1):
        record = engine.step_record(step)
        mark, style = MARKS[record.state]
        here = "focus" if step.id == chosen else "plain" if not record.state.settled else "dim"
        lines.append(
            line(
                (f"{mark} ", style),
                (f"{number} {step.title}", here),
                ("" if record.state is StepState.OPEN else f"  {record.state.value}", "dim"),
                key=step.id,
            )
        )
    return lines


def step_one_line(engine: Engine, step: Step) -> Line:
    """The list folded for narrow screens: the procedure, ``step 3 of 8``, and a mark for each."""
    number = engine.procedure.steps.index(step) + 1
    marks = [MARKS[engine.step_record(each).state] for each in engine.procedure.steps]
    name = (f"{engine.procedure.id}  ", "title")
    return line(name, (f"step {number} of {len(engine.procedure.steps)}  [", "dim"), *marks, ("]", "dim"))


def rights_lines(found: Lacking, width: int) -> list[Line]:
    """What we lack for the procedure, before its first step; nothing where all is verified, or not answered yet."""
    if found.missing:
        said = "; ".join(f"{grant} ({', '.join(whom)})" for grant, whom in found.missing)
        lines = wrap(f"you lack {many(len(found.missing), 'right')}: {said}", width, "warning")
    elif found.unknown:
        lines = wrap(f"your rights are not verified: {'; '.join(found.unknown)}", width, "unknown")
    else:
        return []
    if len(lines) > RIGHTS_LINES:
        end = fit(lines[RIGHTS_LINES - 1], max(0, width - 4))
        lines = [*lines[: RIGHTS_LINES - 1], Line((*end, (" ...", "dim")))]
    return lines


@dataclass(frozen=True, slots=True)
class StepKeys:
    """The keys that a step's lines name, as the user's keymap has them."""

    leave_out: str
    way: str
    procedure: str


def step_view(engine: Engine, step: Step, width: int, *, waiting: bool, written: bool, keys: StepKeys) -> list[Line]:
    """The chosen step: what to press, the live result, why, evidence, and the runbook's own words."""
    lines = _next_key(engine, step, waiting, keys)
    record = engine.step_record(step)
    result = engine.look(step)
    if result is not None:
        lines += [Line(), *wrap(f"{result.passed.value}: {result.sentence}", width, PASSED_STYLES[result.passed])]
        if isinstance(step, BranchStep):
            way = engine.suggestion(step, result)
            said = (
                f"suggests: {engine.procedure.step(way[0]).title} ({way[1]})"
                if way
                else "could not look: suggests nothing"
            )
            lines += wrap(said, width, "accent" if way else "unknown")
    if isinstance(step, WaitStep) and waiting:
        _, held, _ = engine.wait_progress(step)
        lines.append(line(("held for ", "dim"), (f"{clock(held)} of {clock(step.hold_seconds)}", "strong")))
    if record.sentence and (result is None or record.sentence != result.sentence):
        lines += wrap(f"recorded: {record.sentence}", width, "dim")
    lines += [Line(), *wrap(step.why, width)]
    if isinstance(step, ManualStep):
        lines += [Line(), *wrap(engine.filled(step.ask), width, "strong")]
    if step.opens:
        lines.append(line((keys.procedure, "focus"), f" opens {', '.join(step.opens)}"))
    if isinstance(step, ActionStep) and step.params:
        values = ", ".join(f"{name} {value}" for name, value in engine.action_params(step).items())
        lines.append(line(("with ", "dim"), values))
    if result is not None:
        lines += _evidence(result, width)
    if written:
        lines += _written(engine, step, width)
    return lines


def _next_key(engine: Engine, step: Step, waiting: bool, names: StepKeys) -> list[Line]:
    """The next key, in words."""
    blocking = engine.blocked_by(step)
    if blocking is not None:
        return [line(("first: ", "warning"), blocking.title)]
    if engine.step_record(step).state.settled:
        return [line(("settled. ", "ok"), ("Enter", "focus"), " does it again")]
    says = {
        "check": "looks and records it",
        "action": "plans it; nothing is sent before you confirm",
        "wait": "watches it",
        "branch": "goes where it suggests",
        "manual": "records what you did",
        "message": "copies the text",
        "link": "copies the address",
    }[step.kind]
    if waiting:
        return [line(("under way ", "accent"))]
    keys = line(("Enter", "focus"), f" {says}   ", (names.leave_out, "focus"), " leaves it out")
    other = line("   ", (names.way, "focus"), " another way") if isinstance(step, BranchStep) else Line()
    return [Line((*keys.spans, *other.spans))]


def _evidence(result: CheckResult, width: int) -> list[Line]:
    """Name and value, line by line; a value that is too long goes on below itself, because its end is often the news."""
    rows = result.rows
    if not rows:
        return []
    wide = min(34, max(len(name) for name, _ in rows), max(12, 2 * width // 5))
    lines = [Line()]
    for name, value in rows[:ROWS_SHOWN]:
        head = middle_cut(name, wide)
        for part in wrap(value, max(20, width - wide - 2))[:VALUE_LINES] or [Line()]:
            lines.append(Line(((f"{head:<{wide}}  ", "dim"), *part.spans)))
            head = ""
    if len(rows) > ROWS_SHOWN:
        lines.append(line((f"and {len(rows) - ROWS_SHOWN} more", "dim")))
    return lines


def _written(engine: Engine, step: Step, width: int) -> list[Line]:
    lines: list[Line] = []
    for title, text in (
        ("As the runbook writes it", step.written),
        ("As we run it", engine.filled(step.run)),
        ("Why", step.because),
    ):
        if text:
            where = f" ({step.section})" if title.startswith("As the") and step.section else ""
            lines += [Line(), line((title + where, "title"))]
            lines += [one for part in text.strip().split("\n") for one in wrap(part, width)]
    if isinstance(step, MessageStep):
        lines += [Line(), *wrap(step.text, width)]
    if isinstance(step, LinkStep):
        lines += [Line(), line(("link ", "dim"), step.link)]
    return lines
