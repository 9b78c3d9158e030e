"""The warden: the parent of the lab's daemon, whose only work is that nothing outlives the lab.

``python -m alphapulse_tui.lab.warden --directory D [--tied-to PID] [--ephemeral] [--only TARGET]...``

It locks the directory, starts the daemon (:mod:`~alphapulse_tui.lab.daemon`), and waits. Being a subreaper, it inherits every process whose
parent died below it, however that process changed its group or session. Whatever ends the lab (``lab down``, SIGTERM, the daemon killed
with -9, the death of the program it is tied to), the warden kills all its descendants, frozen ones too, and reaps until there is none.
If the warden itself is killed, the daemon notices and does the same.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import sys
from pathlib import Path

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import LabError

_SWEEP_SECONDS = 5.0
_POLL_MILLISECONDS = 1000
"""How often orphans that ended by themselves are reaped."""


def main(arguments: list[str] | None = None) -> int:
    """Keep a lab from its start to its last process; returns the exit code."""
    parser = argparse.ArgumentParser(prog="alphapulse-lab-warden")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--tied-to", type=int, default=0, help="end the lab when this process ends")
    parser.add_argument("--ephemeral", action="store_true", help="remove the directory at the end")
    parser.add_argument("--only", action="append", default=[], help="bring up this target only (may be repeated)")
    options = parser.parse_args(arguments)
    directory = LabDirectory(options.directory)
    try:
        lock = directory.lock()
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    try:
        return _keep(directory, options.tied_to, options.only)
    finally:
        if options.ephemeral:
            directory.remove()
        else:
            directory.control_socket.unlink(missing_ok=True)
            directory.notices.unlink(missing_ok=True)  # nothing is being started any more
            directory.release_shared_memory()
        os.close(lock)


def _keep(directory: LabDirectory, tied_to: int, only: list[str]) -> int:
    """Start the daemon, wait for its end or for the end of the program it is tied to, and sweep."""
    linux.become_subreaper()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    argv = [sys.executable, "-m", "alphapulse_tui.lab.daemon", "--directory", str(directory.root)]
    argv += [word for name in only for word in ("--only", name)]
    # By a pidfd, not by a pipe: other children of that program could hold a pipe open after its death.
    try:
        tie = os.pidfd_open(tied_to) if tied_to else -1
    except ProcessLookupError:
        return 0
    daemon = os.posix_spawn(sys.executable, argv, os.environ, setsigdef=[signal.SIGHUP, signal.SIGINT])
    signal.signal(signal.SIGTERM, lambda *_: linux.send(daemon, signal.SIGTERM))
    poll = select.poll()
    poll.register(os.pidfd_open(daemon), select.POLLIN)
    if tie >= 0:
        poll.register(tie, select.POLLIN)
    code = None
    while code is None:
        ended = {descriptor for descriptor, _ in poll.poll(_POLL_MILLISECONDS)}
        code = _reap(daemon)
        if tie in ended:
            break
    swept = linux.sweep_children(_SWEEP_SECONDS)
    return (code or 0) if swept else 70


def _reap(daemon: int) -> int | None:
    """Reap every child that ended; the daemon's exit code if it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == daemon:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


if __name__ == "__main__":
    sys.exit(main())
