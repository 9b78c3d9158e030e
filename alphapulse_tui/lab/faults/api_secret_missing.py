"""``api-secret-missing KIND``: a release of the API that asks for a Secret, or a key of one or of a ConfigMap, that nobody has made.

What breaks: the template gains a variable: ``SIGNING_KEY`` from a Secret that is not there (``secret``), from a key that the platform's Secret
does not have (``secret-key``), or ``RISK_LIMITS`` from a key that its ConfigMap does not have (``config-key``). The kubelet starts no container
whose variables it cannot resolve.

How it shows: new pods in CreateContainerConfigError, 0 of 1 ready, without a restart and without a log; which Secret, ConfigMap and key is
missing stands in their status and events; two of three pods serve.

What mends it: whoever keeps the platform's Secrets makes what is missing, and the pods start by themselves; or rolling back. ``lab mend`` takes
the variable out, and does nothing when a person has rolled back.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import Stuck
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.manifests import PLATFORM, VAULT_TOKEN
from alphapulse_tui.lab.platform import Lab

SECRET = "alphapulse-signing"
"""The Secret that nobody has made."""

VARIABLES: dict[str, Object] = {
    "secret": {"name": "SIGNING_KEY", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "key"}}},
    "secret-key": {"name": "SIGNING_KEY", "valueFrom": {"secretKeyRef": {"name": VAULT_TOKEN, "key": "signing-key"}}},
    "config-key": {"name": "RISK_LIMITS", "valueFrom": {"configMapKeyRef": {"name": PLATFORM, "key": "RISK_LIMITS"}}},
}
"""Parameter -> the variable that the release adds."""


class ApiSecretMissing(Stuck):
    """See the module."""

    mended_by = "the Secret or key, made by its keeper, or a rollback of Deployment api"
    parameters = tuple(VARIABLES)
    _variable: Object = VARIABLES["secret"]
    """Of the parameter in force."""

    async def inject(self, lab: Lab, parameter: str) -> str:
        """Roll out the release that asks for what the parameter names."""
        self._variable = VARIABLES[parameter]
        return await super().inject(lab, parameter)

    def spoiling(self) -> Object:
        """The new variable."""
        return {"env": [self._variable]}

    def restoring(self, container: Object) -> Object:  # noqa: ARG002 - it was not there
        """Without the variable: a list that is merged by name loses an entry only so."""
        return {"env": [{"name": self._variable["name"], "$patch": "delete"}]}

    def spoils(self, container: Object) -> bool:
        """By the variable's name: the release before has none of it."""
        names = {one["name"] for one in VARIABLES.values()}
        return any(one["name"] in names for one in container.get("env") or [])


FAULT = ApiSecretMissing(
    "api-secret-missing",
    "A release of the API that asks for a Secret or key that nobody has made: its new pods never run.",
    cause="sign orders, keep to the risk limits",
    reason="CreateContainerConfigError",
    broken="its new pods wait for what is not there",
)
