"""Writes ``alphapulse.toml``: the profile ``lab`` with every address, user and secret file of this lab.

Written before the first server starts (ports and file names are known by then), so that the cockpit can open at once and watch the
targets come up. The file names secrets, it never holds one.
"""

from __future__ import annotations

import json

from alphapulse_tui.lab import postgres, redis, vault
from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.platform import NAMESPACE, Lab
from alphapulse_tui.lab.s3 import target as s3
from alphapulse_tui.lab.s3.identities import BUCKET, REGION


def write_profile(lab: Lab) -> None:
    """Write the profile file of the lab, whole or not at all."""
    write_private(lab.directory.profile, "\n".join(_lines(lab)) + "\n")


def _lines(lab: Lab) -> list[str]:
    replica = f"{postgres.REPLICA}-0"
    return [
        "# Written by the lab at its start; the next start writes it anew.",
        'default_profile = "lab"',
        "",
        "[profiles.lab]",
        'environment = "lab"',
        "production = false",
        'colour = "blue"',
        f"notices = {_text(lab.directory.notices)}",
        "",
        "[profiles.lab.kubernetes]",
        f"kubeconfig = {_text(lab.directory.root / 'kubernetes' / 'oncall.kubeconfig')}",
        f"namespace = {_text(NAMESPACE)}",
        "",
        "[profiles.lab.postgres]",
        f"primary = {{ {_server(lab, postgres.PRIMARY)} }}",
        f"replicas = [ {{ name = {_text(replica)}, {_server(lab, replica)} }} ]",
        "",
        "[profiles.lab.redis]",
        f"nodes = [ {', '.join(_redis_node(lab, ordinal) for ordinal in range(redis.NODES))} ]",
        'username = "oncall"',
        f"password_file = {_text(lab.credentials.path('redis-oncall'))}",
        "",
        "[profiles.lab.vault]",
        f"nodes = [ {', '.join(_vault_node(lab, ordinal) for ordinal in range(vault.NODES))} ]",
        f"token_file = {_text(vault.token_file(lab, 'oncall'))}",
        "",
        "[profiles.lab.prometheus]",
        f'url = "http://127.0.0.1:{lab.ports["prometheus"]}"',
        'window = "30s"',
        "",
        "[profiles.lab.alertmanager]",
        f'url = "http://127.0.0.1:{lab.ports["alertmanager"]}"',
        "",
        "[profiles.lab.api]",
        f'health_url = "http://127.0.0.1:{lab.ports["api"]}/health"',
        "",
        "[profiles.lab.backups]",
        f"bucket = {_text(BUCKET)}",
        f"endpoint = {_text(s3.endpoint(lab))}",
        f"region = {_text(REGION)}",
        f"credentials_file = {_text(s3.credentials_file(lab, 'oncall'))}",
        "",
        "# Seconds instead of minutes: nobody waits ten minutes for a session to be old enough in a drill.",
        "[profiles.lab.thresholds]",
        "postgres_idle_in_transaction_warning = 2",
        "postgres_idle_in_transaction_critical = 5",
        "postgres_idle = 10",
        "",
        "[profiles.lab.incident]",
        'postmortem_folder = ".bug"',
    ]


def _text(value: object) -> str:
    """A TOML string; JSON's escapes are a subset of TOML's."""
    return json.dumps(str(value))


def _server(lab: Lab, name: str) -> str:
    place = f'host = "127.0.0.1", port = {lab.ports[name]}'
    secret = _text(postgres.passfile(lab, "oncall"))
    return f'{place}, user = "oncall", database = "{postgres.DATABASE}", passfile = {secret}, sslmode = "disable"'


def _redis_node(lab: Lab, ordinal: int) -> str:
    name = redis.node_name(ordinal)
    return f'{{ name = "{name}", host = "127.0.0.1", port = {lab.ports[name]} }}'


def _vault_node(lab: Lab, ordinal: int) -> str:
    return f'{{ name = "{vault.node_name(ordinal)}", address = "{vault.address(lab, ordinal)}" }}'
