"""The least-privilege files of ``deploy/privileges`` for Redis and Vault: enough for each holder, and no more."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from alphapulse_tui.config.load import load_profile
from alphapulse_tui.sources.build import read_once
from tests.lab_handle import LabHandle

pytestmark = pytest.mark.lab

ACTIVE = re.compile(r"HA Mode +active")

ONCALL_SEES = """
ping
hello 3
command count
client setinfo lib-name alphapulse
client setname alphapulse-tui
client id
client list
info
role
dbsize
readonly
cluster info
cluster nodes
cluster shards
cluster slots
cluster myid
cluster links
cluster countkeysinslot 0
cluster getkeysinslot 0 1
slowlog get 16
slowlog len
latency latest
latency history command
memory usage tenant:00002
memory stats
scan 0 count 10
type tenant:00002
ttl tenant:00002
config get maxmemory*
acl whoami
acl dryrun oncall cluster failover
"""
ONCALL_MENDS = """
config set maxmemory-policy allkeys-lru
config rewrite
unlink no-such-key
cluster setslot 0 stable
cluster bumpepoch
"""
ALLOWED_BUT_ANSWERED_NO = """
cluster failover
cluster forget 0000000000000000000000000000000000000000
cluster addslots 0
"""
"""May be sent; the server itself has a reason to refuse here, which is not the rights."""
ONCALL_MAY_NOT = """
get tenant:00002
set tenant:00002 x
del tenant:00002
getrange tenant:00002 0 1
dump tenant:00002
keys *
flushall
flushdb
shutdown nosave
monitor
acl list
acl setuser oncall +@all
client kill id 1
config resetstat
cluster meet 127.0.0.1 1
cluster reset
cluster delslots 0
cluster replicate 0000000000000000000000000000000000000000
replicaof no one
eval return 0
subscribe alerts
publish alerts x
save
bgrewriteaof
"""
VIEWER_SEES = "ping\ninfo\nrole\ndbsize\ncluster info\ncluster myid\nacl whoami\nacl dryrun viewer unlink k"
VIEWER_MAY_NOT = ONCALL_MAY_NOT + ONCALL_MENDS + "cluster nodes\nconfig get maxmemory\nscan 0\nclient list\nslowlog get"
APPLICATION_USES = """
set {quote}:privileges 1 ex 60
get {quote}:privileges
hset {quote}:hash field 1
expire {quote}:hash 60
unlink {quote}:privileges {quote}:hash
cluster slots
"""
APPLICATION_MAY_NOT = """
flushall
keys *
config get maxmemory
config set maxmemory 1
cluster failover
client list
acl list
shutdown nosave
info
"""


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line]


def answer(lab: LabHandle, ordinal: int, words: list[str], user: str) -> str:
    """What redis-cli prints, also when it is an error."""
    try:
        return lab.redis_cli(ordinal, *words, user=user)
    except subprocess.CalledProcessError as error:
        return f"{error.stdout}{error.stderr}"


def master_of(lab: LabHandle, key: str) -> int:
    """The node that has a key: any other would answer MOVED before it looks at the rights of a key."""
    for ordinal in range(6):
        said = answer(lab, ordinal, ["exists", key], "admin")
        if "MOVED" not in said:
            return ordinal
    raise AssertionError(f"no node has {key}")


@pytest.mark.parametrize("user", ["oncall", "viewer", "alphapulse"])
def test_redis_users_may_what_they_need(whole_lab: LabHandle, user: str) -> None:
    allowed = {"oncall": ONCALL_SEES + ONCALL_MENDS, "viewer": VIEWER_SEES, "alphapulse": APPLICATION_USES}[user]
    node = master_of(whole_lab, "{quote}:privileges" if user == "alphapulse" else "tenant:00002")
    for words in lines(allowed):
        said = answer(whole_lab, node, words, user)
        assert "NOPERM" not in said and not said.startswith("ERR"), words
    if user == "oncall":
        for words in lines(ALLOWED_BUT_ANSWERED_NO):
            said = answer(whole_lab, node, words, user)
            assert said.startswith("ERR") and "NOPERM" not in said, words


@pytest.mark.parametrize("user", ["oncall", "viewer", "alphapulse", "replication"])
def test_redis_users_may_no_more(whole_lab: LabHandle, user: str) -> None:
    refused = {
        "oncall": ONCALL_MAY_NOT,
        "viewer": VIEWER_MAY_NOT,
        "alphapulse": APPLICATION_MAY_NOT,
        "replication": ONCALL_SEES.replace("\nping\nhello 3", "") + ONCALL_MAY_NOT,
    }[user]
    node = master_of(whole_lab, "tenant:00002")
    for words in lines(refused):
        assert "NOPERM" in answer(whole_lab, node, words, user), words


VAULT = {
    "oncall": {
        "token capabilities sys/metrics": True,
        "read sys/storage/raft/configuration": True,
        "read sys/storage/raft/autopilot/state": True,
        "read sys/ha-status": True,
        "read sys/in-flight-req": True,
        "read auth/token/lookup-self": True,
        "operator raft snapshot save /dev/null": True,
        "operator raft remove-peer no-such-peer": True,
        "kv get secret/alphapulse/database": False,
        "operator seal": False,
        "write -f sys/rotate": False,
        "policy list": False,
        "token create": False,
        "secrets list": False,
        "audit list": False,
    },
    "viewer": {
        "token capabilities sys/metrics": True,
        "read auth/token/lookup-self": True,
        "read sys/storage/raft/autopilot/state": False,
        "operator raft snapshot save /dev/null": False,
        "operator step-down": False,
        "operator raft remove-peer no-such-peer": False,
        "kv get secret/alphapulse/database": False,
    },
    "alphapulse": {
        "kv get secret/alphapulse/database": True,
        "kv get secret/other": False,
        "kv put secret/alphapulse/database url=x": False,
        "token capabilities sys/metrics": False,
        "operator step-down": False,
    },
}


def leader_of(lab: LabHandle) -> int:
    return next(ordinal for ordinal in range(3) if ACTIVE.search(lab.bao(ordinal, "status").stdout))


@pytest.mark.parametrize("holder", VAULT)
def test_vault_policies_are_enough_and_no_more(whole_lab: LabHandle, holder: str) -> None:
    leader = leader_of(whole_lab)
    for words, allowed in VAULT[holder].items():
        done = whole_lab.bao(leader, *words.split(), token=holder)
        denied = "Code: 403" in done.stderr or done.stdout.strip() == "deny"
        assert denied is not allowed, f"{words}: {done.stderr}"


def test_vault_oncall_may_have_the_leader_step_down(whole_lab: LabHandle) -> None:
    leader = leader_of(whole_lab)
    assert whole_lab.bao(leader, "operator", "step-down", token="oncall").returncode == 0
    whole_lab.wait_healthy("vault")


@pytest.fixture
def viewer(whole_lab: LabHandle, tmp_path: Path) -> Path:
    """The lab's profile with the viewer's credentials instead of the on-call engineer's."""
    text = whole_lab.profile.read_text()
    secrets = {"redis-oncall": "redis-viewer", "vault-token-oncall": "vault-token-viewer"}
    for old, new in secrets.items():
        assert str(whole_lab.secret(old)) in text
        text = text.replace(str(whole_lab.secret(old)), str(whole_lab.secret(new)))
    text = text.replace('username = "oncall"', 'username = "viewer"')
    file = tmp_path / "alphapulse.toml"
    file.write_text(text)
    return file


async def test_the_cockpit_names_what_a_viewer_lacks(viewer: Path) -> None:
    board = await read_once(load_profile("lab", str(viewer)).profile, 20.0)

    def missing(target: str) -> list[str]:
        reading = board.readings[target]
        assert reading.snapshot is not None
        return list(reading.snapshot.missing_grants)

    assert missing("redis") == ["ACL SETUSER viewer +cluster|nodes"]
    assert missing("vault") == ['path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }']

    assert any("+cluster|nodes" in found.sentence for found in board.readings["redis"].findings)
