"""alembic on the shipped migrations: ``python -m alphapulse_tui.lab.migrations [--with newer] upgrade head``.

Everything after the options is alembic's own command line.
"""

from __future__ import annotations

import argparse
import os
import sys

from alembic.config import CommandLine, Config
from alembic.util import CommandError

from alphapulse_tui.lab.migrations import FOLDER


def main(arguments: list[str] | None = None) -> int:
    """Run one alembic command; returns the exit code, 1 with alembic's own sentence when it refuses."""
    parser = argparse.ArgumentParser(prog="alphapulse-migrations")
    parser.add_argument("--with", dest="extra", choices=("newer", "broken"), help="the migrations of this release too")
    options, words = parser.parse_known_args(arguments)
    command_line = CommandLine(prog="alphapulse-migrations")
    chosen = command_line.parser.parse_args(words)
    if not hasattr(chosen, "cmd"):
        parser.error("name an alembic command: upgrade, downgrade, current, history")
    config = Config(cmd_opts=chosen)
    config.set_main_option("script_location", str(FOLDER))
    folders = [FOLDER / "versions", *([FOLDER / options.extra] if options.extra else [])]
    config.set_main_option("version_locations", os.pathsep.join(map(str, folders)))
    config.set_main_option("path_separator", "os")
    try:
        command_line.run_cmd(config, chosen)
    except CommandError as error:
        sys.stderr.write(f"FAILED: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
