"""What ``aws`` would use, said without using it: no network, no program is run, nothing is logged in to.

botocore reads the files (it knows their merging and quoting) and, when the credential is used, walks its own chain. Here
we only say which link of the chain will answer, in botocore's order (``create_credential_resolver``). botocore is
imported when there is any sign of AWS at all: it takes 0.1 s and most commands do not need it.
"""

from __future__ import annotations

import configparser
import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from alphapulse_tui.config.paths import home_folder, there
from alphapulse_tui.config.secret import Credential, Secret, read_secret_file
from alphapulse_tui.errors import CredentialError
from alphapulse_tui.plain_file import read_plain
from alphapulse_tui.text import clean

_LARGEST_CACHE = 1024 * 1024
"""Bytes of a cached login; a larger file is none."""

WHAT = "AWS credentials"
"""What the login is for."""

_SIGNS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


def credentials() -> Credential | None:
    """Where AWS credentials will come from and when they end, or none; raises ``CredentialError`` for broken files.

    Without any sign of AWS it is none even on an EC2 instance: its metadata service is asked when a request is made, not
    when we look around. ``load()`` walks the whole chain and gives the secret access key.
    """
    folder = home_folder() / ".aws"
    if not any(map(os.environ.get, _SIGNS)) and not any(there(folder / name) for name in ("config", "credentials")):
        return None
    if os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"):
        ends = _moment(os.environ.get("AWS_CREDENTIAL_EXPIRATION", ""))
        return Credential(WHAT, "environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", _load, ends)
    source, ends = _described(*_profile())
    return Credential(WHAT, source, _load, ends) if source else None


def from_file(file: str) -> Credential:
    """The keys in the ``[default]`` of a shared credentials file that the profile names; raises ``CredentialError`` for a bad file."""
    _secret_key(Path(file))  # so that a refusal is said now, not at the first request
    return Credential(WHAT, f"credentials file {clean(file)}", lambda: _secret_key(Path(file)))


def _secret_key(file: Path) -> str:
    keys = configparser.ConfigParser(interpolation=None)
    try:
        keys.read_string(read_secret_file(file, "credentials file"))
        return keys["default"]["aws_secret_access_key"]
    except (configparser.Error, KeyError):
        # The parser's own words quote the line, which may hold the key.
        raise CredentialError(f'credentials file "{clean(file)}" has no [default] with aws_secret_access_key') from None


def _profile() -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """The profile's name, its settings and its SSO session's; raises ``CredentialError``."""
    import botocore.exceptions
    import botocore.session

    session = botocore.session.Session()
    name = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    try:
        config = session.full_config
        if name != "default" and name not in config.get("profiles", {}):
            raise CredentialError(f'AWS_PROFILE names "{clean(name)}", which is in none of the AWS config files')
    except botocore.exceptions.BotoCoreError as error:
        raise CredentialError(f"the AWS config cannot be read: {clean(error, 200)}") from None
    profile = config.get("profiles", {}).get(name, {})
    sso = config.get("sso_sessions", {}).get(profile.get("sso_session", ""), {})
    return name, profile, {**sso, **profile}


def _described(name: str, profile: Mapping[str, Any], sso: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """The link of the chain that will answer, and its expiry; an empty text when none will."""
    of_profile = f'of AWS profile "{clean(name)}"'
    if profile.get("role_arn") and (profile.get("source_profile") or profile.get("credential_source")):
        return f"role {clean(profile['role_arn'])} {of_profile}", None
    if os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and os.environ.get("AWS_ROLE_ARN"):
        return f"web identity for {clean(os.environ['AWS_ROLE_ARN'])} (AWS_WEB_IDENTITY_TOKEN_FILE)", None
    if profile.get("role_arn") and profile.get("web_identity_token_file"):
        return f"web identity for {clean(profile['role_arn'])} {of_profile}", None
    if profile.get("sso_account_id") and sso.get("sso_start_url"):
        return f"SSO session {of_profile}", _sso_expiry(profile.get("sso_session") or sso["sso_start_url"])
    if profile.get("aws_access_key_id"):
        return f"keys {of_profile}", None
    if profile.get("credential_process"):
        return f"credential_process {of_profile}", None
    for variable in ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        if os.environ.get(variable):
            return f"container role ({variable})", None
    return "", None


def _sso_expiry(key: str) -> datetime | None:
    """When the cached SSO login ends: its file is named after the session's name or start address."""
    mark = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()  # the AWS tools' own naming
    file = home_folder() / ".aws" / "sso" / "cache" / f"{mark}.json"
    try:
        cached = msgspec.json.decode(read_plain(file, _LARGEST_CACHE))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError):
        raise CredentialError(
            f'the SSO login in "{clean(file)}" cannot be read; `aws sso login` makes it anew'
        ) from None
    return _moment(cached.get("expiresAt", "")) if isinstance(cached, dict) else None


def _moment(text: object) -> datetime | None:
    """A time as AWS writes it, in UTC; none for anything else."""
    try:
        moment = datetime.fromisoformat(str(text).replace("UTC", "Z"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _load() -> str:
    import botocore.exceptions
    import botocore.session

    try:
        found = botocore.session.Session().get_credentials()
        frozen = found.get_frozen_credentials() if found else None
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, RuntimeError) as error:
        # RuntimeError is botocore's word for credentials that have ended.
        raise CredentialError(f"AWS credentials cannot be had: {clean(error, 200)}") from None
    if frozen is None:
        raise CredentialError("no link of the AWS credential chain has credentials; `aws configure sso` makes some")
    if frozen.token:
        Secret(frozen.token)  # remembered for redaction: requests carry it
    return str(frozen.secret_key)
