"""``make bench``: the cockpit on the lab, with every target down, and its peers where they are installed; writes docs/speed.md.

``make bench AGAINST=COMMIT`` measures the cockpit as it was at that commit too, in turns with today's: what a busier machine costs is then not taken
for what a change costs.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyte

from tests.bench.measure import Cost, Program, cursor_rows, measure
from tests.lab_handle import running_lab

RUNS = 3
PROJECT = Path(__file__).resolve().parent.parent.parent
PAGE = PROJECT / "docs" / "speed.md"
ALPHAPULSE = Path(sys.executable).with_name("alphapulse")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

ROWS = (
    ("first paint", "first_paint", "s", 2),
    ("first data of every target", "first_data", "s", 2),
    ("idle bytes a second", "idle_bytes", "", 0),
    ("idle CPU, % of a core", "idle_cpu", "", 1),
    ("key to paint, p50", "key_p50", "ms", 1),
    ("key to paint, p99", "key_p99", "ms", 1),
    ("bytes a key (cursor down)", "key_bytes", "", 0),
    ("memory, screen and executor", "memory", "MB", 0),
)

GOALS = ("0.35", "0.8", "300", "1.5", "5", "12", "500", "100")


def focused_panel(screen: pyte.Screen) -> Hashable:
    """Where the brackets of the focused panel's title stand."""
    return tuple((row, text.find("─[")) for row, text in enumerate(screen.display) if "─[" in text)


def cockpit(
    profile_file: Path,
    name: str,
    keys: tuple[str, ...] = ("down", "up"),
    cursor: Callable[[pyte.Screen], Hashable] = cursor_rows,
    before: tuple[str, ...] = ("2",),
) -> Program:
    """The whole cockpit on a profile file, after the keys ``before``. ``keys`` must paint: where no target answers there is no row to walk, only
    panels.
    """
    silent = ("connecting", "opening the journal", "starting", "asked yet")
    return Program(
        name,
        [str(ALPHAPULSE), "--config", str(profile_file)],
        painted=lambda screen: "7 Incident" in screen,
        loaded=lambda screen: "7 Incident" in screen and not any(word in screen for word in silent),
        before=before,
        keys=keys,
        cursor=cursor,
    )


def earlier(programs: Sequence[Program], commit: str, folder: Path) -> list[Program]:
    """The same programs as they were at ``commit``, installed into ``folder`` by that commit's own Makefile."""
    subprocess.run(["git", "clone", "--quiet", "--shared", PROJECT, folder], check=True)
    subprocess.run(["git", "-C", folder, "checkout", "--quiet", commit], check=True)
    subprocess.run(["make", "--silent", "-C", folder, ".venv/.installed"], check=True)
    then = str(folder / ".venv" / "bin" / "alphapulse")
    return [replace(one, name=f"{one.name}, at {commit}", argv=[then, *one.argv[1:]]) for one in programs]


def peers(kubeconfig: Path) -> list[Program]:
    """The least that Textual can do, and k9s on the same servers where it is installed."""
    found = [
        Program(
            "bare Textual list",
            [sys.executable, "-m", "tests.bench.bare_app"],
            painted=lambda screen: "line 0" in screen,
            loaded=lambda screen: "line 0" in screen,
        )
    ]
    if shutil.which("k9s"):
        found.append(
            Program(
                "k9s",
                ["k9s", "--kubeconfig", str(kubeconfig), "-n", "alphapulse", "-c", "pods"],
                painted=lambda screen: screen.strip(),
                loaded=lambda screen: "redis-cluster-0" in screen,
            )
        )
    return found


def dead_profile(folder: Path) -> Path:
    """A profile whose targets all refuse: nothing listens on port 9."""
    file = folder / "alphapulse.toml"
    file.write_text(
        'default_profile = "dead"\n[profiles.dead]\n'
        'postgres = { primary = { host = "127.0.0.1", port = 9, user = "x", database = "x" } }\n'
        'redis = { nodes = [ { name = "r", host = "127.0.0.1", port = 9 } ] }\n'
        'vault = { nodes = [ { name = "v", address = "http://127.0.0.1:9" } ] }\n'
        'prometheus = { url = "http://127.0.0.1:9" }\nalertmanager = { url = "http://127.0.0.1:9" }\n'
        'api = { health_url = "http://127.0.0.1:9/health" }\n'
    )
    return file


def main() -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="COMMIT", default="", help="measure the cockpit of this commit too")
    against = parser.parse_args().against
    table: dict[str, list[Cost]] = {}
    with running_lab() as lab, tempfile.TemporaryDirectory() as folder:
        dead = dead_profile(Path(folder))
        programs = [
            cockpit(lab.profile, "cockpit, every target up"),
            cockpit(dead, "cockpit, every target down", ("3", "2"), focused_panel),
        ]
        if against:
            programs += earlier(programs, against, Path(folder) / "earlier")
        programs.append(cockpit(lab.profile, "sessions of PostgreSQL", before=("3", "enter")))
        programs += peers(lab.directory / "kubernetes" / "admin.kubeconfig")
        lab.wait()
        for _ in range(RUNS):
            for program in programs:
                note(table, program)
        lab.break_("lock-chain")  # A tree to walk.
        for _ in range(RUNS):
            note(table, cockpit(lab.profile, "lock tree", before=("3", "enter", "2")))
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{render(table)}\n{END}{tail}", encoding="utf-8")
    print(render(table))


def note(table: dict[str, list[Cost]], program: Program) -> None:
    """Measure one run into the table."""
    cost = measure(program)
    table.setdefault(program.name, []).append(cost)
    print(f"{program.name}: {cost}", file=sys.stderr)


def render(table: dict[str, list[Cost]]) -> str:
    """The table in markdown: smallest to largest of the runs."""
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    lines = [
        f"Measured {when} on {platform.machine()}, Python {platform.python_version()}, 160x45, {RUNS} runs each, smallest to largest.",
        "",
        "| | goal | " + " | ".join(table) + " |",
        "|---|---|" + "---|" * len(table),
    ]
    for (title, name, unit, digits), goal in zip(ROWS, GOALS, strict=True):
        cells = []
        for costs in table.values():
            values = sorted(getattr(cost, name) for cost in costs)
            cells.append(f"{values[0]:.{digits}f} to {values[-1]:.{digits}f} {unit}".strip())
        lines.append(f"| {title} | {goal} {unit}".rstrip() + " | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
