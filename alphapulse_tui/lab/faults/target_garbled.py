"""``target-garbled TARGET``: a target answers, but with random bytes.

What breaks: the fault proxy stands before the target's ports and replaces every byte of every answer by a random one, as a broken load
balancer or another program at the same port would.

How it shows: connects succeed, answers are of the right length and of no sense; a client that trusts a length field waits, or fills its
memory.

What mends it: `lab mend` takes the proxy away.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.proxied import ProxiedTarget

FAULT = ProxiedTarget("target-garbled", "A target answers with random bytes.", "garbage")
