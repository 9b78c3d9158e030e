"""Every stand-in served in this process, as the lab's process serves it, on ports of the kernel's choice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from alphapulse_tui.lab.standins.__main__ import services
from alphapulse_tui.lab.standins.accounts import JIRA_USER, SECRETS, secret_file
from alphapulse_tui.lab.standins.front import Front
from alphapulse_tui.lab.standins.logs import LabLogs

TOKENS = {name: f"{name}-right-token" for name in SECRETS}
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
WEBHOOK = "right-webhook"

AUTHORISED: dict[str, dict[str, str]] = {
    "slack": {"Authorization": f"Bearer {TOKENS['slack']}"},
    "pagerduty": {"Authorization": f"Token token={TOKENS['pagerduty']}", "From": JIRA_USER},
    "statuspage": {"Authorization": f"OAuth {TOKENS['statuspage']}"},
    "loki": {"X-Scope-OrgID": "alphapulse"},
    "grafana": {"Authorization": f"Bearer {TOKENS['grafana']}"},
    "sentry": {"Authorization": f"Bearer {TOKENS['sentry']}"},
    "jaeger": {},
    "github": {"Authorization": f"token {TOKENS['github']}"},
    "jira": {},
}
"""The header that each real service wants; Jira's is Basic and made by the client."""


@pytest.fixture
async def standins(tmp_path: Path) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client of each, with its right token."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, token in TOKENS.items():
        (secrets / secret_file(name, "token")).write_text(token + "\n")
    (secrets / secret_file("pagerduty", "routing-key")).write_text(ROUTING_KEY)
    (secrets / secret_file("slack", "webhook")).write_text(WEBHOOK)
    clients = {}
    async with AsyncExitStack() as stack:
        for service in services(secrets, LabLogs(tmp_path)):
            runner = web.AppRunner(Front(service).application(), shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{runner.addresses[0][1]}",
                headers=AUTHORISED[service.name],
                auth=(JIRA_USER, TOKENS["jira"]) if service.name == "jira" else None,
                trust_env=False,
                verify=False,  # plain HTTP; reading the certificates of the machine for nine clients took most of the time
                timeout=10.0,
            )
            clients[service.name] = await stack.enter_async_context(client)
        yield clients
