"""What three lines of servers answer, put into the model. Valkey 9.1 and Redis 6.2 run for real in other tests; Redis 7's answers are recorded."""

from __future__ import annotations

import pytest

from alphapulse_tui.sources.redis_decode import fields, members, node, refusals
from alphapulse_tui.sources.redis_memory import latencies, slow_commands
from alphapulse_tui.sources.redis_views import shard_health

REDIS_6 = """
redis_version:6.2.5
redis_mode:cluster
run_id:aa
config_file:
used_memory:2000
mem_not_counted_for_evict:500
maxmemory:0
maxmemory_policy:noeviction
role:master
master_repl_offset:70
errorstat_ERR:count=1
db0:keys=3,expires=1,avg_ttl=0
"""
REDIS_7 = """
redis_version:7.0.15
redis_mode:cluster
run_id:bb
config_file:/etc/redis/redis.conf
total_system_memory:8000
used_memory:900
mem_not_counted_for_evict:100
maxmemory:1600
maxmemory_policy:volatile-lru
role:slave
master_link_status:down
master_link_down_since_seconds:12
slave_read_repl_offset:90
slave_repl_offset:80
master_repl_offset:80
errorstat_OOM:count=41
db0:keys=10,expires=4,avg_ttl=100,subexpiry=0
"""
VALKEY_9 = """
redis_version:7.2.4
server_name:valkey
valkey_version:9.1.2
server_mode:cluster
run_id:cc
config_file:/data/valkey.conf
used_memory:900
maxmemory:1000
maxmemory_policy:allkeys-lru
role:master
master_repl_offset:5
"""
VIEW = members(
    "id1 10.0.0.1:6379@16379,redis-0.redis master - 0 0 3 connected 0-16383\n"
    "id2 10.0.0.2:6379@16379,redis-1.redis myself,slave id1 0 0 3 connected\n"
)


@pytest.mark.parametrize(
    ("text", "engine", "version", "used", "limit", "keys", "refused"),
    [
        (REDIS_6, "redis", "6.2.5", 1500, 0, (3, 1), 0),
        (REDIS_7, "redis", "7.0.15", 800, 1600, (10, 4), 41),
        (VALKEY_9, "valkey", "9.1.2", 900, 1000, (0, 0), 0),
    ],
)
def test_each_line_of_servers_is_read(text, engine, version, used, limit, keys, refused):
    found = node("n", "h:1", fields(text), fields("cluster_state:ok\ncluster_current_epoch:9\n"), VIEW)
    assert (found.engine, found.version, found.used_memory, found.max_memory) == (engine, version, used, limit)
    assert ((found.keys, found.expiring_keys), refusals(fields(text))) == (keys, refused)
    assert (found.cluster_state, found.current_epoch, found.node_id, found.master_id) == ("ok", 9, "id2", "id1")


def test_a_replica_tells_its_own_offset_and_since_when_its_link_is_down():
    found = node("n", "h:1", fields(REDIS_7), {}, VIEW)
    assert (found.role, found.offset, found.master_link, found.link_down_seconds) == ("slave", 80, "down", 12)
    assert found.config_file == "/etc/redis/redis.conf"
    assert node("n", "h:1", fields(REDIS_6), {}, ()).config_file == ""


def test_a_member_with_a_host_name_keeps_its_address():
    assert [member.address for member in VIEW] == ["10.0.0.1:6379", "10.0.0.2:6379"]


def test_slow_log_and_latency_of_old_and_new_servers():
    old, new = [1, 1700000000, 15000, ["GET", "k"]], [2, 1700000001, 20000, ["SET", "k", "secret"], "10.0.0.9:1", "api"]
    found = slow_commands("n", [old, new])
    assert [(entry.command, entry.client) for entry in found] == [("GET k", ""), ("SET k and 1 more", "api")]
    assert [event.worst for event in latencies("n", [["command", 1, 2, 3], ["fork", 1, 2, 9, 100, 4]])] == [3, 9]


def test_a_server_without_shards_tells_no_health():
    assert shard_health(Exception("unknown subcommand")) == {} and shard_health([["odd"], 3]) == {}
