"""``api-crashloop-memory``: a rollout of ``api`` whose memory limit is too low.

What breaks: the container's limit is cut to 36 Mi, as by somebody who saves where he should not; the program needs more before it serves. The
node kills it the moment it is over, again and again.

How it shows: pods in CrashLoopBackOff whose last end is ``OOMKilled``, exit code 137; their log ends without a word. Two of three pods serve.

What mends it: a higher limit for that container (runbook 2.4), or rolling back. ``lab mend`` puts requests and limits back, and does nothing
when a person has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import Crashing
from alphapulse_tui.lab.kubernetes.client import Object

_LIMIT = "36Mi"
"""The API takes some 50 MB before it listens."""


class ApiCrashloopMemory(Crashing):
    """See the module."""

    mended_by = "a higher memory limit, or a rollback of Deployment api"

    def spoiling(self) -> Object:
        """The limit, and a request below it: above it the API server would refuse the Deployment."""
        return {"resources": {"requests": {"memory": "24Mi"}, "limits": {"memory": _LIMIT}}}

    def restoring(self, container: Object) -> Object:
        """Requests and limits as they were."""
        return {"resources": container["resources"]}

    def spoils(self, container: Object) -> bool:
        """By its limit."""
        return bool(((container.get("resources") or {}).get("limits") or {}).get("memory") == _LIMIT)


FAULT = ApiCrashloopMemory(
    "api-crashloop-memory",
    "A rollout of the API with a memory limit of 36Mi: new pods are OOM-killed at their start.",
    cause="trim the API's memory to what it uses at night",
)
