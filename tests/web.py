"""HTTP for tests that ask again and again: httpx's own shortcuts read every certificate authority of the machine for each question (40 ms)."""

from __future__ import annotations

import httpx

web = httpx.Client(timeout=5.0, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
"""Every question over a connection of its own: whom it asks may have been killed meanwhile."""
