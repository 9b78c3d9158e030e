"""``api-crashloop-vault``: a rollout of ``api`` whose VAULT_ADDRESSES is wrong.

What breaks: the Deployment's template names a Vault where nobody listens. New pods cannot read their credentials and die at their start.

How it shows: pods in CrashLoopBackOff with exit code 1; their previous log says which secret could not be read and that the address cannot be
reached, not that Vault is sealed. Vault itself is well; two of three pods still serve.

What mends it: rolling back to the revision before. ``lab mend`` puts the variable back, and does nothing when a person has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import WrongVariable

FAULT = WrongVariable(
    "api-crashloop-vault",
    "A rollout of the API with wrong VAULT_ADDRESSES: new pods crash at their start.",
    cause="use the regional Vault",
    variable="VAULT_ADDRESSES",
    value="http://127.0.0.1:1",
)
