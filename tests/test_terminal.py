"""The terminal in real life: signals, a dead link, bad bytes, small sizes, hostile text. Everything here runs in a real pty."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alphapulse_tui.exits import ExitCode
from tests.pty import Terminal
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parent.parent
LEAVING = 1.5
"""Seconds: the promise is 1 s; the rest is for a test machine that does other things as well."""

SMOOTH = 0.25
"""Seconds that the event loop may stand still at most, whatever the terminal does (design 7)."""


@contextmanager
def heartbeat(
    folder: Path, doing: str = "", columns: int = 100, lines: int = 30, **env: str | None
) -> Iterator[Terminal]:
    """The heartbeat app in a pty, painting."""
    added = {"HEARTBEAT_RECORD": str(folder / "beats"), "HEARTBEAT_DO": doing, **env}
    with Terminal(
        [sys.executable, "-m", "tests.heartbeat_app"], columns=columns, lines=lines, env=added, cwd=REPOSITORY
    ) as terminal:
        yield terminal


def beats(folder: Path) -> tuple[int, float]:
    """How often the heart has beaten, and the longest pause in seconds."""
    # Empty when it is read between truncation and write.
    count, worst = str(wait_until(lambda: (folder / "beats").read_text(), 2, "what the heart has written")).split()
    return int(count), float(worst)


def started(terminal: Terminal) -> None:
    """Wait for the app, and let it count its pauses from here on: loading is not what is measured."""
    terminal.wait_for("beat 5", timeout=20)
    terminal.press("r")
    terminal.wait_for("keys r")


def leaves(terminal: Terminal, since: float) -> int:
    code = terminal.wait_exit(5)
    assert time.monotonic() - since < LEAVING
    return code


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_with_the_terminal_restored(tmp_path: Path, number: signal.Signals) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        since = time.monotonic()
        terminal.signal(number)
        assert leaves(terminal, since) == 128 + number
        assert terminal.left_behind() == []


def test_the_same_while_the_event_loop_hangs(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        terminal.press("h")
        wait_until(lambda: silent_for(tmp_path / "beats", 0.3), 5, "the heart to stop")
        since = time.monotonic()
        terminal.signal(signal.SIGTERM)
        assert leaves(terminal, since) == ExitCode.TERMINATED
        assert terminal.left_behind() == []


def test_a_thread_that_hangs_does_not_keep_it_from_leaving(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        terminal.press("t")
        terminal.wait_for("keys rt")
        since = time.monotonic()
        terminal.signal(signal.SIGTERM)
        assert leaves(terminal, since) == ExitCode.TERMINATED
        assert terminal.left_behind() == []


def test_end_of_input_ends_it(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        since = time.monotonic()
        terminal.hang_up()
        assert leaves(terminal, since) == ExitCode.HUNG_UP


def test_leaving_by_key(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        since = time.monotonic()
        terminal.press("ctrl+q")
        assert leaves(terminal, since) == ExitCode.OK
        assert terminal.left_behind() == []


def test_the_size_is_the_terminals_whatever_the_environment_says(tmp_path: Path) -> None:
    """A shell may have exported COLUMNS for another terminal; the cockpit then laid itself out for ever and heard no key."""
    names = ("HOME", "ALPHAPULSE_STATE", "XDG_CONFIG_HOME")
    environment = {**dict.fromkeys(names, str(tmp_path)), "COLUMNS": "80", "LINES": "24"}
    with Terminal(
        [sys.executable, "-m", "alphapulse_tui"], columns=120, lines=40, env=environment, cwd=REPOSITORY
    ) as terminal:
        terminal.wait_for("not configured", timeout=20)
        terminal.press("ctrl+q")
        assert terminal.wait_exit(10) == ExitCode.OK


@pytest.mark.parametrize("seconds", [3, pytest.param(10, marks=pytest.mark.long)])
def test_a_stalled_terminal_does_not_stop_the_heart(tmp_path: Path, seconds: int) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        with terminal.stalled(seconds):
            before = beats(tmp_path)[0]
        after, worst = beats(tmp_path)
        assert worst <= SMOOTH
        assert after - before > seconds / SMOOTH
        # It has caught up when it shows a beat from after the stall, and it has thrown away what nobody saw.
        shown = terminal.wait_until(lambda screen: beat_on(screen) > after, 5, "a beat from after the stall")
        filler = shown.splitlines()[5]
        assert len(set(filler)) == 1
        assert len(filler) == 100
        terminal.press("ctrl+q")
        assert terminal.wait_exit(5) == ExitCode.OK
        assert terminal.left_behind() == []


def test_it_can_be_ended_while_the_terminal_is_stalled(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        terminal.stop_reading()
        before = beats(tmp_path)[0]
        wait_until(lambda: beats(tmp_path)[0] > before + 50, 10, "fifty beats in the dark")
        since = time.monotonic()
        terminal.signal(signal.SIGTERM)
        code = leaves(terminal, since)
        terminal.read_on()
        terminal.wait_exit()
        assert code == ExitCode.TERMINATED
        assert terminal.left_behind() == []


def silent_for(record: Path, seconds: float) -> bool:
    """Whether the last beat was written that long ago."""
    return time.time() - record.stat().st_mtime > seconds


def beat_on(screen: str) -> int:
    """The number of the beat that the screen shows."""
    found = re.search(r"beat (\d+)", screen)
    return int(found.group(1)) if found else -1


@pytest.mark.parametrize(
    "noise",
    [
        b"\xff\xfe",
        b"\xc3(",
        b"\x9b",
        b"\xf0\x9f",
        b"\x1b[99999999;1u",
        b"\x1b[48;0;0;0;0t",
        b"\x1b[<0;0;0M",
        b"\x1b[" + b"9" * 40 + b"u",
        b"\x00",
    ],
    ids=repr,
)
def test_noise_on_the_keyboard_is_survived(tmp_path: Path, noise: bytes) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        terminal.send(noise)
        terminal.wait_until(lambda screen: beat_on(screen) > 20, 10, "it to go on")
        terminal.send("zz")
        terminal.wait_for("zz")
        terminal.press("ctrl+q")
        assert terminal.wait_exit(5) == ExitCode.OK


def test_a_crash_says_what_and_where_without_secrets_or_locals(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        since = time.monotonic()
        terminal.press("c")
        assert leaves(terminal, since) == ExitCode.CRASHED
        assert terminal.left_behind() == []
        words = bytes(terminal.raw).split(b"\x1b[?1004l")[-1].decode()
    assert "ValueError: broken \\x1b[31mby\\x9b a key" in words
    assert str(tmp_path / "beats.log") in words.replace("\r\n", "")
    assert "Traceback" not in words
    report = (tmp_path / "beats.log").read_text()
    assert "in note_key" in report
    assert (tmp_path / "beats.log").stat().st_mode & 0o777 == 0o600
    for told in (words, report):
        assert "swordfish" not in told
        assert "hunter2" not in told
        assert "self.worst" not in told.replace("self.worst, self.last", "")
        assert "\x1b" not in told


def test_a_thread_that_dies_is_told_at_the_end(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        terminal.press("d")
        terminal.wait_for("keys rd")
        wait_until(lambda: (tmp_path / "beats.log").exists(), 5, "the report")
        terminal.press("ctrl+q")
        assert terminal.wait_exit(5) == ExitCode.OK
        words = bytes(terminal.raw).split(b"\x1b[?1004l")[-1].decode()
    assert "A thread of the cockpit ended on a mistake of its own. ValueError: invalid literal" in words
    assert "swordfish" not in words + (tmp_path / "beats.log").read_text()


@pytest.mark.parametrize(("columns", "lines"), [(20, 5), (1, 1), (3, 2), (80, 24), (250, 80)])
def test_any_size(tmp_path: Path, columns: int, lines: int) -> None:
    with heartbeat(tmp_path, columns=columns, lines=lines) as terminal:
        wait_until(lambda: (tmp_path / "beats").exists() and beats(tmp_path)[0] > 10, 20, "ten beats")
        terminal.resize(100, 30)
        terminal.wait_for("at 100x30")
        terminal.resize(columns, lines)
        now = beats(tmp_path)[0]
        wait_until(lambda: beats(tmp_path)[0] > now + 10, 10, "ten more beats")
        terminal.press("ctrl+q")
        assert terminal.wait_exit(5) == ExitCode.OK
        assert terminal.left_behind() == []


PLAIN = {
    "TERM=dumb": ({"TERM": "dumb"}, "TERM=dumb cannot place the cursor"),
    "latin-1": ({"LC_ALL": "de_DE.ISO-8859-1"}, "The character set here is ISO-8859-1, not UTF-8"),
    "ASCII forced": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "The character set here is"),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_where_no_screen_can_be_drawn_one_sentence_says_so(tmp_path: Path, kind: str) -> None:
    env, sentence = PLAIN[kind]
    with heartbeat(tmp_path, columns=200, **env) as terminal:
        assert terminal.wait_exit(15) == ExitCode.OK
        assert sentence in terminal.screen
        assert b"\x1b" not in terminal.raw


def test_without_a_keyboard_one_sentence_says_so() -> None:
    program = [sys.executable, "-m", "tests.heartbeat_app"]
    for closing in ("</dev/null", "<&-"):
        done = subprocess.run(
            ["sh", "-c", f'"$@" {closing}', "sh", *program], capture_output=True, text=True, cwd=REPOSITORY, timeout=30
        )
        assert done.stdout.startswith("Standard input is not a terminal"), closing
        assert done.stderr == "", closing


SETUPS = {
    "C locale": {"LANG": None, "LC_ALL": "C"},
    "no locale": {"LANG": None},
    "linux console": {"TERM": "linux", "COLORTERM": None},
    "screen": {"TERM": "screen", "COLORTERM": None},
    "vt220": {"TERM": "vt220", "COLORTERM": None},
    "no TERM": {"TERM": None, "COLORTERM": None},
    "NO_COLOR": {"NO_COLOR": "1"},
}


@pytest.mark.parametrize("kind", SETUPS)
def test_other_terminals(tmp_path: Path, kind: str) -> None:
    with heartbeat(tmp_path, **SETUPS[kind]) as terminal:
        started(terminal)
        assert b"\\u2" not in terminal.raw
        if kind == "NO_COLOR":
            assert coloured(bytes(terminal.raw)) == set()
        terminal.press("ctrl+q")
        assert terminal.wait_exit(5) == ExitCode.OK
        assert terminal.left_behind() == []


def coloured(raw: bytes) -> set[bytes]:
    """True colours in the stream that are no grey."""
    return {rgb for rgb in re.findall(rb"[34]8;2;(\d+;\d+;\d+)", raw) if len(set(rgb.split(b";"))) > 1}


def test_stop_and_continue(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        terminal.signal(signal.SIGTSTP)
        wait_until(lambda: stopped(terminal.process.pid), 5, "it to stop")
        wait_until(lambda: terminal.left_behind() == [], 5, "the terminal to be restored")
        seen = len(terminal.raw)
        terminal.signal(signal.SIGCONT)
        wait_until(lambda: b"\x1b[?1049h" in terminal.raw[seen:], 5, "it to take the terminal again")
        now = beats(tmp_path)[0]
        terminal.wait_until(lambda screen: beat_on(screen) > now, 5, "it to paint again")
        terminal.send("zz")
        terminal.wait_for("zz")
        terminal.press("ctrl+q")
        assert terminal.wait_exit(5) == ExitCode.OK
        assert terminal.left_behind() == []


def stopped(pid: int) -> bool:
    """Whether the kernel has the process stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_child_borrows_the_terminal_while_the_heart_beats(tmp_path: Path) -> None:
    with heartbeat(tmp_path) as terminal:
        started(terminal)
        terminal.press("s")
        terminal.wait_for("share: ")
        lent = len(terminal.raw)
        before = beats(tmp_path)[0]
        wait_until(
            lambda: beats(tmp_path)[0] > before + 100, 10, "a hundred beats while suspended"
        )  # stock Textual: 30
        terminal.signal(signal.SIGINT)  # meant for the child: it is the terminal's
        assert bytes(terminal.raw[lent:]) == b""
        terminal.send("secret\n")
        now = beats(tmp_path)[0]
        terminal.wait_until(lambda screen: beat_on(screen) > now, 5, "it to paint again")
        terminal.send("z")
        terminal.wait_for("keys rs<back>z")
        assert beats(tmp_path)[1] <= SMOOTH * 2
        terminal.press("ctrl+q")
        assert terminal.wait_exit(5) == ExitCode.OK
        assert terminal.left_behind() == []


