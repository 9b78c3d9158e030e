"""The target ``api``: the platform's own programs, as pods where there is a Kubernetes, and its edge, load and exporter beside them.

Redis, Vault and the replica were started by their own targets; here their StatefulSets are applied as soon as each is ready, and the node
agent takes the running servers over. Where the control plane cannot be had, the same programs run as bare processes.
"""

from __future__ import annotations

import asyncio
import sys

import httpx

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.http import http_client
from alphapulse_tui.lab.kubernetes import bounds, manifests
from alphapulse_tui.lab.kubernetes.cluster import Cluster, cluster_of
from alphapulse_tui.lab.platform import Lab, Report, TargetState
from alphapulse_tui.lab.process import ProcessSpec, Restart
from alphapulse_tui.lab.workloads import bare

_READY_SECONDS = 60.0
_HEALTH_SECONDS = 3.0
_POLL_SECONDS = 0.1
_OBSERVED_SECONDS = 20.0
_FIRST_CAUSE = f"release {manifests.RELEASE_BEFORE}"
_CAUSE = f"release {manifests.RELEASE}"


class ApiTarget:
    """The API, the workers, the edge with its load, and the exporter."""

    name = "api"

    async def up(self, lab: Lab, report: Report) -> None:
        """Start everything that uses the other targets."""
        report(TargetState.STARTING, "waiting for PostgreSQL, Redis and Vault")
        await asyncio.gather(*(lab.ready(name) for name in ("postgres", "redis", "vault")))
        for spec in (edge_spec(lab), exporter_spec(lab)):
            await lab.supervisor.start(spec, Restart.ALWAYS)
        report(TargetState.STARTING, "waiting for Kubernetes")
        try:
            await lab.ready("kubernetes")
        except LabError:
            # The kubernetes target has said why; the programs run all the same.
            report(TargetState.STARTING, "starting the API and the workers without Kubernetes")
            await bare.start(lab)
        else:
            report(TargetState.STARTING, "rolling out the API and the workers")
            await roll_out(lab, cluster_of(lab))
        await self._wait(lab)

    async def _wait(self, lab: Lab) -> None:
        answer = "the edge was not asked"
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while answer := await self.healthy(lab):  # noqa: ASYNC110 - other processes: there is no event to wait for
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise LabError(f"the API is not healthy after {_READY_SECONDS:g} s: {answer}") from None

    async def healthy(self, lab: Lab) -> str:
        """Whether an API pod answers the public ``/health``.

        What that pod says of PostgreSQL, Redis and Vault is those targets' own complaint: with Vault sealed the API lives, and can be
        mended by itself.
        """
        try:
            async with http_client(_HEALTH_SECONDS) as client:
                response = await client.get(f"http://127.0.0.1:{lab.ports['api']}/health")
        except httpx.HTTPError as error:
            return f"the edge does not answer ({type(error).__name__})"
        return "" if '"checks"' in response.text else f"no API pod answers ({response.status_code})"


def edge_spec(lab: Lab) -> ProcessSpec:
    """The edge: the platform's public address and its load."""
    environment = {"PORT": str(lab.ports["api"]), "DISCOVERY": str(bare.discovery(lab))}
    return _program(lab, "edge", environment, target="api")


def exporter_spec(lab: Lab) -> ProcessSpec:
    """The exporter: what the servers do, for Prometheus. A target of its own: who freezes the API does not blind Prometheus."""
    return _program(
        lab,
        "exporter",
        {"PORT": str(lab.ports["exporter"]), "LAB_DIRECTORY": str(lab.directory.root)},
        target="exporter",
    )


def _program(lab: Lab, name: str, environment: dict[str, str], *, target: str) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", f"alphapulse_tui.lab.workloads.{name}"),
        directory=lab.directory.data("kubernetes", "pods"),
        log=lab.log(name),
        env=environment,
        stop_seconds=2.0,
        target=target,
    )


async def roll_out(lab: Lab, cluster: Cluster) -> None:
    """Apply StatefulSets and Deployments and wait until their pods are ready."""
    sets = manifests.stateful_sets()
    for item in (*manifests.configuration(lab), *sets.values()):
        await cluster.apply(item)
    counts = {manifests.API: manifests.API_REPLICAS, manifests.WORKERS: manifests.WORKER_REPLICAS, manifests.CANARY: 0}
    # Two revisions from the start, so that there is something to roll back to; the first one never gets pods.
    for name in counts:
        await cluster.apply(manifests.deployment(name, manifests.RELEASE_BEFORE, 0, _FIRST_CAUSE))
    await asyncio.gather(*(cluster.wait_observed(name, _OBSERVED_SECONDS) for name in counts))
    for name, replicas in counts.items():
        await cluster.apply(manifests.deployment(name, manifests.RELEASE, replicas, _CAUSE))
    waits = [cluster.wait_ready("Deployment", "api", manifests.API_REPLICAS, _READY_SECONDS)]
    waits.append(cluster.wait_ready("Deployment", "agent-workers", manifests.WORKER_REPLICAS, _READY_SECONDS))
    for item in sets.values():
        waits.append(
            cluster.wait_ready("StatefulSet", item["metadata"]["name"], item["spec"]["replicas"], _READY_SECONDS)
        )
    await asyncio.gather(*waits)
    # Last: an autoscaler that is there before its pods' first figures fills the events with warnings.
    await cluster.apply(bounds.autoscaler())


TARGET = ApiTarget()
