"""What Redis and Valkey answer, as text, into the model: INFO, CLUSTER INFO, CLUSTER NODES.

Parsed here and not by redis-py: its CLUSTER NODES is a dictionary by address, which loses members that share one or have none, and those
are the ones that matter (facts 2.2.1). Every field is optional: versions differ (facts 9).
"""

from __future__ import annotations

import re

from alphapulse_tui.model.redis import ClusterMember, RedisNode
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
    return int(value) if _NUMBER.fullmatch(value) else 0


def ratio(found: dict[str, str], key: str) -> float | None:
    """``key`` as a fraction, or none when it is absent or no number."""
    try:
        return float(found[key])
    except (KeyError, ValueError):
        return None


def per_second(count: float, seconds: float) -> float:
    """A rate from a difference; 0 before there is a second reading and after a counter was set back.

    >>> per_second(10, 4.0), per_second(3, 0.0), per_second(-5, 1.0)
    (2.5, 0.0, 0.0)
    """
    return round(max(0.0, count) / seconds, 1) if seconds > 0 else 0.0


def members(text: str) -> tuple[ClusterMember, ...]:
    """The lines of CLUSTER NODES, by node id; raises ``ValueError`` for a line that is none."""
    return tuple(
        sorted((_member(line) for line in text.splitlines() if line.strip()), key=lambda member: member.node_id)
    )


def myself(view: tuple[ClusterMember, ...]) -> ClusterMember | None:
    """The member that a view was asked of."""
    return next((member for member in view if "myself" in member.flags), None)


_NUMBER = re.compile(r"-?[0-9]{1,19}")

_KEYSPACE = re.compile(r"keys=(\d+),expires=(\d+)")


def node(
    name: str, address: str, info: dict[str, str], cluster: dict[str, str], view: tuple[ClusterMember, ...]
) -> RedisNode:
    """One node's own answers put together; the rates, which need an earlier reading, are left at their defaults.

    Valkey says ``redis_version:7.2.4`` for compatibility and its own in ``valkey_version``; both still say ``role:slave`` (facts 9).
    """
    me = myself(view)
    role = clean(info.get("role", "")) or ("" if me is None else "slave" if "slave" in me.flags else "master")
    counted = [found for key, value in info.items() if key.startswith("db") and (found := _KEYSPACE.match(value))]
    return RedisNode(
        name=name,
        address=address,
        run_id=clean(info.get("run_id", "")),
        version=clean(info.get("valkey_version") or info.get("redis_version", "")),
        engine="valkey" if "valkey_version" in info else "redis" if info else "",
        role=role,
        node_id=me.node_id if me else "",
        master_id=me.master_id if me else "",
        cluster_state=clean(cluster.get("cluster_state", "")),
        slots_assigned=number(cluster, "cluster_slots_assigned"),
        current_epoch=number(cluster, "cluster_current_epoch"),
        known_nodes=number(cluster, "cluster_known_nodes"),
        used_memory=max(0, number(info, "used_memory") - number(info, "mem_not_counted_for_evict")),
        max_memory=number(info, "maxmemory"),
        policy=clean(info.get("maxmemory_policy", "")),
        fragmentation=ratio(info, "mem_fragmentation_ratio"),
        client_buffers=min(number(info, "mem_clients_normal"), number(info, "used_memory")),
        connected_clients=number(info, "connected_clients"),
        master_link=clean(info.get("master_link_status", "")),
        link_down_seconds=max(0, number(info, "master_link_down_since_seconds")),
        offset=number(info, "slave_repl_offset" if role == "slave" else "master_repl_offset"),
        keys=sum(int(found[1]) for found in counted),
        expiring_keys=sum(int(found[2]) for found in counted),
        system_memory=number(info, "total_system_memory"),
        config_file=clean(info.get("config_file", "")),
        view=view,
    )


def refusals(info: dict[str, str]) -> int:
    """Commands that the server has refused for lack of memory since it started, 0 where it does not say (before Redis 6.2)."""
    found = re.match(r"count=(\d+)", info.get("errorstat_OOM", ""))
    return int(found[1]) if found else 0


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
