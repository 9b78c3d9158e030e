"""The few Linux calls that keep the lab from leaving orphans: parent-death signal, subreaper, process trees from /proc.

Used by :mod:`~alphapulse_tui.lab.process` and :mod:`~alphapulse_tui.lab.daemon`. Standard library only: the warden imports this and
must stay small.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Resolved at import: nothing may be looked up between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_IPC_RMID = 0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
"""Of the kernel's CPU clock, a second."""

FREEZE_SECONDS = 1.0
"""How long a process may take to stop; one that waits for its disk takes the signal when it returns."""


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to SIGKILL this process when its parent *thread* ends; to be called between fork and exec.

    Must come after privileges were dropped, because changing the uid clears the setting. ``parent_pid`` closes the race with a parent
    that died between fork and this call.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(127)


def become_subreaper() -> None:
    """Make orphaned descendants children of this process instead of init's, so that they can be found and killed.

    Process groups are no substitute: every PostgreSQL backend calls ``setsid`` and leaves the group of its postmaster.

    Raises:
        OSError: The kernel refused (Linux before 3.4).
    """
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _stat(pid: int) -> tuple[str, int] | None:
    """``(state letter, parent pid)`` of a process; none when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command is in parentheses and may hold spaces and parentheses itself: split after the last one.
    fields = text[text.rindex(b")") + 2 :].split()
    return fields[0].decode(), int(fields[1])


def children_by_parent() -> dict[int, list[int]]:
    """The living children of every process of this machine; zombies are left out. One look at all of /proc: some milliseconds."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - half the price of iterdir, and this is called ten times a second in a sweep
        if not name.isdigit():
            continue
        seen = _stat(int(name))
        if seen is not None and seen[0] != "Z":
            children.setdefault(seen[1], []).append(int(name))
    return children


def descendants(pid: int, children: dict[int, list[int]] | None = None) -> list[int]:
    """All living descendants of ``pid``, parents before children; ``children`` is a look at all processes that was taken already."""
    children = children_by_parent() if children is None else children
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return found


def is_frozen(pid: int) -> bool:
    """Whether the process is stopped by SIGSTOP (state ``T``)."""
    seen = _stat(pid)
    return seen is not None and seen[0] == "T"


def resident_bytes(pid: int, children: dict[int, list[int]] | None = None) -> int:
    """Memory of the process and its descendants in bytes; pages that a descendant shares (a buffer pool) are counted once, at the top."""
    return family_bytes([pid, *descendants(pid, children)])


def family_bytes(pids: list[int]) -> int:
    """:func:`resident_bytes` of a process and its descendants that are known already, the process first."""
    total, top = 0, pids[0]
    for one in pids:
        try:
            fields = Path(f"/proc/{one}/statm").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        resident, shared = int(fields[1]), int(fields[2])
        total += (resident if one == top else resident - shared) * _PAGE_BYTES
    return total


def family(pid: int) -> list[int]:
    """``pid`` and its descendants, as the kernel's own lists of children have them: two small reads a process, not the whole of ``/proc``.

    Children that another thread than the first one forked are not in them; no server of the lab does that.
    """
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            waiting += map(int, Path(f"/proc/{one}/task/{one}/children").read_bytes().split())
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its children that have ended, user and system, in seconds; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # utime, stime, cutime, cstime: fields 14 to 17 of proc(5), the third being the first after the command.
    return sum(map(int, text[text.rindex(b")") + 2 :].split()[11:15])) / TICKS


def send(pid: int, signum: int) -> None:
    """Signal a process; one that is gone already is what we wanted."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)


def freeze_tree(pid: int) -> list[int]:
    """SIGSTOP a process and all its descendants, and return them; what a process forked while we counted is found in the next round.

    A signal is sent before it arrives: each round waits until every one has stopped, :data:`FREEZE_SECONDS` at most.
    """
    frozen: list[int] = []
    fresh = [pid]
    while fresh:
        for one in fresh:
            send(one, signal.SIGSTOP)
        _wait_frozen(fresh)
        frozen += fresh
        fresh = [one for one in descendants(pid) if one not in frozen]
    return frozen


def _wait_frozen(pids: list[int]) -> None:
    due = time.monotonic() + FREEZE_SECONDS
    while any((seen := _stat(pid)) is not None and seen[0] not in "TZX" for pid in pids) and time.monotonic() < due:
        time.sleep(0.001)


def signal_tree(pid: int, signum: int) -> None:
    """Signal a process and all its descendants.

    Before a SIGKILL the tree is frozen: the children of a parent that died first could not be told from strangers any more.
    """
    tree = freeze_tree(pid) if signum in (signal.SIGSTOP, signal.SIGKILL) else [pid, *descendants(pid)]
    if signum != signal.SIGSTOP:
        for one in tree:
            send(one, signum)


def release_shared_memory(lock_file: Path) -> None:
    """Remove the System V segment that a killed PostgreSQL server left, as its ``postmaster.pid`` names it.

    The kernel keeps such segments for ever. Only one that nobody is attached to and that still has the key of the lock file is removed:
    identifiers are reused. A server that ended politely has removed segment and file itself.
    """
    try:
        # Line 7 holds key and identifier (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_SHMEM_KEY).
        key, identifier = lock_file.read_text().splitlines()[6].split()
        segments = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except (OSError, IndexError, ValueError):
        return
    for segment in segments:
        fields = segment.split()
        attached = int(fields[6])
        if (fields[0], fields[1], attached) == (key, identifier, 0):
            _libc.shmctl(int(identifier), _IPC_RMID, None)


def sweep_children(deadline_seconds: float) -> bool:
    """SIGKILL every descendant of this process and reap until none is left; true when that was reached in time.

    Killing a parent hands its children to us (we are a subreaper), so the sweep goes on until ``wait`` says there is no child.
    """
    end = time.monotonic() + deadline_seconds
    while time.monotonic() < end:
        for pid in descendants(os.getpid()):
            send(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        time.sleep(0.01)
    return False
