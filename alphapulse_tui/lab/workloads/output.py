"""One line on standard output: what a container says ends up in ``kubectl logs``."""

from __future__ import annotations

import sys


def say(level: str, text: str) -> None:
    """Write a line at once: the last one before a crash matters most."""
    sys.stdout.write(f"{level} {text}\n")
    sys.stdout.flush()
