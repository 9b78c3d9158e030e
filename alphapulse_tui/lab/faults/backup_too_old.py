"""``backup-too-old``: nothing was backed up for three days.

What breaks: the backup agent and its WAL shipper are stopped, and every backup in the bucket becomes three days older: its key, its
manifest's ``created``, its last-modified.

How it shows: the newest object of every prefix is three days old (runbook 5.1 allows 15 minutes of WAL, an hour for Redis, a day for
Vault); finished segments pile up in the primary's archive folder. PostgreSQL itself is content: its ``archive_command`` succeeds.

What mends it: a backup now (runbook 3.3), and the agent started again. ``lab mend`` starts it, and waits for a new one of each.
"""

from __future__ import annotations

from alphapulse_tui.lab import backups
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import Restart

DAYS = 3
_BACKUP_SECONDS = 90.0


class BackupTooOld:
    """See the module."""

    name = "backup-too-old"
    summary = f"Backups and WAL shipping stopped {DAYS} days ago: the recovery point is lost."
    mended_by = "a backup (runbook 3.3), and the agent started again"
    parameters = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Wait for the first backups, stop the agent, and make them old.

        Raises:
            LabError: There are no backups in this lab.
        """
        await backups.wait_made(lab, backups.jobs_of(lab), _BACKUP_SECONDS)
        await lab.supervisor.stop(backups.AGENT)
        await lab.supervisor.run(backups.ageing_spec(lab, DAYS))
        return f"S3: the backup agent is stopped, every backup is {DAYS} days older"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Start the agent if it does not run, and wait until it has backed everything up."""
        if lab.supervisor.running(backups.AGENT) is None:
            for job in backups.jobs_of(lab):
                backups.made(lab, job).unlink(missing_ok=True)
            await lab.supervisor.start(backups.agent_spec(lab), Restart.ALWAYS)
        await backups.wait_made(lab, backups.jobs_of(lab), _BACKUP_SECONDS)


FAULT = BackupTooOld()
