"""What our processes do before anything else, so that no secret leaves them by accident.

Called first by ``__main__`` and by the executor. Only the standard library: nothing may run before it. What it prevents,
each measured in design 7: core files and ``/proc/PID/environ`` with tokens in them, files that others can read, Textual's
debug log that writes every key in clear, and a journal that gets file descriptor 2 because the terminal was gone.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

PR_SET_DUMPABLE = 4
"""Linux prctl(2)."""

DEBUG_VARIABLES = (
    "TEXTUAL",
    "TEXTUAL_DEBUG",
    "TEXTUAL_DEVTOOLS_HOST",
    "TEXTUAL_DEVTOOLS_PORT",
    "TEXTUAL_DRIVER",
    "TEXTUAL_LOG",
    "TEXTUAL_PRESS",
    "TEXTUAL_SCREENSHOT",
    "TEXTUAL_SCREENSHOT_FILENAME",
    "TEXTUAL_SCREENSHOT_LOCATION",
    "TEXTUAL_SHOW_RETURN",
)
"""Variables by which Textual writes keys and screens to files, types by itself, or loads another driver."""


def harden_process() -> None:
    """Take the precautions; where one cannot be had (another system than Linux) the others still hold."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    for name in DEBUG_VARIABLES:
        os.environ.pop(name, None)
    _fill_standard_descriptors()


def _fill_standard_descriptors() -> None:
    """Open ``/dev/null`` for a closed stdin, stdout or stderr: else the next file opened would be taken for it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free descriptor: this one
