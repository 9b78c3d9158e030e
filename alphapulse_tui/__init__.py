"""AlphaPulse Ops Cockpit: see the platform, mend it by the runbook, leave with a postmortem.

Where things live: ``docs/architecture.md``.
"""

__version__ = "0.1.0"
