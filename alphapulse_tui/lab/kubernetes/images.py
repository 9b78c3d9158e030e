"""Which image stands for which local program.

A container's image name picks the builder of its process; the tag is the release (any that has the image's shape is "in the registry", any
other cannot be pulled, as a mistyped tag in real life). StatefulSet pods get the process spec of their ordinal from the target that knows
the server; API and worker pods get a free slot of ports.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from alphapulse_tui.lab import postgres, redis, vault
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import ProcessSpec

API_IMAGE = "alphapulse/api"
WORKER_IMAGE = "alphapulse/agent-worker"
REDIS_IMAGE = "valkey/valkey:9.1"
VAULT_IMAGE = "openbao/openbao:2.7"
POSTGRES_IMAGE = "postgres:17"
RELEASE = re.compile(r"v1\.\d+(\.\d+)?")
"""Tags of our own images that exist."""


class UnknownImageError(LabError):
    """No program stands for that image: it cannot be pulled."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run a container."""

    spec: ProcessSpec
    """What to run; its environment is what the image brings."""
    port: int
    """Where it listens on loopback."""
    port_name: str
    """The name of that port in the pod's template."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the node adds and the pod cannot overrule."""

    @property
    def ports(self) -> dict[str, int]:
        """Local ports by name."""
        return {self.port_name: self.port}


class Images:
    """The map from images to programs, for one lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._slots: dict[tuple[str, str], int] = {}
        self.pulled: set[str] = set()
        """What the node has: images of containers that it was asked to run and knows."""
        self._exact: dict[str, Callable[[int], Launch]] = {
            REDIS_IMAGE: lambda n: self._server(redis.node_spec(lab, n), "redis"),
            VAULT_IMAGE: lambda n: self._server(vault.node_spec(lab, n), "http"),
            POSTGRES_IMAGE: lambda n: self._server(postgres.replica_spec(lab, n), "postgres"),
        }
        self._programs = {API_IMAGE: "api", WORKER_IMAGE: "worker"}

    def launch(self, pod: Object, container: Object) -> Launch:
        """How to run this container of this pod.

        Raises:
            UnknownImageError: Nothing stands for its image.
        """
        found = self._launch(container["image"], pod["metadata"]["name"])
        self.pulled.add(container["image"])
        return found

    def _launch(self, image: str, name: str) -> Launch:
        if image in self._exact:
            ordinal = name.rpartition("-")[2]
            if not ordinal.isdigit():
                raise UnknownImageError(f'the node runs image "{image}" only in pods of a StatefulSet')
            return self._exact[image](int(ordinal))
        repository, _, tag = image.rpartition(":")
        if repository in self._programs and RELEASE.fullmatch(tag):
            return self._program(self._programs[repository], name, tag)
        place = f"docker.io/{image}"
        raise UnknownImageError(
            f'rpc error: code = NotFound desc = failed to pull and unpack image "{place}": '
            f'failed to resolve reference "{place}": {place}: not found'
        )

    def _server(self, spec: ProcessSpec, port_name: str) -> Launch:
        return Launch(spec, self._lab.ports[spec.name], port_name)

    def _program(self, program: str, pod_name: str, tag: str) -> Launch:
        slot = self._slot(program, pod_name)
        port = self._lab.ports[f"{program}-slot-{slot}"]
        spec = ProcessSpec(
            name=pod_name,
            argv=(sys.executable, "-m", f"alphapulse_tui.lab.workloads.{program}"),
            directory=self._lab.directory.data("kubernetes", "pods"),
            log=self._lab.log(pod_name),
            stop_seconds=10.0,
            target="api",
        )
        return Launch(spec, port, "http", environment={"PORT": str(port), "RELEASE": tag, "PYTHONUNBUFFERED": "1"})

    def _slot(self, program: str, pod_name: str) -> int:
        """A number of its own for each living pod: its port, whose count stays bounded however many pods come and go."""
        key = (program, pod_name)
        if key not in self._slots:
            taken = {slot for (kind, _), slot in self._slots.items() if kind == program}
            self._slots[key] = next(n for n in range(len(taken) + 1) if n not in taken)
        return self._slots[key]

    def release(self, pod_names: Iterable[str]) -> None:
        """Give back the slots of pods that are gone."""
        for program in self._programs.values():
            for name in pod_names:
                self._slots.pop((program, name), None)
