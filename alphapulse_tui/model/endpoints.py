"""Hosts and ports out of the value that names a dependency, whatever login stands in it. Pure, and knows only the standard library.

The very text of these functions also runs inside a pod (``actions.kubernetes_inside``), on the Python that the API has there (3.7 or later).
A value that could be read in two ways is not read at all: one of the two might show a part of a password.
"""

from __future__ import annotations

import re


def endpoints(value: str, port: int) -> list[tuple[str, int, bool]]:
    """Host, port and whether by TLS; none of a value that is not in a known form. ``port`` is where none is named."""
    hosts, tls = of_pairs(value) if re.match(r"\s*\w+\s*=", value) else of_urls(value)
    found = []
    for one in hosts:
        match = re.match(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?\Z", one.strip())
        number = int(match.group(3) or port) if match else 0
        if not match or not 0 < number < 65536:
            return []
        found.append(((match.group(1) or match.group(2)).lower(), number, tls))
    return found


def of_pairs(value: str) -> tuple[list[str], bool]:
    """The places in ``host=db port=5432 password='...'``, as libpq reads it."""
    said: dict[str, str] = {}
    at = 0
    while value[at:].strip():
        pair = re.compile(r"\s*(\w+)\s*=\s*('(?:\\.|[^'\\])*'|[^\s'\\]*)(?=\s|\Z)").match(value, at)
        if not pair or pair.group(1) in said:
            return [], False
        said[pair.group(1)] = pair.group(2).strip("'")
        at = pair.end()
    hosts, ports = (said.get("host") or said.get("hostaddr") or "").split(","), said.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    joined = [host + ":" + number if number else host for host, number in zip(hosts, ports)]  # noqa: B905 - Python 3.7
    return joined if len(hosts) == len(ports) else [], False


def of_urls(value: str) -> tuple[list[str], bool]:
    """The places in URLs, or in a list of hosts. What stands before an @ is cut off before anything is split at commas."""
    hosts: list[str] = []
    schemes, logins = set(), set()
    for one in re.split(r",\s*(?=[A-Za-z][\w+.-]*://)", value.strip()):
        scheme, _, rest = one.partition("://") if "://" in one else ("", "", one)
        login, mark, place = rest.rpartition("@")
        if re.search("[@/?#]", login):
            return [], False  # One of these as it is in a login, or an @ behind the host: who knows.
        schemes.add(scheme.lower())
        logins.add(mark)
        hosts += re.split("[/?#]", place)[0].split(",")
    one_kind = len(schemes) == 1 and len(logins) == 1
    return hosts if one_kind else [], schemes in ({"https"}, {"rediss"})
