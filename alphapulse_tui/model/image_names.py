"""Names of container images: what a person types, made whole, and whether two names mean the same. Pure.

The grammar is the OCI distribution specification's; what a name without a registry means is the container runtimes' (``docker.io/library``).
"""

from __future__ import annotations

import re

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:(?:localhost|{_LABEL}(?:\.{_LABEL})+|{_LABEL}(?=:))(?::[0-9]{{1,5}})?/)?"
"""A registry: a name with a dot or a port, or ``localhost``; anything else before the first slash belongs to the repository."""
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"sha256:[0-9a-f]{64}"
_WHOLE = re.compile(rf"{_HOST}{_PART}(?:/{_PART})*(?::{_TAG})?(?:@{_DIGEST})?")

LONGEST = 512
"""Characters of a name that is taken."""


def repository_of(image: str) -> str:
    """The name without tag and digest.

    >>> repository_of("r.example:5000/corp/api:v1"), repository_of("corp/api@sha256:00")
    ('r.example:5000/corp/api', 'corp/api')
    """
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def whole(asked: str, present: str) -> str:
    """The name that is meant: a tag or a digest alone is one of the ``present`` image's repository. Empty when it is no name of an image.

    >>> whole("v1.4.3", "corp/api:v1.4.2"), whole(":v1.4.3", "corp/api:v1.4.2")
    ('corp/api:v1.4.3', 'corp/api:v1.4.3')
    >>> whole("other/api:v2", "corp/api:v1.4.2"), whole("no name", "corp/api:v1.4.2")
    ('other/api:v2', '')
    """
    asked = asked.strip()
    if re.fullmatch(_DIGEST, asked.removeprefix("@")):
        asked = f"{repository_of(present)}@{asked.removeprefix('@')}"
    elif re.fullmatch(_TAG, asked.removeprefix(":")):
        asked = f"{repository_of(present)}:{asked.removeprefix(':')}"
    return asked if len(asked) <= LONGEST and _WHOLE.fullmatch(asked) else ""


def movable(image: str) -> bool:
    """Whether the name means another image tomorrow without anybody's rollout: no digest, and no tag or ``latest``."""
    return "@" not in image and (image == repository_of(image) or image.endswith(":latest"))


def canonical(image: str) -> str:
    """The name as a runtime writes it out, to compare two.

    >>> canonical("redis"), canonical("corp/api:v1"), canonical("r.example/api:v1")
    ('docker.io/library/redis:latest', 'docker.io/corp/api:v1', 'r.example/api:v1')
    """
    first = image.partition("/")[0]
    hosted = "/" in image and ("." in first or ":" in first or first == "localhost")
    named = image if hosted else f"docker.io/{image}" if "/" in image else f"docker.io/library/{image}"
    return named if "@" in named or named != repository_of(named) else f"{named}:latest"
