"""Does somebody answer at an address that the API was given? Tried from here, with no login and no secret (facts 2.4.1).

Each dependency is spoken to in its own protocol as far as a stranger may: PostgreSQL is asked whether it takes TLS, Redis for PING (``NOAUTH``
is an answer too, ``LOADING`` is none), Vault for its health. A port that accepts and then says nothing is not *answering*. Used by
``sources.api_crash``.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

from alphapulse_tui.model.api_environment import Place
from alphapulse_tui.text import clean

PROBE_SECONDS = 3.0
"""For one address (facts 0.6)."""

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL's question before any login: the server says S or N."""


async def probe(dependency: str, place: Place, seconds: float = PROBE_SECONDS) -> tuple[bool, str]:
    """Whether ``place`` answers as ``dependency`` does, and in a few words what it said."""
    try:
        async with asyncio.timeout(seconds):
            return await _try(dependency, place)
    except TimeoutError:
        return False, f"no answer within {seconds:g} s"
    except ConnectionRefusedError:
        return False, "refuses connections: nothing listens there"
    except socket.gaierror:
        return False, "the host name cannot be resolved"
    except ssl.SSLError as error:
        return False, f"TLS fails: {clean(error.reason or error, 120)}"
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        return False, f"cannot be reached: {clean(error, 120) or type(error).__name__}"


async def _try(dependency: str, place: Place) -> tuple[bool, str]:
    reader, writer = await asyncio.open_connection(
        place.host, place.port, ssl=_any_certificate() if place.tls else None
    )
    try:
        return await _SPEAK[dependency](reader, writer)
    finally:
        writer.transport.abort()


def _any_certificate() -> ssl.SSLContext:
    """Nothing secret is said, and whether the API trusts the certificate is the API's matter: its log says so."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bool, str]:
    writer.write(SSL_REQUEST)
    answer = await reader.readexactly(1)
    if answer in (b"S", b"N"):
        return True, "PostgreSQL answers"
    return False, "answers, but not as PostgreSQL does"


async def _redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bool, str]:
    writer.write(b"*1\r\n$4\r\nPING\r\n")
    answer = await reader.readline()
    said = clean(answer.decode(errors="replace").strip()[1:], 40)
    if answer[:1] == b"+":
        return True, f"Redis answers ({said})"
    if answer[:1] == b"-":
        word = said.split(" ")[0]
        return (True, f"Redis answers ({word})") if word in REDIS_ASKS else (False, f"Redis serves nobody: {said}")
    return False, "answers, but not as Redis does"


REDIS_ASKS = ("NOAUTH", "NOPERM")
"""Refusals that only a stranger gets. ``LOADING``, ``MASTERDOWN`` and ``DENIED`` meet the API as well."""


async def _vault(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bool, str]:
    writer.write(b"GET /v1/sys/health HTTP/1.0\r\nHost: vault\r\n\r\n")
    words = (await reader.readline()).split(b" ")
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return False, "answers, but not as Vault does"
    code = int(words[1])
    return code in VAULT_SERVES, VAULT_SAYS.get(code, f"answers with code {code}")


VAULT_SERVES = (200, 429, 472, 473)
"""Health codes of a node that serves or forwards."""

VAULT_SAYS = {
    200: "Vault answers: active",
    429: "Vault answers: standby",
    472: "Vault answers: a disaster recovery secondary",
    473: "Vault answers: a performance standby",
    501: "Vault answers: not initialised",
    503: "Vault answers: sealed",
}

_SPEAK: dict[str, Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[tuple[bool, str]]]] = {
    "database": _postgres,
    "redis": _redis,
    "vault": _vault,
}
