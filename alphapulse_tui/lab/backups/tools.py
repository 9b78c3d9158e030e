"""Running the servers' own backup tools from the agent; what they say ends up in its log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from alphapulse_tui.lab.errors import CommandFailedError

_SECONDS = 300.0


async def run(program: Path, *arguments: str, environment: Mapping[str, str]) -> None:
    """Run a tool to its end.

    Raises:
        CommandFailedError: It ended with a non-zero code, carrying its last words, or took longer than 5 minutes.
    """
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_SECONDS):
            _, words = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CommandFailedError(f"{program.name} did not end within {_SECONDS:.0f} s.") from None
    if process.returncode:
        last = words.decode(errors="replace").strip().splitlines()
        raise CommandFailedError(
            f"{program.name} ended with code {process.returncode}: {last[-1] if last else 'no word'}"
        )
