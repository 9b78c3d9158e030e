"""What Redis and Valkey answer, as text, into the model: INFO, CLUSTER INFO, CLUSTER NODES.

Parsed here and not by redis-py: its CLUSTER NODES is a dictionary by address, which loses members that share one or have none, and those
are the ones that matter (facts 2.2.1). Every field is optional: versions differ (facts 9).
"""

from __future__ import annotations

from alphapulse_tui.model.redis import ClusterMember
from alphapulse_tui.text import clean


def fields(text: str) -> dict[str, str]:
    """The ``key:value`` lines of INFO or CLUSTER INFO; headings and anything else are left out."""
    found = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            found[key.strip()] = value.strip()
    return found


def number(found: dict[str, str], key: str) -> int:
    """``key`` as a whole number, 0 when it is absent or no number."""
    value = found.get(key, "")
    return int(value) if value.lstrip("-").isdecimal() else 0


def ratio(found: dict[str, str], key: str) -> float | None:
    """``key`` as a fraction, or none when it is absent or no number."""
    try:
        return float(found[key])
    except (KeyError, ValueError):
        return None


def members(text: str) -> tuple[ClusterMember, ...]:
    """The lines of CLUSTER NODES, by node id; raises ``ValueError`` for a line that is none."""
    return tuple(
        sorted((_member(line) for line in text.splitlines() if line.strip()), key=lambda member: member.node_id)
    )


def myself(view: tuple[ClusterMember, ...]) -> ClusterMember | None:
    """The member that a view was asked of."""
    return next((member for member in view if "myself" in member.flags), None)


def _member(line: str) -> ClusterMember:
    words = line.split()
    if len(words) < 8 or not words[6].isdecimal():
        raise ValueError(f"not a line of CLUSTER NODES: {clean(line, 80)}")
    node_id, address, flags, master, _, _, epoch, link, *owned = words
    slots, open_slots = [], []
    for word in owned:
        if word.startswith("["):
            open_slots.append(clean(word))
        else:
            first, _, last = word.partition("-")
            slots.append((int(first), int(last or first)))
    return ClusterMember(
        node_id=clean(node_id),
        address=clean(address.partition("@")[0]),
        flags=tuple(clean(flag) for flag in flags.split(",") if flag != "noflags"),
        master_id="" if master == "-" else clean(master),
        epoch=int(epoch),
        link=clean(link),
        slots=tuple(slots),
        open_slots=tuple(open_slots),
    )
