"""Puts a procedure's values into its texts and commands."""

from __future__ import annotations

import re
import shlex

PLACE = re.compile(r"\{([a-z][a-z0-9-]*)\}")
"""A parameter in braces: ``{idle-seconds}``."""


def fill(text: str, values: dict[str, str]) -> str:
    """``text`` with every ``{parameter}`` replaced; what is no parameter stays as it is.

    >>> fill("older than {idle-seconds} s {state}", {"idle-seconds": "600"})
    'older than 600 s {state}'
    """
    return PLACE.sub(lambda match: values.get(match.group(1), match.group(0)), text)


def fill_command(text: str, values: dict[str, str]) -> str:
    """A command with every ``{parameter}`` replaced by its value as one word of the shell, whatever is in it.

    One that lacks a value is given as comments that say so: pasted as it stands it does nothing.

    >>> fill_command("psql -v name={name}", {"name": "a; reboot"})
    "psql -v name='a; reboot'"
    >>> fill_command("psql -v name={name} -v age={age}", {"name": "a; reboot", "age": ""})
    "# Not to be run as it stands: fill in {age} first.\\n# psql -v name='a; reboot' -v age={age}"
    """
    filled = fill(text, {name: shlex.quote(value) for name, value in values.items() if value})
    lacking = open_places(text, values)
    return not_runnable(filled, f"fill in {', '.join(lacking)} first") if lacking else filled


def open_places(text: str, values: dict[str, str]) -> list[str]:
    """The placeholders of ``text`` that name a parameter without a value, each once, as they are written.

    >>> open_places("{age} {name} {age} {print}", {"name": "ana", "age": ""})
    ['{age}']
    """
    return [f"{{{name}}}" for name in places(text) if name in values and not values[name]]


def places(text: str) -> list[str]:
    """The names that stand in braces in ``text``, each once."""
    return list(dict.fromkeys(PLACE.findall(text)))


def by_hand(shell: str, refusal: str) -> str:
    """A plan's form for the shell, ready to be run only where the plan may be sent: what is refused from here would hurt by hand as well.

    >>> by_hand("kubectl delete pod vault-0", "raft would lose its quorum").splitlines()[1]
    '# kubectl delete pod vault-0'
    """
    return not_runnable(shell, refusal) if shell and refusal else shell


def not_runnable(text: str, why: str) -> str:
    """``text`` as comments of the shell, the first of which says why it is not to be run.

    >>> not_runnable("reboot", "it is the wrong host")
    '# Not to be run as it stands: it is the wrong host.\\n# reboot'
    """
    lines = [f"Not to be run as it stands: {why}.", *text.rstrip("\n").split("\n")]
    return "\n".join(f"# {line}".rstrip() for line in lines)
