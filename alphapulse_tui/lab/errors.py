"""The lab's one exception tree: every leaf is a sentence that a person can act on.

::

    LabError                    UnavailableError of alphapulse_tui.errors: the command line prints it and leaves with 69
     ├─ DirectoryBusyError       another lab runs in this directory
     ├─ NotListeningError        a lab lives there, but listens not yet or no more
     ├─ ServerMissingError       a server's binaries are not installed
     ├─ CommandFailedError       a helper command (initdb, pg_basebackup, ...) ended badly
     ├─ NotReadyError            a server did not answer within its deadline
     ├─ FaultRefusedError        a fault cannot be injected now, and nothing was changed
     └─ UnknownFaultError        no fault of that name; carries the nearest names
"""

from __future__ import annotations

from typing import ClassVar

from alphapulse_tui.errors import UnavailableError
from alphapulse_tui.exits import ExitCode


class LabError(UnavailableError):
    """Something the lab cannot do; ``str()`` is one clear sentence: what, where, what to do."""


class DirectoryBusyError(LabError):
    """Another lab runs in this directory."""


class NotListeningError(LabError):
    """A lab lives in the directory, but it listens not yet or no more: it starts or ends."""


class ServerMissingError(LabError):
    """The binaries of a server are not installed."""


class CommandFailedError(LabError):
    """A helper command ended with a non-zero code or ran out of time."""


class NotReadyError(LabError):
    """A server did not answer within its deadline."""


class FaultRefusedError(LabError):
    """A fault cannot be injected now: another one excludes it, or what it would break is not there. Nothing was changed, nothing is to be mended."""


class UnknownFaultError(LabError):
    """No fault has that name."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE
