"""Start a program in a real pty with a terminal emulator and note what a person waits for and what a link carries."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from tests.pty import Terminal

QUIET_SECONDS = 0.08
"""A paint has ended when no byte came for so long; longer than any gap between two writes of one frame."""

IDLE_SECONDS = 10.0
"""How long bytes and CPU are counted while nobody touches a key."""


@dataclass(frozen=True)
class Program:
    """What to start, and how to see that it is there."""

    name: str
    argv: Sequence[str]
    painted: Callable[[str], object]
    """Whether the screen shows its first paint."""
    loaded: Callable[[str], object]
    """Whether the screen shows data of every target."""
    keys: tuple[str, ...] = ("down", "up")
    """Keys that move the cursor and change nothing."""
    before: tuple[str, ...] = ()
    """Keys that lead to a list with a cursor."""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Cost:
    """One run. Seconds, bytes, percent of one core, milliseconds, MB."""

    first_paint: float = 0.0
    first_data: float = 0.0
    idle_bytes: float = 0.0
    idle_cpu: float = 0.0
    key_p50: float = 0.0
    key_p99: float = 0.0
    key_bytes: float = 0.0
    memory: float = 0.0


class TimedTerminal(Terminal):
    """Notes when each chunk came, before the emulator has had it."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self.chunks: list[tuple[float, int]] = []
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def _take(self, data: bytes) -> None:
        self.chunks.append((time.perf_counter(), len(data)))
        super()._take(data)


def measure(program: Program, columns: int = 160, lines: int = 45, presses: int = 100) -> Cost:
    """Start ``program``, wait for it, leave it alone, press keys, and end it."""
    cost = Cost()
    started = time.perf_counter()
    with TimedTerminal(program.argv, columns=columns, lines=lines, env=program.env) as terminal:
        terminal.wait_until(program.painted, 30, f"the first paint of {program.name}")
        cost.first_paint = time.perf_counter() - started
        terminal.wait_until(program.loaded, 60, f"the first data of {program.name}")
        cost.first_data = time.perf_counter() - started
        for key in program.before:
            terminal.press(key)
        _settle(terminal, 5.0)
        tree = _tree(terminal.process.pid, program.argv[-1])
        cost.idle_bytes, cost.idle_cpu = _idle(terminal, tree)
        cost.memory = _memory(_tree(terminal.process.pid, program.argv[-1]))
        waits, sizes = _keys(terminal, program.keys, presses)
        cost.key_p50, cost.key_p99 = statistics.median(waits) * 1000, sorted(waits)[int(len(waits) * 0.99)] * 1000
        cost.key_bytes = statistics.median(sizes)
    return cost


def _settle(terminal: TimedTerminal, seconds: float) -> None:
    """Wait until starting up is over: imports, first polls, caches."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        time.sleep(0.1)


def _tree(pid: int, mark: str) -> list[psutil.Process]:
    """The program, its children, and the executor that it started in a session of its own; ``mark`` is the last word of the command."""
    root = psutil.Process(pid)
    tree = [root, *root.children(recursive=True)]
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if process not in tree and "alphapulse_tui.executor" in words and mark in words:
            tree.append(process)
    return tree


def _idle(terminal: TimedTerminal, tree: list[psutil.Process]) -> tuple[float, float]:
    before = sum(sum(process.cpu_times()[:2]) for process in tree)
    sent = len(terminal.raw)
    time.sleep(IDLE_SECONDS)
    after = sum(sum(process.cpu_times()[:2]) for process in tree)
    return (len(terminal.raw) - sent) / IDLE_SECONDS, 100 * (after - before) / IDLE_SECONDS


def _memory(tree: list[psutil.Process]) -> float:
    """Proportional set size: a page that two processes share is counted once."""
    return sum(process.memory_full_info().pss for process in tree) / 1e6


def _keys(terminal: TimedTerminal, keys: Sequence[str], presses: int) -> tuple[list[float], list[int]]:
    """Seconds from a key to the last byte of its paint, and the bytes of that paint."""
    waits, sizes = [], []
    for number in range(presses):
        mark = len(terminal.chunks)
        pressed = time.perf_counter()
        terminal.press(keys[number % len(keys)])
        while True:
            came = terminal.chunks[mark:]
            now = time.perf_counter()
            if (came and now - came[-1][0] > QUIET_SECONDS) or now - pressed > 1.0:
                break
            time.sleep(0.002)
        if came:
            waits.append(came[-1][0] - pressed)
            sizes.append(sum(size for _, size in came))
    return waits, sizes
