"""Prometheus: scrapes the lab's programs every 2 s and judges the six rules.

Pods are found by the files that the node agent keeps (:mod:`alphapulse_tui.lab.kubernetes.agent.discovery`).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml

from alphapulse_tui.lab import servers
from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.monitoring.readiness import answer, wait_ready
from alphapulse_tui.lab.platform import Lab, Report, TargetState
from alphapulse_tui.lab.process import ProcessSpec, Restart

SCRAPE_SECONDS = 2
_JOBS = {"api": ("api", "api-canary"), "agent-workers": ("agent-workers",)}
"""Job -> the apps whose pods it scrapes: label ``track`` tells the canary from the others."""
_PROGRAMS = {"edge": "api", "exporter": "exporter", "prometheus": "prometheus", "alertmanager": "alertmanager"}
"""Job -> name of its port."""


class PrometheusTarget:
    """The target ``prometheus``."""

    name = "prometheus"

    async def up(self, lab: Lab, report: Report) -> None:
        """Start it; the first time it is built."""
        binaries = await servers.ensure(("prometheus",), lambda step: report(TargetState.BUILDING, str(step)))
        # A Vault that was never initialised is sealed, and says so: rules that judge before would page for a lab that is only starting.
        report(TargetState.STARTING, "waiting for Vault")
        await _settled(lab, "vault")
        report(TargetState.STARTING, "starting the server")
        await lab.supervisor.start(spec(lab, binaries["prometheus"]), Restart.ALWAYS)
        await wait_ready(lab, self.name)

    async def healthy(self, lab: Lab) -> str:
        """Ask ``/-/ready``."""
        return await answer(lab, self.name)


async def _settled(lab: Lab, name: str) -> None:
    """Wait until another target is ready or has failed: either way there is something to watch."""
    if name in lab.progress:
        try:
            await lab.ready(name)
        except LabError:
            # That target has told its own failure.
            return


def spec(lab: Lab, binary: Path) -> ProcessSpec:
    """How Prometheus runs; writes its configuration."""
    folder = lab.directory.data("monitoring", "prometheus")
    write_private(folder / "rules.yml", rules())
    write_private(folder / "prometheus.yml", yaml.safe_dump(configuration(lab), sort_keys=False))
    arguments = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={lab.directory.data('monitoring', 'prometheus', 'data')}",
        "--storage.tsdb.retention.time=6h",
        f"--web.listen-address=127.0.0.1:{lab.ports['prometheus']}",
        # How soon Alertmanager hears again of an alert that goes on; the default of 1 min outlives a restart of Alertmanager.
        "--rules.alert.resend-delay=5s",
        "--log.level=warn",
    )
    return ProcessSpec(
        "prometheus", (str(binary), *arguments), folder, lab.log("prometheus"), stop_seconds=3.0, target="prometheus"
    )


def rules() -> str:
    """The text of ``rules.yml``."""
    return resources.files(__package__).joinpath("rules.yml").read_text(encoding="utf-8")


def configuration(lab: Lab) -> dict[str, object]:
    """``prometheus.yml``."""
    folder = lab.directory.data("kubernetes", "discovery")
    every = f"{SCRAPE_SECONDS}s"
    pods: list[dict[str, object]] = [
        {
            "job_name": job,
            "file_sd_configs": [{"files": [str(folder / f"{app}.json") for app in apps], "refresh_interval": "30s"}],
        }
        for job, apps in _JOBS.items()
    ]
    programs: list[dict[str, object]] = [
        {
            "job_name": job,
            # The exporter's figures name their own instance: a Redis node, a Vault node.
            "honor_labels": job == "exporter",
            "scrape_interval": every if job in ("exporter", "edge") else "15s",
            "static_configs": [{"targets": [f"127.0.0.1:{lab.ports[port]}"]}],
        }
        for job, port in _PROGRAMS.items()
    ]
    return {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": "1500ms",
            "evaluation_interval": every,
            "external_labels": {"environment": "lab"},
        },
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{lab.ports['alertmanager']}"]}]}]},
        "scrape_configs": [*pods, *programs],
    }


TARGET = PrometheusTarget()
