"""Which changes our user may make on each Redis node: ``ACL DRYRUN``, else its rules by ``ACL GETUSER``. A survey, read when a procedure opens.

Users are not replicated, so every node is asked. Before Redis 7 there is no dry run; the rules are then read as far as they name commands:
what a category holds differs between versions, and is left unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.rights import Right, RightsSurvey, needed_of
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.redis_link import Address, ReadLink
from alphapulse_tui.text import clean

NEEDED = needed_of("redis")


class RedisRightsSource(Source[RightsSurvey]):
    """All nodes of the profile."""

    target = "redis-rights"
    interval = 300.0
    deadline = 5.0

    def __init__(self, nodes: Sequence[Address], username: str = "", password: Callable[[], str] | None = None) -> None:
        self._username = username or "default"
        self._links = [ReadLink(node, username, password) for node in nodes]

    async def read(self) -> RightsSurvey:
        """What any node refuses; of a node that cannot be asked every right is unknown. Raises when none can be asked."""
        answers = await asyncio.gather(*(self._ask(link) for link in self._links), return_exceptions=True)
        missing: dict[tuple[Right, str], None] = {}
        unknown: dict[tuple[Right, str], None] = {}
        problems = []
        for answer in answers:
            if isinstance(answer, SourceProblem):
                problems.append(answer)
                unknown |= dict.fromkeys((right, clean(answer)) for right in NEEDED)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                for right, allowed in zip(NEEDED, answer, strict=True):
                    if allowed is False:
                        missing[right, f"ACL SETUSER {clean(self._username, 64)} {rule(right)}"] = None
                    elif allowed is None:
                        unknown[right, f"ACL SETUSER {clean(self._username, 64)} +acl|dryrun would tell"] = None
        if len(problems) == len(self._links):
            raise Unreachable(f"none of the {len(self._links)} nodes can be asked; {clean(problems[0])}")
        return RightsSurvey(tuple(missing), tuple(one for one in unknown if one[0] not in {key[0] for key in missing}))

    async def _ask(self, link: ReadLink) -> list[bool | None]:
        tried = await link.ask(*(("ACL", "DRYRUN", self._username, *right.words) for right in NEEDED))
        if not any(isinstance(answer, ResponseError) for answer in tried):
            return [answer == "OK" for answer in tried]
        (user,) = await link.ask(("ACL", "GETUSER", self._username))
        return [by_rules(commands_of(user), right) for right in NEEDED]

    def judge(self, snapshot: RightsSurvey) -> tuple[Finding, ...]:  # noqa: ARG002 - a survey is looked at, it does not page
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Drop every connection."""
        for link in self._links:
            await link.drop()


def rule(right: Right) -> str:
    """The rule that gives the right.

    >>> rule(Right("redis", ("CLUSTER", "FORGET", "x"))), rule(Right("redis", ("UNLINK", "key")))
    ('+cluster|forget', '+unlink')
    """
    command, *rest = (word.lower() for word in right.words)
    return f"+{command}|{rest[0]}" if command in ("cluster", "config") else f"+{command}"


def commands_of(answer: Any) -> str:
    """The rules on commands in an answer to ``ACL GETUSER``; empty where it was refused or tells none."""
    if not isinstance(answer, list):
        return ""
    pairs = dict(zip(answer[::2], answer[1::2], strict=False))
    return str(pairs.get("commands") or "")


def by_rules(rules: str, right: Right) -> bool | None:
    """Whether rules (``-@all +ping +cluster|info``), in their order, give the right; none where only a category could tell.

    >>> [by_rules(text, Right("redis", ("CLUSTER", "FORGET", "x"))) for text in ("-@all +cluster|forget", "+@all -cluster", "-@all +@admin", "")]
    [True, False, None, None]
    """
    wanted = rule(right)[1:]
    allowed: bool | None = None
    for one in rules.lower().split():
        sign, name = one[0], one[1:]
        if name in ("@all", wanted, wanted.partition("|")[0]):
            allowed = sign == "+"
        elif name.startswith("@") and (allowed is not (sign == "+")):
            allowed = None  # The category may hold it, or not.
    return allowed
