"""Start a program in a real pty with a terminal emulator and note what a person waits for and what a link carries."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
import pyte

from alphapulse_tui.config.paths import STATE_VARIABLE
from tests.pty import Terminal
from tests.waiting import wait_until

QUIET_SECONDS = 0.08
"""Between two presses nothing must have come for so long, so that bytes are counted to the right key."""


def cursor_rows(screen: pyte.Screen) -> Hashable:
    """Where the cells lie whose background is not the screen's own, every few columns: the bar of a list's cursor is among them."""
    places = [(row, column) for row in range(screen.lines) for column in range(4, screen.columns, 12)]
    papers = {place: (cell.bg, cell.reverse) for place in places for cell in (screen.buffer[place[0]][place[1]],)}
    usual = Counter(papers.values()).most_common(1)[0][0]
    return tuple(place for place, paper in papers.items() if paper != usual)


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
    cursor: Callable[[pyte.Screen], Hashable] = cursor_rows
    """What each of the keys changes on the screen, and nothing else does: by it the paint of a key is told from that of a new reading."""
    before: tuple[str, ...] = ()
    """Keys that lead to a list with a cursor."""


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
    """Notes when each chunk came, before the emulator has had it, and how the cursor stood after it."""

    def __init__(self, program: Program, state: str, columns: int, lines: int) -> None:
        self.chunks: list[tuple[float, int, Hashable]] = []
        """Time of arrival (``perf_counter``), bytes, the cursor after it."""
        self._cursor = program.cursor
        self.started = time.perf_counter()
        super().__init__(program.argv, columns=columns, lines=lines, env={STATE_VARIABLE: state})

    def _take(self, data: bytes) -> None:
        came = time.perf_counter()
        super()._take(data)
        self.chunks.append((came, len(data), self._cursor(self._emulator)))

    def quiet(self) -> bool:
        """Whether nothing has come for :data:`QUIET_SECONDS`."""
        return time.perf_counter() - self.chunks[-1][0] > QUIET_SECONDS


def measure(program: Program, columns: int = 160, lines: int = 45, presses: int = 100) -> Cost:
    """Start ``program`` with nothing remembered, wait for it, leave it alone, press keys, and end it and what it started."""
    cost = Cost()
    with fresh_state() as state, TimedTerminal(program, state, columns, lines) as terminal:
        started = terminal.started
        terminal.wait_until(program.painted, 30, f"the first paint of {program.name}")
        cost.first_paint = time.perf_counter() - started
        terminal.wait_until(program.loaded, 60, f"the first data of {program.name}")
        cost.first_data = time.perf_counter() - started
        for key in program.before:
            terminal.press(key)
        _settle(terminal, 5.0)
        tree = processes_of(state)
        cost.idle_bytes, cost.idle_cpu = _idle(terminal, tree)
        cost.memory = _memory(tree)
        waits, sizes = _keys(terminal, program.keys, presses)
        cost.key_p50, cost.key_p99 = statistics.median(waits) * 1000, sorted(waits)[int(len(waits) * 0.99)] * 1000
        cost.key_bytes = statistics.median(sizes)
    return cost


def _settle(terminal: TimedTerminal, seconds: float) -> None:
    """Wait until starting up is over: imports, first polls, caches."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        time.sleep(0.1)


@contextmanager
def fresh_state() -> Iterator[str]:
    """A state folder for one run; at the end, whoever still runs with it (the executor outlives its screen) is ended."""
    with tempfile.TemporaryDirectory() as state:
        yield state
        left = processes_of(state)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        psutil.wait_procs(left)


def processes_of(state: str) -> list[psutil.Process]:
    """The program and its executor, which is no child of it: those that were given this state folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(STATE_VARIABLE) == state:
                found.append(process)
    return found


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
    """Seconds from a key to the last byte of the paint that moves the cursor, and the bytes that came until then."""
    waits, sizes = [], []
    for number in range(presses):
        wait_until(terminal.quiet, 5.0, "a moment without a paint", interval=0.002)
        mark = len(terminal.chunks)
        before = terminal.chunks[-1][2]
        pressed = time.perf_counter()
        terminal.press(keys[number % len(keys)])
        wait_until(lambda: any(chunk[2] != before for chunk in terminal.chunks[mark:]), 5.0, "the key's paint", 0.001)  # noqa: B023
        came = terminal.chunks[mark:]
        last = next(place for place, chunk in enumerate(came) if chunk[2] != before)
        waits.append(came[last][0] - pressed)
        sizes.append(sum(size for _, size, _ in came[: last + 1]))
    return waits, sizes
