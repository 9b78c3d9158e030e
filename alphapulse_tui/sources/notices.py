"""What is said of targets that do not answer yet: a small JSON file ``{panel: sentence}`` that the profile names."""

from __future__ import annotations

from pathlib import Path

import msgspec

from alphapulse_tui.text import clean

LARGEST = 64 * 1024
"""Bytes; more is not such a file."""


class Notices:
    """Reads the file again when it has changed. A file that is missing, too large or broken says nothing: it is a courtesy, not a source."""

    def __init__(self, file: str) -> None:
        self._file = Path(file) if file else None
        self._changed = 0
        self._said: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        """Panel to sentence."""
        if self._file is None:
            return {}
        try:
            status = self._file.stat()
            if status.st_mtime_ns != self._changed and status.st_size <= LARGEST:
                raw = msgspec.json.decode(self._file.read_bytes(), type=dict[str, str])
                self._said = {panel: clean(sentence, 300) for panel, sentence in raw.items()}
                self._changed = status.st_mtime_ns
        except (OSError, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            self._said, self._changed = {}, 0
        return self._said
