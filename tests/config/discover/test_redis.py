from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.config.discover import redis
from alphapulse_tui.config.settings import RedisNode, RedisTarget
from alphapulse_tui.errors import CredentialError
from tests.empty_home import secret_file

NODES = (RedisNode("redis-0", "127.0.0.1"),)


def test_the_password_comes_from_the_profiles_file_then_the_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert redis.password(RedisTarget(NODES)) is None
    monkeypatch.setenv("REDISCLI_AUTH", "from-variable")
    credential = redis.password(RedisTarget(NODES))
    assert credential is not None
    assert (credential.what, credential.source) == ("Redis password of default", "environment variable REDISCLI_AUTH")
    assert credential.load().reveal() == "from-variable"
    file = secret_file(home / "redis", "from file \n")
    credential = redis.password(RedisTarget(NODES, "ops", str(file)))
    assert credential is not None
    assert (credential.what, credential.source) == ("Redis password of ops", f"password file {file}")
    assert credential.load().reveal() == "from file "


def test_a_password_file_that_others_can_read_is_refused(home: Path) -> None:
    file = secret_file(home / "redis", "hunter2", 0o644)
    with pytest.raises(CredentialError, match="has group or world access"):
        redis.password(RedisTarget(NODES, "", str(file)))
