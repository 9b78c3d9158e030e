"""The errors that we raise on purpose. Each is one clear sentence for a person: what, where, what to do.

::

    AlphaPulseError               never raised itself
    ├── UsageError                the command line makes no sense                64
    ├── BadDataError              a file given as input is malformed             65
    ├── UnavailableError          something needed cannot be reached             69
    ├── CannotCreateError         a file cannot be written                       73
    ├── RefusedError              read-only, not armed, or no right              77
    └── ConfigError               the configuration is wrong                     78
        └── CredentialError       a credential exists but may not be used

Headless commands let them rise to ``cli.main``, the one place that prints the sentence and leaves with the code; the
cockpit shows the sentence and stays. The text of an error never holds a secret, and what came from outside is clean.
"""

from __future__ import annotations

from typing import ClassVar

from alphapulse_tui.exits import ExitCode


class AlphaPulseError(Exception):
    """One sentence for a person; ``exit_code`` is what a headless command leaves with."""

    exit_code: ClassVar[ExitCode] = ExitCode.CRASHED

    @property
    def sentence(self) -> str:
        """What is printed, without a prefix."""
        return str(self.args[0]) if self.args else type(self).__name__


class UsageError(AlphaPulseError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = ExitCode.USAGE


class BadDataError(AlphaPulseError):
    """Input that is not what it should be; the sentence names the place in it."""

    exit_code = ExitCode.BAD_DATA


class UnavailableError(AlphaPulseError):
    """A target, a server or an optional part of the program is not there."""

    exit_code = ExitCode.UNAVAILABLE


class CannotCreateError(AlphaPulseError):
    """A file or folder cannot be made, or stands in the way."""

    exit_code = ExitCode.CANNOT_CREATE


class RefusedError(AlphaPulseError):
    """Allowed neither by the mode we are in nor by the target; nothing was changed."""

    exit_code = ExitCode.REFUSED


class ConfigError(AlphaPulseError):
    """The configuration is wrong; the sentence names file, line and key as far as they exist."""

    exit_code = ExitCode.BAD_CONFIG


class CredentialError(ConfigError):
    """A credential was found but may not or cannot be used; the sentence says where it is, never what it is."""
