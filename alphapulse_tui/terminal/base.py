"""The app class that the cockpit builds on: our driver, our output filter, honest exits, messages without markup.

``app.py`` derives from :class:`TerminalApp` and only composes; the command line starts it with :func:`run_in_terminal`.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from rich.console import Console, RenderableType
from textual import constants
from textual.app import App, ReturnType, ScreenStackError
from textual.driver import Driver
from textual.filter import LineFilter

from alphapulse_tui.exits import ExitCode
from alphapulse_tui.terminal.crash import crash_message
from alphapulse_tui.terminal.driver import LEAVE_DEADLINE, CockpitDriver
from alphapulse_tui.terminal.wall import OutputWall
from alphapulse_tui.text import clean, clean_lines


class TerminalApp(App[ReturnType]):
    """An app that survives its terminal and is not fooled by what it shows."""

    log_file: Path | None = None
    """Where a crash is reported in full; set by the app before it runs."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._wall = OutputWall()
        self._last_words: list[str] = []

    # What is shown.

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's filters (colours), then the wall: nothing after it can bring anything back."""
        return [*super().get_line_filters(), self._wall]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Literal["information", "warning", "error"] = "information",
        timeout: float | None = None,
        markup: bool = False,  # noqa: ARG002
    ) -> None:
        """Show a message for ``timeout`` seconds; never read as markup, whatever widgets of Textual ask for."""
        super().notify(clean(message), title=clean(title), severity=severity, timeout=timeout, markup=False)

    def repaint_everything(self) -> None:
        """Paint every cell anew: frames were dropped, or another program had the terminal."""
        try:
            self.screen.refresh(layout=True)
        except ScreenStackError:
            return  # Not yet or no longer a screen: its first paint is a full one.

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Lend the terminal to a child program (the key-share prompt) while the event loop goes on.

        Nothing is painted meanwhile; stock Textual goes on painting and deadlocks after 30 frames.
        """
        with self.batch_update(), super().suspend():
            yield
        self.repaint_everything()

    # How it ends.

    def get_driver_class(self) -> type[Driver]:
        """Our driver, unless the environment names one: the wall display serves the app to browsers by it."""
        return super().get_driver_class() if constants.DRIVER else CockpitDriver

    def exit(
        self, result: ReturnType | None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        """End within a second, also when something that is asked to close does not."""
        if isinstance(self._driver, CockpitDriver):
            self._driver.leave_within(LEAVE_DEADLINE, return_code)
        super().exit(result, return_code, message)

    def crash(self, error: Exception) -> None:
        """End with :attr:`ExitCode.CRASHED` and a report of ``error``; the first error is the one that is told."""
        self._handle_exception(error)

    def panic(self, *renderables: RenderableType) -> None:
        """End with the text of ``renderables``, as harmless plain lines."""
        self._last_words += [line for renderable in renderables for line in _plain_lines(renderable)]
        self._close_messages_no_wait()

    def _handle_exception(self, error: Exception) -> None:
        if self._exception is None:
            self._last_words.append(crash_message(error, self.log_file))
        super()._handle_exception(error)
        self._return_code = ExitCode.CRASHED
        if isinstance(self._driver, CockpitDriver):
            self._driver.leave_within(LEAVE_DEADLINE, ExitCode.CRASHED)

    def _fatal_error(self) -> None:
        """End without Textual's traceback: it prints the values of all local variables."""
        self._close_messages_no_wait()

    def say_at_the_end(self, words: str) -> None:
        """Have ``words`` (clean) printed when the terminal is restored. Any thread."""
        self._last_words.append(words)

    def print_last_words(self) -> None:
        """Print what is left to say, once, to the terminal as it was before us."""
        words, self._last_words = self._last_words, []
        words += [line for renderable in self._exit_renderables for line in _plain_lines(renderable)]
        self._exit_renderables.clear()
        if words and sys.__stderr__ is not None:
            sys.__stderr__.write("\n".join(words) + "\n")
            sys.__stderr__.flush()

    def _print_error_renderables(self) -> None:
        self.print_last_words()


def run_in_terminal(app: TerminalApp[Any]) -> int:
    """Run ``app`` and return the code to leave with: its own, 70 after a crash, 128 plus the number of a signal.

    After a signal the deadline stays set: a thread that hangs while the interpreter shuts down is not waited for.
    """
    hook_before = threading.excepthook
    threading.excepthook = _report_of(app)
    try:
        app.run()
    finally:
        threading.excepthook = hook_before
    code = app.return_code or ExitCode.OK
    if code < 128 and isinstance(app._driver, CockpitDriver):
        app._driver.stay()
    return int(code)


def _report_of(app: TerminalApp[Any]) -> Any:
    """A hook that keeps what ended a thread for the end, instead of printing it across the screen."""

    def report(problem: threading.ExceptHookArgs) -> None:
        if problem.exc_value is not None:
            what = "A thread of the cockpit ended on a mistake of its own."
            app.say_at_the_end(crash_message(problem.exc_value, app.log_file, what))

    return report


def _plain_lines(renderable: object) -> list[str]:
    """A renderable as harmless lines without colour."""
    if isinstance(renderable, str):
        return clean_lines(renderable)
    page = io.StringIO()
    Console(file=page, width=120, color_system=None, force_terminal=False, markup=False).print(renderable)
    return [line.rstrip() for line in clean_lines(page.getvalue())]
