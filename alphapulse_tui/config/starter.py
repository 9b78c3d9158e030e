"""The commented file that ``config init`` writes, so that nobody begins at an empty page."""

from __future__ import annotations

import os
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

from alphapulse_tui.errors import CannotCreateError
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.text import clean


def starter_text() -> str:
    """The starter file: ``starter.toml`` and, as comments, every threshold with its default."""
    text = files("alphapulse_tui.config").joinpath("starter.toml").read_text("utf-8")
    lines = (f"# {field.name} = {plain_number(getattr(Thresholds(), field.name))}\n" for field in fields(Thresholds))
    return text + "".join(lines)


def plain_number(number: float) -> str:
    """A number as a person writes it: no exponent, no ``.0``.

    >>> plain_number(67108864.0), plain_number(0.5)
    ('67108864', '0.5')
    """
    return str(int(number)) if number.is_integer() else str(number)


def write_starter(file: Path) -> None:
    """Write the starter to ``file``, mode 0600; raises ``CannotCreateError``, also when it exists: it is never overwritten."""
    try:
        if not file.parent.is_dir():
            file.parent.mkdir(parents=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        if file.exists():
            shown = f"{clean(file)} exists and is not overwritten; move it away, or name another with --config"
        else:
            shown = f"{clean(file)} cannot be written: {clean(error.strerror or error)}"
        raise CannotCreateError(shown) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(starter_text())
