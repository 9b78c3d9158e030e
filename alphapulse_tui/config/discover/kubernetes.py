"""What kubectl would use: the kubeconfig files, the context, and how it logs in.

Only looked at, never logged in with: ``kubernetes-asyncio`` loads the same files itself, runs exec plugins and rotates
tokens. We read them for ``config show``, for the environment line, and to say in one sentence what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphapulse_tui.config.decode import suggestion
from alphapulse_tui.config.paths import home_folder, there
from alphapulse_tui.errors import CredentialError
from alphapulse_tui.plain_file import read_plain
from alphapulse_tui.text import clean

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes; a larger file is not a kubeconfig."""


@dataclass(frozen=True, slots=True)
class Context:
    """One context of the merged kubeconfig, as text that is safe to show."""

    name: str
    """The context's name."""
    cluster: str
    """The cluster's name in the kubeconfig."""
    server: str
    """The API server's address, empty when the cluster is not defined."""
    login: str
    """How its user logs in: ``client certificate``, ``token``, ``exec plugin aws`` ..."""
    file: Path
    """The file that defines it."""


def kubeconfig() -> tuple[str, str]:
    """The kubeconfig, several files joined by the path separator, and where that comes from; both empty when there is none.

    Raises ``ConfigError`` when nobody can know whether there is one.
    """
    named = os.environ.get("KUBECONFIG", "")
    if named:
        return named, "environment variable KUBECONFIG"
    usual = home_folder() / ".kube" / "config"
    return (str(usual), "kubectl's default") if there(usual) and usual.is_file() else ("", "")


def contexts(files: str) -> tuple[str, dict[str, Context]]:
    """The current context's name and every context of ``files``, merged as kubectl does: the first definition wins.

    Raises ``CredentialError`` when no file can be read, or one is not a kubeconfig.
    """
    named = map(Path, filter(None, files.split(os.pathsep)))
    documents = [(file, document) for file in named if (document := _read(file)) is not None]
    if not files:
        raise CredentialError("no kubeconfig: KUBECONFIG is not set and ~/.kube/config does not exist")
    if not documents:
        raise CredentialError(f"kubeconfig {clean(files)} does not exist")
    current = next(
        (str(document["current-context"]) for _, document in documents if document.get("current-context")), ""
    )
    clusters = _merged(documents, "clusters", "cluster")
    users = _merged(documents, "users", "user")
    found: dict[str, Context] = {}
    for name, (file, context) in _merged(documents, "contexts", "context").items():
        _, cluster = clusters.get(str(context.get("cluster", "")), (file, {}))
        _, user = users.get(str(context.get("user", "")), (file, {}))
        server = clean(cluster.get("server", ""))
        found[name] = Context(clean(name), clean(context.get("cluster", "")), server, _login(user), file)
    return current, found


def chosen_context(files: str, wanted: str) -> Context:
    """The context ``wanted``, or the current one when it is empty; raises ``CredentialError`` naming what there is."""
    current, known = contexts(files)
    name = wanted or current
    if name in known:
        return known[name]
    place = f"kubeconfig {clean(files)}"
    if not name:
        raise CredentialError(f"{place} has no current context{suggestion('', map(clean, known))}")
    raise CredentialError(f'{place} has no context "{clean(name)}"{suggestion(clean(name), map(clean, known))}')


def _read(file: Path) -> Mapping[str, Any] | None:
    """What ``file`` says, or none when there is no such file; raises ``CredentialError`` when it says nothing."""
    import yaml  # 20 ms that only a command about Kubernetes should pay

    from alphapulse_tui.foreign_yaml import FAST, WRONG_VALUE, refuse_traps

    try:
        data = read_plain(file, LARGEST_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CredentialError(f"kubeconfig {clean(file)} cannot be read: {clean(error.strerror or error)}") from None
    if len(data) > LARGEST_FILE:
        raise CredentialError(f"kubeconfig {clean(file)} is larger than 4 MiB: it is not a kubeconfig")
    try:
        refuse_traps(data)
        document = yaml.load(data, FAST)
    except WRONG_VALUE as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise CredentialError(f"kubeconfig {clean(file)}{line} is not YAML") from None
    if not isinstance(document, Mapping):
        raise CredentialError(f"kubeconfig {clean(file)} is not a kubeconfig: it holds no table")
    return document


def _merged(
    documents: list[tuple[Path, Mapping[str, Any]]], section: str, key: str
) -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """The named entries of one section, with the file of each; what is not shaped like an entry is left out, as by kubectl."""
    merged: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    for file, document in documents:
        entries = document.get(section)
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, Mapping) and isinstance(entry.get(key), Mapping):
                merged.setdefault(str(entry.get("name", "")), (file, entry[key]))
    return merged


def _login(user: Mapping[str, Any]) -> str:
    """How a kubeconfig user logs in; only kinds and program names, never a value."""
    plugin = user.get("exec")
    if isinstance(plugin, Mapping):
        return f"exec plugin {clean(Path(str(plugin.get('command', ''))).name)}"
    provider = user.get("auth-provider")
    if isinstance(provider, Mapping):
        return f"auth provider {clean(provider.get('name', ''))}"
    kinds = {
        "client certificate": ("client-certificate", "client-certificate-data"),
        "token": ("token", "tokenFile"),
        "password": ("username",),
    }
    return next((kind for kind, keys in kinds.items() if any(user.get(key) for key in keys)), "no credential")
