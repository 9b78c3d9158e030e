"""Writing processes for the kill test, forked from one that has everything imported.

Commands come on stdin: ``start NAME`` and ``kill NAME``. Every writer appends to the journal and says ``NAME ID SEQUENCE`` once ``append``
has returned. After a kill -9 ``NAME dead`` follows: all that it ever said stands before that line.
"""

from __future__ import annotations

import os
import signal
import sys

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal


def write_for_ever(path: str, name: str) -> None:
    journal = Journal.open(path, actor=name, anchor=lambda _: None)
    number = 0
    while True:
        event = journal.append(Kind.NOTE, {"text": f"{name} {number}"})
        os.write(1, f"{name} {event.id} {event.sequence}\n".encode())
        number += 1


def main() -> None:
    pids: dict[str, int] = {}
    for line in sys.stdin:
        command, name = line.split()
        if command == "start":
            pids[name] = os.fork()
            if not pids[name]:
                write_for_ever(sys.argv[1], name)
        else:
            os.kill(pids[name], signal.SIGKILL)
            os.waitpid(pids.pop(name), 0)
            os.write(1, f"{name} dead\n".encode())
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
