"""Starting and ending a lab from outside: what ``alphapulse lab up``, ``demo`` and the tests share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

from alphapulse_tui.lab.control import LabStatus, Request, ask, ask_status
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import DirectoryBusyError, LabError, NotListeningError

_ANSWER_SECONDS = 60.0
_DOWN_SECONDS = 15.0
_POLL_SECONDS = 0.25
"""Between two questions to a lab that comes up: each costs its daemon some 30 ms, which its servers need more."""


def launch(
    directory: LabDirectory, *, tied: bool = False, ephemeral: bool = False, only: Iterable[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a lab and return its warden as soon as the lab answers on its control socket; its targets are still coming up then.

    Args:
        directory: Where it lives.
        tied: End it when this process ends, however that happens.
        ephemeral: Remove the directory at its end.
        only: Names of the targets to bring up; all when empty.

    Raises:
        DirectoryBusyError: A lab lives there already.
        LabError: It did not start; carries what it said last.
    """
    directory.check()
    if directory.is_locked():
        raise DirectoryBusyError(directory.busy_sentence())
    argv = [sys.executable, "-m", "alphapulse_tui.lab.warden", "--directory", str(directory.root)]
    argv += ["--tied-to", str(os.getpid())] if tied else []
    argv += ["--ephemeral"] if ephemeral else []
    argv += [word for name in only for word in ("--only", name)]
    with directory.daemon_log.open("ab") as log:
        offset = log.tell()
        warden = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    end = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            ask_status(directory)
        except LabError:
            if warden.poll() is not None:
                raise LabError(_last_words(directory, offset)) from None
            if time.monotonic() > end:
                warden.terminate()
                raise LabError(
                    f"The lab did not answer within {_ANSWER_SECONDS:.0f} s; see {directory.daemon_log}."
                ) from None
            time.sleep(_POLL_SECONDS / 5)
        else:
            return warden


def _last_words(directory: LabDirectory, offset: int) -> str:
    """What the warden said before it ended."""
    with directory.daemon_log.open("rb") as log:
        log.seek(offset)
        lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"The lab ended at once without a word; see {directory.daemon_log}."


def follow(directory: LabDirectory, on_change: Callable[[LabStatus], None]) -> LabStatus:
    """Wait until every target is ready or has failed, calling ``on_change`` at the start and whenever a target says something new.

    Raises:
        LabError: The lab ended meanwhile.
    """
    said: object = None
    while True:
        status = ask_status(directory)
        now = [(one.name, one.state, one.sentence) for one in status.targets]
        if now != said:
            said = now
            on_change(status)
        if status.settled:
            return status
        time.sleep(_POLL_SECONDS)


def end(directory: LabDirectory) -> None:
    """End a lab and wait until its last process is gone.

    Raises:
        LabError: No lab lives there, or it would not end.
    """
    told = _told_to_end(directory)
    limit = time.monotonic() + _DOWN_SECONDS
    while directory.is_locked():
        if time.monotonic() > limit:
            raise LabError(
                f"The lab in {directory.root} did not end within {_DOWN_SECONDS:.0f} s ({directory.lock_holder()})."
            )
        told = told or _told_to_end(directory)
        time.sleep(_POLL_SECONDS / 5)


def _told_to_end(directory: LabDirectory) -> bool:
    """Whether the lab heard that it is to end: one that starts does not listen yet, one that ends no longer."""
    try:
        ask(directory, Request("down"))
    except NotListeningError:
        return False
    return True
