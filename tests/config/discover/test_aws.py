from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alphapulse_tui.config.discover import aws
from alphapulse_tui.errors import CredentialError
from alphapulse_tui.redact import redact
from tests.empty_home import secret_file

CONFIG = """
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = oncall
[profile role]
role_arn = arn:aws:iam::123456789012:role/oncall
source_profile = keys
[profile keys]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI-EXAMPLEKEY
[profile process]
credential_process = touch /tmp/never
"""


def test_nothing_of_aws_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/ca.pem")
    for name in [name for name in sys.modules if name.split(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    assert aws.credentials() is None
    assert "botocore" not in sys.modules


def test_keys_in_variables_with_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-variable")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-variable")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2126-11-23T22:00:00+01:00")
    credential = aws.credentials()
    assert credential is not None
    assert credential.source == "environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    assert credential.expires_at == datetime(2126, 11, 23, 21, 0, tzinfo=UTC)
    assert credential.load().reveal() == "secret-of-variable"
    assert redact("secret-of-variable token-of-variable") == "(redacted) (redacted)"


def test_keys_that_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-variable")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
    credential = aws.credentials()
    assert credential is not None
    with pytest.raises(CredentialError, match=r"^AWS credentials cannot be had: .*expired"):
        credential.load()


@pytest.mark.parametrize(
    ("profile", "source"),
    [
        ("sso", 'SSO session of AWS profile "sso"'),
        ("role", 'role arn:aws:iam::123456789012:role/oncall of AWS profile "role"'),
        ("keys", 'keys of AWS profile "keys"'),
        ("process", 'credential_process of AWS profile "process"'),
    ],
)
def test_the_link_of_the_chain_that_will_answer(
    home: Path, profile: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_file(home / ".aws" / "config", CONFIG)
    monkeypatch.setenv("AWS_PROFILE", profile)
    credential = aws.credentials()
    assert credential is not None
    assert credential.source == source
    assert credential.expires_at is None


def test_when_an_sso_login_ends(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file(home / ".aws" / "config", CONFIG)
    monkeypatch.setenv("AWS_PROFILE", "sso")
    mark = hashlib.sha1(b"corp").hexdigest()  # the AWS tools name the file after the session
    cache = home / ".aws" / "sso" / "cache" / f"{mark}.json"
    secret_file(cache, '{"accessToken": "hunter2", "expiresAt": "2026-11-23T21:00:00Z"}')
    credential = aws.credentials()
    assert credential is not None
    assert credential.expires_at == datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
    cache.write_text("{")
    with pytest.raises(CredentialError, match=r"cannot be read; `aws sso login` makes it anew$"):
        aws.credentials()


def test_a_profile_that_is_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file(home / ".aws" / "config", CONFIG)
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(CredentialError, match=r'^AWS_PROFILE names "gone", which is in none of the AWS config files$'):
        aws.credentials()
    secret_file(home / ".aws" / "config", "no section")
    with pytest.raises(CredentialError, match=r"^the AWS config cannot be read: "):
        aws.credentials()


def test_files_without_a_default_profile_are_no_credentials(home: Path) -> None:
    secret_file(home / ".aws" / "config", CONFIG)
    assert aws.credentials() is None


def test_a_file_that_the_profile_names(tmp_path: Path) -> None:
    file = secret_file(tmp_path / "aws", "[default]\naws_access_key_id = LAB\naws_secret_access_key = sec%ret\n")
    credential = aws.from_file(str(file))
    assert credential.source == f"credentials file {file}"
    assert credential.load().reveal() == "sec%ret"
    assert redact("sec%ret") == "(redacted)"
    file.write_text("aws_secret_access_key = sec%ret\n")
    with pytest.raises(CredentialError) as refused:
        aws.from_file(str(file))
    assert refused.value.sentence == f'credentials file "{file}" has no [default] with aws_secret_access_key'
    file.chmod(0o644)
    with pytest.raises(CredentialError, match=r"has group or world access"):
        aws.from_file(str(file))
