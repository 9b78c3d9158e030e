"""The toxics by name, and how options given as text become theirs."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping

from alphapulse_tui.lab.errors import UnknownFaultError
from alphapulse_tui.lab.proxy import doors, toxics

TOXICS: dict[str, type[toxics.Toxic]] = {
    "refused": toxics.Refused,
    "black-hole": toxics.BlackHole,
    "silent": toxics.Silent,
    "reset": toxics.Reset,
    "slow-close": toxics.SlowClose,
    "latency": toxics.Latency,
    "drip": toxics.Drip,
    "bandwidth": toxics.Bandwidth,
    "sliced": toxics.Sliced,
    "truncated": toxics.Truncated,
    "garbage": toxics.Garbage,
    "flapping": toxics.Flapping,
    "wrong-json": doors.WrongJson,
    "giant": doors.Giant,
    "http": doors.HttpError,
    "expired-tls": doors.ExpiredTls,
}

_KINDS = {"float": float, "int": int, "str": str}


def options_of(kind: type[toxics.Toxic]) -> dict[str, object]:
    """A toxic's options with their defaults."""
    return {one.name: one.default for one in dataclasses.fields(kind) if one.type in _KINDS}


def make_toxic(name: str, options: Mapping[str, str] | None = None) -> toxics.Toxic:
    """A toxic from its name and its options as text: ``make_toxic("latency", {"seconds": "0.5"})``.

    Raises:
        UnknownFaultError: No such toxic or option (with the nearest names), or a value that the option cannot have.
    """
    kind = TOXICS.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, TOXICS, n=3, cutoff=0.4) or list(TOXICS)
        raise UnknownFaultError(f"The proxy knows no toxic {name!r}. Did you mean {', '.join(near)}?")
    types = {one.name: _KINDS[str(one.type)] for one in dataclasses.fields(kind) if one.type in _KINDS}
    given: dict[str, object] = {}
    for option, text in (options or {}).items():
        if option not in types:
            raise UnknownFaultError(
                f"{name} has no option {option!r}; it has {', '.join(types) or 'none'}, as in seconds=0.5."
            )
        try:
            given[option] = types[option](text)
        except ValueError:
            raise UnknownFaultError(f"{name}: {option} is a number, not {text!r}.") from None
    try:
        return kind(**given)
    except ValueError as error:
        raise UnknownFaultError(f"{name}: {error}.") from None
