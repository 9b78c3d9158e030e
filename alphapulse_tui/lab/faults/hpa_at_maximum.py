"""``hpa-at-maximum``: more customers than the autoscaler may start pods for.

What breaks: a surge of risk reports (16 a second, some 25 ms of CPU each) takes more CPU than ``maxReplicas`` pods may use at the HPA's target.

How it shows: HPA ``api-hpa`` has as many replicas as its maximum, its condition ``ScalingLimited`` says ``TooManyReplicas``, and the CPU is
still over its target. Nothing crashes.

What mends it: a higher ``maxReplicas`` (procedure ``scale-hpa``), within the quota and the connections of the database; the surge then finds
its pods. ``lab mend`` ends the surge, and the HPA goes back to its minimum within half a minute. A higher maximum stays.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.faults.bad_release import cluster_to_break
from alphapulse_tui.lab.kubernetes.bounds import HPA
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.cluster import Cluster, cluster_of, path_of
from alphapulse_tui.lab.platform import NAMESPACE, Lab
from alphapulse_tui.lab.process import ProcessSpec, Restart

RATE = 16.0
"""Reports a second: with 25 ms each 0.4 of a core, where five pods at 60 % of 100m may use 0.3."""
_PROCESS = "fault-surge"
_LIMITED_SECONDS = 90.0
_CALM_SECONDS = 90.0
_POLL_SECONDS = 0.2
_PATH = path_of({"kind": "HorizontalPodAutoscaler", "metadata": {"namespace": NAMESPACE, "name": HPA}})


class HpaAtMaximum:
    """See the module."""

    name = "hpa-at-maximum"
    summary = "A surge of customers drives the API's autoscaler to its maximum, and it would want more."
    mended_by = "a higher maxReplicas (procedure scale-hpa)"
    parameters = ()
    needs = ("kubernetes", "api")

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Start the surge and wait until the autoscaler has all its pods and wants more."""
        cluster = cluster_to_break(lab)
        environment = {"ADDRESS": f"http://127.0.0.1:{lab.ports['api']}", "RATE": str(RATE)}
        argv = (sys.executable, "-m", "alphapulse_tui.lab.workloads.surge")
        spec = ProcessSpec(_PROCESS, argv, lab.directory.root, lab.log(_PROCESS), environment)
        await lab.supervisor.start(spec, Restart.ALWAYS)
        hpa = await _wait(cluster, _is_limited, _LIMITED_SECONDS, "is not at its maximum under the surge")
        return f"api: HPA {HPA} is at its maximum of {hpa['spec']['maxReplicas']} and would want more"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """End the surge and wait until the autoscaler is back at its minimum."""
        await lab.supervisor.stop(_PROCESS, grace=1.0)
        cluster = cluster_of(lab)
        await _wait(cluster, _is_calm, _CALM_SECONDS, "is not back at its minimum after the surge")


def _is_limited(hpa: Object) -> bool:
    status = hpa.get("status") or {}
    reasons = {one["type"]: one["reason"] for one in status.get("conditions") or [] if one["status"] == "True"}
    return (
        status.get("currentReplicas") == hpa["spec"]["maxReplicas"]
        and reasons.get("ScalingLimited") == "TooManyReplicas"
    )


def _is_calm(hpa: Object) -> bool:
    status = hpa.get("status") or {}
    wanted = int(hpa["spec"]["minReplicas"])
    return status.get("currentReplicas") == status.get("desiredReplicas") == wanted


async def _wait(cluster: Cluster, condition: Callable[[Object], bool], seconds: float, complaint: str) -> Object:
    end = time.monotonic() + seconds
    while not condition(hpa := await cluster.api.get(_PATH)):
        if time.monotonic() > end:
            raise NotReadyError(f"HPA {HPA} {complaint} ({seconds:.0f} s).")
        await asyncio.sleep(_POLL_SECONDS)
    return hpa


FAULT = HpaAtMaximum()
