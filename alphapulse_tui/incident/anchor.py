"""The chain's heads, said outside the file: a line in syslog, which on a good bastion leaves the host at once.

Whoever can write the journal can also cut its end and its counter; they cannot unsay what another host has logged. Best effort by nature:
without a syslog daemon the C library drops the line, and the journal goes on.
"""

from __future__ import annotations

import syslog

EVERY_EVENTS = 100
"""Events of one writer between two anchors; the last head is also anchored on closing."""


def to_syslog(line: str) -> None:
    """Write ``line`` to syslog, facility user, as ``alphapulse``."""
    syslog.openlog("alphapulse", syslog.LOG_PID, syslog.LOG_USER)
    syslog.syslog(syslog.LOG_NOTICE, line)


def anchor_line(path: str, writer: str, writer_sequence: int, digest: str) -> str:
    """``journal /…/journal.sqlite writer bastion-2:4121:18f3 event 100 sha256 9f…``."""
    return f"journal {path} writer {writer} event {writer_sequence} sha256 {digest}"
