"""The real program in a real terminal on the real lab, as an engineer sees and drives it: panels, keys, dialogs, the share prompt.

::

    with CockpitTerminal(lab.profile, state) as cockpit:
        cockpit.wait_live()
        cockpit.wait_verdict("is sealed")
        cockpit.press("p")
        cockpit.wait_step("Which nodes are sealed")

Every wait is for words on the screen. Words are looked for in the lines as they are drawn, so of a sentence that may be wrapped a part is
looked for that is not.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.runbook.load import load_procedures
from tests.pty import Terminal
from tests.waiting import wait_until

PANELS = ("Alerts", "Pods", "PostgreSQL", "Redis", "Vault", "Platform")
"""Titles of the panels that show a target."""

NOT_LIVE = ("starting", "connecting", "STALE", "NO ANSWER", "DENIED", "not configured")
"""How a badge begins when its panel is not live (``screens.panels.truth``)."""

LIVE_SECONDS = 60.0
"""Until a first reading of every target: the alerts are read every 15 s, and the machine may be busy."""

STEP_SECONDS = 30.0
"""For anything that needs one more reading of a target."""

_HEAD = re.compile(r"┌─[ [](?:\d )?(?P<title>[A-Z]\w+)\b[^─┐]*─*(?: (?P<badge>[^─┐]+?) )?─*┐")
_LETTER = re.compile(r"press (\w) to do it")


class CockpitTerminal(Terminal):
    """``alphapulse --config PROFILE`` with a state folder of its own, in which it also stands: a postmortem goes to its ``.bug``."""

    def __init__(
        self,
        profile: Path,
        state: Path,
        *arguments: str,
        columns: int = 80,
        lines: int = 24,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.state = state
        self._prompts = 0
        super().__init__(
            [sys.executable, "-m", "alphapulse_tui", "--config", str(profile), *arguments],
            columns=columns,
            lines=lines,
            env={"ALPHAPULSE_STATE": str(state), **(env or {})},
            cwd=cwd or state,
        )

    # The cockpit.

    def badges(self, screen: str | None = None) -> dict[str, str]:
        """What stands at the right end of each panel's head, by the title's first word."""
        found = _HEAD.finditer(self.screen if screen is None else screen)
        return {match["title"]: match["badge"] or "" for match in found}

    def live(self, screen: str | None = None) -> set[str]:
        """The titles of the panels that show a live reading."""
        return {title for title, badge in self.badges(screen).items() if badge and not badge.startswith(NOT_LIVE)}

    def wait_live(self, *panels: str, timeout: float = LIVE_SECONDS) -> str:
        """Wait until these panels (all by default) show a reading that is live."""
        wanted = set(panels or PANELS)
        return self.wait_until(lambda screen: self.live(screen) >= wanted, timeout, f"live panels {sorted(wanted)}")

    def wait_verdict(self, *words: str, timeout: float = LIVE_SECONDS) -> str:
        """Wait until the second line, what is wrong, holds every one of ``words``."""
        return self.wait_until(
            lambda screen: all(word in screen.split("\n")[1] for word in words), timeout, f"the verdict {words}"
        )

    def leave(self, words: str) -> None:
        """Esc, and wait until ``words`` are gone: a key that comes at once behind it would be read as Alt and that key."""
        self.press("escape")
        self.wait_until(lambda screen: words not in screen, STEP_SECONDS, f"{words!r} gone")

    # A procedure.

    def choose_procedure(self, procedure: str) -> None:
        """Open a procedure from the list of all, once there is a journal to record it in."""
        self.wait_until(lambda screen: "opening the journal" not in screen, STEP_SECONDS, "the journal")
        self.press("r")
        screen = self.wait_text("PROCEDURE", procedure)
        ids = re.findall(r"^\s*([a-z]+(?:-[a-z]+)+) +P\d ", screen, re.MULTILINE)
        self.press(*["down"] * ids.index(procedure), "enter")

    def open_at(self, procedure: str, title: str) -> None:
        """Open a procedure and look at a step of it, whatever stands before."""
        self.choose_procedure(procedure)
        self.walk_to(procedure, title)

    def walk_to(self, procedure: str, title: str, start: str = "") -> None:
        """From the step ``start`` of a procedure, the first by default, to a later one."""
        titles = [step.title for step in load_procedures()[procedure].steps]
        start = start or titles[0]
        self.wait_step(start)
        self.press(*["right"] * (titles.index(title) - titles.index(start)))
        self.wait_step(title)

    def wait_step(self, title: str, timeout: float = STEP_SECONDS) -> str:
        """Wait until the step of this title is the one that is looked at."""
        head = re.compile(rf"┌─[ [](?:\d+ ){re.escape(title)}[ \]]")
        return self.wait_until(head.search, timeout, f"the step {title!r}")

    def wait_text(self, *texts: str, timeout: float = STEP_SECONDS) -> str:
        """Wait until all of ``texts`` are on the screen."""
        return self.wait_until(lambda screen: all(text in screen for text in texts), timeout, f"{texts}")

    def run_step(self, title: str, *found: str) -> str:
        """Do a step that needs only Enter, when it shows ``found``; returns the screen before."""
        self.wait_step(title)
        screen = self.wait_text(*found) if found else self.screen
        self.press("enter")
        return screen

    def answer(self, question: str, text: str) -> None:
        """Type an answer into the prompt that asks ``question``."""
        self.wait_text(question, "Enter keeps")
        self.send(text)
        self.wait_text(text)
        self.press("enter")

    # An action.

    def confirmation(self) -> str:
        """Wait until a plan asks for its letter and hears it; returns the letter."""
        found = _LETTER.search(self.wait_until(_LETTER.search, STEP_SECONDS, "the letter that confirms"))
        assert found is not None
        self.let_it_hear()
        return found[1]

    def confirm_safe(self) -> None:
        """Wait until a safe plan asks for Enter, and press it."""
        self.wait_text("Enter does it")
        self.let_it_hear()
        self.press("enter")

    def confirm_name(self, name: str) -> None:
        """Type a name where a destructive plan asks for its own, and Enter."""
        self.wait_text(" type ", "and Enter to do it")
        self.let_it_hear()
        self.send(name)
        self.wait_text(name)
        self.press("enter")

    def type_share(self, share: str) -> None:
        """Confirm the plan and type a share at the helper's own prompt, without Enter."""
        self.confirm_safe()
        prompt = b"Key share (unseen"
        self.wait_until(
            lambda _: bytes(self.raw).count(prompt) > self._prompts, STEP_SECONDS, "the prompt for a key share"
        )
        self._prompts = bytes(self.raw).count(prompt)
        self.send(share)

    @staticmethod
    def let_it_hear() -> None:
        """Let the 300 ms pass in which a new dialog is deaf: on a busy machine they begin before its words are here."""
        hears_from = time.monotonic() + 0.5
        wait_until(lambda: time.monotonic() > hears_from, 5, "the dialog to hear")

    # Around it.

    def journal(self, *kinds: Kind) -> list[Event]:
        """The journal's events so far, in order; all kinds by default."""
        return journal_of(self.state, *kinds)

    def wait_journal(self, kind: Kind, count: int = 1, timeout: float = STEP_SECONDS) -> list[Event]:
        """Wait until the journal holds ``count`` events of ``kind``."""
        wait_until(lambda: len(self.journal(kind)) >= count, timeout, f"{count} {kind.value} in the journal")
        return self.journal(kind)

    def executor(self) -> psutil.Process:
        """The executor that this cockpit has started."""
        found = [one for one in processes_of(self.state) if "alphapulse_tui.executor" in one.cmdline()]
        assert len(found) == 1, f"expected one executor, found {found}"
        return found[0]


def journal_of(state: Path, *kinds: Kind) -> list[Event]:
    """The events in the lab's journal under ``state``; none before it is begun."""
    path = state / "lab" / "journal.sqlite"
    if not path.exists():
        return []
    journal = Journal.open(path)
    try:
        return journal.events(kinds=kinds or None)
    finally:
        journal.close()


def processes_of(state: Path) -> list[psutil.Process]:
    """Every living process that was started with this state folder, and their descendants: screens, executors, helpers."""
    mark = f"ALPHAPULSE_STATE={state}".encode()
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0") and process.pid != os.getpid():
                found |= {one.pid: one for one in (process, *process.children(recursive=True))}
    return list(found.values())


@contextlib.contextmanager
def state_folder() -> Iterator[Path]:
    """A state folder with a path that is short enough for sockets; whoever still lives on it is ended with it."""
    folder = Path(tempfile.mkdtemp(prefix="apstate-"))
    try:
        yield folder
    finally:
        left = processes_of(folder)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)
        shutil.rmtree(folder)
