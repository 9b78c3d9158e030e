"""A plan, its victims and its readings as lines: shared by the action screen, procedures and the list of unresolved actions."""

from __future__ import annotations

from collections.abc import Mapping

from alphapulse_tui.model.plan import Plan, Verdict
from alphapulse_tui.runbook.filling import by_hand
from alphapulse_tui.widgets.lines import Line, line, wrap

VICTIMS_SHOWN = 12
"""Victims listed before the rest is counted; all of them are in the journal."""

VERDICT_STYLES = {
    Verdict.VERIFIED: "ok",
    Verdict.PENDING: "warning",
    Verdict.CONTRADICTED: "critical",
    Verdict.UNKNOWN: "unknown",
}
"""How a proof is inked."""


def plan_lines(plan: Plan, width: int) -> list[Line]:
    """What this will do: sentence, victims, the exact call, proof, way back, warnings."""
    lines = wrap(plan.refusal, width, "warning") if plan.refusal else []
    lines += wrap(plan.sentence, width, "strong")
    for warning in plan.warnings:
        lines += wrap(f"! {warning}", width, "warning")
    if plan.victims:
        lines += [Line(), line((f"Touches {len(plan.victims)}:", "title"))]
        lines += [line(("  " + victim.label, "plain")) for victim in plan.victims[:VICTIMS_SHOWN]]
        if len(plan.victims) > VICTIMS_SHOWN:
            lines.append(line((f"  and {len(plan.victims) - VICTIMS_SHOWN} more", "dim")))
        if len(plan.victims) == 1:
            # Of one object there is room for what differs: an image, a limit, where a number goes.
            lines += [
                one for name, said in plan.victims[0].facts.items() for one in wrap(f"    {name}: {said}", width, "dim")
            ]
    lines += _section("As we run it", plan.call, width)
    lines += _section("By hand", by_hand(plan.shell, plan.refusal), width)
    if plan.checks:
        lines += [Line(), line(("Proof, read from the target", "title"))]
        lines += [one for check in plan.checks for one in wrap(f"- {check.title}: {check.expected}", width)]
    lines += _section("Way back", plan.undo, width)
    return lines


def reading_lines(before: Mapping[str, str], after: Mapping[str, str]) -> list[Line]:
    """Before and after, figure by figure."""
    names = [*after, *(name for name in before if name not in after)]
    return [
        line(
            (f"  {name}: ", "dim"),
            before.get(name, "not read"),
            (" -> ", "dim"),
            (after.get(name, "not read"), "strong"),
        )
        for name in names
    ]


def detail_lines(details: Mapping[str, str], width: int) -> list[Line]:
    """What happened to each victim, or what was read, whole: a log's end is what one opens it for, so nothing is cut.

    A line keeps its indentation: the tree of a query's plan is nothing else.
    """
    lines: list[Line] = []
    for key, value in details.items():
        head = f"  {key}  "
        for text in value.split("\n"):
            indent = text[: len(text) - len(text.lstrip(" "))][: max(0, width - len(head) - 20)]
            for part in wrap(text, max(20, width - len(head) - len(indent))):
                lines.append(Line(((head + indent, "dim"), *part.spans)))
                head = " " * len(head)
    return lines


def _section(title: str, text: str, width: int) -> list[Line]:
    if not text:
        return []
    return [Line(), line((title, "title")), *(one for part in text.split("\n") for one in wrap(part, width))]
