"""Kubernetes quantities: ``256Mi``, ``1G``, ``500m``."""

from __future__ import annotations

_SUFFIXES = {
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}


def to_bytes(quantity: str) -> int:
    """A memory quantity in bytes.

    Raises:
        ValueError: It is none; the API server lets none of those through.
    """
    for suffix, factor in _SUFFIXES.items():
        if quantity.endswith(suffix):
            return int(float(quantity.removesuffix(suffix)) * factor)
    if quantity.endswith("m"):
        return int(float(quantity.removesuffix("m")) / 1000)
    return int(float(quantity))
