"""What processes use, and whom a selector takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from aiohttp import web

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.kubernetes.agent.metrics import selects
from alphapulse_tui.lab.kubernetes.agent.usage import Gauge

BUSY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "held = bytearray(50_000_000); print(len(held), flush=True); input()"], stdin=subprocess.PIPE)
while time.process_time() < 0.3:
    pass
print("done", flush=True)
input()
child.communicate(b"\\n")
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[str]]:
    """A process that has used 0.3 s of CPU, with a child that holds 50 MB."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert sorted(process.stdout.readline().strip() for _ in range(2)) == ["50000000", "done"]
        yield process
        process.communicate("\n")


def test_a_family_is_measured_with_its_children(busy: subprocess.Popen[str]) -> None:
    family = linux.family(busy.pid)
    assert family[0] == busy.pid
    assert len(family) == 2
    assert sorted(family[1:]) == sorted(linux.descendants(busy.pid))
    assert 0.25 <= linux.cpu_seconds(busy.pid) < 2
    assert linux.family_bytes(family) > 50_000_000
    assert linux.family_bytes(family) == linux.resident_bytes(busy.pid)


def test_what_is_gone_uses_nothing() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert (linux.family(ended.pid), linux.cpu_seconds(ended.pid)) == ([ended.pid], 0.0)


def test_cpu_is_an_average_over_the_window_and_unknown_before_the_second_measurement() -> None:
    gauge = Gauge()
    gauge.add(100.0, 5.0, 10)
    assert gauge.usage() is None
    for step in range(1, 10):
        gauge.add(100.0 + 2 * step, 5.0 + 0.5 * step * step, 10 * step)
    used = gauge.usage()
    assert used is not None
    # Of the last four measurements: from step 6 to step 9.
    assert (used.at, used.window, used.memory) == (118.0, 6.0, 90)
    assert used.cores == pytest.approx((0.5 * 81 - 0.5 * 36) / 6)


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ("", True),
        ("app=api", True),
        ("app==api,track=stable", True),
        ("app=api,track!=stable", False),
        ("app=worker", False),
        ("app", True),
        ("!app", False),
        ("!old, app = api", True),
        ("old!=yes", True),
    ],
)
def test_selectors(selector: str, taken: bool) -> None:
    assert selects(selector, {"app": "api", "track": "stable"}) is taken


def test_a_selector_of_another_kind_is_refused() -> None:
    with pytest.raises(web.HTTPBadRequest):
        selects("app in (api,worker)", {})
