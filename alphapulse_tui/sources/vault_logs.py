"""The survey ``vault-logs``: the end of each Vault node's own log, from its pod (runbook 2.3: "Check Vault logs").

The runbook's ``kubectl logs -f deployment/vault`` finds no such Deployment, would show one pod of several, and never ends. Here the pod of
every node of the profile is read (a node is called as its pod is), the last lines only, cleaned and redacted. Read while somebody looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.vault_log import NodeLog, VaultLogs, complaints, seal_cause
from alphapulse_tui.redact import redact
from alphapulse_tui.sources.contract import Denied, Source, Unreachable
from alphapulse_tui.sources.kubernetes_link import Link
from alphapulse_tui.text import clean, clean_lines

TAIL = 400
"""Lines of a node: enough to reach back to its start or its seal on a quiet one."""

BYTES = 256 * 1024
"""What the server sends at most for one node."""

KEPT = 60
"""Lines that are shown as they are."""


class VaultLogsSource(Source[VaultLogs]):
    """The logs of the pods called ``names`` in ``namespace``."""

    target = "vault-logs"
    interval = 10.0
    deadline = 8.0

    def __init__(self, kubeconfig: str, context: str, namespace: str, names: Sequence[str]) -> None:
        self._link = Link(kubeconfig, context)
        self._namespace = namespace
        self._names = tuple(names)

    async def read(self) -> VaultLogs:
        """Every node's; raises only when none could be read."""
        nodes = await asyncio.gather(*(self._node(name) for name in self._names))
        if nodes and all(node.problem for node in nodes):
            raise Unreachable(f"no Vault node's log can be read; {nodes[0].problem}")
        return VaultLogs(tuple(nodes))

    def judge(self, snapshot: VaultLogs) -> tuple[Finding, ...]:  # noqa: ARG002 - a survey explains; the panel's source judges
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Close connections."""
        await self._link.close()

    async def _node(self, name: str) -> NodeLog:
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}"
        try:
            pod = await self._link.get(path, f"pods: get in namespace {self._namespace}")
            container, started, restarts, last_end = standing(pod)
            query = {"tailLines": str(TAIL), "limitBytes": str(BYTES), "container": container}
            body = await self._link.get(
                f"{path}/log", f"pods/log: get in namespace {self._namespace}", {k: v for k, v in query.items() if v}
            )
        except Denied as refusal:
            said = clean(refusal)  # Either the right that is missing, or that our login itself cannot be used.
            grant = said.endswith(f": get in namespace {self._namespace}")
            return NodeLog(name, problem=f"our login may not read it: it needs {said}" if grant else said)
        except Unreachable as problem:
            return NodeLog(name, problem=clean(problem))
        lines = [redact(line) for line in clean_lines(body)]
        return NodeLog(
            name,
            started_at=started,
            restarts=restarts,
            last_end=last_end,
            seal=seal_cause(lines, last_end),
            complaints=complaints(lines),
            lines=tuple(lines[-KEPT:]),
        )


def standing(body: bytes) -> tuple[str, float | None, int, str]:
    """Of a pod's JSON: its first container, since when that runs, how often it was restarted, how its run before ended.

    Raises:
        Unreachable: it is no pod.
    """
    try:
        pod: Mapping[str, Any] = msgspec.json.decode(body)
        statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
        first: Mapping[str, Any] = statuses[0]
        running = (first.get("state") or {}).get("running") or {}
        ended = (first.get("lastState") or {}).get("terminated") or {}
        last_end = ""
        if ended:
            last_end = f"{clean(ended.get('reason') or 'an end', 64)}, exit code {int(ended.get('exitCode', -1))}"
        return (
            str(first.get("name", "")),
            _moment(running.get("startedAt")),
            int(first.get("restartCount") or 0),
            last_end,
        )
    except (msgspec.DecodeError, AttributeError, TypeError, ValueError, LookupError, RecursionError):
        raise Unreachable("something that is no API server answers in its place") from None


def _moment(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp() if text else None
    except ValueError:
        return None
