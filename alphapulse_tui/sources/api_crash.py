"""Deployments in a crash loop, the API always among them: how their containers ended, their last words, what they may use and need.

A survey, read while somebody looks (runbook 2.4). Reads each Deployment's template as it is now (the release that crashes), the pods that are
not well with their *previous* log, and tries every address of the template from here. Values of variables are never kept. Made by
``kubernetes_surveys``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from alphapulse_tui.model.api import Bounds, CrashesSnapshot, CrashSnapshot, LastEnd, Probe
from alphapulse_tui.model.api_environment import Address, addresses, config_maps, variables
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.quantities import quantity
from alphapulse_tui.model.selector import selector_of
from alphapulse_tui.redact import redact
from alphapulse_tui.sources.api_probe import probe
from alphapulse_tui.sources.contract import Source, SourceProblem
from alphapulse_tui.sources.kubernetes_objects import Object, Objects, metadata, named
from alphapulse_tui.sources.moments import unix
from alphapulse_tui.text import clean, clean_lines

MOST_DEPLOYMENTS = 4
"""Deployments that are looked at: an outage of what they share makes all of them unwell for one reason."""

MOST_ENDS = 6
"""Containers whose end is told; in a crash loop they tell the same."""

MOST_LOGS = 3
"""Of them, those whose previous log is read."""

WORDS = 20
"""Lines of a previous log; the action ``previous log`` shows 200."""


class CrashSource(Source[CrashesSnapshot]):
    """The API's Deployment and those that are not well."""

    target = "api-crash"
    interval = 10.0
    deadline = 15.0

    def __init__(self, kubeconfig: str, context: str, namespace: str, always: str = "api") -> None:
        self._objects = Objects(kubeconfig, context, namespace)
        self._always = always

    async def read(self) -> CrashesSnapshot:
        """The templates, then everything that follows from them at once."""
        objects = self._objects
        objects.begin()
        listed, usage = await asyncio.gather(
            objects.read(
                objects.path("/apis/apps/v1", "deployments"), self._grant("apps deployments: list"), {"limit": "500"}
            ),
            objects.items(
                objects.path("/apis/metrics.k8s.io/v1beta1", "pods"), self._grant("metrics.k8s.io pods: list")
            ),
        )
        every = [one for one in listed.get("items") or [] if isinstance(one, dict)]
        chosen = [one for one in every if named(one) == self._always]
        chosen += [one for one in every if named(one) != self._always and not _is_well(one)]
        return CrashesSnapshot(
            tuple(await asyncio.gather(*(self._look(one, usage or ()) for one in chosen[:MOST_DEPLOYMENTS])))
        )

    async def _look(self, deployment: Object, usage: Sequence[Object]) -> CrashSnapshot:
        """One Deployment."""
        objects = self._objects
        containers = _containers(deployment)
        main = containers[0] if containers else {}
        selector = {"labelSelector": selector_of(deployment)}
        pods, probes = await asyncio.gather(
            objects.items(objects.path("/api/v1", "pods"), self._grant("pods: list"), selector), self._probes(main)
        )
        names = {named(pod) for pod in pods or ()}
        own = [one for one in usage if named(one) in names]
        return CrashSnapshot(
            deployment=named(deployment),
            image=clean(main.get("image", ""), 512),
            ends=await self._with_words(last_ends(pods or ())),
            bounds=tuple(bounds_of(one, own) for one in containers),
            variables=variables(main),
            probes=probes,
            missing=tuple(objects.missing),
            held=held_back(deployment, pods or ()),
        )

    def judge(self, snapshot: CrashesSnapshot) -> tuple[Finding, ...]:  # noqa: ARG002 - the pods' rules judge
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Close connections."""
        await self._objects.close()

    def _grant(self, right: str) -> str:
        return f"{right} in namespace {clean(self._objects.namespace)}"

    async def _probes(self, container: Mapping[str, Any]) -> tuple[Probe, ...]:
        """Every address of the template, tried at the same time."""
        maps = {name: await self._config_map(name) for name in config_maps(container)}
        found = addresses(container, maps)
        tried = await asyncio.gather(*(_tried(address) for address in found))
        return tuple(one for probes in tried for one in probes)

    async def _config_map(self, name: str) -> Mapping[str, str]:
        path = self._objects.path("/api/v1", "configmaps", name)
        read = await self._objects.optional(path, self._grant(f"configmaps {clean(name, 128)}: get"))
        data = (read or {}).get("data")
        return data if isinstance(data, dict) else {}

    async def _with_words(self, ends: Sequence[LastEnd]) -> tuple[LastEnd, ...]:
        logs = await asyncio.gather(*(self._words(end) for end in ends[:MOST_LOGS]))
        return (*logs, *ends[MOST_LOGS:])

    async def _words(self, end: LastEnd) -> LastEnd:
        """The end with the last lines of the run that ended."""
        if not end.restarts:
            return replace(end, log_problem="it has not run before: there is no previous log")
        path = f"{self._objects.path('/api/v1', 'pods', end.pod)}/log"
        query = {"container": end.container, "previous": "true", "tailLines": str(WORDS), "limitBytes": "65536"}
        try:
            body = await self._objects.text(path, self._grant("pods/log: get"), query)
        except SourceProblem as problem:
            return replace(end, log_problem=clean(problem, 300))
        words = tuple(clean(redact(line), 1024) for line in clean_lines(body)[-WORDS:])
        return replace(end, words=words, log_problem="" if words else "it wrote nothing")


UNREADABLE = "its value is not readable from here (a Secret, or configmaps [get] is missing): test it from the pod"


async def _tried(address: Address) -> list[Probe]:
    """One probe a place; an address that cannot be read says so."""
    name = (address.dependency, address.variable, address.origin)
    if not address.places:
        return [Probe(*name, place="", answers=None, said=UNREADABLE)]
    answers = await asyncio.gather(*(probe(address.dependency, place) for place in address.places))
    return [
        Probe(*name, place=str(place), answers=answered, said=said)
        for place, (answered, said) in zip(address.places, answers, strict=True)
    ]


def last_ends(pods: Sequence[Object]) -> tuple[LastEnd, ...]:
    """The containers that are not well, the most restarts first."""
    found = []
    for pod in pods:
        if metadata(pod).get("deletionTimestamp"):
            continue
        status = pod.get("status") or {}
        sidecars = _sidecars(pod)
        first = [(one, one.get("name") not in sidecars) for one in status.get("initContainerStatuses") or []]
        for one, init in [*first, *((one, False) for one in status.get("containerStatuses") or [])]:
            end = _end_of(pod, one, init)
            if end is not None:
                found.append(end)
    return tuple(sorted(found, key=lambda end: (-end.restarts, end.pod)))[:MOST_ENDS]


def held_back(deployment: Object, pods: Sequence[Object]) -> tuple[str, ...]:
    """Why no more pods are made, and why those that are made find no node: from the conditions that the controller and the scheduler write."""
    told = [
        f"pods cannot be made: {_said(one)}"
        for one in _conditions(deployment, "ReplicaFailure")
        if one.get("status") == "True"
    ]
    waiting: dict[str, int] = {}
    for pod in pods:
        for one in _conditions(pod, "PodScheduled"):
            if one.get("status") == "False" and not metadata(pod).get("deletionTimestamp"):
                waiting[_said(one)] = waiting.get(_said(one), 0) + 1
    return (
        *told,
        *(f"{many} {'pods find' if many > 1 else 'pod finds'} no node: {said}" for said, many in waiting.items()),
    )


def _conditions(thing: Object, kind: str) -> list[Mapping[str, Any]]:
    return [one for one in (thing.get("status") or {}).get("conditions") or [] if one.get("type") == kind]


def _said(condition: Mapping[str, Any]) -> str:
    return redact(clean(condition.get("message") or condition.get("reason") or "", 512)).rstrip(".")


def _sidecars(pod: Object) -> set[str]:
    """Init containers that go on running beside the others."""
    listed = (pod.get("spec") or {}).get("initContainers") or []
    return {str(one.get("name", "")) for one in listed if one.get("restartPolicy") == "Always"}


def _end_of(pod: Object, status: Mapping[str, Any], init: bool = False) -> LastEnd | None:
    """Of a container that waits for its next start or has died and is not ready; a healthy one is no news."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or last.get("terminated") or {}
    starting = waiting.get("reason") in ("ContainerCreating", "PodInitializing")
    if status.get("ready") or starting or not (waiting or ended):
        return None
    if (state.get("terminated") or {}).get("exitCode") == 0:
        return None
    code = ended.get("exitCode")
    return LastEnd(
        pod=named(pod),
        container=clean(status.get("name", ""), 128),
        reason=clean(ended.get("reason", ""), 64),
        exit_code=code if isinstance(code, int) else None,
        finished_at=unix(ended.get("finishedAt")),
        restarts=int(status.get("restartCount") or 0),
        waiting=clean(waiting.get("reason", ""), 64),
        message=redact(clean(waiting.get("message") or ended.get("message") or "", 512)),
        image=clean(status.get("image", ""), 512),
        init=init,
    )


def bounds_of(container: Mapping[str, Any], usage: Sequence[Object]) -> Bounds:
    """Request and limit of one container of the template, and the most that a pod uses now."""
    resources = container.get("resources") or {}
    name = str(container.get("name", ""))
    used = [
        amount
        for pod in usage
        for one in pod.get("containers") or []
        if one.get("name") == name and (amount := quantity(str((one.get("usage") or {}).get("memory", "")))) is not None
    ]
    request, limit = (quantity(str((resources.get(one) or {}).get("memory", ""))) for one in ("requests", "limits"))
    return Bounds(clean(name, 128), request, limit, max(used, default=None))


def _is_well(deployment: Object) -> bool:
    """As many available as wanted, and none of an old template left."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    replicas = spec.get("replicas")
    wanted = 1 if replicas is None else int(replicas)
    counts = [int(status.get(name) or 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return counts == [wanted] * 3


def _containers(deployment: Object) -> list[Mapping[str, Any]]:
    template = (deployment.get("spec") or {}).get("template") or {}
    return [one for one in (template.get("spec") or {}).get("containers") or [] if isinstance(one, dict)]
