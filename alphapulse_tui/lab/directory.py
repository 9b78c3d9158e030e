"""The lab's one directory: its layout, its lock, its ports and its secrets.

By default it is the same path for every lab of a user, so that ``lab status`` finds the lab that ``lab up`` started; ``--directory`` or
``ALPHAPULSE_LAB_DIRECTORY`` gives a second lab its own. A lab begins from a known state: data of an earlier or interrupted lab is
removed on start, ports and passwords are kept.

::

    lock                    held (flock) while the lab lives; says whose it is
    control.sock            0600, JSON lines
    alphapulse.toml         the profile that the cockpit opens
    ports.json              name -> port, allocated once
    daemon.log, logs/       what everybody said
    secrets/                0700: passwords, pass files, tokens
    postgres/ redis/ vault/ kubernetes/ monitoring/ s3/      data, one folder a target
    backups/                what the backup agent is working on
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.errors import DirectoryBusyError, LabError
from alphapulse_tui.lab.spec import Account

DIRECTORY_VARIABLE = "ALPHAPULSE_LAB_DIRECTORY"
SOCKET_PATH_BYTES = 100
"""A unix socket's path must be shorter (108 bytes in the kernel, with room for ``/.s.PGSQL.65535``)."""
ROOM_BYTES = 750_000_000
"""What must be free where the directory lies: twice what a lab fills (docs/lab.md), since a saved state is a second copy."""
_LOCK_TRIES = 5
_LOCK_PAUSE = 0.02
"""Seconds between two of them."""
_MARK = ".alphapulse-lab"
"""A file that says "this directory is ours to clean"; nothing is ever removed from a directory without it."""
_KEPT = frozenset({_MARK, "lock", "ports.json", "secrets", "daemon.log"})


def default_directory() -> Path:
    """``ALPHAPULSE_LAB_DIRECTORY``, else one fixed path per user below the temporary folder."""
    chosen = os.environ.get(DIRECTORY_VARIABLE, "")
    return Path(chosen).absolute() if chosen else Path(tempfile.gettempdir()) / f"alphapulse-lab-{os.getuid()}"


class LabDirectory:
    """Paths of one lab. Making the object touches nothing; :meth:`prepare` does."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def control_socket(self) -> Path:
        """Where the daemon listens."""
        return self.short_socket("control.sock")

    @property
    def profile(self) -> Path:
        """The profile file that the lab writes for the cockpit."""
        return self.root / "alphapulse.toml"

    @property
    def notices(self) -> Path:
        """What the cockpit shows while a target does not answer yet."""
        return self.root / "notices.json"

    @property
    def daemon_log(self) -> Path:
        """What the warden and the supervisor said."""
        return self.root / "daemon.log"

    @property
    def lock_file(self) -> Path:
        """Locked while a lab lives here."""
        return self.root / "lock"

    def log(self, name: str) -> Path:
        """The log of the process of that name."""
        return self.root / "logs" / f"{name}.log"

    def data(self, *parts: str) -> Path:
        """A folder for a target's data, made with its parents."""
        folder = self.root.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def short_socket(self, name: str) -> Path:
        """A path for a unix socket: in the directory, or below the temporary folder when that would be too long."""
        path = self.root / name
        return path if len(os.fsencode(path)) < SOCKET_PATH_BYTES else self.outside(name)

    def outside(self, name: str, account: Account | None = None) -> Path:
        """A path with a short name outside the directory, which ``account`` can get to; :meth:`clean` knows it again.

        Raises:
            LabError: None of the usual temporary folders will do.
        """
        return temporary_folder(account) / f"{self.nickname}-{name}"

    @property
    def nickname(self) -> str:
        """A short name that no other directory has, for the few things that must live outside it."""
        return f"alphapulse-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]}"

    def check(self) -> None:
        """Make the directory if there is none, and see that it is ours to use.

        Raises:
            LabError: It holds something that is not a lab's, belongs to somebody else, cannot be made, or the disk is nearly full.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o711)
            owner = self.root.stat().st_uid
            strangers = any(self.root.iterdir()) and not (self.root / _MARK).exists()
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise self._unusable(error) from error
        if owner != os.getuid():
            raise LabError(f"{self.root} belongs to user {owner}, not to you: name another one with --directory.")
        if strangers:
            raise LabError(f"{self.root} is not empty and not a lab's directory: name an empty one with --directory.")
        if free < ROOM_BYTES:
            raise LabError(
                f"Only {free / 1e6:.0f} MB are free where {self.root} lies, and a lab needs {ROOM_BYTES / 1e6:.0f}: free some, or name another "
                "directory with --directory."
            )
        try:
            (self.root / _MARK).touch()
        except OSError as error:
            raise cannot_write(self.root / _MARK, error) from error

    def _unusable(self, error: OSError) -> LabError:
        return LabError(f"{self.root} cannot be used as the lab's directory: {error.strerror}.")

    def prepare(self) -> None:
        """Take the directory over from an earlier or interrupted lab: its data is removed, its ports and secrets are kept.

        Raises:
            LabError: As :meth:`check`, or something cannot be removed.
        """
        self.check()
        try:
            # Others may pass (PostgreSQL runs as an unprivileged account) but not list; secrets/ is closed.
            self.root.chmod(0o711)
            self.clean()
            (self.root / "secrets").mkdir(mode=0o700, exist_ok=True)
            (self.root / "logs").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise LabError(f"{error.filename or self.root} is in the way of a new lab: {error.strerror}.") from error

    def release_shared_memory(self) -> None:
        """Give back what killed PostgreSQL servers of this lab left in the kernel; to be called when none of them lives."""
        for folder in (self.root, *_temporary_folders()):
            for lock_file in folder.glob(
                "postgres/*/postmaster.pid" if folder == self.root else f"{self.nickname}-pg/*/postmaster.pid"
            ):
                linux.release_shared_memory(lock_file)

    def clean(self) -> None:
        """Remove what an earlier lab left, except its ports and secrets."""
        self.release_shared_memory()
        for entry in self.root.iterdir():
            if entry.name in _KEPT:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self._clean_outside()

    def remove(self) -> None:
        """Remove the directory with all that is in it (an ephemeral lab at its end)."""
        self.release_shared_memory()
        if (self.root / _MARK).exists():
            shutil.rmtree(self.root)
        self._clean_outside()

    def _clean_outside(self) -> None:
        """Remove our short-named sockets and folders below the temporary folders; a stranger's of the same name is left alone."""
        for entry in (found for folder in _temporary_folders() for found in folder.glob(f"{self.nickname}-*")):
            if entry.lstat().st_uid != os.getuid():
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def lock(self) -> int:
        """Lock the directory for this process and return the descriptor that holds the lock; closing it unlocks.

        Raises:
            DirectoryBusyError: A living lab holds it.
            LabError: As :meth:`check`.
        """
        self.check()
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        if not _locked_soon(descriptor):
            os.close(descriptor)
            raise DirectoryBusyError(self.busy_sentence())
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} since {time.strftime('%H:%M:%S')}".encode())
        return descriptor

    def busy_sentence(self) -> str:
        """What a second lab in this directory is told."""
        return (
            f"A lab lives in {self.root} ({self.lock_holder()}): use it, end it with `alphapulse lab down`, or name another "
            "directory with --directory."
        )

    def lock_holder(self) -> str:
        """Whose lock it is, for a sentence."""
        try:
            return self.lock_file.read_text(encoding="utf-8") or "it is starting"
        except OSError:
            return "unknown process"

    def is_locked(self) -> bool:
        """Whether a lab lives here now.

        Raises:
            LabError: Nobody can know: the directory is a file's, another's, or its name is too long.
        """
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


