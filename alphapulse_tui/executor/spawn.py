"""Start an executor's process and wait until its socket listens, or say in its own words why it does not."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from alphapulse_tui.config import paths
from alphapulse_tui.errors import CannotCreateError
from alphapulse_tui.executor.protocol import READY, ExecutorGone
from alphapulse_tui.text import clean

START_SECONDS = 20.0
"""For a Python process on a bastion that is out of memory and swapping; usually it takes 0.2."""

COMMAND = (sys.executable, "-m", "alphapulse_tui.executor")
"""What is started."""


def start_executor(
    profile: str,
    config: str = "",
    *,
    read_only: bool = False,
    command: Sequence[str] = COMMAND,
    idle: float | None = None,
) -> Path:
    """Start one for a cockpit and return its socket. Blocks until it listens; call it off the loop.

    Only the profile's name and file go through argv, never a secret; credentials are found by the executor itself, in the same environment.

    Raises:
        ExecutorGone: it did not start; the sentence is its own where it had one.
    """
    try:
        path = paths.runtime_folder() / f"executor-{secrets.token_hex(4)}.sock"
    except CannotCreateError as error:
        raise ExecutorGone(error.sentence) from None
    reading, writing = os.pipe()
    arguments = [*command, "--profile", profile, "--config", config, "--socket", str(path), "--ready", str(writing)]
    arguments += ["--read-only"] if read_only else []
    arguments += ["--idle", str(idle)] if idle is not None else []
    try:
        try:
            subprocess.run(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writing,),
                timeout=START_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ExecutorGone(f"the executor cannot be started: {clean(error)}") from None
        finally:
            os.close(writing)
        said = _first_line(reading, time.monotonic() + START_SECONDS)
    finally:
        os.close(reading)
    if said != READY:
        raise ExecutorGone(f"no executor, so nothing can be changed: {clean(said) or 'it ended without a word'}")
    return path


def _first_line(descriptor: int, due: float) -> str:
    """What the executor says, up to a newline or its end."""
    said = b""
    while not said.endswith(b"\n"):
        if not select.select([descriptor], [], [], max(0.0, due - time.monotonic()))[0]:
            return f"it was not ready within {START_SECONDS:g} s"
        part = os.read(descriptor, 4096)
        if not part:
            break
        said += part
    return said.decode("utf-8", "replace").strip()
