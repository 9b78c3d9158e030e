"""``cache-cold``: release v1.5.3 of the API forgets what it has cached.

What breaks: a real release of the program with a bug: it gives Redis 120 ms to keep what it means to keep for 120 s, and its summary, which also
reads the archive, was made in reliance on the cache. The pods start, are ready, and replace all old ones.

How it shows: the hit rate of all Redis nodes falls from over 85 % to a few per cent; all summaries wait 0.7 s for PostgreSQL, p99 is over
500 ms, no errors; PostgreSQL itself is well and works more; Redis evicts nothing and answers at once. HighLatency fires.

What mends it: rolling back to the revision before; more pods ask the database more. ``lab mend`` puts the image back, and does nothing when a
person has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import Buggy
from alphapulse_tui.lab.workloads.releases import Bug

FAULT = Buggy(
    "cache-cold",
    "A release of the API whose cache forgets at once: nearly every read goes to the database.",
    Bug.CACHE_FORGETS,
    broken="what it caches is gone before it is asked for again",
)
