"""The lab's faults as text: the table of ``alphapulse lab break --list``, and one fault in full. Pure; made from the modules' own words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alphapulse_tui.lab.faults.registry import FaultLine

_GAP = 2
_FOOT = "One in full: alphapulse lab break --list FAULT. Undo: alphapulse lab mend FAULT, or all."


def table(faults: Sequence[FaultLine], width: int) -> str:
    """Every fault by name: what breaks, what it can be applied to, what mends it; no line is longer than ``width`` columns."""
    column = max(len(fault.name) for fault in faults) + _GAP
    lines = ["FAULT".ljust(column) + "WHAT BREAKS, AND WHAT MENDS IT"]
    for fault in faults:
        told = [fault.summary, f"mended by: {fault.mended_by}"]
        if fault.parameters:
            told.insert(1, f"of: {', '.join(fault.parameters)}")
        told += [f"not beside {other}: {reason}" for other, reason in fault.excludes.items()]
        wrapped = [part for one in told for part in textwrap.wrap(one, width - column, break_on_hyphens=False)]
        lines.append(fault.name.ljust(column) + wrapped[0])
        lines += [" " * column + part for part in wrapped[1:]]
    return "\n".join([*lines, "", *textwrap.wrap(_FOOT, width, break_on_hyphens=False)])


def page(fault: FaultLine, width: int) -> str:
    """One fault with everything that its module says."""
    parts = [f"{fault.name}: {fault.summary}"]
    if fault.parameters:
        parts.append(f"Of: {', '.join(fault.parameters)} ({fault.parameters[0]} when none is named).")
    told = {"What breaks": fault.breaks, "How it shows": fault.shows, "What mends it": fault.mends}
    parts += [f"{head}: {text}" for head, text in told.items() if text]
    parts += [f"Not beside {other}: {reason}." for other, reason in fault.excludes.items()]
    return "\n\n".join(textwrap.fill(part, width, break_on_hyphens=False) for part in parts)
