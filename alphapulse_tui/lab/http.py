"""HTTP to the lab's own servers, all of which speak it in the clear on loopback."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody. httpx would read every certificate authority of the machine for each client, 40 ms that nothing here needs."""


def http_client(timeout: float, **options: Any) -> httpx.AsyncClient:
    """A client for servers of the lab; ``timeout`` is seconds for each phase, ``options`` are httpx's own.

    No proxy of the environment comes in between, and what speaks TLS is not believed.
    """
    import httpx

    return httpx.AsyncClient(timeout=timeout, trust_env=False, verify=_NOBODY, **options)
