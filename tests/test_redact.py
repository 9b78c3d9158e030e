"""No secret in anything written: remembered values in all their spellings, unknown ones by their shape."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse_tui.redact import forget_secrets, redact, remember_secret


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    forget_secrets()


SHARE = base64.b64encode(bytes(range(7, 40))).decode()

SHAPES = {
    "vault service token": ("client token hvs.CAESIJ2s5lJ8gkq1w2", "hvs.CAESIJ2s5lJ8gkq1w2"),
    "vault batch token": ("hvb.AAAAAQJnY2Fubm90cmVhZA", "hvb.AAAAAQJnY2Fubm90cmVhZA"),
    "old vault token": ("VAULT_TOKEN is s.7Uvj3PEs2RZlJbS6Q3a8FkLm", "s.7Uvj3PEs2RZlJbS6Q3a8FkLm"),
    "key share, base64": (f"share {SHARE} given", SHARE),
    "key share, hex": ("share " + "0a" * 33, "0a" * 33),
    "AWS key id": ("key AKIAIOSFODNN7EXAMPLE denied", "AKIAIOSFODNN7EXAMPLE"),
    "AWS secret": ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
    "PEM": ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    "PEM cut short": ("x -----BEGIN PRIVATE KEY----- MIIEow", "MIIEow"),
    "JWT": ("bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "eyJhbGciOiJSUzI1NiJ9"),
    "URL": ("postgres://oncall:hunter2@db:5432/x", "hunter2"),
    "URL, slash in the password": ("invalid port in redis://:PW/z8@host", "PW/z8"),
    "URL, at in the password": ("amqp://u:p@ss@host/", "p@ss"),
    "URL, token only": ("https://abcdefghijklmnopqrstuvwx@git/x", "abcdefghijklmnopqrstuvwx"),
    "conninfo": ("host=db password=hunter2 dbname=x", "hunter2"),
    "conninfo, quoted": ("host=db password='hun ter2' dbname=x", "ter2"),
    "environment": ("PGPASSWORD=hunter2 psql", "hunter2"),
    "redis environment": ("REDISCLI_AUTH=hunter2", "hunter2"),
    "JSON": ('{"password": "hun\\"ter2"}', "ter2"),
    "JSON in JSON": ('{\\"client_token\\": \\"hunter2\\"}', "hunter2"),
    "YAML": ("password: hunter2", "hunter2"),
    "SQL": ("ALTER ROLE x PASSWORD 'hunt''er2'", "er2"),
    "SQL, with escapes": ("ALTER ROLE x PASSWORD E'hunt\\'er2' VALID UNTIL 'x'", "er2"),
    "SQL, by code points": ("ALTER ROLE x PASSWORD u&'hunt\\0061er2'", "er2"),
    "SQL, in dollars": ("ALTER ROLE x PASSWORD $$hunt'er2$$", "er2"),
    "SQL, in dollars with a tag": ("ALTER ROLE x PASSWORD $pw$hunt$$er2$pw$ LOGIN", "er2"),
    "SQL, cut short": ("ALTER ROLE x PASSWORD 'hunter2 ...", "hunter2"),
    "SQL with escapes, cut short": ("ALTER ROLE x PASSWORD E'hunter2\\", "hunter2"),
    "SQL in dollars, cut short": ("ALTER ROLE x PASSWORD $a$hunter2", "hunter2"),
    "argv": ("mysqldump --password hunter2 db", "hunter2"),
    "argv with =": ("tool --token=hunter2", "hunter2"),
    "redis.conf": ("masterauth hunter2", "hunter2"),
    "header": ("X-Vault-Token: root", "root"),
    "basic header": ("Authorization: Basic dTpodW50ZXIy", "dTpodW50ZXIy"),
    "bearer alone": ("sent Bearer abc123def456", "abc123def456"),
    "GitHub": ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghij"),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_known_shapes_are_hidden(kind: str) -> None:
    text, secret = SHAPES[kind]
    hidden = redact(text)
    assert secret not in hidden
    assert "(redacted)" in hidden
    assert redact(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "alphapulse-api-7d9f6c5b8-x2x4z restarted 3 times",
        "permission denied for relation pg_stat_activity",
        "http://127.0.0.1:9090/api/v1/query?query=up@5",
        "ALTER ROLE x PASSWORD $1 VALID UNTIL $2",
        "kubernetes secret vault-tls is missing; password authentication failed for user oncall",
        "the token has expired, the token: see runbook",
        "postgres://oncall@127.0.0.1:5432/alphapulse_prod",
        "image sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "SELECT pid, usename FROM pg_stat_activity WHERE state = 'idle in transaction'",
        "passfile=/home/oncall/.pgpass token_file = '/home/oncall/.vault-token'",
        "vault-0 http://127.0.0.1:8200 sealed, progress 1/3, nonce 1c0dca4e-8b43-4b32-a4ea-53a0a4c0b2e4",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


secrets = st.text(alphabet=st.characters(exclude_categories=("Cs", "Zs", "Cc", "Zl", "Zp")), min_size=9, max_size=60)


@given(secrets, st.text(max_size=9), st.text(max_size=9))
@settings(max_examples=200, deadline=None)
def test_a_remembered_secret_is_found_in_every_spelling(secret: str, before: str, after: str) -> None:
    remember_secret(secret)
    try:
        user_and_password = before.encode("utf-8", "replace") + b":" + secret.encode()
        for spelling in (
            secret,
            quote(secret, safe=""),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
            base64.b64encode(secret.encode()).decode(),
            base64.urlsafe_b64encode(secret.encode()).decode(),
        ):
            assert spelling not in redact(f"{before} {spelling} {after}")
        encoded = base64.b64encode(user_and_password).decode()
        assert encoded not in redact(encoded)
    finally:
        forget_secrets()


def test_two_hundred_canaries() -> None:
    canaries = [f"canary-{number:03d}-{number * 7919:06x}!" for number in range(200)]
    for canary in canaries:
        remember_secret(canary.encode())
    text = redact("\n".join([*canaries, *(quote(canary, safe="") for canary in canaries)]))
    assert [canary for canary in canaries if canary in text or quote(canary, safe="") in text] == []


def test_a_short_secret_does_not_eat_the_text() -> None:
    remember_secret("a")
    remember_secret("")
    assert redact("alphapulse") == "alphapulse"


def test_forgetting() -> None:
    remember_secret("swordfish-of-old")
    assert redact("swordfish-of-old") == "(redacted)"
    forget_secrets()
    assert redact("swordfish-of-old") == "swordfish-of-old"
