"""Where ``alphapulse`` and ``python -m alphapulse_tui`` begin: precautions first, then the command line."""

from __future__ import annotations

import sys

from alphapulse_tui.exits import ExitCode
from alphapulse_tui.hardening import harden_process


def main() -> int:
    """Run the command of ``sys.argv`` and return its exit code (see ``exits``)."""
    harden_process()
    try:
        from alphapulse_tui.cli.main import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # while importing; later ones are answered where they happen
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
