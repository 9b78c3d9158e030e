"""``api-crashloop-database``: a rollout of ``api`` whose DATABASE_URL is wrong.

What breaks: the Deployment's template gets a DATABASE_URL that names a port where nobody listens, with a change-cause, as a mistyped value
in a release would. One old pod goes, two new ones come and die at their start.

How it shows: two pods in CrashLoopBackOff with exit code 1, and a previous log that names the address; two of three pods still serve; the
rollout runs into its deadline after a minute.

What mends it: rolling back to the revision before. ``lab mend`` puts the variable back, and does nothing when a person has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import WrongVariable

FAULT = WrongVariable(
    "api-crashloop-database",
    "A rollout of the API with a wrong DATABASE_URL: new pods crash at their start.",
    cause="move the API to the new database endpoint",
    variable="DATABASE_URL",
    # Port 1: nobody listens there, and the refusal comes at once.
    value="postgresql://127.0.0.1:1/alphapulse_prod",
)
