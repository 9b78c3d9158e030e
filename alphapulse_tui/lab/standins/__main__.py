"""The process of all stand-ins: ``python -m alphapulse_tui.lab.standins``, started by :mod:`.target`, never by hand.

Its environment says where the lab is (``LAB_DIRECTORY``) and which service gets which port (``PORTS``: JSON). Secrets are read from the
lab's files. It says a line on stdout when everything listens.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from aiohttp import web

from alphapulse_tui.lab.standins.accounts import secret_file
from alphapulse_tui.lab.standins.front import Front, Service
from alphapulse_tui.lab.standins.github import GitHub
from alphapulse_tui.lab.standins.grafana import Grafana
from alphapulse_tui.lab.standins.jaeger import Jaeger
from alphapulse_tui.lab.standins.jira import Jira
from alphapulse_tui.lab.standins.logs import LabLogs
from alphapulse_tui.lab.standins.loki import Loki
from alphapulse_tui.lab.standins.pagerduty import PagerDuty
from alphapulse_tui.lab.standins.sentry import Sentry
from alphapulse_tui.lab.standins.slack import Slack
from alphapulse_tui.lab.standins.statuspage import StatusPage


def services(secrets: Path, logs: LabLogs) -> list[Service]:
    """Every stand-in, with its secrets."""

    def secret(name: str, kind: str = "token") -> str:
        return (secrets / secret_file(name, kind)).read_text(encoding="utf-8").strip()

    return [
        Slack(secret("slack"), secret("slack", "webhook")),
        PagerDuty(secret("pagerduty"), secret("pagerduty", "routing-key")),
        StatusPage(secret("statuspage")),
        Loki(logs),
        Grafana(secret("grafana")),
        Sentry(secret("sentry"), logs),
        Jaeger(),
        GitHub(secret("github")),
        Jira(secret("jira")),
    ]


async def _main() -> None:
    directory = Path(os.environ["LAB_DIRECTORY"])
    ports: dict[str, int] = json.loads(os.environ["PORTS"])
    logs = LabLogs(directory)
    for service in services(directory / "secrets", logs):
        # A request that hangs ends with its asker: otherwise every one would stay for the process's life.
        runner = web.AppRunner(
            Front(service).application(), access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", ports[service.name]).start()
    sys.stdout.write(f"INFO serving {', '.join(ports)}\n")
    sys.stdout.flush()
    await logs.keep_looking()


if __name__ == "__main__":
    asyncio.run(_main())
