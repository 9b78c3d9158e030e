"""docs/coverage.md, made from coverage.yaml: where everything of the runbook is. ``python -m tests.coverage_page`` writes it; a test says when it
is old.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from alphapulse_tui.runbook.coverage import Entry, Section, load_coverage, why
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import Procedure

PAGE = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"

HEAD = """# Where everything of the runbook is

Every command, threshold, metric, link, role and time of the runbook, line by line: the step or setting that has it, or what replaces it and why,
or why it is refused. This page is made from `alphapulse_tui/runbook/coverage.yaml` (`python -m tests.coverage_page`); do not edit it. A test holds
the file against the runbook's lines, and every step, setting, query and action that it names against what exists.

So far: sections 2, 4.1 and 4.2, and the lines on logs and metrics of appendix A.
"""


def page() -> str:
    """The whole page."""
    procedures = load_procedures()
    coverage = load_coverage(procedures)
    counted = Counter(entry.how for section in coverage.sections for entry in section.entries)
    told = ", ".join(f"{counted[how]} {how}" for how in ("run", "replaced", "refused"))
    parts = [HEAD, f"{sum(counted.values())} entries: {told}.\n"]
    parts += [_section(section, procedures) for section in coverage.sections]
    return "\n".join(parts)


def _section(section: Section, procedures: dict[str, Procedure]) -> str:
    name = f"Appendix {section.section}" if section.section.isalpha() else section.section
    lines = [f"## {name} {section.title}", "", "| line | the runbook | | where | why |", "|---|---|---|---|---|"]
    lines += [_entry(entry, procedures) for entry in section.entries]
    return "\n".join([*lines, ""])


def _entry(entry: Entry, procedures: dict[str, Procedure]) -> str:
    code = entry.kind in ("command", "metric", "link", "threshold", "time")
    text = f"`{entry.text.replace('`', '')}`" if code else entry.text.strip("| ").replace("**", "")
    places = ", ".join(_place(name, value) for name, value in entry.places)
    reason = entry.because if entry.how == "run" else why(entry, procedures)
    cells = (str(entry.line), f"{entry.kind}: {text}", entry.how, places, " ".join(reason.split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _place(name: str, value: str) -> str:
    if name in ("step", "procedure"):
        return f"[`{value}`](procedures.md#{value.partition('/')[0]})"
    return value if name == "screen" else f"{name} `{value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
