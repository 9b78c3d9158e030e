"""What stands for the cockpit in ``test_share``: calls ``ask_share`` on its terminal, writes the result to a file, waits to be looked at.

Arguments: a file with the plan, a file with the profile, where to write the result.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.share import ask_share
from alphapulse_tui.model.plan import Plan


def main() -> None:
    profile = msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Profile)
    while True:
        plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
        result = asyncio.run(ask_share(plan, profile))
        Path(sys.argv[3]).write_bytes(msgspec.json.encode(result))
        print("RESULT WRITTEN", flush=True)
        if input() != "again":
            return


if __name__ == "__main__":
    main()
