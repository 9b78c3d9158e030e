"""What the lab costs: from a start to each target, to its end; idle CPU, memory, disk; a save and a restore. ``python -m tests.bench.lab [LIVES]``.

Rewrites the measured part of docs/lab.md. The servers must have been built; the machine should have nothing else to do.
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

import psutil

from alphapulse_tui.lab.launch import end, launch
from tests.lab_handle import LabHandle, new_directory, processes_below
from tests.lab_page import write_block
from tests.waiting import wait_until

RUNS = 3
SETTLE_SECONDS = 20.0
"""After a start controllers, probes and caches are still busy."""
IDLE_SECONDS = 30.0
GOALS = {"up": "20 s", "down": "5 s", "cpu": "25 % of a core", "memory": "2.5 GB"}
"""Of issue and design: the lab must be light."""


@dataclass
class Life:
    """One lab from its start to its end. Seconds, percent of one core, bytes."""

    ready: dict[str, float] = field(default_factory=dict)
    """Target to the seconds from the call of ``launch``."""
    cpu: float = 0.0
    memory: dict[str, int] = field(default_factory=dict)
    """Target to proportional set size: a page that two processes share is counted once. ``lab``: warden and daemon."""
    processes: int = 0
    disk: int = 0
    save: float = 0.0
    restore: float = 0.0
    down: float = 0.0


def live() -> Life:
    """Start a lab, look at it, save, restore, end it."""
    life, directory = Life(), new_directory()
    started = time.monotonic()
    warden = launch(directory, tied=True, ephemeral=True)
    lab = LabHandle(directory)

    def all_ready() -> bool:
        for target in lab.status().targets:
            assert target.state != "failed", f"{target.name}: {target.sentence}"
            if target.state == "ready":
                life.ready.setdefault(target.name, time.monotonic() - started)
        return len(life.ready) == len(lab.status().targets)

    try:
        wait_until(all_ready, 300, "every target", interval=0.1)
        time.sleep(SETTLE_SECONDS)
        life.cpu = _cpu(warden.pid)
        _memory(lab, warden.pid, life)
        life.disk = sum(file.lstat().st_blocks * 512 for file in directory.root.rglob("*"))
        life.save, life.restore = _seconds(lab.save), _seconds(lab.restore)
    finally:
        begun = time.monotonic()
        end(directory)
        life.down = time.monotonic() - begun
        warden.wait(15)
    return life


def _seconds(work: object) -> float:
    begun = time.monotonic()
    assert callable(work)
    work()
    return time.monotonic() - begun


def _cpu(warden: int) -> float:
    """Percent of one core over all processes of the lab while nobody asks anything of it."""

    def spent() -> dict[int, float]:
        return {one.pid: sum(one.cpu_times()[:2]) for one in processes_below(warden)}

    before = spent()
    time.sleep(IDLE_SECONDS)
    return 100 * sum(used - before.get(pid, 0.0) for pid, used in spent().items()) / IDLE_SECONDS


def _memory(lab: LabHandle, warden: int, life: Life) -> None:
    targets = {one.pid: one.target or one.name for one in lab.status().processes if one.state == "running"}
    sums: dict[str, int] = defaultdict(int)
    for process in processes_below(warden):
        above = [process, *process.parents()]
        target = next((targets[one.pid] for one in above if one.pid in targets), "lab")
        sums[target] += _pss(process)
        life.processes += 1
    life.memory = dict(sums)


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def _span(values: list[float], pattern: str) -> str:
    low, high = pattern.format(min(values)), pattern.format(max(values))
    return low if low == high else f"{low} to {high}"


def table(lives: list[Life]) -> str:
    """The measured part of docs/lab.md."""
    total = [sum(life.memory.values()) / 1e6 for life in lives]
    rows = [
        ("from the start to every target ready", _span([max(one.ready.values()) for one in lives], "{:.1f} s"), GOALS["up"]),
        ("end, until the last process is gone", _span([one.down for one in lives], "{:.1f} s"), GOALS["down"]),
        ("idle CPU, with the load of its customers", _span([one.cpu for one in lives], "{:.0f} % of a core"), GOALS["cpu"]),
        ("memory (PSS of all processes)", _span(total, "{:.0f} MB"), GOALS["memory"]),
        ("processes", _span([float(one.processes) for one in lives], "{:.0f}"), ""),
        ("disk", _span([one.disk / 1e6 for one in lives], "{:.0f} MB"), ""),
        ("`lab save`", _span([one.save for one in lives], "{:.1f} s"), ""),
        ("`lab restore`", _span([one.restore for one in lives], "{:.1f} s"), ""),
    ]  # fmt: skip
    load = os.getloadavg()[0]
    head = (
        f"Measured {datetime.datetime.now(datetime.UTC):%Y-%m-%d} on {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, lives: {len(lives)}, smallest to largest; load average of the machine at the end: {load:.1f}."
    )
    lines = [head, "", "| | measured | goal |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    lines += ["", "| target | ready after | memory |", "|---|---|---|"]
    for name in [*lives[0].ready, *(one for one in lives[0].memory if one not in lives[0].ready)]:
        ready = _span([one.ready[name] for one in lives], "{:.1f} s") if name in lives[0].ready else ""
        memory = [one.memory[name] / 1e6 for one in lives if name in one.memory]
        lines.append(f"| {name} | {ready} | {_span(memory, '{:.0f} MB') if memory else ''} |")
    return "\n".join(lines)


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    write_block("measured", table([live() for _ in range(runs)]))
