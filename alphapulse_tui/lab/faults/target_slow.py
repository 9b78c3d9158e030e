"""``target-slow TARGET``: every answer of a target comes one and a half seconds late.

What breaks: the fault proxy stands before the target's ports and holds back each piece of every answer for 1.2 to 1.8 s, as a saturated link
or a disk at its end would. New connections, and those that were open, which are cut.

How it shows: answers are right and late, for every client, the platform's own too; short deadlines run out.

What mends it: `lab mend` takes the proxy away; in life somebody finds the link.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.proxied import ProxiedTarget

FAULT = ProxiedTarget(
    "target-slow",
    "Every answer of a target comes one and a half seconds late.",
    "latency",
    {"seconds": "1.5", "jitter": "0.3"},
)
