"""Textual's driver for Linux, with the four things that an on-call screen cannot do without.

1. Output never blocks the event loop (``output.py``). 2. Input is never fatal: bytes that are no UTF-8 and sequences
that no terminal sends become U+FFFD or nothing. 3. When the terminal goes away (end of input, SIGHUP) or somebody asks
(SIGTERM, SIGINT, SIGQUIT), the program leaves within :data:`LEAVE_DEADLINE`, terminal restored, with 128 plus the
signal's number; if the event loop is stuck, a timer thread does it. 4. Suspending (Ctrl-Z, or the key-share prompt)
cannot deadlock: what is painted meanwhile is dropped, and everything is painted anew on return.

Concurrency: the event loop's thread writes frames; Textual's input thread parses keys and now and then switches a mode
of the terminal; signal handlers only schedule; the deadline's timer thread runs when all else failed.

Stands on internals of the pinned Textual: ``_key_thread``, ``_auto_restart``, ``_must_signal_resume``,
``_mouse_pixels``, ``_file``, ``attrs_before``, ``_get_terminal_size``, ``_sigtstp_application``,
``_sigcont_application``, ``_run_input_thread``, ``XTermParser``. Textual's own writer thread is started by the code we
inherit and stays idle.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import termios
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol, cast

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from alphapulse_tui.terminal.output import Output

LEAVE_DEADLINE: Final = 0.9
"""Seconds from a signal, the end of input or a crash to the end of the process; the promise is 1 s (design 7)."""

LEAVING_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

_INPUT_WAIT = 0.1
"""Seconds the input thread waits for a key before it looks whether it should end; leaving waits for it."""

_READ_SIZE = 4096

log = logging.getLogger(__name__)


class Screenful(Protocol):
    """What the driver asks of the app it drives (:class:`~alphapulse_tui.terminal.base.TerminalApp`)."""

    def repaint_everything(self) -> None:
        """Paint every cell anew: what the terminal shows is not what we believe."""

    def exit(self, *, return_code: int) -> None:
        """Close screens and workers, then end."""

    def crash(self, error: Exception) -> None:
        """End with a report of ``error``."""

    def print_last_words(self) -> None:
        """Print what a crash left to say; the terminal is restored."""


class CockpitDriver(LinuxDriver):
    """The driver of :class:`~alphapulse_tui.terminal.base.TerminalApp`."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._cockpit = cast(Screenful, app)
        assert self._file is not None, "unsuitable_terminal() comes first"
        self._terminal = self._file.fileno()
        # The app asks here first. Left empty, it would believe COLUMNS and LINES, which a shell may have exported for another terminal:
        # app and screen then disagree, and lay out without end.
        self._size = size or self._get_terminal_size()
        self._loop_thread = threading.get_ident()
        self._output: Output | None = None
        """Open in application mode only."""
        self._frame: list[bytes] = []
        """Writes since the last flush: one update of the screen."""
        self._modes: list[bytes] | None = None
        """Collects what is written while the terminal's modes are switched."""
        self._deadline: threading.Timer | None = None
        self._entered = False

    @property
    def output(self) -> Output | None:
        """The way to the terminal with its counters, or ``None`` while suspended."""
        return self._output

    # Output.

    def write(self, data: str) -> None:
        """Queue ``data``; it goes out as part of a frame, which may be dropped, or at once if it switches a mode."""
        encoded = data.encode("utf-8", "replace")
        if self._modes is not None and threading.get_ident() == self._loop_thread:
            self._modes.append(encoded)
        elif self._output is None:
            return  # Suspended: the repaint on return shows it.
        elif threading.get_ident() != self._loop_thread:
            self._output.send(encoded)
        else:
            if not self._frame:
                self._loop.call_soon(self.flush)  # Not everybody who writes flushes.
            self._frame.append(encoded)

    def flush(self) -> None:
        """Hand the frame to the terminal, or drop it if the terminal is behind."""
        if self._frame and self._output is not None:
            self._output.send_frame(b"".join(self._frame))
        self._frame.clear()

    @contextmanager
    def _switching_modes(self) -> Iterator[list[bytes]]:
        """Collect writes that must reach the terminal together and cannot be dropped."""
        modes: list[bytes] = []
        before, self._modes = self._modes, modes
        try:
            yield modes
        finally:
            self._modes = before

    def start_application_mode(self) -> None:
        """Take the terminal over: alternate screen, raw keys, mouse."""
        self._output = Output(self._terminal, self._loop, self._cockpit.repaint_everything, self._gone)
        self._frame.clear()
        with self._switching_modes() as modes:
            super().start_application_mode()  # type: ignore[no-untyped-call]
        self._output.send(b"".join(modes))
        for number in LEAVING_SIGNALS:
            signal.signal(number, self._on_leaving_signal)
        if self._entered:
            self._cockpit.repaint_everything()
        self._entered = True

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was. Takes at most half a second, also when the terminal does not listen."""
        output, self._output = self._output, None
        if output is None:
            return
        with self._switching_modes() as modes:
            super().stop_application_mode()
            if self._mouse_pixels:
                self.write("\x1b[?1016l")
        output.close(b"".join(modes))

    def disable_input(self) -> None:
        """Stop the input thread; the terminal keeps what it was told until :meth:`stop_application_mode`."""
        if self._modes is not None:
            super().disable_input()
            return
        with self._switching_modes() as modes:
            super().disable_input()
        if self._output is not None:
            self._output.send(b"".join(modes))

    def _get_terminal_size(self) -> tuple[int, int]:
        """Columns and lines of the terminal that is drawn on, whatever COLUMNS says and wherever stdout goes."""
        try:
            width, height = os.get_terminal_size(self._terminal)
        except OSError:
            return super()._get_terminal_size()
        return width or 80, height or 25

    # Input.

    def _run_input_thread(self) -> None:
        """Read keys; a mistake in there must not leave a cockpit that is deaf."""
        try:
            self.run_input_thread()
        except Exception as error:
            self._schedule(self._cockpit.crash, error)
            raise

    def run_input_thread(self) -> None:
        """Wait for input and dispatch events, until told to end or the terminal is gone."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_INPUT_WAIT):
                    received = self._read()
                    if received is None:
                        self._gone()
                        return
                    text = decode(received)
                    if text and not self._dispatch(parser.feed(text)):
                        parser = XTermParser(self._debug)
                elif not self._dispatch(parser.tick()):
                    parser = XTermParser(self._debug)

    def _read(self) -> bytes | None:
        """What has been typed; ``None`` when nobody will ever type again."""
        try:
            return os.read(self.fileno, _READ_SIZE) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def _dispatch(self, messages: Any) -> bool:
        """Hand parsed ``messages`` to the app; false if the parser broke on them and must be replaced.

        The parser trusts the terminal: ``ESC[99999999;1u`` is an exception in ``chr``, a resize to 0x0 a division by
        zero. Replaying such bytes is the least that hostile text on another program's screen can do.
        """
        try:
            for message in messages:
                self.process_message(message)
        except (ArithmeticError, LookupError, TypeError, ValueError) as broken:
            log.warning("ignored a key sequence that no terminal sends: %s", type(broken).__name__)
            return False
        return True

    # Leaving.

    def leave_within(self, seconds: float, code: int) -> None:
        """See to it that the process ends with ``code`` in ``seconds``, terminal restored, whatever hangs. Any thread.

        The first caller sets the time.
        """
        if self._deadline is None:
            self._deadline = threading.Timer(seconds, self._leave_now, [code])
            self._deadline.daemon = True
            self._deadline.start()

    def stay(self) -> None:
        """Take :meth:`leave_within` back: the app has ended by itself."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_leaving_signal(self, number: int, _frame: object) -> None:
        """Leave, unless the signal was meant for the program that has the terminal while we are suspended."""
        if self._output is None and number in (signal.SIGINT, signal.SIGQUIT):
            return
        self._leave(128 + number)

    def _gone(self) -> None:
        """The terminal is gone: as SIGHUP, which does not reach a process in another session."""
        self._leave(128 + signal.SIGHUP)

    def _leave(self, code: int) -> None:
        self.leave_within(LEAVE_DEADLINE, code)
        self._schedule(self._exit, code)

    def _exit(self, code: int) -> None:
        self._cockpit.exit(return_code=code)

    def _leave_now(self, code: int) -> None:
        """The event loop did not make it: restore the terminal without it and end."""
        output, self._output = self._output, None
        if output is not None:
            if self.attrs_before is not None:
                with suppress(termios.error):
                    termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            output.close(_RESTORE)
        self._cockpit.print_last_words()
        os._exit(code)

    def _schedule(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call back on the event loop, if it still runs."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)

    # Job control.

    def _sigtstp_application(self, *_: object) -> None:
        """Ctrl-Z: the handler may have interrupted a write, so the work is left to the event loop."""
        if self._auto_restart:
            self._schedule(self._stop_for_the_shell)
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _stop_for_the_shell(self) -> None:
        self.suspend_application_mode()
        self._must_signal_resume = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        """Continued by the shell, or by somebody who stopped us with SIGSTOP behind our back."""
        if self._auto_restart:
            self._schedule(self._continue)

    def _continue(self) -> None:
        if self._output is not None:
            self.suspend_application_mode()
        self.resume_application_mode()


_RESTORE: Final = (
    b"\x1b[?2026l\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    b"\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""What Textual writes when it leaves, for the case that it cannot."""
