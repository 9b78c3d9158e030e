"""``bad-release-errors``: release v1.5.0 of the API answers 500 on one endpoint.

What breaks: a real release of the program with a bug: ``/api/v1/summary`` computes with decimals that its encoder cannot write. The pods start, are
ready, and replace all old ones.

How it shows: all of ``/api/v1/summary`` and so about 30 % of the requests are 500, all other endpoints are well;
``api_errors_total{type="internal"}`` rises; the pods' logs name the TypeError; PostgreSQL, Redis and Vault are well. HighErrorRate fires.

What mends it: rolling back to the revision before. ``lab mend`` puts the image back, and does nothing when a person has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import Buggy
from alphapulse_tui.lab.workloads.releases import Bug

FAULT = Buggy(
    "bad-release-errors",
    "A release of the API that answers 500 on one endpoint.",
    Bug.SUMMARY_FAILS,
    broken="/api/v1/summary answers 500",
)
