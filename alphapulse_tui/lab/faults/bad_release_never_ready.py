"""``bad-release-never-ready``: release v1.5.2 of the API starts and is never ready.

What breaks: a real release of the program with a bug: it waits for a feed that is gone before it says that it is ready. One old pod goes, two
new ones come and stay unready, and the rollout stands still.

How it shows: two pods Running, 0 of 1 ready, without a restart; the readiness probe's 503 in their events; two of three pods serve; after a
minute ``ProgressDeadlineExceeded``. Nothing rolls back by itself, and nothing is down.

What mends it: rolling back to the revision before. ``lab mend`` puts the image back, and does nothing when a person has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import Buggy
from alphapulse_tui.lab.kubernetes.cluster import Cluster
from alphapulse_tui.lab.workloads.releases import Bug


class BadReleaseNeverReady(Buggy):
    """See the module."""

    async def shows(self, cluster: Cluster) -> str:
        """When a pod of it runs; ready it will never be."""
        running = [pod for pod in await self._own_pods(cluster) if (pod.get("status") or {}).get("phase") == "Running"]
        return self._broken if running else ""


FAULT = BadReleaseNeverReady(
    "bad-release-never-ready",
    "A release of the API whose pods run and never become ready: the rollout stands still.",
    Bug.NEVER_READY,
    broken="its new pods run and are not ready",
)
