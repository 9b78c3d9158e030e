"""What every list has: `/` filters, `s` sorts, `c` copies the row, `C` writes the rows into a file, Esc drops the filter and then leaves.

The base of the runbook's list and of every target's table (design 4, rule 9). Copying is OSC 52, which many terminals, and tmux as it comes,
do not let through, and none says whether it did: so the word that something was copied always names the other way, a file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from textual.app import App
from textual.events import Key
from textual.widgets import Input

from alphapulse_tui.config.paths import state_folder
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.widgets.table import LiveTable


class FilterField(Input):
    """Filters the list of its :class:`ListScreen`. Enter gives the focus back at once: a key that came with it at one go is the list's."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, id="filter")

    def _on_key(self, event: Key) -> None:  # type: ignore[override]
        if self.screen.focused is not self:
            event.prevent_default()  # Input's own handler is not called, and the key goes on to the bindings of the list.
        elif event.key == "enter":
            event.prevent_default().stop()
            self._give_back()

    async def action_submit(self) -> None:
        """Enter, or the key that the keymap has in its place."""
        self._give_back()

    def _give_back(self) -> None:
        screen = self.screen
        assert isinstance(screen, ListScreen)
        screen.set_focus(screen.list)


class ListScreen(CockpitScreen):
    """A screen with one ``LiveTable`` and one ``FilterField``. A subclass composes both."""

    DEFAULT_CSS = """
    ListScreen FilterField { display: none; height: 3; }
    ListScreen.-filtering FilterField { display: block; }
    """

    name_of_list = "rows"
    """How its file is called."""

    @property
    def list(self) -> LiveTable[Any]:
        """The table that is looked at."""
        return self.query_one(LiveTable)

    def action_filter(self) -> None:
        """Type a filter; Enter keeps it, Esc drops it."""
        self.add_class("-filtering")
        # At once, and not with the next message: what is typed ahead on a slow link would be commands until then.
        field = self.query_one(FilterField)
        field.display = True
        self.set_focus(field)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        self.list.filter(event.value)
        self.filtered()

    def filtered(self) -> None:
        """Other rows are shown: what counts them says so at once."""

    def action_back(self) -> None:
        """Drop the filter first, then leave."""
        if self.has_class("-filtering"):
            self.remove_class("-filtering")
            field = self.query_one(FilterField)
            field.value, field.display = "", False
            self.list.focus()
            return
        super().action_back()

    def action_sort(self) -> None:
        """Sort by the next column, from wherever the focus is."""
        self.list.action_sort()

    def action_copy(self) -> None:
        """Copy the row under the cursor, every column of it, uncut."""
        table = self.list
        if table.row is None:
            self.app.notify("There is no row to copy.", title="Nothing copied")
            return
        copy(self.app, table.text_of(table.row), f"{self.key('list.file')} writes the rows into a file.")

    def action_file(self) -> None:
        """Write what is shown into a file."""
        table = self.list
        head = "\t".join(column.title for column in table.columns)
        self.run_worker(self._write([head, *(table.text_of(row) for row in table.rows)]), group="file")

    async def _write(self, lines: Sequence[str]) -> None:
        try:
            path = await asyncio.to_thread(write_rows, self.name_of_list, lines, time.time())
        except OSError as error:
            self.app.notify(
                f"The rows could not be written to {error.filename}: {error.strerror}.",
                title="No file",
                severity="error",
                markup=False,
            )
            return
        self.app.notify(f"{len(lines) - 1} rows written to {path}", title="File", markup=False, timeout=15)


def copy(app: App[Any], text: str, otherwise: str) -> None:
    """Send ``text`` to the terminal's clipboard; ``otherwise`` says what to do where the terminal does not take it."""
    app.copy_to_clipboard(text)
    app.notify(f"Sent to the clipboard. If your terminal does not take it: {otherwise}", title="Copied", markup=False)


def write_rows(name: str, lines: Sequence[str], now: float) -> Path:
    """Write tab-separated ``lines`` to a file of the state folder that only its owner reads; ``now`` is unix seconds.

    Raises:
        OSError: it cannot be written there.
    """
    folder = state_folder() / "copied"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}.tsv"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
