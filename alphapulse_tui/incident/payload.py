"""Read the payload of an event without trusting it: another version, or somebody's editor, may have written it.

A field that is missing or of another type reads as absent, never as an exception: one odd event must not hide an incident. Used by everything
that is derived from the journal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.incident.events import Event
from alphapulse_tui.model.health import Health, Severity

LAST_MOMENT = 253_402_300_799.0
"""Unix seconds of the last moment that has a date (31 December 9999)."""


def text(payload: Mapping[str, Any], name: str, default: str = "") -> str:
    """The text of that name; numbers come as text too, everything else as ``default``."""
    value = payload.get(name)
    if isinstance(value, str):
        return value
    return f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else default


def flag(payload: Mapping[str, Any], name: str) -> bool:
    """Whether that field is there and true."""
    return payload.get(name) is True


def moment(payload: Mapping[str, Any], name: str) -> float | None:
    """Unix seconds, or none for what is no moment that has a date."""
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 < value <= LAST_MOMENT else None


def when(event: Event) -> float:
    """When it happened, Unix seconds: ``at`` or ``starts_at`` of what was read afterwards, else when it was written."""
    told = moment(event.payload, "at")
    if told is None and flag(event.payload, "read_afterwards"):
        told = moment(event.payload, "starts_at")
    return told if told is not None else written(event)


def written(event: Event) -> float:
    """When it was written, Unix seconds; a damaged row's moment is 0."""
    wall = event.wall
    return wall if math.isfinite(wall) and 0 <= wall <= LAST_MOMENT else 0.0


def mapping(payload: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The mapping of that name, or an empty one."""
    value = payload.get(name)
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def texts(payload: Mapping[str, Any], name: str) -> dict[str, str]:
    """The mapping of that name with every value as text."""
    return {key: value if isinstance(value, str) else str(value) for key, value in mapping(payload, name).items()}


def severity(payload: Mapping[str, Any], name: str) -> Severity | None:
    """The severity of that name, or none."""
    try:
        return Severity(payload.get(name))
    except ValueError:
        return None


def health(payload: Mapping[str, Any], name: str) -> Health | None:
    """The health of that name, or none."""
    try:
        return Health(payload.get(name))
    except ValueError:
        return None
