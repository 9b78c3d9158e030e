"""Whether the nodes would take a change from our user, asked of each before anything is sent: ``ACL DRYRUN``.

Users are not replicated, so one node may refuse what its neighbour takes; and a change of two commands (claim a slot, raise the epoch) whose
second one is refused is half done. So a plan asks for every command at every node that it would go to. Where that cannot be asked (before
Redis 7, or without the right to) it is not refused: the node itself says so then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.redis_node import Cluster
from alphapulse_tui.model.rights import redis
from alphapulse_tui.sources.redis_rights import rule
from alphapulse_tui.text import clean

Command = Sequence[str | int]


async def forbidden(cluster: Cluster, commands: Mapping[str, Sequence[Command]]) -> str:
    """Why the nodes would not take ``commands`` (node name to what it would be sent), with the rules that are missing; empty when they would,
    and where it cannot be asked.
    """
    user = cluster.target.username or "default"

    async def missing(name: str) -> list[str]:
        asked = commands[name]
        try:
            answers = await cluster.link(name).ask(*(("ACL", "DRYRUN", user, *words) for words in asked))
        except ActionProblem:
            return []  # Whether it can be reached at all is the plan's own question.
        told = zip(asked, answers, strict=True)
        return [_rule(words, answer) for words, answer in told if isinstance(answer, str) and answer != "OK"]

    names = [name for name, asked in commands.items() if asked]
    found = dict(zip(names, await asyncio.gather(*(missing(name) for name in names)), strict=True))
    rules = " ".join(dict.fromkeys(one for lacks in found.values() for one in lacks))
    if not rules:
        return ""
    refusing = [name for name in names if found[name]]
    verb = "does" if len(refusing) == 1 else "do"
    return f"{', '.join(refusing)} {verb} not allow it: ACL SETUSER {clean(user, 64)} {rules} would"


async def setting_forbidden(cluster: Cluster, setting: str, values: Mapping[str, str], *, persist: bool) -> str:
    """The same for a setting: node name to its new value. Where only the right to write the file is missing, it says what can be done without."""
    rewrite: list[Command] = [("CONFIG", "REWRITE")] if persist else []
    said = await forbidden(cluster, {name: [("CONFIG", "SET", setting, new), *rewrite] for name, new in values.items()})
    if not said or "+config|set" in said:
        return said
    return f"{said}; with persist=no it is set without the file, until each process ends"


def _rule(words: Command, answer: str) -> str:
    """The rule that is missing: of the command, or of the key that it is about.

    >>> _rule(("UNLINK", "k"), "User oncall has no permissions to run the 'unlink' command")
    '+unlink'
    >>> _rule(("UNLINK", "k"), "User oncall has no permissions to access the 'k' key")
    '~k'
    """
    if "access" in answer:
        return f"~{clean(words[1], 128)}"
    return rule(redis(*map(str, words)))
