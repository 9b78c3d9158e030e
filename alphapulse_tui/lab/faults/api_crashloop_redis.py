"""``api-crashloop-redis``: a rollout of ``api`` whose REDIS_NODES is wrong.

What breaks: the Deployment's template names a Redis node where nobody listens, as after a cluster that was moved. New pods die at their start.

How it shows: pods in CrashLoopBackOff with exit code 1; their previous log says that the cluster of REDIS_NODES cannot be used; PostgreSQL and
Vault were reached. Two of three pods still serve.

What mends it: rolling back to the revision before. ``lab mend`` puts the variable back, and does nothing when a person has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import WrongVariable

FAULT = WrongVariable(
    "api-crashloop-redis",
    "A rollout of the API with wrong REDIS_NODES: new pods crash at their start.",
    cause="point the API to the new cache cluster",
    variable="REDIS_NODES",
    value="127.0.0.1:1",
)
