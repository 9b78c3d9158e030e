"""The target ``standins``: one process for all stand-ins, and ``standins.json`` in the lab's directory, which says where each is.

The file names secrets, it never holds one: ``{"slack": {"url": ..., "token_file": ..., "webhook_file": ...}, ...}``. The lab's profile says
nothing of them as long as nothing in the cockpit speaks to them.
"""

from __future__ import annotations

import asyncio
import json
import sys

from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.platform import Lab, Report, TargetState
from alphapulse_tui.lab.process import ProcessSpec, Restart
from alphapulse_tui.lab.standins.accounts import ACCOUNTS, SECRETS, secret_file

NAME = "standins"
_KEY_CHARACTERS = 32
"""A routing key of PagerDuty has so many."""
_START_SECONDS = 20.0
_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.02


class StandIns:
    """The stand-ins."""

    name = NAME

    async def up(self, lab: Lab, report: Report) -> None:
        """Start the process and wait until each of its ports is listened on."""
        report(TargetState.STARTING, "starting the process")
        write_addresses(lab)
        await lab.supervisor.start(spec(lab), Restart.ALWAYS)
        said = "was not asked"
        try:
            async with asyncio.timeout(_START_SECONDS):
                while said := await self.healthy(lab):  # noqa: ASYNC110 - another process: there is no event to wait for
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise NotReadyError(f"{said} after {_START_SECONDS:.0f} s: see {lab.log(NAME)}.") from None

    async def healthy(self, lab: Lab) -> str:
        """Whether each answers what it kept."""
        answers = await asyncio.gather(*(_answers(lab, name) for name in ACCOUNTS))
        silent = [name for name, answered in zip(ACCOUNTS, answers, strict=True) if not answered]
        return f"{', '.join(silent)} does not answer" if silent else ""


async def _answers(lab: Lab, name: str) -> bool:
    """By hand, not by an HTTP client: this is asked while nine others start, and importing one takes longer than the stand-ins do."""
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", lab.ports[_port(name)])
            try:
                writer.write(b"GET /_kept HTTP/1.0\r\n\r\n")
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def _port(name: str) -> str:
    return f"standin-{name}"


def spec(lab: Lab) -> ProcessSpec:
    """How the process runs."""
    environment = {
        "LAB_DIRECTORY": str(lab.directory.root),
        "PORTS": json.dumps({name: lab.ports[_port(name)] for name in ACCOUNTS}),
    }
    return ProcessSpec(
        NAME,
        (sys.executable, "-m", "alphapulse_tui.lab.standins"),
        lab.directory.root,
        lab.log(NAME),
        env=environment,
        stop_seconds=1.0,
        target=NAME,
    )


def write_addresses(lab: Lab) -> None:
    """Make the secrets and write ``standins.json``.

    Raises:
        LabError: There is no room for them.
    """
    told: dict[str, dict[str, str]] = {}
    for name, account in ACCOUNTS.items():
        told[name] = {"url": f"http://127.0.0.1:{lab.ports[_port(name)]}", **account}
        for kind in SECRETS.get(name, ()):
            secret = lab.credentials.password(secret_file(name, kind))
            if kind == "routing-key" and len(secret) != _KEY_CHARACTERS:
                lab.credentials.keep(secret_file(name, kind), (secret + secret)[:_KEY_CHARACTERS])
            told[name][f"{kind.replace('-', '_')}_file"] = str(lab.credentials.path(secret_file(name, kind)))
    write_private(lab.directory.root / "standins.json", json.dumps(told, indent=1) + "\n")


TARGET = StandIns()
