"""Run ``alphapulse`` as a person or a script would: as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

TIMEOUT = 60.0
"""Seconds; the machine may be busy."""


class Result(NamedTuple):
    """What a finished program left."""

    code: int
    out: str
    err: str


def alphapulse(*arguments: str, env: Mapping[str, str] | None = None, shell_tail: str = "") -> Result:
    """Run ``python -m alphapulse_tui`` with ``arguments`` in this process's environment and ``env`` over it.

    ``shell_tail`` is what a shell would have behind the command: ``<&-`` or ``| head -1``.
    """
    command: list[str] = [sys.executable, "-m", "alphapulse_tui", *arguments]
    if shell_tail:
        command = ["bash", "-c", f'set -o pipefail; "$@" {shell_tail}', "bash", *command]
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=TIMEOUT,
        env={**os.environ, **(env or {})},
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Result(
        done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "surrogateescape")
    )