class Credentials:
    """Passwords and tokens of the lab by name, made once, each in a file that only we may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the secret of that name is kept."""
        return self._folder / name

    def password(self, name: str) -> str:
        """The secret of that name; a new random one when there is none yet."""
        path = self.path(name)
        if not path.exists():
            self.keep(name, secrets.token_urlsafe(18))
        return path.read_text(encoding="utf-8").strip()

    def keep(self, name: str, text: str) -> Path:
        """Write a secret that somebody else made (a Vault token, a pass file) and return its path."""
        path = self.path(name)
        write_private(path, text if text.endswith("\n") else text + "\n")
        return path


def _locked_soon(descriptor: int) -> bool:
    """Lock a file, with some patience: whoever asks whether it is locked (:meth:`LabDirectory.is_locked`) holds it for a moment."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        else:
            return True
    return False


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, whole or not at all.

    Raises:
        LabError: It cannot be written: no space, no right.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> LabError:
    """The sentence for a file that could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = ": free some, or name another directory with --directory" if full else ""
    return LabError(f"{path} cannot be written: {error.strerror}{advice}.")


def reachable(path: Path, account: Account) -> bool:
    """Whether the account may read ``path`` and pass every folder above it: a file below somebody's 0700 home is out of reach."""
    return passable(path.absolute().parent, account) and _may(path, account, 0o5)


def passable(folder: Path, account: Account) -> bool:
    """Whether the account may pass through ``folder`` and every folder above it."""
    return all(_may(one, account, 0o1) for one in (folder, *folder.absolute().parents))


def _temporary_folders() -> list[Path]:
    """Where things may lie that cannot lie in the lab's directory; each once, those that exist."""
    candidates = dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp"))
    return [folder for folder in map(Path, candidates) if folder.is_dir()]


def temporary_folder(account: Account | None) -> Path:
    """The first temporary folder with a short path that ``account`` can get to (TMPDIR may be a closed folder of ours).

    Raises:
        LabError: There is none.
    """
    for folder in _temporary_folders():
        short = len(os.fsencode(folder)) <= SOCKET_PATH_BYTES // 3
        if short and (account is None or passable(folder, account)):
            return folder
    whom = account.name if account else "this user"
    raise LabError(f"No temporary folder with a short path is open to {whom}: set TMPDIR to one, such as /tmp.")


def _may(path: Path, account: Account, wanted: int) -> bool:
    entry = path.stat()
    shift = 6 if entry.st_uid == account.uid else 3 if entry.st_gid == account.gid else 0
    return (stat.S_IMODE(entry.st_mode) >> shift) & wanted == wanted


def give_to(account: Account | None, paths: Iterable[Path]) -> None:
    """Hand folders to the unprivileged account, if there is one."""
    if account is not None:
        for path in paths:
            os.chown(path, account.uid, account.gid)
