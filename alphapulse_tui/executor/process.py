"""Becoming the executor's process: fork away, take precautions, open profile and journal, serve.

Apart from the server so that tests can run the same process with a registry of their own (:func:`main`'s ``registry``).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import syslog
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.executor.protocol import READY
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.hardening import harden_process
from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean

if TYPE_CHECKING:
    from alphapulse_tui.executor.core import Registry


def main(arguments: Sequence[str], registry: Registry | None = None) -> int:
    """Run the executor; returns the exit code. The process that was started returns at once, its child goes on."""
    options = _parse(arguments)
    if os.fork():
        return ExitCode.OK
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    harden_process()
    try:
        asyncio.run(_serve(options, registry))
    except AlphaPulseError as problem:
        _say(options.ready, problem.sentence)
        return problem.exit_code
    except Exception as error:  # noqa: BLE001 - nobody reads our stderr: the one who waits for us and syslog must hear it
        sentence = f"the executor broke: {type(error).__name__}: {clean(redact(str(error)))}"
        syslog.syslog(syslog.LOG_ERR, f"alphapulse: {sentence}")
        _say(options.ready, sentence)
        return ExitCode.CRASHED
    return ExitCode.OK


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="alphapulse executor", description="Started by the cockpit, not by hand.")
    parser.add_argument("--profile", default="")
    parser.add_argument("--config", default="")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--socket", required=True, type=Path)
    parser.add_argument("--ready", type=int, required=True, help="descriptor on which to say that the socket listens")
    parser.add_argument("--idle", type=float, default=None, help="seconds without a client after which it leaves")
    return parser.parse_args(arguments)


async def _serve(options: argparse.Namespace, registry: Registry | None) -> None:
    from alphapulse_tui.actions.registry import make_action
    from alphapulse_tui.config import paths
    from alphapulse_tui.config.load import load_profile
    from alphapulse_tui.executor.core import Executor
    from alphapulse_tui.executor.server import IDLE_SECONDS, Server
    from alphapulse_tui.incident.journal import Journal

    profile = load_profile(options.profile, options.config).profile
    journal = Journal.open(paths.journal_file(profile.environment or profile.name))
    _log_to(paths.state_folder() / "executor.log")
    try:
        executor = Executor(profile, journal, read_only=options.read_only, registry=registry or make_action)
        server = Server(executor, options.socket, IDLE_SECONDS if options.idle is None else options.idle)
        await server.serve(lambda: _say(options.ready, READY))
    finally:
        journal.close()


class _Redacting(logging.Formatter):
    """Tracebacks and messages without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def _log_to(file: Path) -> None:
    """Warnings and worse go to a file: this process has no terminal."""
    handler = logging.FileHandler(file, delay=True)
    handler.setFormatter(_Redacting("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _say(descriptor: int, sentence: str) -> None:
    """One line to whoever started us, who may be gone or have been told already."""
    try:
        os.write(descriptor, sentence.encode() + b"\n")
        os.close(descriptor)
    except OSError as error:
        logging.getLogger(__name__).info("nobody waits for %r: %s", sentence, error)
