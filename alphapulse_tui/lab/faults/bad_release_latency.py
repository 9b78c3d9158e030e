"""``bad-release-latency``: release v1.5.1 of the API is slow on one endpoint.

What breaks: a real release of the program with a bug: every read of ``/api/v1/trades`` waits 0.8 s for a service that throttles. The pods
start, are ready, and replace all old ones.

How it shows: p99 of ``/api/v1/trades`` is over 0.8 s and that of the others is as before; no errors; PostgreSQL and Redis answer at once, so the
time is lost in the release itself. HighLatency fires.

What mends it: rolling back to the revision before; more pods do not help. ``lab mend`` puts the image back, and does nothing when a person
has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import Buggy
from alphapulse_tui.lab.workloads.releases import PRICING_SECONDS, Bug

FAULT = Buggy(
    "bad-release-latency",
    "A release of the API that is slow on one endpoint.",
    Bug.TRADES_ARE_SLOW,
    broken=f"/api/v1/trades takes {PRICING_SECONDS:g} s longer",
)
