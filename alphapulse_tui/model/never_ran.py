"""Why a container never ran, by name: which image and why it is not pulled, which Secret or ConfigMap and which key is missing. Pure.

Read from what the kubelet says (facts 2.4.1); its words are no interface, so a text in no known form leaves the fields empty and is told as it
is. Used by ``model.api_cause`` and the checks of ``api-crashloop``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from alphapulse_tui.model.api import LastEnd, Variable

NO_IMAGE = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName")
"""Waiting reasons of a container whose image is not on the node."""

NO_CONFIG = "CreateContainerConfigError"
"""Waiting reason of a container whose variables cannot be resolved."""

NEVER_RAN = (*NO_IMAGE, NO_CONFIG, "CreateContainerError")
"""Waiting reasons of a container that has never run."""

_PULLS = (
    (
        re.compile(r"unauthorized|authorization failed|denied|forbidden|authentication required", re.IGNORECASE),
        "refused",
        "the registry refuses: the pull secret is missing or wrong, or there is no such image",
    ),
    (re.compile(r"not found|manifest unknown|does not exist", re.IGNORECASE), "absent", "the registry has no such image or tag"),
    (re.compile(r"too ?many ?requests", re.IGNORECASE), "busy", "the registry limits how often one may pull"),
    (
        re.compile(r"no such host|i/o timeout|deadline exceeded|connection refused|unreachable|dial tcp", re.IGNORECASE),
        "unreachable",
        "the registry cannot be reached from the node",
    ),
)  # fmt: skip
"""What a container runtime says of a failed pull, first match: its kind and what it means. A private registry says "does not exist" and "denied"
in one sentence to whoever may not look."""

_OBJECT = re.compile(r'\b(secret|configmap) "([^"]{1,253})" not found', re.IGNORECASE)
_KEY = re.compile(r"couldn't find key (\S{1,253}) in (secret|configmap) (?:\S+/)?([^\s/]{1,253})", re.IGNORECASE)
_KINDS = {"secret": "Secret", "configmap": "ConfigMap"}


@dataclass(frozen=True, slots=True)
class Missing:
    """What a container's variables ask for and nobody has made."""

    kind: str
    """``Secret`` or ``ConfigMap``."""
    name: str
    key: str
    """Empty: the object itself is not there."""

    def __str__(self) -> str:
        return (
            f'{self.kind} "{self.name}" has no key "{self.key}"'
            if self.key
            else f'{self.kind} "{self.name}" is not there'
        )


def missing_of(message: str) -> Missing | None:
    """What is missing, in the kubelet's words; none of a text in no known form.

    >>> str(missing_of('secret "signing" not found'))
    'Secret "signing" is not there'
    >>> str(missing_of("couldn't find key token in Secret alphapulse/vault"))
    'Secret "vault" has no key "token"'
    """
    if found := _KEY.search(message):
        return Missing(_KINDS[found[2].lower()], found[3], found[1])
    if found := _OBJECT.search(message):
        return Missing(_KINDS[found[1].lower()], found[2], "")
    return None


def asking(missing: Missing, variables: Sequence[Variable]) -> tuple[str, ...]:
    """Names of the template's variables that ask for it: by the object, and by the key where one is told."""
    return tuple(
        one.name for one in variables if one.source == (missing.kind, missing.name) and missing.key in ("", one.key)
    )


def pull_problem(waiting: str, message: str, image: str = "") -> tuple[str, str]:
    """Kind (``absent``, ``refused``, ``busy``, ``unreachable``, ``invalid``, ``unknown``) and meaning of a pull that failed.

    >>> pull_problem("ErrImagePull", "rpc error: ... dial tcp 10.0.0.9:443: i/o timeout")[0]
    'unreachable'
    """
    if waiting == "InvalidImageName":
        return "invalid", "it is no valid name of an image"
    # An image may be called anything, "denied" too.
    said = message.replace(image, "") if image else message
    for pattern, kind, meaning in _PULLS:
        if pattern.search(said):
            return kind, meaning
    return "unknown", "the kubelet does not say why: the events may"


def why_never_ran(waiting: str, message: str, image: str, variables: Sequence[Variable] = ()) -> str:
    """Why a container waits, by name; the kubelet's own words where they are in no known form."""
    if waiting in NO_IMAGE:
        kind, meaning = pull_problem(waiting, message, image)
        words = f" ({message})" if kind == "unknown" and message else ""
        return f"image {image or '(not told)'} cannot be pulled: {meaning}{words}"
    missing = missing_of(message)
    if waiting == NO_CONFIG and missing is not None:
        by = ", ".join(asking(missing, variables))
        return f"{missing}{f', and its variable {by} asks for it' if by else ''}"
    return f"{waiting}: {message}" if message else waiting


def told_never_ran(end: LastEnd, variables: Sequence[Variable]) -> str:
    """The same with the container's name before it."""
    how = "does not run again" if end.reason else "never ran"
    return f"{end.pod}/{end.container} {how}: {why_never_ran(end.waiting, end.message, end.image, variables)}"
