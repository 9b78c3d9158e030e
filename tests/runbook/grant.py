"""One right of the on-call that a test takes away and gives back; shared by the matrices of reading and of changing grants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Grant:
    """One right: how to take it and give it back, and the word that names it."""

    name: str
    take: Callable[[], object]
    give: Callable[[], object]
    word: str
    """A regular expression that the sentence about it must match."""


@contextmanager
def without(grant: Grant) -> Iterator[None]:
    """The platform while the grant is gone."""
    grant.take()
    try:
        yield
    finally:
        grant.give()
