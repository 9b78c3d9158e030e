from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from alphapulse_tui.config.discover import postgres
from alphapulse_tui.config.settings import PostgresServer
from alphapulse_tui.errors import ConfigError, CredentialError
from alphapulse_tui.redact import redact
from tests.empty_home import secret_file

SERVICES = """
# ours
[staging]
host=staging.example.com
[alphapulse]
host=db.example.com
port=6432
user=oncall
dbname=alphapulse_prod
sslmode=require
password=from-service
"""

ANA = PostgresServer(name="primary", host="db", port=5432, user="ana", database="prod")


def test_a_server_without_anything_is_completed_as_libpq_does() -> None:
    filled, origins = postgres.complete(PostgresServer(name="primary", port=59999), is_primary=True)
    login = getpass.getuser()
    assert (filled.host, filled.port, filled.user, filled.database) == ("localhost", 59999, login, login)
    assert filled.sslmode == "prefer"
    assert origins == dict.fromkeys(("host", "user", "database", "sslmode"), "libpq's default")


def test_a_service_is_completed_from_the_service_file(home: Path) -> None:
    file = secret_file(home / ".pg_service.conf", SERVICES)
    filled, origins = postgres.complete(PostgresServer(service="alphapulse", user="ana"), is_primary=True)
    assert (filled.host, filled.port, filled.user) == ("db.example.com", 6432, "ana")
    assert (filled.database, filled.sslmode) == ("alphapulse_prod", "require")
    place = f'service "alphapulse" in {file} line 5'
    assert origins == dict.fromkeys(("host", "port", "database", "sslmode"), place)
    credential = postgres.password(filled)
    assert credential is not None
    assert credential.source == place
    assert credential.load().reveal() == "from-service"


def test_pgservice_and_pghost_complete_only_a_primary_without_an_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_file(home / "services", SERVICES)
    monkeypatch.setenv("PGSERVICEFILE", str(home / "services"))
    monkeypatch.setenv("PGSERVICE", "staging")
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("PGUSER", "mia")
    primary, origins = postgres.complete(PostgresServer(), is_primary=True)
    assert (primary.service, primary.host, primary.user) == ("staging", "staging.example.com", "mia")
    assert origins["service"] == "environment variable PGSERVICE"
    assert origins["user"] == "environment variable PGUSER"
    named, _ = postgres.complete(PostgresServer(host="db"), is_primary=True)
    assert (named.service, named.host) == ("", "db")
    replica, _ = postgres.complete(PostgresServer(service="alphapulse"), is_primary=False)
    assert replica.host == "db.example.com"


def test_an_unknown_service_is_told_in_libpqs_words(home: Path) -> None:
    secret_file(home / ".pg_service.conf", SERVICES)
    with pytest.raises(
        ConfigError, match=r'^definition of service "alphapuls" not found; did you mean "alphapulse"\?$'
    ):
        postgres.read_service("alphapuls")
    (home / ".pg_service.conf").unlink()
    with pytest.raises(
        ConfigError, match=rf'^definition of service "x" not found; {home}/\.pg_service\.conf defines none$'
    ):
        postgres.read_service("x")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PGPORT", "54x2", "environment variable PGPORT must give the port as a whole number from 1 to 65535"),
        ("PGPORT", "0", "environment variable PGPORT must give the port as a whole number from 1 to 65535"),
        (
            "PGPORT",
            "\N{ARABIC-INDIC DIGIT FIVE}",
            "environment variable PGPORT must give the port as a whole number from 1 to 65535",
        ),
        ("PGSSLMODE", "full", "environment variable PGSSLMODE must give sslmode as one of disable, allow, prefer,"),
    ],
)
def test_a_variable_that_makes_no_sense(name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        postgres.complete(PostgresServer(host="db"), is_primary=True)
    assert caught.value.sentence.startswith(sentence)


PASSFILE = [
    ("db:5432:prod:ana:one", (1, "one")),
    ("#db:5432:prod:ana:no\ndb:5433:prod:ana:no\n*:*:*:ana:two\n*:*:*:*:three", (3, "two")),
    (r"db:5432:prod:ana:a\:b\\c", (1, r"a:b\c")),
    ("db:5432:prod:ana", None),
    ("db:5432:prod:anna:x", None),
    ("", None),
    ("::::\n:::::::\n\\", None),
]


@pytest.mark.parametrize(("text", "entry"), PASSFILE)
def test_the_first_entry_of_a_password_file_that_fits(text: str, entry: tuple[int, str] | None) -> None:
    assert postgres.passfile_entry(text, ANA) == entry


def test_a_socket_folder_is_localhost_in_a_password_file() -> None:
    server = PostgresServer(host="/var/run/postgresql", port=5432, user="ana", database="prod")
    assert postgres.passfile_entry("localhost:5432:prod:ana:x", server) == (1, "x")


def test_the_password_comes_from_the_profile_then_the_variable_then_the_usual_files(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgres.password(ANA) is None
    usual = secret_file(home / ".pgpass", "db:*:*:*:usual-one\n")
    ours = secret_file(home / "ours", "\ndb:*:*:*:profile-one\n")
    other = secret_file(home / "other", "db:*:*:*:other-one\n")

    def found(server: PostgresServer = ANA) -> tuple[str, str]:
        credential = postgres.password(server)
        assert credential is not None
        assert credential.what == "PostgreSQL password of primary"
        return credential.source, credential.load().reveal()

    assert found() == (f"password file {usual} line 1", "usual-one")
    monkeypatch.setenv("PGPASSFILE", str(other))
    assert found() == (f"password file {other} line 1", "other-one")
    monkeypatch.setenv("PGPASSWORD", "variable-one")
    assert found() == ("environment variable PGPASSWORD", "variable-one")
    named = PostgresServer(name="primary", host="db", port=5432, user="ana", database="prod", passfile=str(ours))
    assert found(named) == (f"password file {ours} line 2", "profile-one")
    assert redact("it was profile-one, once") == "it was (redacted), once"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_password_file_that_others_can_read_is_refused_in_libpqs_words(home: Path, mode: int) -> None:
    file = secret_file(home / ".pgpass", "*:*:*:*:hunter2\n", mode)
    with pytest.raises(CredentialError) as caught:
        postgres.password(ANA)
    assert caught.value.sentence == (
        f'password file "{file}" has group or world access; permissions should be u=rw (0600) or less'
    )


def test_a_password_file_that_the_profile_names_must_be_there(home: Path) -> None:
    named = PostgresServer(host="db", passfile=str(home / "gone"))
    with pytest.raises(CredentialError, match=r'^password file ".*/gone" cannot be read: No such file or directory$'):
        postgres.password(named)


def test_an_entry_that_has_gone_since(home: Path) -> None:
    file = secret_file(home / ".pgpass", "*:*:*:*:hunter2\n")
    credential = postgres.password(ANA)
    assert credential is not None
    file.write_text("")
    with pytest.raises(CredentialError, match="no longer has an entry for db"):
        credential.load()
