from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.config.discover import vault
from alphapulse_tui.config.settings import VaultNode, VaultTarget
from alphapulse_tui.errors import CredentialError
from tests.empty_home import secret_file
from tests.waiting import wait_until

TARGET = VaultTarget((VaultNode("vault-0", "http://127.0.0.1:8200"),))


def found(target: VaultTarget = TARGET) -> tuple[str, str]:
    credential = vault.token(target)
    assert credential is not None
    assert (credential.what, credential.expires_at) == ("Vault token", None)
    return credential.source, credential.load().reveal()


def helper(home: Path, script: str, config: str = ".vault") -> Path:
    program = secret_file(home / "bin" / "helper", f"#!/bin/sh\n{script}\n", 0o700)
    secret_file(home / config, f'# ours\ntoken_helper = "{program}"\n')
    return program


def test_the_order_is_the_command_line_tools_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vault.token(TARGET) is None
    usual = secret_file(home / ".vault-token", "s.usual-token\n")
    assert found() == (f"token file {usual}", "s.usual-token")
    other = secret_file(home / "bao-token", "s.bao-file-token")
    monkeypatch.setenv("BAO_TOKEN_PATH", str(other))
    assert found() == (f"token file {other}", "s.bao-file-token")
    program = helper(home, 'echo "s.for-$1-$VAULT_ADDR"')
    assert found() == (
        f"token helper {program} ({home}/.vault)",
        "s.for-get-http://127.0.0.1:8200",
    )
    monkeypatch.setenv("BAO_TOKEN", "s.bao-variable")
    assert found() == ("environment variable BAO_TOKEN", "s.bao-variable")
    monkeypatch.setenv("VAULT_TOKEN", "s.vault-variable")
    assert found() == ("environment variable VAULT_TOKEN", "s.vault-variable")
    ours = secret_file(home / "ours", "s.profile-token\n")
    assert found(VaultTarget(TARGET.nodes, str(ours))) == (f"token file {ours}", "s.profile-token")


@pytest.mark.parametrize("config", [".vault", ".bao"])
def test_both_tools_name_their_helper_in_a_file_of_their_own(home: Path, config: str) -> None:
    helper(home, "echo s.from-helper", config)
    assert found()[1] == "s.from-helper"


def test_finding_a_token_does_not_run_the_helper(home: Path) -> None:
    helper(home, f"touch {home}/ran; echo s.x")
    credential = vault.token(TARGET)
    assert credential is not None
    assert not (home / "ran").exists()
    assert credential.load().reveal() == "s.x"
    assert (home / "ran").exists()


FAILING = [
    ("echo 'keyring is locked' >&2; exit 3", "failed with code 3: keyring is locked"),
    ("printf '\\033[31mno\\n\\007' >&2; exit 1", "failed with code 1: \\x1b[31mno \\x07"),
    ("exit 1", "failed with code 1: it says nothing"),
    ("read answer && echo $answer", "failed with code 1: it says nothing"),
    ("exec < /dev/tty; exit 7", None),
]


@pytest.mark.parametrize(("script", "said"), FAILING)
def test_a_helper_that_fails_or_asks_is_told_and_never_waited_for(home: Path, script: str, said: str | None) -> None:
    program = helper(home, script)
    credential = vault.token(TARGET)
    assert credential is not None
    with pytest.raises(CredentialError) as caught:
        credential.load()
    start = f"token helper {program} "
    assert caught.value.sentence.startswith(start + "failed with code" if said is None else start + said)


def test_a_helper_that_hangs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "HELPER_TIMEOUT", 0.2)
    helper(home, f"sleep 60 & echo $! > {home}/child; wait")
    credential = vault.token(TARGET)
    assert credential is not None
    with pytest.raises(CredentialError, match=r"did not answer within 0\.2 s$"):
        credential.load()
    child = Path(f"/proc/{(home / 'child').read_text().strip()}/cmdline")
    wait_until(lambda: not child.exists() or child.read_bytes() == b"", 5, "the helper's child to end")


def test_a_helper_that_is_not_there(home: Path) -> None:
    helper(home, "exit 0").unlink()
    credential = vault.token(TARGET)
    assert credential is not None
    with pytest.raises(CredentialError, match=r"cannot be run: No such file or directory$"):
        credential.load()


def test_a_token_file_that_others_can_read_is_refused(home: Path) -> None:
    file = secret_file(home / ".vault-token", "s.token", 0o644)
    with pytest.raises(CredentialError, match=f'^token file "{file}" has group or world access; permissions'):
        vault.token(TARGET)
