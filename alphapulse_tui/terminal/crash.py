"""What is said about a mistake of ours: a short message for the terminal, a longer one for the log file.

Textual prints Rich's traceback with the values of all local variables, passwords among them, to a terminal that may be
recorded. Here the terminal gets type, message and the log's path; the log gets the frames. Neither gets locals, and
both pass ``redact`` and ``clean``.
"""

from __future__ import annotations

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean, clean_lines

MESSAGE_LIMIT = 1024
"""UTF-8 bytes of an exception's message on the terminal."""


def crash_message(
    error: BaseException, log_file: Path | None, what: str = "The cockpit stopped on a mistake of its own."
) -> str:
    """What a person reads on the terminal after a crash: ``what`` and ``error``, nothing secret, nothing obeyed.

    Writes the report to ``log_file`` first, and says so only if that worked.
    """
    summary = f"{type(error).__name__}: {clean(redact(str(error)), MESSAGE_LIMIT)}".removesuffix(": ")
    headline = f"{what} {summary}"
    if log_file is None:
        return f"{headline}\nIt happened {_place(error)}."
    try:
        _append(log_file, crash_report(error))
    except OSError as refused:
        return f"{headline}\nIt happened {_place(error)}; {log_file} could not be written: {refused.strerror}."
    return f"{headline}\nThe report is in {log_file}."


def crash_report(error: BaseException) -> str:
    """Type, message and frames of ``error`` and of what caused it, without locals, as harmless lines."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    frames = "".join(traceback.format_exception(error))
    return "\n".join([f"{stamp} CRITICAL crash", *clean_lines(redact(frames))]) + "\n"


def _append(path: Path, text: str) -> None:
    """Append to a file that nobody else may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _place(error: BaseException) -> str:
    """Where it was raised, for the case that there is no log to look into."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else "outside of our code"
