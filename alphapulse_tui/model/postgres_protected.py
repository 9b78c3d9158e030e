"""Sessions that are left alone: superusers, replication roles, a DBA's tools, ourselves, and poolers, whose idle sessions are their purpose.

One decision for the actions, which spare them, and for the checks, which must not suggest to end what is spared. Used by
``actions.postgres_victims`` and ``runbook.checks.postgres``.
"""

from __future__ import annotations

from alphapulse_tui.text import clean

TOOLS = (
    "alphapulse-tui%",
    "pg\\_dump%",
    "pg\\_restore%",
    "pg\\_basebackup%",
    "pg\\_receivewal%",
    "pg\\_recvlogical%",
    "pg\\_rewind%",
    "pg\\_amcheck%",
    "pgbackrest%",
    "barman%",
)
"""Application names, as patterns of LIKE, of backups, restores and ourselves (facts 2.1.1); ``pg_dump%`` is pg_dumpall too."""

POOLERS = ("pgbouncer", "pgpool", "pgcat", "odyssey", "supavisor")
"""Names of the known poolers, looked for in the application and in the role."""


def protection_of(
    application: str, user: str, *, superuser: bool, replication: bool, include_poolers: bool = False
) -> str:
    """Why such a session is left alone, as ``N sessions <reason> are left alone``; empty when it is not protected.

    >>> protection_of("pg_dump", "backup", superuser=False, replication=False)
    'of pg_dump'
    """
    if superuser:
        return "of superusers"
    if replication:
        return "of replication roles"
    if any(application.startswith(_prefix(tool)) for tool in TOOLS):
        return f"of {clean(application, 64)}"
    names = (application.lower(), user.lower())
    pooler = next((pooler for pooler in POOLERS if any(pooler in name for name in names)), "")
    if pooler and not include_poolers:
        return f"of {pooler}, a pooler that holds idle sessions on purpose,"
    return ""


def _prefix(pattern: str) -> str:
    return pattern.removesuffix("%").replace("\\", "")
