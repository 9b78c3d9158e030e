"""The target ``s3``: the server of the backups, and beside it the agent that makes them (:mod:`alphapulse_tui.lab.backups`).

The server starts at once, nicely; the agent only when every other target has settled (or after a minute), so
that nothing waits for a backup.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path

import httpx

from alphapulse_tui.lab.backups import SMALL, agent_spec
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.http import http_client
from alphapulse_tui.lab.platform import Lab, Report, TargetState
from alphapulse_tui.lab.process import ProcessSpec, Restart
from alphapulse_tui.lab.s3.identities import IDENTITIES, Identity

NAME = "s3"
_START_SECONDS = 45.0
_ANSWER_SECONDS = 2.0
_SETTLE_SECONDS = 60.0
_POLL_SECONDS = 0.1


def endpoint(lab: Lab) -> str:
    """The server's address, path-style."""
    return f"http://127.0.0.1:{lab.ports[NAME]}"


def credentials_file(lab: Lab, name: str) -> Path:
    """The shared-credentials file of an identity, as the AWS tools read it (``AWS_SHARED_CREDENTIALS_FILE``), 0600."""
    return lab.credentials.path(f"aws-{name}")


def server_spec(lab: Lab) -> ProcessSpec:
    """How the server runs."""
    return ProcessSpec(
        name=NAME,
        argv=(sys.executable, "-m", "alphapulse_tui.lab.s3.server"),
        directory=lab.directory.data("s3"),
        log=lab.log(NAME),
        env={
            "PORT": str(lab.ports[NAME]),
            "LAB_SECRETS": str(lab.credentials.path("")),
            **SMALL,
            "TMPDIR": str(lab.directory.data("s3", "objects")),
        },
        stop_seconds=1.0,
        target=NAME,
    )


def _hand_out(lab: Lab, identity: Identity) -> None:
    secret = lab.credentials.password(f"s3-{identity.name}")
    text = f"[default]\naws_access_key_id = {identity.access_key}\naws_secret_access_key = {secret}\n"
    lab.credentials.keep(f"aws-{identity.name}", text)


async def answers(lab: Lab) -> bool:
    """Whether the server answers at all: to an unsigned question with 403."""
    try:
        async with http_client(_ANSWER_SECONDS) as client:
            return (await client.get(endpoint(lab))).status_code == httpx.codes.FORBIDDEN
    except httpx.HTTPError:
        return False


class S3Target:
    """See the module."""

    name = NAME

    async def up(self, lab: Lab, report: Report) -> None:
        """Start the server and wait for its answer; leave the agent to start later."""
        report(TargetState.STARTING, "starting the server")
        for identity in IDENTITIES:
            _hand_out(lab, identity)
        await lab.supervisor.start(server_spec(lab), Restart.ALWAYS)
        end = time.monotonic() + _START_SECONDS
        while not await answers(lab):
            if time.monotonic() > end:
                raise NotReadyError(f"s3 does not answer after {_START_SECONDS:.0f} s; see {lab.log(NAME)}.")
            await asyncio.sleep(_POLL_SECONDS)
        lab.spawn(_start_agent(lab), "start the backup agent")

    async def healthy(self, lab: Lab) -> str:
        """Whether the server answers."""
        return "" if await answers(lab) else "the server does not answer"


async def _start_agent(lab: Lab) -> None:
    """Start the agent when there is nothing left that a backup could delay; a server that is still being built can wait no longer than this."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_SECONDS):
            await asyncio.gather(*(_settled(lab, name) for name in list(lab.progress)))
    await lab.supervisor.start(agent_spec(lab), Restart.ALWAYS)


async def _settled(lab: Lab, name: str) -> None:
    # A target that failed has told so itself.
    with contextlib.suppress(LabError):
        await lab.ready(name)


TARGET = S3Target()
