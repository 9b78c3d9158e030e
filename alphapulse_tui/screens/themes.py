"""Colour themes: TOML files in ``themes/``, one theme each."""

from __future__ import annotations

import tomllib
from pathlib import Path

from textual.theme import Theme

from alphapulse_tui.errors import ConfigError


def load_themes(folder: Path) -> list[Theme]:
    """Every theme of ``folder``.

    Raises:
        ConfigError: a file that is no theme, with its name and what is wrong.
    """
    themes = []
    for file in sorted(folder.glob("*.toml")):
        try:
            themes.append(Theme(**tomllib.loads(file.read_text(encoding="utf-8"))))
        except (OSError, tomllib.TOMLDecodeError, TypeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: no theme: {error}") from None
    return themes
