from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest

from alphapulse_tui.config.secret import Credential, Secret, read_secret_file
from alphapulse_tui.errors import CredentialError
from alphapulse_tui.redact import redact
from tests.empty_home import secret_file

CANARY = "canary-4711"


def test_a_secret_shows_itself_nowhere_and_is_redacted_everywhere() -> None:
    secret = Secret(CANARY)
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret!r:>30}", repr([secret])):
        assert CANARY not in shown
    assert redact(f"password is {CANARY}!") == "password is (redacted)!"
    assert secret.reveal() == CANARY
    assert (bool(secret), bool(Secret(""))) == (True, False)


def test_a_secret_is_neither_pickled_nor_copied() -> None:
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not written to disk or sent to another process"):
            copier(Secret(CANARY))


def test_a_credential_shows_its_source_only() -> None:
    credential = Credential("Vault token", "environment variable VAULT_TOKEN", lambda: CANARY)
    assert CANARY not in repr(credential)
    assert "lambda" not in repr(credential)
    assert credential.load().reveal() == CANARY


def test_a_file_for_its_owner_alone_is_read(tmp_path: Path) -> None:
    assert read_secret_file(secret_file(tmp_path / "f", "één", 0o400), "password file") == "één"


def test_what_is_no_plain_text_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for place in (tmp_path, pipe):
        with pytest.raises(CredentialError, match=f'^password file "{place}" is not a plain file$'):
            read_secret_file(place, "password file")
    binary = secret_file(tmp_path / "binary", "")
    binary.write_bytes(b"\xff")
    with pytest.raises(CredentialError, match=r"is not UTF-8 text$"):
        read_secret_file(binary, "password file")
    binary.write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(CredentialError, match="is larger than 1 MiB"):
        read_secret_file(binary, "password file")


def test_a_path_with_escapes_is_shown_clean() -> None:
    with pytest.raises(CredentialError) as caught:
        read_secret_file(Path("/\x1b[2J"), "password file")
    assert caught.value.sentence == 'password file "/\\x1b[2J" cannot be read: No such file or directory'
