"""``target-refusing TARGET``: a target's ports refuse connections while its servers run.

What breaks: the listeners are tied to a network interface that does not exist, so that the kernel answers every connect with a refusal, as
after a firewall rule or a wrong bind address; open connections are cut. Only who has CAP_NET_RAW could undo that: in a lab without it the
fault proxy accepts and resets instead, which clients tell as a reset.

How it shows: ECONNREFUSED at once; the processes live, and their pods are running.

What mends it: `lab mend` unties the listeners.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.proxied import ProxiedTarget

FAULT = ProxiedTarget("target-refusing", "A target refuses connections while its servers run.", "refused")
