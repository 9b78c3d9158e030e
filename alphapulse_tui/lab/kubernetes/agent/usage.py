"""What containers use: CPU over a short window and memory now, of their real processes and all that those have started."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.kubernetes.agent.pod import PodWorker
from alphapulse_tui.lab.process import Process

EVERY_SECONDS = 2.0
"""How often it is measured; metrics-server: 15 s. Some 5 ms for the 15 pods of the lab, a quarter of a percent of one core."""
WINDOW_SECONDS = 6.0
"""Over how long CPU is averaged: short, so that an autoscaler acts within seconds, and longer than one slow request."""
_KEPT = int(WINDOW_SECONDS / EVERY_SECONDS) + 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a container or the node."""

    at: float
    """Unix seconds of the last measurement."""
    window: float
    """Seconds that ``cores`` is an average of."""
    cores: float
    memory: int
    """Bytes."""


class Gauge:
    """One process' or the machine's measurements of the last window."""

    def __init__(self) -> None:
        self._cpu: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._memory = 0

    def add(self, at: float, cpu_seconds: float, memory: int) -> None:
        """Note a measurement."""
        self._cpu.append((at, cpu_seconds))
        self._memory = memory

    def usage(self) -> Usage | None:
        """The average over what is kept; none before the second measurement, as with metrics-server."""
        if len(self._cpu) < 2:
            return None
        (first, before), (last, now) = self._cpu[0], self._cpu[-1]
        window = last - first
        return Usage(last, window, max(0.0, now - before) / window, self._memory) if window > 0 else None


class Meter:
    """Measures the containers of a node and the machine below it."""

    def __init__(self) -> None:
        self._gauges: dict[Process, Gauge] = {}
        self._machine = Gauge()

    def measure(self, pods: Iterable[PodWorker]) -> None:
        """Measure every living process once; one that was started anew begins anew."""
        processes = [one.process for pod in pods for one in pod.containers if one.process and one.process.alive]
        self._gauges = {process: self._gauges.get(process) or Gauge() for process in processes}
        for process, gauge in self._gauges.items():
            family = linux.family(process.pid)
            cpu = sum(linux.cpu_seconds(pid) for pid in family)
            gauge.add(time.time(), cpu, linux.family_bytes(family))
        self._machine.add(time.time(), *_machine())

    def of(self, process: Process | None) -> Usage | None:
        """What a container's process uses; none for one that does not run or has just been started."""
        gauge = self._gauges.get(process) if process is not None else None
        return gauge.usage() if gauge is not None else None

    @property
    def machine(self) -> Usage | None:
        """What everything on this machine uses."""
        return self._machine.usage()


def _machine() -> tuple[float, int]:
    """CPU seconds since the machine's start (all but idle and waiting), and bytes in use."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    total, available = (int(memory[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return (user + nice + system + irq + softirq + steal) / linux.TICKS, total - available
