"""The exit codes of ``alphapulse``: what a shell script, a cron job or a monitoring check may rely on.

0 to 3 follow the Nagios plugin convention, so that ``alphapulse status`` is a check as it stands; 64 to 78 follow BSD's
sysexits, so that a usage error is never mistaken for a critical platform; from 128 on a signal is named by its number.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Every code the program leaves with, and nothing else."""

    OK = 0
    """Done; for ``status``: every target was verified and is healthy."""
    WARNING = 1
    """``status``: something is past a warning threshold, nothing is critical or unknown."""
    CRITICAL = 2
    """``status``: something is critical; ``incident verify``: the journal has been changed behind our back."""
    UNKNOWN = 3
    """``status``: something could not be verified, and nothing is known to be critical."""
    USAGE = 64
    """The command line makes no sense: unknown command, option or argument. Nothing was done."""
    BAD_DATA = 65
    """Something given as input is malformed: a procedure file, a journal that is no journal. Nothing was done."""
    UNAVAILABLE = 69
    """A target or a part of the program that is needed could not be reached in time."""
    CRASHED = 70
    """A mistake of ours. The message names its type and the log file; the terminal has been restored."""
    CANNOT_CREATE = 73
    """A file could not be written, or exists and is not overwritten."""
    REFUSED = 77
    """Not allowed: read-only, not armed, or the target denies it to this user. Nothing was changed."""
    BAD_CONFIG = 78
    """The configuration is wrong. The message names file, line and key."""
    HUNG_UP = 129
    """SIGHUP: the terminal went away. Actions in flight go on in the executor."""
    INTERRUPTED = 130
    """SIGINT: Ctrl-C."""
    QUIT = 131
    """SIGQUIT: asked to leave, as by SIGTERM. Actions in flight go on in the executor."""
    BROKEN_PIPE = 141
    """SIGPIPE: the reader of our output went away, as ``head`` does."""
    TERMINATED = 143
    """SIGTERM: asked to leave. Actions in flight go on in the executor."""
