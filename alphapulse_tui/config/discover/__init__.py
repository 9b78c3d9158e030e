"""What engineers already have: a profile made of the environment, and the credentials that a profile can use.

One module a target, each following the command line tool of its target (kubectl, psql, vault, redis-cli, aws). Nothing is
stored, nothing is asked of a server, no value is ever in what these functions return: a ``Credential`` fetches it when it
is used. Callers: ``config.load`` (what a profile leaves out), the sources and the executor (``password``, ``token``),
``config show`` (``logins``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from alphapulse_tui.config.discover import aws, kubernetes, postgres, redis, vault
from alphapulse_tui.config.lines import KeyPath
from alphapulse_tui.config.secret import Credential
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.errors import ConfigError, CredentialError
from alphapulse_tui.text import clean


def discovered_targets() -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """The targets that the environment names, as a raw profile table, and where each value came from.

    A token, password or key alone names no target: it does not say whom to talk to.
    """
    raw: dict[str, Any] = {}
    origins: dict[KeyPath, str] = {}
    files, origin = kubernetes.kubeconfig()
    if files:
        raw["kubernetes"] = {"kubeconfig": files}
        origins["kubernetes", "kubeconfig"] = origin
    if postgres.configured_by_environment():
        raw["postgres"] = {"primary": {}}
    address, name = vault.variable("ADDR")
    if address:
        raw["vault"] = {"nodes": [{"name": "vault", "address": address}]}
        origins["vault", "nodes", 0, "address"] = f"environment variable {name}"
    return raw, origins


@dataclass(frozen=True, slots=True)
class Finding:
    """One login that a profile would use, as it may be shown; ``refusal`` says why it may not be used."""

    what: str
    """What it is for: ``Vault token``."""
    source: str
    """Where it comes from, empty when it is refused."""
    expires_at: datetime | None = None
    """When it ends (UTC), or none when only its target knows."""
    refusal: str = ""
    """One sentence, or empty."""


def logins(profile: Profile) -> list[Finding]:
    """Every login that the targets of ``profile`` would use, where it comes from, and which may not be used and why."""
    found: list[Finding] = []
    kubernetes_target = profile.kubernetes
    if kubernetes_target:
        what = "Kubernetes login"
        try:
            context = kubernetes.chosen_context(kubernetes_target.kubeconfig, kubernetes_target.context)
        except CredentialError as error:
            found.append(Finding(what, "", refusal=error.sentence))
        else:
            found.append(Finding(what, f"{context.login}, context {context.name} in {clean(context.file)}"))
    for what, find in _lookups(profile):
        try:
            credential = find()
        except ConfigError as error:
            found.append(Finding(what, "", refusal=error.sentence))
        else:
            if credential:
                found.append(Finding(credential.what, credential.source, credential.expires_at))
    return found


def _lookups(profile: Profile) -> Iterator[tuple[str, Callable[[], Credential | None]]]:
    if profile.postgres:
        for server in filter(None, (profile.postgres.primary, *profile.postgres.replicas)):
            yield f"PostgreSQL password of {clean(server.name)}", partial(postgres.password, server)
    if profile.redis:
        yield "Redis password", partial(redis.password, profile.redis)
    if profile.vault:
        yield "Vault token", partial(vault.token, profile.vault)
    file = profile.backups.credentials_file if profile.backups else ""
    yield aws.WHAT, partial(aws.from_file, file) if file else aws.credentials
