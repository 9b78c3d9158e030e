"""The same by hand: ``redis-cli`` lines for a bastion. The password comes from ``REDISCLI_AUTH``, never from the line (facts 0.4).

``-e`` makes an error answer an error code: without it redis-cli says ERR and exits 0 (facts 0.5). It is there from 7.0 on; older ones print the
error and go on.
"""

from __future__ import annotations

import shlex

from alphapulse_tui.config.settings import RedisTarget


def cli(target: RedisTarget, address: str, *words: str) -> str:
    """One command to one node. ``words`` are put in as they are: quote a key by :func:`quoted`.

    >>> cli(RedisTarget(nodes=()), "redis-0:6379", "cluster failover", "force")
    'redis-cli -e -h redis-0 -p 6379 cluster failover force'
    """
    host, _, port = address.rpartition(":")
    user = f" --user {shlex.quote(target.username)}" if target.username else ""
    return " ".join(["redis-cli -e", f"-h {shlex.quote(host)} -p {port}{user}", *[word for word in words if word]])


def admin(address: str, *words: str) -> str:
    """The cluster tool that comes with redis-cli; it needs an administrator's login.

    >>> admin("redis-0:6379", "check")
    'redis-cli --cluster check redis-0:6379'
    """
    return " ".join(["redis-cli --cluster", words[0], shlex.quote(address), *words[1:]])


def quoted(word: str) -> str:
    """A word that the shell passes on as it is."""
    return shlex.quote(word)
