"""What all bad releases of Deployment ``api`` share: rolled out for real, undone by putting back what they changed, and nothing else.

A bad release is a strategic merge patch of the container ``api`` with a change-cause, as a deployment pipeline would send it. Mending does not
roll back to the revision before: what a person has deployed meanwhile would be lost. It puts the changed part back, if it is still there. One
Deployment rolls out one release at a time, so a second bad release is refused while another is in force.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod

from alphapulse_tui.lab.errors import FaultRefusedError, LabError, NotReadyError
from alphapulse_tui.lab.kubernetes.client import STRATEGIC_PATCH, Object
from alphapulse_tui.lab.kubernetes.cluster import Cluster, cluster_of, path_of
from alphapulse_tui.lab.kubernetes.images import API_IMAGE
from alphapulse_tui.lab.kubernetes.manifests import API, CHANGE_CAUSE
from alphapulse_tui.lab.platform import NAMESPACE, Lab
from alphapulse_tui.lab.workloads.releases import Bug, tag_of

_SHOWN_SECONDS = 60.0
"""Until the damage is there: two pods start one after the other, and crash twice before they wait in CrashLoopBackOff."""
_MEND_SECONDS = 45.0
_POLL_SECONDS = 0.1
_PATH = path_of({"kind": "Deployment", "metadata": {"namespace": NAMESPACE, "name": API}})
_every: list[BadRelease] = []


class BadRelease(ABC):
    """One bad release; a subclass says what it changes and when the damage is there."""

    parameters: tuple[str, ...] = ()
    mended_by = "a rollback of Deployment api"
    needs = ("kubernetes", "api")

    def __init__(self, name: str, summary: str, cause: str) -> None:
        self.name = name
        self.summary = summary
        self._cause = cause
        """The change-cause of its revision."""
        self._before: Object | None = None
        """The Deployment before it; none while it is not in force."""
        _every.append(self)

    @abstractmethod
    def spoiling(self) -> Object:
        """What it changes in the container, as a strategic merge patch."""

    @abstractmethod
    def restoring(self, container: Object) -> Object:
        """The patch that undoes :meth:`spoiling`; ``container`` as it was before."""

    @abstractmethod
    def spoils(self, container: Object) -> bool:
        """Whether a container is still as :meth:`spoiling` made it."""

    @abstractmethod
    async def shows(self, cluster: Cluster) -> str:
        """What is broken, in a few words; empty while nothing is yet."""

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Patch the Deployment and wait until the damage is there.

        Raises:
            FaultRefusedError: Another bad release is in force, or there is no Kubernetes.
            NotReadyError: Nothing is broken after 60 s.
        """
        cluster = cluster_to_break(lab)
        deployment = await cluster.deployment(API)
        other = next((one.name for one in _every if one.spoils(_container(deployment))), "")
        if other:
            raise FaultRefusedError(f"Deployment api runs another bad release: `alphapulse lab mend {other}` first.")
        self._before = deployment
        patched = await cluster.api.patch(_PATH, _patch(self.spoiling(), self._cause), STRATEGIC_PATCH)
        end = time.monotonic() + _SHOWN_SECONDS
        while not (shown := await self.shows(cluster)):
            if time.monotonic() > end:
                raise NotReadyError(f"{self.name} was rolled out, but broke nothing within {_SHOWN_SECONDS:.0f} s.")
            await asyncio.sleep(_POLL_SECONDS)
        return f"api: {self._cause} (generation {patched['metadata']['generation']}); {shown}"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Put back what it changed, if that is still there, and wait until the rollout is complete.

        Raises:
            LabError: The pods do not become ready.
        """
        before = self._before
        if before is None:
            return
        cluster = cluster_of(lab)
        if self.spoils(_container(await cluster.deployment(API))):
            cause = (before["metadata"].get("annotations") or {}).get(CHANGE_CAUSE, "")
            await cluster.api.patch(_PATH, _patch(self.restoring(_container(before)), cause), STRATEGIC_PATCH)
        await cluster.wait_rolled_out(API, _MEND_SECONDS)
        self._before = None


class Crashing(BadRelease):
    """A release whose pods end at their start."""

    async def shows(self, cluster: Cluster) -> str:
        """When a new pod waits in CrashLoopBackOff."""
        return "its new pods crash" if any(_waits_with(pod, "CrashLoopBackOff") for pod in await _pods(cluster)) else ""


class Stuck(BadRelease):
    """A release whose containers never run."""

    def __init__(self, name: str, summary: str, cause: str, reason: str, broken: str) -> None:
        super().__init__(name, summary, cause)
        self._reason = reason
        """What a new pod waits with once the kubelet has tried more than once."""
        self._broken = broken

    async def shows(self, cluster: Cluster) -> str:
        """When a new pod waits with the reason."""
        return self._broken if any(_waits_with(pod, self._reason) for pod in await _pods(cluster)) else ""


class WrongVariable(Crashing):
    """A release in which one variable of the API has a wrong value instead of the ConfigMap's."""

    def __init__(self, name: str, summary: str, cause: str, variable: str, value: str) -> None:
        super().__init__(name, summary, cause)
        self._variable = variable
        self._value = value

    def spoiling(self) -> Object:
        """A value in the place of the reference; null is how a strategic merge patch removes a field."""
        return {"env": [{"name": self._variable, "value": self._value, "valueFrom": None}]}

    def restoring(self, container: Object) -> Object:
        """The variable as it was."""
        return {"env": [{"value": None, "valueFrom": None, **self._of(container)}]}

    def spoils(self, container: Object) -> bool:
        """By its value."""
        return self._of(container).get("value") == self._value

    def _of(self, container: Object) -> Object:
        return next((one for one in container.get("env") or [] if one["name"] == self._variable), {})


