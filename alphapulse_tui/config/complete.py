"""Fill in what a profile leaves out: names, colours, absolute paths, and what the environment knows.

A *section* that a profile leaves out stays out: a profile without Vault must not end up with the Vault of whatever
``VAULT_ADDR`` the shell happens to hold.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import structs

from alphapulse_tui.config.discover import kubernetes, postgres, vault
from alphapulse_tui.config.lines import KeyPath
from alphapulse_tui.config.settings import (
    KubernetesTarget,
    PostgresTarget,
    Profile,
    VaultTarget,
    runbook_alerts,
    runbook_contacts,
)

Origins = dict[KeyPath, str]
"""Path within the profile to where a filled-in value came from, in words."""


def complete_profile(profile: Profile, name: str, folder: Path) -> tuple[Profile, Origins]:
    """``profile`` with nothing left to guess, and the origin of what was filled in from outside.

    ``folder`` is where relative paths start: the profile file's own. Raises ``ConfigError`` for an unknown PostgreSQL
    service or a ``PG*`` variable that makes no sense.
    """
    origins: Origins = {}
    filled = structs.replace(
        profile,
        name=name,
        environment=profile.environment or name,
        colour=profile.colour or ("red" if profile.production else "blue"),
        contacts={**runbook_contacts(), **profile.contacts},
        alerts={**runbook_alerts(), **profile.alerts},
        notices=_absolute(profile.notices, folder),
        incident=structs.replace(profile.incident, postmortem_folder=_from_home(profile.incident.postmortem_folder)),
        kubernetes=profile.kubernetes and _kubernetes(profile.kubernetes, folder, origins),
        postgres=profile.postgres and _postgres(profile.postgres, folder, origins),
        redis=profile.redis
        and structs.replace(profile.redis, password_file=_absolute(profile.redis.password_file, folder)),
        vault=profile.vault and _vault(profile.vault, folder, origins),
        backups=profile.backups
        and structs.replace(profile.backups, credentials_file=_absolute(profile.backups.credentials_file, folder)),
    )
    if not profile.environment:
        origins["environment",] = "the profile's name"
    return filled, origins


def _kubernetes(target: KubernetesTarget, folder: Path, origins: Origins) -> KubernetesTarget:
    if target.kubeconfig:
        files = [_absolute(file, folder) for file in target.kubeconfig.split(os.pathsep)]
        return structs.replace(target, kubeconfig=os.pathsep.join(filter(None, files)))
    files_found, origin = kubernetes.kubeconfig()
    if origin:
        origins["kubernetes", "kubeconfig"] = origin
    return structs.replace(target, kubeconfig=files_found)


def _postgres(target: PostgresTarget, folder: Path, origins: Origins) -> PostgresTarget:
    primary = target.primary
    if primary is not None:
        named = structs.replace(primary, name=primary.name or "primary", passfile=_absolute(primary.passfile, folder))
        primary, found = postgres.complete(named, is_primary=True)
        origins.update({("postgres", "primary", key): origin for key, origin in found.items()})
    replicas = []
    for place, replica in enumerate(target.replicas):
        name = replica.name or f"replica-{place}"
        named = structs.replace(replica, name=name, passfile=_absolute(replica.passfile, folder))
        filled, found = postgres.complete(named, is_primary=False)
        origins.update({("postgres", "replicas", place, key): origin for key, origin in found.items()})
        replicas.append(filled)
    return PostgresTarget(primary, tuple(replicas))


def _vault(target: VaultTarget, folder: Path, origins: Origins) -> VaultTarget:
    ca_file = _absolute(target.ca_file, folder)
    if not ca_file:
        ca_file, name = vault.variable("CACERT")
        if name:
            origins["vault", "ca_file"] = f"environment variable {name}"
    return structs.replace(target, ca_file=ca_file, token_file=_absolute(target.token_file, folder))


def _absolute(file: str, folder: Path) -> str:
    """``file`` from the home folder (``~``) or from ``folder``; empty stays empty."""
    return str(folder.absolute() / _from_home(file)) if file else ""


def _from_home(file: str) -> str:
    """``file`` with the home folder that it starts at (``~``) written out."""
    try:
        return str(Path(file).expanduser())
    except RuntimeError:  # no home folder for ~somebody: the file will be missed under the name that was written
        return file
