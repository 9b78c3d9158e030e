"""Hosts and ports out of hostile values: no part of a password comes out, here or inside a pod."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from alphapulse_tui.actions.kubernetes_inside import BY_HAND, PROGRAM
from alphapulse_tui.model.endpoints import endpoints

HOSTILE = (
    "host=db user=app password=s3cret",
    "host=db user=app password=a,s3cret,b",
    "host=db user=app password='two s3cret host=s3cret'",
    "host=db user=app password='two host=s3cret",
    "host=db password=it's host=s3cret",
    r"host=db password='a\' host=s3cret'",
    "host=db password=x://s3cret",
    "'host=db password=a,s3cret,b'",
    "postgresql://app:s3,cret@db/prod",
    "postgresql://app:a,s3cret,b@db/prod",
    "postgresql://app:a/s3cret@db/prod",
    "postgresql://app:12/s3cret@db/prod",
    "postgresql://app:a?s3cret@db/prod",
    "postgresql://app:12#s3cret@db/prod",
    "postgresql://app:a@s3cret@db/prod",
    "postgresql://app:a@s3cret/b@db/prod",
    "postgresql://db/prod?user=app&password=a@s3cret",
    "postgresql://app:p@db/prod?sslpassword=a@s3cret",
    "postgresql://app:a,postgresql://b:s3cret@db/x",
    "redis://s3cret,redis://b@db",
    "redis://:s3cret@db:7000,redis://:s3cret@db:7001",
    "s3cret:12345678",
    ":s3cret@db:7000,db:7001",
    "postgresql://app:s3cret\n@db/prod",
    '{"password": "s3cret"}',
    "AUTH s3cret, db",
)


@pytest.mark.parametrize("value", HOSTILE)
def test_no_part_of_a_password_is_taken_for_a_host(value: str) -> None:
    found = endpoints(value, 5432)
    assert {host for host, _, _ in found} <= {"db"}, found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("host=db user=app password=s3cret", ["db:5432"]),
        ("host=a,b port=1,2 password='x y' dbname=z", ["a:1", "b:2"]),
        ("host = a,b port=1", ["a:1", "b:1"]),
        ("hostaddr=10.0.0.1", ["10.0.0.1:5432"]),
        ("host=/var/run/postgresql password=x", []),
        ("user=app password=x", []),
        ("postgresql+asyncpg://app:a,b@A.example:6432,b/prod?x=1", ["a.example:6432", "b:5432"]),
        ("10.0.0.1:7000, 10.0.0.2", ["10.0.0.1:7000", "10.0.0.2:5432"]),
        ("https://v1:8200,https://v2", ["v1:8200", "v2:5432"]),
        ("redis://:s3cret@h:7000,redis://:s3cret@i:7001", ["h:7000", "i:7001"]),
        ("redis://[::1]:7000/0", ["::1:7000"]),
        ("db:0", []),
        ("db:65536", []),
        ("", []),
    ],
)
def test_known_forms_are_read(value: str, found: list[str]) -> None:
    assert [f"{host}:{port}" for host, port, _ in endpoints(value, 5432)] == found


def test_tls_is_told_by_the_scheme() -> None:
    assert [tls for _, _, tls in endpoints("rediss://a,rediss://b", 6379)] == [True, True]
    assert [tls for _, _, tls in endpoints("redis://a", 6379)] == [False]


def test_a_value_of_many_pairs_is_read_in_no_time() -> None:
    assert endpoints("a= " * 5000 + "'", 5432) == []


def test_the_program_inside_shows_no_part_of_a_password() -> None:
    """Its parser is this module's own text; here it runs with an address that refuses, on each value in turn."""
    values = [value.replace("db", "127.0.0.1:1" if "host=" not in value else "127.0.0.1") for value in HOSTILE]
    check = f"{PROGRAM.split('PORTS = ')[0]}\nfor one in sys.argv[1:]: print(endpoints(one, 1))"
    told = subprocess.run([sys.executable, "-I", "-c", check, *values], capture_output=True, text=True, check=True)
    assert "cret" not in told.stdout + told.stderr and told.stdout.count("127.0.0.1") >= 5


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("postgresql://app:a/s3cret@127.0.0.1:1/x", "it is not in a known form"),
        ("host=127.0.0.1 port=1 password=a,s3cret", "refuses connections"),
        ("", "is not set in this pod"),
    ],
)
def test_the_program_says_what_it_found_and_no_more(value: str, said: str) -> None:
    told = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, "database=DATABASE_URL="],
        env={**os.environ, "DATABASE_URL": value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in told.stdout and "cret" not in told.stdout + told.stderr


@pytest.mark.parametrize("value", HOSTILE)
def test_the_line_for_a_person_shows_none_either(value: str) -> None:
    told = subprocess.run(
        [sys.executable, "-I", "-c", BY_HAND.replace(", 2)", ", 0.001)")],
        env={**os.environ, "DATABASE_URL": value.replace("db", "127.0.0.1")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "s3cret" not in told.stdout + told.stderr
