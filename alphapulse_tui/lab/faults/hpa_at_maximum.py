"""``hpa-at-maximum``: more customers than the autoscaler may start pods for.

What breaks: a surge of risk reports (16 a second, some 25 ms of CPU each) takes more CPU than ``maxReplicas`` pods may use at the HPA's target.

How it shows: HPA ``api-hpa`` has as many replicas as its maximum, its condition ``ScalingLimited`` says ``TooManyReplicas``, and the CPU is
still over its target. Nothing crashes.

What mends it: a higher ``maxReplicas`` (procedure ``api-latency``), within the quota and the connections of the database; the surge then finds
its pods. ``lab mend`` ends the surge, and the HPA goes back to its minimum within half a minute. A higher maximum stays.
"""

from __future__ import annotations

import asyncio
import sys
import time

from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.faults.bad_release import cluster_to_break
from alphapulse_tui.lab.kubernetes.bounds import CPU_TARGET_PERCENT, HPA
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.cluster import cluster_of, path_of
from alphapulse_tui.lab.platform import NAMESPACE, Lab
from alphapulse_tui.lab.process import ProcessSpec, Restart

RATE = 16.0
"""Reports a second: with 25 ms each 0.4 of a core, where five pods at 60 % of 100m may use 0.3. On a quicker machine it is doubled."""
_ENOUGH = 1.1
"""How far over its target the autoscaler's figure must be before it acts (its tolerance of 10 %)."""
_JUDGED_SECONDS = 20.0
"""How long a rate is tried before it is held to be too low."""
_PROCESS = "fault-surge"
_LIMITED_SECONDS = 90.0
_CALM_SECONDS = 90.0
_POLL_SECONDS = 0.2
_PATH = path_of({"kind": "HorizontalPodAutoscaler", "metadata": {"namespace": NAMESPACE, "name": HPA}})


class HpaAtMaximum:
    """See the module."""

    name = "hpa-at-maximum"
    summary = "A surge of customers drives the API's autoscaler to its maximum, and it would want more."
    mended_by = "a higher maxReplicas (procedure api-latency)"
    parameters = ()
    needs = ("kubernetes", "api")

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Start the surge and wait until the autoscaler has all its pods and wants more."""
        cluster = cluster_to_break(lab)
        rate, began = RATE, time.monotonic()
        await _surge(lab, rate)
        judged = began + _JUDGED_SECONDS
        while not _is_limited(hpa := await cluster.api.get(_PATH)):
            now = time.monotonic()
            if now > began + _LIMITED_SECONDS:
                raise NotReadyError(
                    f"HPA {HPA} is not at its maximum after {_LIMITED_SECONDS:.0f} s of {rate:g} reports/s."
                )
            if now > judged and _used(hpa) <= CPU_TARGET_PERCENT * _ENOUGH:
                rate, judged = rate * 2, now + _JUDGED_SECONDS
                await lab.supervisor.stop(_PROCESS, grace=1.0)
                await _surge(lab, rate)
            await asyncio.sleep(_POLL_SECONDS)
        return f"api: HPA {HPA} is at its maximum of {hpa['spec']['maxReplicas']} and would want more"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """End the surge and wait until the autoscaler is back at its minimum."""
        await lab.supervisor.stop(_PROCESS, grace=1.0)
        cluster = cluster_of(lab)
        end = time.monotonic() + _CALM_SECONDS
        while not _is_calm(await cluster.api.get(_PATH)):
            if time.monotonic() > end:
                raise NotReadyError(f"HPA {HPA} is not back at its minimum {_CALM_SECONDS:.0f} s after the surge.")
            await asyncio.sleep(_POLL_SECONDS)


async def _surge(lab: Lab, rate: float) -> None:
    """Start the customers."""
    environment = {"ADDRESS": f"http://127.0.0.1:{lab.ports['api']}", "RATE": str(rate)}
    argv = (sys.executable, "-m", "alphapulse_tui.lab.workloads.surge")
    spec = ProcessSpec(_PROCESS, argv, lab.directory.root, lab.log(_PROCESS), environment)
    await lab.supervisor.start(spec, Restart.ALWAYS)


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


def _used(hpa: Object) -> int:
    """The autoscaler's own figure: percent of the requested CPU; 0 before it has one."""
    metrics = (hpa.get("status") or {}).get("currentMetrics") or []
    return int(metrics[0]["resource"]["current"].get("averageUtilization") or 0) if metrics else 0


FAULT = HpaAtMaximum()
