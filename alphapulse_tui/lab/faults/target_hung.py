"""``target-hung TARGET``: the servers of a target are frozen; they accept connections and never answer.

What breaks: every process of the target, with all its descendants (PostgreSQL's backends leave their postmaster's process group), gets
SIGSTOP. The kernel still completes TCP handshakes for them.

How it shows: connects succeed, every answer is missing; what waits without a deadline waits forever.

What mends it: SIGCONT, which is what ``lab mend`` does; in life somebody finds the stuck disk, or restarts the pod.
"""

from __future__ import annotations

import signal

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab


class TargetHung:
    """See the module."""

    name = "target-hung"
    summary = "Every process of a target is frozen by SIGSTOP: it accepts connections and never answers."
    mended_by = "SIGCONT (`alphapulse lab mend target-hung`)"
    parameters = ("postgres", "redis", "vault", "kubernetes", "prometheus", "alertmanager", "api", "s3")

    async def inject(self, lab: Lab, parameter: str) -> str:
        """Freeze all processes of the target."""
        processes = lab.supervisor.of_target(parameter)
        if not processes:
            raise LabError(f"No process of {parameter} runs, so none can be frozen (see `alphapulse lab status`).")
        for process in processes:
            process.signal_tree(signal.SIGSTOP)
        return f"{parameter}: {', '.join(process.name for process in processes)} frozen"

    async def mend(self, lab: Lab, parameter: str) -> None:
        """Let them run again and wait until the target is whole."""
        for process in lab.supervisor.of_target(parameter):
            process.signal_tree(signal.SIGCONT)
        await lab.healthy(parameter)


FAULT = TargetHung()
