"""The API and the workers without Kubernetes: the same programs, as processes of the supervisor, found by the edge in the same files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.kubernetes import manifests
from alphapulse_tui.lab.platform import NAMESPACE, Lab
from alphapulse_tui.lab.process import ProcessSpec, Restart


def discovery(lab: Lab) -> Path:
    """The folder of the files that say where programs listen: the node agent writes it, or :func:`start` does."""
    return lab.directory.data("kubernetes", "discovery")


async def start(lab: Lab) -> None:
    """Start three API processes and two workers, and say where they are."""
    for program, app, count in (
        ("api", "api", manifests.API_REPLICAS),
        ("worker", "agent-workers", manifests.WORKER_REPLICAS),
    ):
        entries = []
        for number in range(count):
            spec = _spec(lab, program, number)
            await lab.supervisor.start(spec, Restart.ALWAYS)
            labels = {"app": app, "namespace": NAMESPACE, "pod": spec.name}
            entries.append({"targets": [f"127.0.0.1:{spec.env['PORT']}"], "labels": labels})
        text = json.dumps(entries, indent=1) + "\n"
        write_private(discovery(lab) / f"{app}.json", text)
        write_private(discovery(lab) / "ready" / f"{app}.json", text)


def _spec(lab: Lab, program: str, number: int) -> ProcessSpec:
    name = f"{program}-{number}"
    token = vault.token_file(lab, "alphapulse").read_text(encoding="utf-8").strip()
    environment = {
        **manifests.platform_addresses(lab),
        "VAULT_TOKEN": token,
        "POD_NAME": name,
        "PORT": str(lab.ports[f"{program}-slot-{number}"]),
        "RELEASE": manifests.RELEASE,
        "PYTHONUNBUFFERED": "1",
    }
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", f"alphapulse_tui.lab.workloads.{program}"),
        directory=lab.directory.data("kubernetes", "pods"),
        log=lab.log(name),
        env=environment,
        target="api",
    )
