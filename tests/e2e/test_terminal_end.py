"""How the real cockpit ends, and what it does on terminals that are no good: the terminal is as before or the cockpit lives; one sentence."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.cockpit import CockpitTerminal
from tests.lab_handle import LabHandle
from tests.pty import Terminal
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

WORDS = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}
"""First line of ``alphapulse status``, and the code to leave with."""

_TIME = re.compile(r"(\d\d:\d\d:\d\d)Z")


def clock(screen: str) -> str:
    found = _TIME.search(screen.split("\n")[0])
    return found[1] if found else ""


@pytest.mark.parametrize("number", [pytest.param(signal.SIGHUP, marks=pytest.mark.long), signal.SIGTERM])
def test_a_signal_leaves_the_terminal_as_it_was(platform: LabHandle, state: Path, number: signal.Signals) -> None:
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Redis")
        cockpit.signal(number)
        assert cockpit.wait_exit() == 128 + number
        assert cockpit.left_behind() == []
        assert b"Traceback" not in cockpit.raw


def test_a_link_that_is_lost_ends_it(platform: LabHandle, state: Path) -> None:
    cockpit = CockpitTerminal(platform.profile, state)
    cockpit.wait_live("Redis")
    cockpit.hang_up()
    assert cockpit.wait_exit() == 128 + signal.SIGHUP
    cockpit.close()


@pytest.mark.long
@pytest.mark.parametrize("seconds", [3, 10])
def test_a_stalled_terminal_finds_a_living_cockpit(platform: LabHandle, state: Path, seconds: int) -> None:
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Redis")
        before = clock(cockpit.screen)
        with cockpit.stalled(seconds):
            cockpit.press("3")
        cockpit.wait_until(lambda screen: clock(screen) > before, 20, "a clock that goes on")
        cockpit.wait_live("Redis", "PostgreSQL")
        cockpit.press("q")
        assert cockpit.wait_exit() == 0
        assert cockpit.left_behind() == []


def test_without_a_keyboard_it_reports_and_leaves(platform: LabHandle, state: Path) -> None:
    argv = [sys.executable, "-m", "alphapulse_tui", "--config", str(platform.profile)]
    with Terminal(["bash", "-c", 'exec "$@" <&-', "bash", *argv], env={"ALPHAPULSE_STATE": str(state)}) as terminal:
        code = terminal.wait_exit(60)
        assert_plain_report(terminal, code, "Standard input is not a terminal")


@pytest.mark.long
def test_a_dumb_terminal_gets_lines(platform: LabHandle, state: Path) -> None:
    with CockpitTerminal(platform.profile, state, env={"TERM": "dumb"}) as terminal:
        code = terminal.wait_exit(60)
        assert_plain_report(terminal, code, "TERM=dumb cannot place the cursor")


def assert_plain_report(terminal: Terminal, code: int, sentence: str) -> None:
    """One sentence, the report, no escape sequence, and a code that says what the report says."""
    text = bytes(terminal.raw).decode()
    assert "\x1b" not in text
    assert text.count(sentence) == 1
    assert text.count("look at every target") + text.count("plain report") == 1, "the same is said once"
    head = re.search(r"^lab: ([A-Z]+)  ", text, re.MULTILINE)
    assert head is not None and WORDS[head[1]] == code
    assert "Traceback" not in text and terminal.left_behind() == []


@pytest.mark.long
def test_the_c_locale_shows_everything(platform: LabHandle, state: Path) -> None:
    with CockpitTerminal(platform.profile, state, env={"LC_ALL": "C", "LANG": None}) as cockpit:
        cockpit.wait_live("Redis", "PostgreSQL")
        cockpit.press("q")
        assert cockpit.wait_exit() == 0
        assert cockpit.left_behind() == []


def test_a_tiny_terminal_tells_the_verdict_and_what_it_needs(platform: LabHandle, state: Path) -> None:
    with CockpitTerminal(platform.profile, state, columns=20, lines=5) as cockpit:
        cockpit.wait_text("80x24")
        cockpit.resize(80, 24)
        cockpit.wait_live("Redis")
        cockpit.resize(20, 5)
        cockpit.wait_text("80x24")
        cockpit.press("q")
        assert cockpit.wait_exit() == 0
        assert cockpit.left_behind() == []


@pytest.mark.long
def test_leaving_leaves_no_screen_behind(platform: LabHandle, state: Path) -> None:
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_live("Redis")
        cockpit.press("q")
        assert cockpit.wait_exit() == 0
        assert cockpit.left_behind() == []
        wait_until(lambda: cockpit.process.poll() is not None, 5, "the process to be gone")
