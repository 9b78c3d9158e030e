"""Alertmanager: keeps the alerts that Prometheus sends, groups and silences them. Its one receiver reaches nobody yet."""

from __future__ import annotations

from pathlib import Path

import yaml

from alphapulse_tui.lab import servers
from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.monitoring.readiness import answer, wait_ready
from alphapulse_tui.lab.platform import Lab, Report, TargetState
from alphapulse_tui.lab.process import ProcessSpec, Restart


class AlertmanagerTarget:
    """The target ``alertmanager``."""

    name = "alertmanager"

    async def up(self, lab: Lab, report: Report) -> None:
        """Start it; the first time it is built."""
        binaries = await servers.ensure(("alertmanager",), lambda step: report(TargetState.BUILDING, str(step)))
        report(TargetState.STARTING, "starting the server")
        await lab.supervisor.start(spec(lab, binaries["alertmanager"]), Restart.ALWAYS)
        await wait_ready(lab, self.name)

    async def healthy(self, lab: Lab) -> str:
        """Ask ``/-/ready``."""
        return await answer(lab, self.name)


def spec(lab: Lab, binary: Path) -> ProcessSpec:
    """How Alertmanager runs; writes its configuration."""
    folder = lab.directory.data("monitoring", "alertmanager")
    write_private(folder / "alertmanager.yml", yaml.safe_dump(configuration(), sort_keys=False))
    arguments = (
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={lab.directory.data('monitoring', 'alertmanager', 'data')}",
        f"--web.listen-address=127.0.0.1:{lab.ports['alertmanager']}",
        # No gossip: it is alone.
        "--cluster.listen-address=",
        "--log.level=warn",
    )
    return ProcessSpec(
        "alertmanager",
        (str(binary), *arguments),
        folder,
        lab.log("alertmanager"),
        stop_seconds=3.0,
        target="alertmanager",
    )


def configuration() -> dict[str, object]:
    """``alertmanager.yml``: grouped as an on-call team would, with the lab's short waits."""
    return {
        "route": {
            "receiver": "on-call",
            "group_by": ["alertname"],
            "group_wait": "1s",
            "group_interval": "5s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "on-call"}],
    }


TARGET = AlertmanagerTarget()
