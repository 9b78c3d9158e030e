"""The terminal: the second wall, the driver, and how the program leaves.

The only folder that touches Textual's internals (pinned in pyproject.toml; ``tests/test_terminal.py`` drives it through
a real pty and must pass before the pin moves). ``app.py`` builds on :class:`TerminalApp` and only composes.

- ``suitable``: whether a screen can be drawn here at all; loads no Textual, so that the plain report starts fast.
- ``output``: bytes on their way to a terminal that may stop reading at any time.
- ``driver``: Textual's driver with our output, input, signals and exits.
- ``wall``: the filter that every painted line passes.
- ``crash``: what is said about a mistake of ours, and where.
- ``base``: the app class that puts these together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alphapulse_tui.terminal.suitable import unsuitable_terminal

if TYPE_CHECKING:
    from alphapulse_tui.terminal.base import TerminalApp, run_in_terminal

__all__ = ["TerminalApp", "run_in_terminal", "unsuitable_terminal"]


def __getattr__(name: str) -> Any:
    """Load Textual only for who draws: the headless commands import this package for :func:`unsuitable_terminal`."""
    if name in ("TerminalApp", "run_in_terminal"):
        from alphapulse_tui.terminal import base

        return getattr(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
