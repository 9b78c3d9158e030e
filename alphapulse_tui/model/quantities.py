"""Kubernetes' quantities: ``384Mi`` and ``8G`` as bytes, ``100m`` as cores, and bytes back as a person writes them."""

from __future__ import annotations

import re

from alphapulse_tui.model.words import size

_SUFFIXES = {
    "": 1.0,
    "m": 1e-3,
    "u": 1e-6,
    "n": 1e-9,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "Ki": 1024.0,
    "Mi": 1024.0**2,
    "Gi": 1024.0**3,
    "Ti": 1024.0**4,
    "Pi": 1024.0**5,
}
_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)(|[munkMGTP]|[KMGTP]i)")


def quantity(text: str) -> float | None:
    """The number behind ``text``, or none for what is no quantity: bytes for memory, cores for CPU.

    >>> quantity("384Mi"), quantity("100m"), quantity("8G"), quantity("8 GB"), quantity("")
    (402653184.0, 0.1, 8000000000.0, None, None)
    """
    found = _QUANTITY.fullmatch(text)
    return float(found[1]) * _SUFFIXES[found[2]] if found else None


def memory(count: float) -> str:
    """Bytes as a quantity, in the largest unit that is whole.

    >>> memory(402653184), memory(8 * 1024**3), memory(1000)
    ('384Mi', '8Gi', '1000')
    """
    for suffix in ("Gi", "Mi", "Ki"):
        whole, rest = divmod(count, _SUFFIXES[suffix])
        if whole and not rest:
            return f"{whole:.0f}{suffix}"
    return f"{count:.0f}"


def cores(count: float) -> str:
    """Cores as a quantity.

    >>> cores(0.1), cores(2), cores(1.25)
    ('100m', '2', '1250m')
    """
    return f"{count:.0f}" if count == int(count) else f"{count * 1000:.0f}m"


def amount(resource: str, count: float) -> str:
    """What a quota counts, in the unit of its ``resource``.

    >>> amount("requests.memory", 4 * 1024**3), amount("limits.cpu", 1.1), amount("pods", 40.0)
    ('4.0 GiB', '1100m', '40')
    """
    if resource.endswith(("memory", "storage")):
        return size(count)
    return cores(count) if "cpu" in resource else f"{count:.0f}"
