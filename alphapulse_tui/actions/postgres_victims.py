"""Who would be terminated, who is spared and why: pure decisions over the rows of ``sql/victims.sql``.

Spared always: superusers, replication roles, the tools of a DBA at work, and we ourselves; the same filters stand in ``sql/terminate.sql``,
because a session can change between plan and signal. Spared unless a person says otherwise: poolers, whose idle sessions are their purpose.
Used by ``actions.postgres``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alphapulse_tui.model.plan import Victim
from alphapulse_tui.model.postgres_protected import TOOLS, protection_of
from alphapulse_tui.model.words import age
from alphapulse_tui.sources.postgres_text import sql_text
from alphapulse_tui.text import clean

__all__ = ["TOOLS", "Choice", "choose", "identities", "pid_of", "protection", "transactions"]

SHOWN_APPLICATIONS = 6
"""Applications that are counted by name in a sentence; the rest is summed up."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a plan does with the sessions that it found."""

    victims: tuple[Victim, ...]
    spared: tuple[str, ...]
    """A sentence for each kind of session that is left alone."""
    forbidden: int
    """How many of the victims our role may not signal."""
    too_young: int
    """Sessions in the right state, but not for long enough."""
    applications: str
    """``worker 12, api 9``."""
    locks: int
    """Granted locks that all victims hold together."""


def choose(
    rows: Iterable[Mapping[str, Any]],
    minimum_ages: Mapping[str, float],
    wanted: Mapping[int, str],
    include_poolers: bool,
) -> Choice:
    """Divide ``rows`` into victims and spared ones.

    ``minimum_ages``: seconds by state. ``wanted``: pid to backend_start for hand-picked sessions, an empty start meaning any.
    """
    victims: list[Victim] = []
    spared: Counter[str] = Counter()
    applications: Counter[str] = Counter()
    forbidden = too_young = locks = 0
    for row in rows:
        start = row["backend_start"].isoformat(timespec="microseconds")
        if wanted.get(row["pid"], "") not in ("", start):
            spared["of another session that took over a pid"] += 1
        elif reason := protection(row, include_poolers):
            spared[reason] += 1
        elif row["seconds"] is None or row["seconds"] < minimum_ages[row["state"]]:
            too_young += 1
        else:
            victims.append(_victim(row, start))
            applications[clean(row["application"], 64) or "(no name)"] += 1
            forbidden += not row["may_signal"]
            locks += row["locks"]
    sentences = tuple(
        f"{count} {'session' if count == 1 else 'sessions'} {reason} {'is' if count == 1 else 'are'} left alone"
        for reason, count in spared.most_common()
    )
    return Choice(tuple(victims), sentences, forbidden, too_young, _counted(applications), locks)


def protection(row: Mapping[str, Any], include_poolers: bool) -> str:
    """Why this session is left alone, as ``N sessions <reason> are left alone``; empty when it is not protected."""
    return protection_of(
        row["application"],
        row["usename"],
        superuser=row["superuser"],
        replication=row["replication"],
        include_poolers=include_poolers,
    )


def identities(victims: Sequence[Victim]) -> tuple[list[int], list[datetime]]:
    """The victims' pids and backend_starts, as two columns for ``unnest``."""
    return [pid_of(victim) for victim in victims], [datetime.fromisoformat(victim.identity) for victim in victims]


def transactions(victims: Sequence[Victim]) -> tuple[list[int], list[datetime], list[datetime]]:
    """pid, backend_start and the moment that the identity names beside it (query_start or xact_start), as columns for ``unnest``."""
    pairs = [victim.identity.split(" ") for victim in victims]
    return (
        [pid_of(victim) for victim in victims],
        [datetime.fromisoformat(start) for start, _ in pairs],
        [datetime.fromisoformat(moment) for _, moment in pairs],
    )


def pid_of(victim: Victim) -> int:
    """The number in ``pid 4121``."""
    return int(victim.key.removeprefix("pid "))


def _victim(row: Mapping[str, Any], start: str) -> Victim:
    state = f"{row['state']} for {age(row['seconds'])}"
    transaction = row["transaction_seconds"]
    who = f"{clean(row['usename'], 64)} {clean(row['application'], 64)}".strip()
    return Victim(
        key=f"pid {row['pid']}",
        identity=start,
        label=f"pid {row['pid']} {who}: {state}",
        facts={
            "pid": str(row["pid"]),
            "user": clean(row["usename"], 64),
            "database": clean(row["datname"], 64),
            "application": clean(row["application"], 64),
            "client": clean(row["client"], 64),
            "state": row["state"],
            "age": age(row["seconds"]),
            "since": row["state_change"].isoformat(timespec="microseconds"),
            "transaction": "" if transaction is None else age(transaction),
            "locks": str(row["locks"]),
            "last query": sql_text(row["query"] or "", 300),
        },
    )


def _counted(applications: Counter[str]) -> str:
    common = applications.most_common()
    text = ", ".join(f"{name} {count}" for name, count in common[:SHOWN_APPLICATIONS])
    rest = sum(count for _, count in common[SHOWN_APPLICATIONS:])
    return f"{text}, {rest} of others" if rest else text
