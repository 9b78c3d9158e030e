"""``alert-pipeline-dead``: alerts fire and reach nobody.

What breaks: Alertmanager is killed with -9 and again whenever it is started, as a pod whose configuration it cannot read.

How it shows: Alertmanager's port refuses connections; Prometheus goes on judging its rules and says how many notifications it had to drop
(``prometheus_notifications_errors_total``, ``prometheus_notifications_dropped_total``) and that the target ``alertmanager`` is down.
No alert says so: whoever waits for a page waits in vain.

What mends it: Alertmanager has to live; ``lab mend`` lets it; Prometheus sends anew what still fires within seconds.
"""

from __future__ import annotations

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab

_SERVER = "alertmanager"


class AlertPipelineDead:
    """See the module."""

    name = "alert-pipeline-dead"
    summary = "Alertmanager is dead: alerts fire in Prometheus and reach nobody."
    mended_by = "Alertmanager coming back (`alphapulse lab mend alert-pipeline-dead`)"
    parameters = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Kill it, now and whenever it comes back.

        Raises:
            LabError: It does not run.
        """
        process = lab.supervisor.running(_SERVER)
        if process is None:
            raise LabError("Alertmanager does not run now, so it cannot be killed: see `alphapulse lab status`.")
        lab.supervisor.doom(_SERVER)
        await process.wait()
        return "Alertmanager is dead; Prometheus sends its alerts to nobody"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Let it live; the supervisor starts it again within 10 s."""
        lab.supervisor.spare(_SERVER)
        await lab.healthy("alertmanager")


FAULT = AlertPipelineDead()
