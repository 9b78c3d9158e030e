"""The log of a container's previous run: the first thing to read in a crash loop, and never the new, empty attempt (runbook 2.4).

Changes nothing: no intent, no confirmation. The text is cleaned and redacted before it leaves this module.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_action import KubernetesAction
from alphapulse_tui.model.plan import Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.selector import selector_of
from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean, clean_lines

TAIL = 200
"""Lines (facts 1.2)."""

LOG_BYTES = 512 * 1024
"""What the server sends at most for one container."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

EXIT_CODES = {
    0: "it finished",
    1: "an error of the application",
    126: "the command cannot be executed",
    127: "the command was not found",
    134: "it aborted",
    137: "SIGKILL: out of memory if the reason says so, else a probe, an eviction or a person",
    139: "a segmentation fault",
    143: "SIGTERM",
}
"""What an exit code means (facts 2.4.1)."""


class PreviousLog(KubernetesAction):
    """Show why the previous run of a pod's containers ended, and the last lines that it wrote."""

    id = "kubernetes.previous-log"
    title = "previous log"
    risk = Risk.SAFE
    changes = False
    source = "runbook 2.4"
    parameters = (
        Parameter("pod", "the pod's name; without it, of Deployment `name` the one that has restarted most"),
        Parameter("name", "the Deployment"),
        Parameter("container", "one container; without it every one that has run before"),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which containers have run before, and how that ended."""
        pod = await self._pod(params)
        name, uid = clean(pod["metadata"]["name"], 256), clean(pod["metadata"].get("uid", ""), 64)
        ended = {container: _ending(state) for container, state in _containers(pod).items() if _ran_before(state)}
        wanted = params.get("container", "")
        if wanted:
            ended = {container: how for container, how in ended.items() if container == wanted}
        missing = f"container {clean(wanted, 64)}" if wanted else "no container"
        refusal = (
            "" if ended else f"{missing} of {name} has {'not ' if wanted else ''}run before: there is no previous log"
        )
        path = f"/api/v1/namespaces/{self.link.namespace}/pods/{name}/log"
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"previous log of {name}",
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"kubernetes/pod/{name}",
            risk=self.risk,
            sentence=f"Reads the last {TAIL} lines that {', '.join(ended) or 'nobody'} wrote before the last restart; changes nothing.",
            call="; ".join(f"GET {path}?container={container}&previous=true&tailLines={TAIL}" for container in ended),
            shell="\n".join(
                f"kubectl -n {self.link.namespace} logs {name} -c {container} --previous --timestamps --tail={TAIL}"
                for container in ended
            ),
            params={**params, "pod": name},
            victims=tuple(
                Victim(container, uid, f"{container}: {how}", {"last run": how}) for container, how in ended.items()
            ),
            preconditions={"uid": uid},
            undo="none is needed: it changes nothing",
            refusal=refusal,
            changes=False,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """One log per container; one that cannot be read says why in its place."""
        path = f"/api/v1/namespaces/{self.link.namespace}/pods/{plan.params['pod']}/log"
        details: dict[str, str] = {}
        read = 0
        for victim in plan.victims:
            query = {
                "container": victim.key,
                "previous": "true",
                "tailLines": str(TAIL),
                "timestamps": "true",
                "limitBytes": str(LOG_BYTES),
            }
            try:
                body = await self.link.text(path, "pods/log [get]", query)
            except ActionProblem as problem:
                details[victim.key] = f"{victim.facts['last run']}\n{problem}"
                continue
            read += 1
            lines = clean_lines(body)[-TAIL:]
            details[victim.key] = redact("\n".join([victim.facts["last run"], *(lines or ["it wrote nothing"])]))
        total = len(plan.victims)
        return Result(Outcome.DONE if read else Outcome.FAILED, f"{read} of {total} previous logs read", details)

    async def verify(self, plan: Plan) -> Verification:
        """Nothing was changed, so there is nothing to prove."""
        return Verification(Verdict.VERIFIED, f"{plan.title} changes nothing")

    async def _pod(self, params: Mapping[str, str]) -> dict[str, Any]:
        name = params.get("pod", "")
        if not name and _NAME.fullmatch(params.get("name", "")):
            return await self._crashing_pod(params["name"])
        if not _NAME.fullmatch(name):
            raise ActionProblem(f'"pod" must name a pod, not "{clean(name, 64)}"')
        pod = await self.link.read(f"/api/v1/namespaces/{self.link.namespace}/pods/{name}", "pods [get]")
        if not isinstance(pod.get("metadata"), dict):
            raise ActionProblem("something that is no API server answers in its place")
        return pod

    async def _crashing_pod(self, deployment: str) -> dict[str, Any]:
        """The pod of a Deployment that is not ready and has restarted most; one that is well where none is ill."""
        namespace = self.link.namespace
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"
        found = await self.link.read(path, "apps deployments [get]")
        query = {"labelSelector": selector_of(found), "limit": "500"}
        listed = await self.link.read(f"/api/v1/namespaces/{namespace}/pods", "pods [list]", query)
        pods = [pod for pod in listed.get("items") or [] if isinstance(pod.get("metadata"), dict)]
        if not pods:
            raise ActionProblem(f"deployment/{clean(deployment, 128)} has no pods: there is no log")
        chosen: dict[str, Any] = min(pods, key=_least_well)
        return chosen


def _least_well(pod: dict[str, Any]) -> tuple[bool, int]:
    every = (pod.get("status") or {}).get("containerStatuses") or []
    return all(one.get("ready") for one in every), -sum(int(one.get("restartCount") or 0) for one in every)


def _containers(pod: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Status by container name, init containers first: they run first, and a pod may hang in one."""
    status = pod.get("status") or {}
    every = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return {str(one["name"]): one for one in every if _NAME.fullmatch(str(one.get("name", "")))}


def _ran_before(state: Mapping[str, Any]) -> bool:
    return bool((state.get("lastState") or {}).get("terminated") or state.get("restartCount"))


def _ending(state: Mapping[str, Any]) -> str:
    """``Error, exit code 1 (an error of the application), 4 restarts, ended 12:00:01Z``."""
    ended = (state.get("lastState") or {}).get("terminated") or {}
    code = ended.get("exitCode")
    parts = [clean(ended.get("reason") or "ended", 64)]
    if isinstance(code, int):
        parts.append(f"exit code {code}" + (f" ({EXIT_CODES[code]})" if code in EXIT_CODES else ""))
    if ended.get("message"):
        parts.append(redact(clean(ended["message"], 300)))
    parts.append(f"{int(state.get('restartCount') or 0)} restarts")
    if ended.get("finishedAt"):
        parts.append(f"ended {clean(ended['finishedAt'], 40)}")
    return ", ".join(parts)
