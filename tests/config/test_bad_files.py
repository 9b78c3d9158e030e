"""What a wrong profile file is told: one sentence each, with file, line, key and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alphapulse_tui.config.load import load_profile, read_profile_file
from alphapulse_tui.config.report import all_problems
from alphapulse_tui.errors import ConfigError
from tests.empty_home import secret_file

HEAD = '[profiles.a]\nenvironment = "a"\n'
NODE = '{ name = "v", address = "http://h:1" }'

# The text after HEAD (which takes two lines), the line, and what follows "file line N: ".
WRONG = [
    ("production = 1", 3, "profiles.a.production must be true or false, not a number"),
    ("prodction = true", 3, 'profiles.a.prodction is unknown; did you mean "production"?'),
    ('colour = "bleu"', 3, 'profiles.a.colour must be one of blue, cyan, green, grey, magenta, orange, red, yellow (did you mean "blue"?)'),
    ('colour = ["red"]', 3, "profiles.a.colour must be one of blue, cyan, green, grey, magenta, orange, red, yellow, not a list"),
    ('name = "b"', 3, "profiles.a.name is unknown; there are "),
    ("kubernetes = 3", 3, "profiles.a.kubernetes must be a table, not a number"),
    ("[profiles.a.kubernetes]\nnamespace = ''", 4, "profiles.a.kubernetes.namespace must be a text that is not empty"),
    ("[profiles.a.kubernetes]\nkubeconfg = ''", 4, 'profiles.a.kubernetes.kubeconfg is unknown; did you mean "kubeconfig"?'),
    ("[profiles.a.postgres]\nprimary = { port = '5432' }", 4,
     "profiles.a.postgres.primary.port must be a whole number from 1 to 65535, not a text"),
    ("[profiles.a.postgres]\nprimary = { port = 65536 }", 4,
     "profiles.a.postgres.primary.port must be a whole number from 1 to 65535"),
    ("[profiles.a.postgres]\nprimary = { port = true }", 4,
     "profiles.a.postgres.primary.port must be a whole number from 1 to 65535, not true or false"),
    ("[profiles.a.postgres]\n\nprimary = { sslmode = 'full' }", 5,
     "profiles.a.postgres.primary.sslmode must be one of allow, disable, prefer, require, verify-ca, verify-full"),
    ("[profiles.a.postgres]", 3, "profiles.a.postgres names neither a primary nor a replica"),
    ("[profiles.a.postgres]\nreplicas = [\n  { user = 'ana' },\n]", 5, "profiles.a.postgres.replicas[0] needs a host or a service"),
    ("[profiles.a.postgres]\npassword = 'hunter2'", 4, "profiles.a.postgres.password is unknown; secrets do not belong into this file"),
    ("[profiles.a.redis]\nusername = 'ops'", 3, "profiles.a.redis.nodes is missing"),
    ("[profiles.a.redis]\nnodes = []", 4, "profiles.a.redis.nodes must be a list of at least one item"),
    ("[profiles.a.redis]\nnodes = { name = 'r', host = 'h' }", 4, "profiles.a.redis.nodes must be a list, not a table"),
    ("[[profiles.a.redis.nodes]]\nname = 'r'\nhost = 'h'\n[[profiles.a.redis.nodes]]\nhost = 'h'", 6, "profiles.a.redis.nodes[1].name is missing"),
    ("[[profiles.a.redis.nodes]]\nname = 'r'\nhost = 'h'\n[[profiles.a.redis.nodes]]\nname = 'r'\nhost = 'h'", 7,
     "profiles.a.redis.nodes[1].name is used twice: every node needs a name of its own"),
    ("[profiles.a.vault]\nnodes = [{ name = '../v', address = 'http://h' }]", 4,
     "profiles.a.vault.nodes[0].name must be letters, digits, dot, dash and underscore, at most 63"),
    ("[profiles.a.vault]\nnodes = [{ name = 'v', address = 'http://ana:hunter2@h' }]", 4,
     'profiles.a.vault.nodes[0].address must be an address like "http://host:port", without a user or password in it'),
    ("[profiles.a.prometheus]\nurl = 'prometheus:9090'", 4, 'profiles.a.prometheus.url must be an address like "http://host:port"'),
    *((f"[profiles.a.prometheus]\nurl = '{url}'", 4, 'profiles.a.prometheus.url must be an address like "http://host:port"')
      for url in ("http://h:abc", "http://[::1", "http://::1", "http://h:99999", "http://h:65536", "http://h:0", "http://h:", "http://[x]")),
    ("[profiles.a.api]", 3, "profiles.a.api.health_url is missing"),
    ("[profiles.a.thresholds]\nredis_memory_warning = 95", 4,
     "profiles.a.thresholds.redis_memory_warning is 95, beyond redis_memory_critical = 90: nothing could ever be a warning"),
    ("[profiles.a.thresholds]\npostgres_slots_page = 101", 4, "profiles.a.thresholds.postgres_slots_page is 101, but is a percentage: 0 to 100"),
    ("[profiles.a.thresholds]\npostgres_idle = nan", 4, "profiles.a.thresholds.postgres_idle is nan, but must be a number from 0 up"),
    ("[profiles.a.thresholds]\npostgres_idle = '10 min'", 4, "profiles.a.thresholds.postgres_idle must be a number, not a text"),
    (f"[profiles.a.thresholds]\npostgres_idle = {'9' * 400}", 4,
     "profiles.a.thresholds.postgres_idle must be a number of fewer digits"),
    ("[profiles.a.thresholds]\npostgres_idel = 10", 4, 'profiles.a.thresholds.postgres_idel is unknown; did you mean "postgres_idle"?'),
    ("[profiles.a.contacts]\nL1 = 'ana'", 4, "profiles.a.contacts.L1 must be a table, not a text"),
    ("[profiles.a.incident]\npostmortem_folder = 1979-05-27", 4,
     "profiles.a.incident.postmortem_folder must be a text that is not empty, not a date or time"),
    ("[profiles.a.alerts]\nOwn = 'redis-memory'\nRedisMemory = 'redis-memroy'", 5,
     'profiles.a.alerts.RedisMemory names a procedure that is not there; did you mean "redis-memory"?'),
    ("[profiles.a.alerts]\nOwn = 3", 4, "profiles.a.alerts.Own must be a text, not a number"),
    ("[profiles.a.keys]\nquit = 1", 4, "profiles.a.keys.quit must be a text, not a number"),
    ('"\\u001b[31m" = 1', 3, 'profiles.a."\\x1b[31m" is unknown; there are '),
    ("environment = '..'", 3, None),
    ("[profiles.'b/c']", 3, 'profiles."b/c" must be letters, digits, dot, dash and underscore, at most 63'),
    ("[profile.b]", 3, 'profile is unknown; did you mean "profiles"?'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "sentence"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_each_mistake_is_told_with_file_line_and_key(
    tmp_path: Path, text: str, line: int, sentence: str | None
) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text(HEAD + text + "\n")
    if sentence is None:  # a key written twice is a matter of TOML itself
        with pytest.raises(ConfigError) as caught:
            read_profile_file(file)
        assert caught.value.sentence == f"{file} line {line}: not TOML: cannot overwrite a value"
        return
    told = all_problems(read_profile_file(file))
    assert len(told) == 1, told
    assert told[0].startswith(f"{file} line {line}: {sentence}")
    assert "\n" not in told[0]
    assert "\x1b" not in told[0]
    assert "hunter2" not in told[0]


BROKEN = [
    ("[profiles.a", 1, "not TOML: expected ']' at the end of a table declaration"),
    ("x = 1\ny =\n", 2, "not TOML: invalid value"),
    ("x = 1\nx = 2\n", 2, "not TOML: cannot overwrite a value"),
    ('x = "a\x00b"\n', 1, "not TOML: illegal character '\\x00'"),
    (f"x = 1\ny = {'9' * 5000}", 2, "a number of thousands of digits is none that is meant"),
    ("x = " + "[\n" * 5000, None, "is nested too deeply to be a profile file"),
]


@pytest.mark.parametrize(("text", "line", "sentence"), BROKEN)
def test_broken_toml_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, sentence: str) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_profile_file(file)
    assert caught.value.sentence == (f"{file} line {line}: {sentence}" if line else f"{file} {sentence}")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_bytes(b"x = 1\ny = '\xff'\n")
    with pytest.raises(ConfigError, match=r"line 2: not UTF-8 text; save the file as UTF-8$"):
        read_profile_file(file)
    file.write_bytes(b"#" * 2**21)
    with pytest.raises(ConfigError, match=r"is larger than 1 MiB: it is not a profile file$"):
        read_profile_file(file)
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        read_profile_file(tmp_path)


def test_a_fifo_is_read_to_its_end_and_waited_for_by_nobody(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ConfigError, match=r"fifo has no \[profiles\.NAME\]"):
        load_profile(config=str(fifo))
    command = 'exec "$0" -m alphapulse_tui --config <(sleep 0.5; echo "[profiles.slow]") config show'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("profile slow (/dev/fd/")


def test_all_problems_come_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.b]\nz = 1\n[profiles.a]\ncolour = 1\n[profiles.a.api]\n[top]\n")
    assert [told.split(":")[0].rsplit(" ", 1)[1] for told in all_problems(read_profile_file(file))] == [
        "2",
        "4",
        "5",
        "6",
    ]


def test_a_broken_profile_is_refused_with_the_first_problem_and_the_count_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\nx = 1\ny = 2\n[profiles.b]\n")
    with pytest.raises(
        ConfigError, match=r"line 2: profiles\.a\.x is unknown.* \(and 1 more: `alphapulse config validate`\)$"
    ):
        load_profile("a", str(file))


def test_a_broken_profile_does_not_keep_another_from_opening(tmp_path: Path) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\nx = 1\n[profiles.b]\n")
    loaded = load_profile("b", str(file))
    assert loaded.profile.name == "b"
    assert [notice.split(":")[0] for notice in loaded.notices] == [f"{file} line 2"]


def test_validate_also_tells_what_a_sound_profile_would_fail_on(tmp_path: Path) -> None:
    secret_file(tmp_path / "pgpass", "*:*:*:*:hunter2\n", 0o644)
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\n[profiles.a.postgres]\nprimary = { host = 'h', passfile = 'pgpass' }\n")
    assert all_problems(read_profile_file(file)) == [
        f'{file} line 1: profile a: password file "{tmp_path}/pgpass" has group or world access; '
        "permissions should be u=rw (0600) or less"
    ]
    file.write_text(f"[profiles.a.vault]\nca_file = 'ca.pem'\nnodes = [{NODE}]\n")
    assert all_problems(read_profile_file(file)) == [
        f"{file} line 2: profiles.a.vault.ca_file names {tmp_path}/ca.pem, which cannot be read"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://h:65535/x?y#z",
        "http://h:8080",
        "http://[::1]:9090/",
        "http://[fe80::1%eth0]",
        "http://10.0.0.1:1",
    ],
)
def test_an_address_that_is_one(tmp_path: Path, url: str) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text(f"[profiles.a.prometheus]\nurl = '{url}'\n")
    assert all_problems(read_profile_file(file)) == []
