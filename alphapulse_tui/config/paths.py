"""Where our own files are: configuration, journal, log and sockets.

The operating system's customs by ``platformdirs``. ``ALPHAPULSE_STATE`` moves everything that we write (journals, log,
sockets) under one folder: for tests, and for a bastion whose home folders are on a network.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

import platformdirs

from alphapulse_tui.errors import CannotCreateError, ConfigError
from alphapulse_tui.text import clean

APPLICATION = "alphapulse"
"""The folder name under every base folder."""

CONFIG_VARIABLE = "ALPHAPULSE_CONFIG"
"""Environment variable that names the profile file."""

STATE_VARIABLE = "ALPHAPULSE_STATE"
"""Environment variable that names the folder for everything that we write."""

LAB_VARIABLE = "ALPHAPULSE_LAB_DIRECTORY"
"""Environment variable that names the lab's folder."""

LONGEST_SOCKET_PATH = 100
"""Bytes. Linux has room for 107 in sockaddr_un, macOS for 103."""

LONGEST_SOCKET_NAME = 24
"""Bytes kept free for a socket's own name within its folder."""


def home_folder() -> Path:
    """The home folder; where this user has none (a container's user id without a name) the root folder, as container engines have it."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def config_file() -> Path:
    """The profile file of this user, whether it exists or not: ``~/.config/alphapulse/alphapulse.toml`` on Linux.

    Raises ``ConfigError`` when this user has no home folder.
    """
    try:
        return platformdirs.user_config_path(APPLICATION) / "alphapulse.toml"
    except RuntimeError:
        raise _homeless() from None


def procedures_folder() -> Path:
    """The folder of the user's own procedures, whether it exists or not: in the config folder, wherever ``--config`` points.

    Without a home folder it is beside the file that ``ALPHAPULSE_CONFIG`` names; raises ``ConfigError`` when none is named either.
    """
    try:
        return config_file().parent / "procedures"
    except ConfigError:
        named = os.environ.get(CONFIG_VARIABLE, "")
        if not named:
            raise
        return Path(named).absolute().parent / "procedures"


def there(path: Path) -> bool:
    """Whether ``path`` exists; raises ``ConfigError`` where nobody can know: below a closed folder, under a name that is too long."""
    try:
        return path.exists()
    except OSError as error:
        raise ConfigError(f"{clean(path)} cannot be looked at: {clean(error.strerror or error)}") from None


def lab_config_file() -> Path:
    """The profile file that a running lab writes."""
    named = os.environ.get(LAB_VARIABLE, "")
    folder = Path(named) if named else Path(tempfile.gettempdir()) / f"alphapulse-lab-{os.getuid()}"
    return folder / "alphapulse.toml"


def state_folder() -> Path:
    """The folder of everything that must survive a restart; not created here. Raises ``ConfigError`` when this user has no home folder."""
    named = os.environ.get(STATE_VARIABLE, "")
    try:
        return Path(named).absolute() if named else platformdirs.user_state_path(APPLICATION)
    except RuntimeError:
        raise _homeless() from None


def _homeless() -> ConfigError:
    return ConfigError(f"no home folder: set HOME, or {CONFIG_VARIABLE} and {STATE_VARIABLE}")


def journal_file(environment: str) -> Path:
    """The journal of ``environment`` (a name that the settings have checked); its folder is not created here."""
    return state_folder() / environment / "journal.sqlite"


def log_file() -> Path:
    """The log of the screen and of the headless commands; its folder is not created here."""
    return state_folder() / "alphapulse.log"


def runtime_folder() -> Path:
    """The folder for sockets, created with mode 0700, short enough that a socket's path fits; raises ``CannotCreateError``.

    In order: under ``ALPHAPULSE_STATE``, ``XDG_RUNTIME_DIR`` (unless it is gone or closed to us, as after ``su``), the state folder;
    where that is too long for a socket, a folder in ``/tmp`` that is named after it (not ``TMPDIR``: the executor must find the same
    one).
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    offered = base and not os.environ.get(STATE_VARIABLE, "") and os.access(base, os.W_OK | os.X_OK)
    folder = Path(base) / APPLICATION if offered else state_folder() / "run"
    if len(os.fsencode(folder)) + 1 + LONGEST_SOCKET_NAME > LONGEST_SOCKET_PATH:
        mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path("/tmp") / f"{APPLICATION}-{os.getuid()}-{mark}"
    return private_folder(folder)


def private_folder(folder: Path) -> Path:
    """``folder``, made if need be, ours alone (mode 0700, our own user id); raises ``CannotCreateError`` otherwise."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if ours and status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        reason = clean(error.strerror or error)
        raise CannotCreateError(
            f"cannot make the folder {clean(folder)}: {reason}; {STATE_VARIABLE} can name another"
        ) from None
    if not ours:
        raise CannotCreateError(
            f"{clean(folder)} is not a folder of ours; remove it, or name another by {STATE_VARIABLE}"
        )
    return folder
