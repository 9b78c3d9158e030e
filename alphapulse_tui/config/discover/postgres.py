"""What psql would use: service file, ``PG*`` variables and password file, by libpq's rules.

asyncpg knows some of them, but not which value came from where, and it ignores a password file that is too open without a
word. Two rules are stricter than libpq's, so that a profile never mixes with another server's login: ``PGHOST`` and
``PGSERVICE`` complete only a primary without an address of its own, and a password file named by the profile beats
``PGPASSWORD``.
"""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path

from msgspec import structs

from alphapulse_tui.config.decode import suggestion
from alphapulse_tui.config.paths import home_folder, there
from alphapulse_tui.config.secret import Credential, read_secret_file
from alphapulse_tui.config.settings import PostgresServer
from alphapulse_tui.errors import ConfigError, CredentialError
from alphapulse_tui.plain_file import read_plain
from alphapulse_tui.text import clean

Origins = dict[str, str]
"""Field name to where its value came from, in words."""

_VARIABLES = {
    "host": ("PGHOST", "PGHOSTADDR"),
    "port": ("PGPORT",),
    "user": ("PGUSER",),
    "database": ("PGDATABASE",),
    "sslmode": ("PGSSLMODE",),
    "passfile": (),  # PGPASSFILE completes nothing: password() asks it last
}
_SERVICE_KEYS = {"host": ("host", "hostaddr"), "database": ("dbname",)}
_SYSTEM_SERVICE_FOLDERS = ("/etc/postgresql-common", "/etc", "/etc/sysconfig/pgsql")
_SOCKET_FOLDERS = ("/run/postgresql", "/var/run/postgresql", "/tmp")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PORTS = range(1, 65536)
_LARGEST_FILE = 1024 * 1024
"""Bytes of a service file; of a larger one the rest is not read."""


def configured_by_environment() -> bool:
    """Whether the environment names a server, so that a profile can be made of it."""
    return any(os.environ.get(name) for name in ("PGSERVICE", "PGHOST", "PGHOSTADDR"))


def complete(server: PostgresServer, is_primary: bool) -> tuple[PostgresServer, Origins]:
    """``server`` with everything that it leaves out filled in as libpq would, and where each filled-in value came from.

    Raises ``ConfigError`` for an unknown service or a variable that makes no sense.
    """
    origins: Origins = {}
    service = server.service
    if is_primary and not service and not server.host:
        service = os.environ.get("PGSERVICE", "")
        if service:
            origins["service"] = "environment variable PGSERVICE"
    entry, place = read_service(service) if service else ({}, "")
    values: dict[str, str] = {}
    for name, variables in _VARIABLES.items():
        if getattr(server, name):
            continue
        key = next((key for key in _SERVICE_KEYS.get(name, (name,)) if entry.get(key)), "")
        variable = next((variable for variable in variables if os.environ.get(variable)), "")
        if key:
            values[name], origins[name] = entry[key], f'service "{clean(service)}" in {place}'
        elif variable and (name != "host" or is_primary):
            values[name], origins[name] = os.environ[variable], f"environment variable {variable}"
    port = int(_checked(values, origins, "port", _PORTS)) if "port" in values else server.port or 5432
    sslmode = _checked(values, origins, "sslmode", _SSL_MODES) if "sslmode" in values else server.sslmode or "prefer"
    user = server.user or values.get("user") or _login_name()
    for name in _VARIABLES.keys() - {"passfile"} - values.keys():
        if not getattr(server, name):
            origins[name] = "libpq's default"
    filled = structs.replace(
        server,
        service=service,
        host=server.host or values.get("host") or _default_host(port),
        port=port,
        user=user,
        database=server.database or values.get("database") or user,
        passfile=server.passfile or values.get("passfile", ""),
        sslmode=sslmode,
    )
    return filled, origins