OURS = re.compile(
    rb"\x1b\[[0-9;]*m|\x1b\[[0-9]*;?[0-9]*H|\x1b\[\?[0-9]+[hl]|\x1b\[[<>][0-9]*u|\x1b\[\?[0-9]+\$p|\x1b\]22;[a-z-]*\x07"
)
"""All that we ever say to a terminal: colours, cursor positions, modes, kitty keys, two questions, the mouse pointer's shape."""


def foreign(raw: bytes) -> list[str]:
    """What is left of a stream's control, bidi and zero-width characters when our own sequences are taken out."""
    text = OURS.sub(b"", raw).decode("utf-8")
    return [
        repr(char)
        for char in text
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\r\n"
    ]


def test_the_second_wall_stops_what_no_source_cleaned(tmp_path: Path) -> None:
    with heartbeat(tmp_path, "hostile", columns=160, lines=50) as terminal:
        screen = terminal.wait_until(lambda screen: "toast" in screen and "cell" in screen, 20, "every widget")
        terminal.press("ctrl+q")
        assert terminal.wait_exit(5) == ExitCode.OK
        raw = bytes(terminal.raw)
    assert foreign(raw) == []
    assert b"\x1b]8;" not in raw
    assert b"evil.example" not in raw
    for kind in ("static", "plain", "text", "input", "option", "column", "cell"):
        assert f"{kind} a\\x1b]52;c;eA==\\x1b\\b" in screen, kind
    assert "[/x] [@click=app.quit]q[/]" in screen


@pytest.mark.parametrize("module", ["alphapulse_tui.terminal", "alphapulse_tui.text", "alphapulse_tui.redact"])
def test_asking_about_the_terminal_loads_no_textual(module: str) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY, env={**os.environ}
    )
    loaded = set(json.loads(done.stdout))
    assert module in loaded
    assert not {name for name in loaded if name.partition(".")[0] in ("textual", "rich")}
