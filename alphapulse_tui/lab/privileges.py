"""Where the least-privilege files lie that a platform team applies to its real servers (``deploy/privileges``); the lab applies the same ones."""

from __future__ import annotations

from pathlib import Path


def privileges(system: str) -> Path:
    """The folder of one system's files (``kubernetes``): in the wheel beside the code, in a checkout at the top."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "deploy"
    return (shipped if shipped.is_dir() else package.parent / "deploy") / "privileges" / system
