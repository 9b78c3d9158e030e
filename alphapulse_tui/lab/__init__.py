"""The platform on loopback: real servers, real faults, one directory, no process left behind.

``alphapulse lab`` and ``alphapulse demo`` drive it; nothing but the command line and the tests imports it. Start reading at
:mod:`alphapulse_tui.lab.platform` (what a target is and how targets come up), then :mod:`~alphapulse_tui.lab.process` (how processes live
and die) and :mod:`~alphapulse_tui.lab.daemon` (the two processes that own them all).
"""
