"""alembic on the shipped migrations: ``python -m alphapulse_tui.lab.migrations [--with newer] upgrade head``.

Everything after the options is alembic's own command line.
"""

from __future__ import annotations

import argparse
import os

from alembic.config import CommandLine, Config

from alphapulse_tui.lab.migrations import FOLDER


def main(arguments: list[str] | None = None) -> None:
    """Run one alembic command; it leaves with alembic's own sentence and code 255 when it refuses."""
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
    command_line.run_cmd(config, chosen)


if __name__ == "__main__":
    main()
