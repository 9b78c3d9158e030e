"""What is kept of a mistake of ours: the traceback in the log, one sentence for the person.

Never locals and never a request's headers: they hold tokens (design 7). The traceback passes the redactor line by line.
"""

from __future__ import annotations

import os
import traceback
from datetime import UTC, datetime

from alphapulse_tui.config.paths import log_file, private_folder
from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean


def record_crash(error: BaseException) -> str:
    """Append ``error`` to the log and return the sentence about it: its type, its message, where the rest stands."""
    said = clean(redact(str(error)), 300)
    sentence = f"crashed: {type(error).__name__}{f': {said}' if said else ''}"
    text = redact("".join(traceback.format_exception(error)))
    lines = "\n".join(clean(line.expandtabs(), 1000) for line in text.splitlines())
    try:
        file = log_file()
        private_folder(file.parent)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {sentence}\n{lines}\n")
    except (OSError, AlphaPulseError) as problem:
        return f"{sentence}; the log cannot be written: {clean(problem, 200)}"
    return f"{sentence}; details in {clean(file)}"
