"""The parts of docs/lab.md that the code knows: faults, stand-ins, targets. ``python -m tests.lab_page`` writes them; a test says when they are old.

A part stands between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``; what is measured is written by :mod:`tests.bench.lab`.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from alphapulse_tui.lab.faults.registry import catalogue
from alphapulse_tui.lab.platform import TARGETS
from alphapulse_tui.lab.standins.accounts import ACCOUNTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lab.md"


def faults() -> str:
    """A table of every fault, in its module's words."""
    lines = ["| fault | what breaks | how it shows | what mends it |", "|---|---|---|---|"]
    for one in catalogue():
        of = f"<br>of {', '.join(f'`{name}`' for name in one.parameters)}" if one.parameters else ""
        beside = "".join(f" Not beside `{other}`: {reason}." for other, reason in one.excludes.items())
        cells = (f"`{one.name}`{of}", _sentence(one.breaks) + beside, _sentence(one.shows), _sentence(one.mends))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def standins() -> str:
    """A table of the stand-ins, in their modules' words."""
    lines = ["| stand-in | what it speaks | documented |", "|---|---|---|"]
    for name in ACCOUNTS:
        document = importlib.import_module(f"alphapulse_tui.lab.standins.{name}").__doc__ or ""
        plain = re.sub(r":mod:`\.?(\w+)`", r"\1.py", document.replace("``", "`"))
        told = [" ".join(part.split()) for part in plain.split("\n\n")]
        spoken = next(part for part in told if part.startswith("Spoken: ")).removeprefix("Spoken: ")
        pages = re.findall(r"https://[^\s),]+[^\s),.]", next(part for part in told if part.startswith("Documented: ")))
        links = ", ".join(f"[{number}]({page})" for number, page in enumerate(pages, start=1))
        lines.append(f"| {told[0].partition(':')[0]} | {spoken.replace('|', chr(92) + '|')} | {links} |")
    return "\n".join(lines)


def targets() -> str:
    """A list of the targets and where their code is."""
    return "\n".join(f"- `{name}`: `{module.replace('.', '/')}.py`" for name, module in TARGETS.items())


BLOCKS = {"faults": faults, "standins": standins, "targets": targets}


def with_block(page: str, name: str, text: str) -> str:
    """The page with a part in the place of the one of that name.

    Raises:
        ValueError: There is no such part.
    """
    pattern = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"{PAGE.name} has no part {name!r}")
    return pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def write_block(name: str, text: str) -> None:
    """Write one part."""
    PAGE.write_text(with_block(PAGE.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def current(page: str) -> str:
    """The page as it should be."""
    for name, make in BLOCKS.items():
        page = with_block(page, name, make())
    return page


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