def password(server: PostgresServer) -> Credential | None:
    """The password for a completed ``server``, or none when nobody has one for it (peer, trust or certificate logins).

    Raises ``CredentialError`` when a password file may not be used.
    """
    what = f"PostgreSQL password of {clean(server.name or server.host)}"
    if server.passfile:
        return _from_passfile(server, Path(server.passfile), what)
    if server.service:
        entry, place = read_service(server.service)
        if entry.get("password"):
            return Credential(what, f'service "{clean(server.service)}" in {place}', lambda: entry["password"])
    if os.environ.get("PGPASSWORD"):
        return Credential(what, "environment variable PGPASSWORD", lambda: os.environ.get("PGPASSWORD", ""))
    named = os.environ.get("PGPASSFILE", "")
    file = Path(named) if named else home_folder() / ".pgpass"
    return _from_passfile(server, file, what) if there(file) else None


def read_service(service: str) -> tuple[dict[str, str], str]:
    """The entry of ``service`` and its place, ``file line N``; raises ``ConfigError`` when no file defines it."""
    named = os.environ.get("PGSERVICEFILE", "")
    folders = [os.environ["PGSYSCONFDIR"]] if os.environ.get("PGSYSCONFDIR") else _SYSTEM_SERVICE_FOLDERS
    files = [
        Path(named) if named else home_folder() / ".pg_service.conf",
        *(Path(f, "pg_service.conf") for f in folders),
    ]
    known: set[str] = set()
    for file in files:
        try:
            lines = read_plain(file, _LARGEST_FILE).decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"service file {clean(file)} cannot be read: {clean(error.strerror or error)}") from None
        section, start, entry = "", 0, dict[str, str]()
        for number, line in enumerate(map(str.strip, lines), 1):
            if line.startswith("[") and "]" in line:
                section = line[1 : line.index("]")]
                known.add(clean(section))
                start = number if section == service and not start else start
            elif section == service and "=" in line and not line.startswith("#"):
                key, _, value = line.partition("=")
                entry.setdefault(key.strip(), value.strip())
        if start:
            return entry, f"{clean(file)} line {start}"
    hint = suggestion(clean(service), known) or f"; {clean(files[0])} defines none"
    raise ConfigError(f'definition of service "{clean(service)}" not found{hint}')


def passfile_entry(text: str, server: PostgresServer) -> tuple[int, str] | None:
    """The line number and password of the first entry for ``server`` in a password file's ``text``.

    >>> passfile_entry("# ours\\ndb:*:*:ana:with\\\\:colon\\n", PostgresServer(host="db", port=5432, user="ana"))
    (2, 'with:colon')
    """
    host = "localhost" if server.host in _SOCKET_FOLDERS else server.host
    wanted = (host, str(server.port), server.database, server.user)
    for number, line in enumerate(text.splitlines(), 1):
        parts = [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:^|:)((?:[^\\:]|\\.)*)", line)]
        if line.startswith("#") or len(parts) < 5:
            continue
        if all(part in ("*", value) for part, value in zip(parts, wanted, strict=False)):
            return number, parts[4]
    return None


def _from_passfile(server: PostgresServer, file: Path, what: str) -> Credential | None:
    found = passfile_entry(read_secret_file(file, "password file"), server)
    if found is None:
        return None

    def load() -> str:
        entry = passfile_entry(read_secret_file(file, "password file"), server)
        if entry is None:
            raise CredentialError(f'password file "{clean(file)}" no longer has an entry for {clean(server.host)}')
        return entry[1]

    return Credential(what, f"password file {clean(file)} line {found[0]}", load)


def _checked(values: dict[str, str], origins: Origins, name: str, allowed: range | tuple[str, ...]) -> str:
    """A value from outside the profile that has to be one of ``allowed``; raises ``ConfigError`` naming its origin."""
    value = values[name]
    if isinstance(allowed, range):
        if value.isascii() and value.isdigit() and int(value) in allowed:
            return value
        raise ConfigError(f"{origins[name]} must give the {name} as a whole number from 1 to 65535")
    if value in allowed:
        return value
    raise ConfigError(f"{origins[name]} must give {name} as one of {', '.join(allowed)}")


def _default_host(port: int) -> str:
    """libpq's own default: the socket folder in which a server listens, else localhost."""
    return next(
        (folder for folder in _SOCKET_FOLDERS if os.access(f"{folder}/.s.PGSQL.{port}", os.F_OK)), "localhost"
    )  # no socket where we may not even look


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name: OSError from 3.13 on
        return str(os.getuid())
