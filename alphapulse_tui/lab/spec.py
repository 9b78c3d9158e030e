"""What a process of the lab is told (:class:`ProcessSpec`), what can be said of it (:class:`ProcessStatus`), and whom it runs as.

Pure data; :mod:`~alphapulse_tui.lab.process` makes processes of it.
"""

from __future__ import annotations

import contextlib
import enum
import os
import pwd
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alphapulse_tui.lab.errors import LabError


@dataclass(frozen=True)
class ProcessSpec:
    """All that is needed to run a process; equal specs run equal processes."""

    name: str
    """Unique among the running ones; a pod's server bears the pod's name (``redis-cluster-0``)."""
    argv: tuple[str, ...]
    directory: Path
    log: Path
    """Gets stdout and stderr, appended."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to a minimal environment (PATH, HOME, LANG); the caller's own environment is not passed on."""
    unprivileged: bool = False
    """Run as the supervisor's unprivileged account when it is root (PostgreSQL refuses root)."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5.0
    """How long a polite stop may take before the whole tree is killed."""
    target: str = ""
    """The target it belongs to (``redis``, ``postgres``, ...): what ``target-hung`` stops."""


class Restart(enum.Enum):
    """Who starts a process again after it ended by itself."""

    NEVER = "never"
    ALWAYS = "always"


class ProcessState(enum.Enum):
    """Where a process stands."""

    RUNNING = "running"
    FROZEN = "frozen"
    """Stopped by SIGSTOP: alive, deaf."""
    STOPPED = "stopped"
    """Ended because it was asked to."""
    EXITED = "exited"
    """Ended by itself, or killed from outside."""


@dataclass(frozen=True)
class ProcessStatus:
    """One line of ``alphapulse lab status``."""

    name: str
    target: str
    pid: int
    state: ProcessState
    exit_code: int | None
    """As a shell would say it for signals: minus the signal number."""
    since: float
    """Unix seconds of the last change of state."""
    rss: int
    """Resident bytes, 0 once it ended."""


@dataclass(frozen=True)
class Account:
    """The account that unprivileged processes run as."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Whom PostgreSQL runs as: nobody else when we are not root, else ``postgres`` or ``nobody``.

    Raises:
        LabError: Started by root on a machine that has neither account.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise LabError(
        "PostgreSQL refuses to run as root, and this machine has neither the account postgres nor nobody: start the lab as another user."
    )