class Buggy(BadRelease):
    """A release of the API with a bug of :mod:`~alphapulse_tui.lab.workloads.releases`; it starts, becomes ready and serves all pods."""

    def __init__(self, name: str, summary: str, bug: Bug, broken: str) -> None:
        super().__init__(name, summary, f"release {tag_of(bug)}")
        self._image = f"{API_IMAGE}:{tag_of(bug)}"
        self._broken = broken

    def spoiling(self) -> Object:
        """Its image."""
        return {"image": self._image}

    def restoring(self, container: Object) -> Object:
        """The image as it was."""
        return {"image": container["image"]}

    def spoils(self, container: Object) -> bool:
        """By its image."""
        return bool(container["image"] == self._image)

    async def shows(self, cluster: Cluster) -> str:
        """When it serves: the load on the platform does the rest."""
        ready = [pod for pod in await self._own_pods(cluster) if _is(pod, "Ready")]
        wanted = (await cluster.deployment(API))["spec"]["replicas"]
        return self._broken if len(ready) >= wanted else ""

    async def _own_pods(self, cluster: Cluster) -> list[Object]:
        """The pods of this release."""
        return [pod for pod in await _pods(cluster) if self.spoils(pod["spec"]["containers"][0])]


def cluster_to_break(lab: Lab) -> Cluster:
    """The lab's cluster.

    Raises:
        FaultRefusedError: It has none.
    """
    try:
        return cluster_of(lab)
    except LabError as error:
        raise FaultRefusedError(f"Nothing was broken: {error}.") from None


def _container(deployment: Object) -> Object:
    """The container ``api`` of the Deployment's template."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    found: Object = next(one for one in containers if one["name"] == API)
    return found


def _patch(change: Object, cause: str) -> Object:
    template = {"spec": {"containers": [{"name": API, **change}]}}
    return {"metadata": {"annotations": {CHANGE_CAUSE: cause}}, "spec": {"template": template}}


async def _pods(cluster: Cluster) -> list[Object]:
    found = await cluster.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods", {"labelSelector": f"app={API}"})
    return list(found["items"])


def _waits_with(pod: Object, reason: str) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any(((one.get("state") or {}).get("waiting") or {}).get("reason") == reason for one in statuses)


def _is(pod: Object, condition: str) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)
