"""What the server means by a refusal for want of rights, as the grant that a DBA writes.

A plan asks for its rights and names the grant itself; this is for the statement that is refused all the same, because the right was taken away
meanwhile. The server names the object and not the grant; of a session it says in the detail whose it may be. Used by ``actions.postgres_action``,
``actions.postgres_build`` and ``actions.postgres``.
"""

from __future__ import annotations

import re

import asyncpg

from alphapulse_tui.text import clean

BECOME = "GRANT {} TO {} WITH INHERIT FALSE, SET TRUE (before PostgreSQL 16 without the words from WITH on)"
"""How a role may become another by SET ROLE, and inherits nothing of it."""

GRANTS = (
    (re.compile(r'permission denied for function "?(\w+)"?'), "GRANT EXECUTE ON FUNCTION {}() TO {}"),
    (re.compile(r'permission denied to set parameter "([\w.]+)"'), "GRANT ALTER SYSTEM ON PARAMETER {} TO {}"),
    (re.compile(r'permission denied to set role "([^"]+)"'), BECOME),
    (re.compile(r"permission denied to (terminate) process|permission denied to (cancel) query"), "GRANT pg_signal_backend TO {1}"),
    (re.compile(r'permission denied to (?:vacuum|analyze) "([^"]+)"'), "GRANT MAINTAIN ON {} TO {} (PostgreSQL 17 and later)"),
    (re.compile(r"member of the role whose (process|query) is being"), "GRANT pg_signal_backend TO {1}"),
)  # fmt: skip
"""Messages (PostgreSQL 13 to 18, lc_messages in English) and the grant that answers each; of another one there is none to name."""

SUPERUSER = re.compile(r"(?i)superuser")
"""In message or detail: no grant would do, the session is a superuser's."""


def grant_of(message: str, role: str, detail: str = "") -> str:
    """The grant that ``message`` asks for, for ``role``; empty when it names none that could be given.

    >>> grant_of("permission denied for function pg_reload_conf", "oncall")
    'GRANT EXECUTE ON FUNCTION pg_reload_conf() TO oncall'
    >>> grant_of("permission denied to terminate process", "oncall", "Only roles with the SUPERUSER attribute may terminate processes of ...")
    ''
    """
    if SUPERUSER.search(message) or ("SUPERUSER attribute may" in detail):
        return ""
    for pattern, grant in GRANTS:
        if found := pattern.search(message):
            return grant.format(clean(found[1] or "", 64), clean(role, 64))
    return ""


def grant_to_become(other: str, role: str) -> str:
    """The grant by which ``role`` may become ``other``, both as they stand in SQL."""
    return BECOME.format(other, role)


def with_grant(sentence: str, error: Exception, role: str) -> str:
    """``sentence``, with the grant that would make it possible where ``error`` is a refusal that names one."""
    if not isinstance(error, asyncpg.InsufficientPrivilegeError):
        return sentence
    grant = grant_of(clean(error.message or error, 300), role, clean(error.detail or "", 300))
    return f"{sentence}: {grant}" if grant else sentence
