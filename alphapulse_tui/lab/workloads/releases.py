"""Releases of the API that have a bug, as releases have: the image of such a tag runs the same program with one thing wrong.

The faults ``bad-release-*`` roll them out; every other tag is sound. In life one would find such a list in the issue tracker.
"""

from __future__ import annotations

import enum


class Bug(enum.Enum):
    """What is wrong with a release."""

    SUMMARY_FAILS = "the summary is computed with decimals that its encoder cannot write"
    TRADES_ARE_SLOW = "every read of trades waits for a pricing service that throttles us"
    NEVER_READY = "the order book is warmed up from a feed that is gone, so the pod is never ready"
    CACHE_FORGETS = "the time to live of what is cached is taken for milliseconds, and the summary was made dearer in reliance on the cache"


BUGS = {
    "v1.5.0": Bug.SUMMARY_FAILS,
    "v1.5.1": Bug.TRADES_ARE_SLOW,
    "v1.5.2": Bug.NEVER_READY,
    "v1.5.3": Bug.CACHE_FORGETS,
}
"""Release -> its bug."""

PRICING_SECONDS = 0.8
"""How long a read waits with :attr:`Bug.TRADES_ARE_SLOW`: over the runbook's limit of 500 ms (4.2), under any client's time-out."""

ARCHIVE_SECONDS = 0.7
"""How long PostgreSQL takes for a summary with :attr:`Bug.CACHE_FORGETS`, which also reads what is archived: over the runbook's limit of 500 ms
(4.2), and well within the API's pool at the lab's load. It waits instead of computing, so that the drill takes no core from the others."""


def tag_of(bug: Bug) -> str:
    """The release that has this bug."""
    return next(tag for tag, found in BUGS.items() if found is bug)
