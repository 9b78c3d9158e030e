"""Where nobody can know whether there is a file (a closed folder, a name too long), a sentence says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alphapulse_tui.config.discover import aws, kubernetes, postgres, vault
from alphapulse_tui.config.settings import PostgresServer, VaultNode, VaultTarget
from alphapulse_tui.errors import ConfigError

LONG = f"/{'x' * 300}"
TARGET = VaultTarget((VaultNode("v", "http://h"),))


@pytest.mark.parametrize(
    ("variable", "look"),
    [
        ("HOME", kubernetes.kubeconfig),
        ("HOME", aws.credentials),
        ("HOME", lambda: postgres.password(PostgresServer(host="h"))),
        ("PGPASSFILE", lambda: postgres.password(PostgresServer(host="h"))),
        ("BAO_TOKEN_PATH", lambda: vault.token(TARGET)),
        ("KUBECONFIG", lambda: kubernetes.chosen_context(*kubernetes.kubeconfig())),
    ],
)
def test_what_nobody_can_look_for(variable: str, look: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, LONG)
    with pytest.raises(ConfigError, match=r"cannot be (looked at|read): File name too long$"):
        look()
