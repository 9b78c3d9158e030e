"""A small cockpit for tests of the terminal: it paints all the time and writes down how late its heart beats.

Run as a program in a pty (``python -m tests.heartbeat_app``), by ``tests/test_terminal.py``. What it does besides is named in ``HEARTBEAT_DO``:
``hang`` never lets go of the event loop on a signal, ``linger`` closes slowly, ``hostile`` shows what no source would clean.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.events import Key, Paste
from textual.widgets import DataTable, Input, Label, OptionList, Static

from alphapulse_tui.terminal import TerminalApp, run_in_terminal, unsuitable_terminal

BEAT = 0.02
"""Seconds between two beats."""


class HeartbeatApp(TerminalApp[None]):
    """Counts, fills the screen and notes every key."""

    BINDINGS = [("ctrl+q", "quit", "Leave")]  # noqa: RUF012 - as Textual's own apps write it
    CSS = "#filler { height: 1fr; } DataTable { height: 4; } OptionList { height: 4; }"

    def __init__(self, record: Path, doing: str) -> None:
        super().__init__()
        self.record = record
        self.doing = doing
        self.log_file = record.with_suffix(".log")
        self.beats = 0
        self.worst = 0.0
        self.last = time.monotonic()
        self.keys = ""

    def compose(self) -> ComposeResult:
        yield Static(Content("starting"), id="count")
        yield Static(Content(""), id="keys")
        if self.doing == "hostile":
            yield from hostile_widgets()
        yield Static(Content(""), id="filler")

    def on_mount(self) -> None:
        self.set_interval(BEAT, self.beat)
        if self.doing == "hostile":
            self.notify(f"toast {HOSTILE}", markup=False, timeout=60)
            self.query_one("#count").border_title = Content(f"title {HOSTILE}")

    def beat(self) -> None:
        now = time.monotonic()
        self.worst, self.last, self.beats = max(self.worst, now - self.last), now, self.beats + 1
        self.record.write_text(f"{self.beats} {self.worst:.4f}")
        self.query_one("#count", Static).update(Content(f"beat {self.beats} at {self.size.width}x{self.size.height}"))
        if self.doing != "hostile":
            filler = chr(ord("a") + self.beats % 26) * (self.size.width * max(0, self.size.height - 4))
            self.query_one("#filler", Static).update(Content(filler))

    @on(Key)
    def note_key(self, event: Key) -> None:
        self.keys += event.character if event.is_printable and event.character else f"<{event.key}>"
        self.query_one("#keys", Static).update(Content(f"keys {self.keys[-60:]}"))
        if event.key == "c":
            raise ValueError("broken \x1b[31mby\x9b a key, password=swordfish in https://u:hunter2@host/")
        if event.key == "r":
            self.worst, self.last = 0.0, time.monotonic()
        if event.key == "h":
            threading.Event().wait(30)  # a mistake of ours: the event loop stands still
        if event.key == "t":
            threading.Thread(target=threading.Event().wait, args=[30]).start()  # nobody waits for it
        if event.key == "d":
            threading.Thread(target=int, args=["no number, token=swordfish"]).start()
        if event.key == "s":
            self.run_worker(self.lend_terminal(), exit_on_error=False)

    @on(Paste)
    def note_paste(self, event: Paste) -> None:
        self.keys += f"<paste {len(event.text)}>"

    async def lend_terminal(self) -> None:
        """As the key-share prompt does: a child has the terminal while the event loop goes on."""
        code = "input('share: '); print('taken')"
        with self.suspend():
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
            await child.wait()
        self.keys += "<back>"


HOSTILE = (
    "a\x1b]52;c;eA==\x1b\\b\x1b[2Jc\x9b31md\x90qe\u202ef\u2066g\u200bh\x00i\x7fj\x07k\rl\x1b]0;t\x07m\udc80n\u2028o\ufeffp"
    " [/x] [@click=app.quit]q[/]"
)


def hostile_widgets() -> ComposeResult:
    """Uncleaned text in the widgets that we use: what the second wall must stop."""
    yield Static(Content(f"static {HOSTILE}"))
    yield Static(f"plain {HOSTILE}", markup=False)
    yield Label(Text(f"text {HOSTILE}"))
    yield Label(Content.from_markup("[@click=app.bell][link='https://evil.example']live[/][/]"))
    yield Input(value=f"input {HOSTILE}")
    yield OptionList(Content(f"option {HOSTILE}"))
    table: DataTable[Text] = DataTable()
    table.add_column(Text(f"column {HOSTILE}"))
    table.add_row(Text(f"cell {HOSTILE}"))
    yield table


def main() -> int:
    sentence = unsuitable_terminal()
    if sentence is not None:
        print(sentence)
        return 0
    return run_in_terminal(HeartbeatApp(Path(os.environ["HEARTBEAT_RECORD"]), os.environ.get("HEARTBEAT_DO", "")))


if __name__ == "__main__":
    sys.exit(main())
