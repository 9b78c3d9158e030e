"""The pooler in front of PostgreSQL: pgbouncer, where the PATH has one (no wheel carries it); said to be absent elsewhere.

Transaction pooling (https://www.pgbouncer.org/config.html): many clients share at most six sessions of the role ``pgbouncer``. Clients log
in with their own passwords. Nothing of the lab depends on it: the API connects directly.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from alphapulse_tui.lab.directory import give_to, write_private
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import ProcessSpec, Restart

NAME = "pgbouncer"
ABSENT = "not on the PATH: apt-get install pgbouncer"
POOL_SIZE = 6
_CLIENTS = ("alphapulse_app", "alphapulse_worker", "reporting", "oncall", "pgbouncer")
_CONFIGURATION = """\
[databases]
{database} = host=127.0.0.1 port={primary} dbname={database} user=pgbouncer

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits
stats_users = oncall
"""

_log = logging.getLogger("alphapulse.lab")


def program() -> Path | None:
    """pgbouncer as the PATH has it, or none; Debian puts it where only root looks."""
    found = shutil.which(NAME) or shutil.which(NAME, path="/usr/sbin")
    return Path(found) if found else None


async def start(lab: Lab, folder: Path, database: str, primary: int) -> None:
    """Start it in front of the server on port ``primary``, with its files in ``folder``; without one only say so in the daemon's log."""
    path = program()
    if path is None:
        _log.info("the lab has no pooler: pgbouncer is %s", ABSENT)
        return
    users, configuration = folder / "pgbouncer-users", folder / "pgbouncer.ini"
    passwords = {role: lab.credentials.password(f"postgres-{role}") for role in _CLIENTS}
    write_private(users, "".join(f'"{role}" "{password}"\n' for role, password in passwords.items()))
    text = _CONFIGURATION.format(
        database=database, primary=primary, port=lab.ports[NAME], users=users, pool_size=POOL_SIZE
    )
    write_private(configuration, text)
    give_to(lab.supervisor.account, (users, configuration))
    spec = ProcessSpec(
        NAME,
        (str(path), str(configuration)),
        folder,
        lab.log(NAME),
        unprivileged=True,
        stop_seconds=1.0,
        target="postgres",
    )
    await lab.supervisor.start(spec, Restart.ALWAYS)
