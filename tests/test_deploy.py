"""What the pages beside the least-privilege files tell an administrator to type does what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

REDIS = Path(__file__).resolve().parent.parent / "deploy" / "privileges" / "redis"


def test_every_redis_node_gets_the_user_and_keeps_it(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    stub = tmp_path / "redis-cli"
    stub.write_text(f'#!/bin/sh\necho "$*" >> {asked}\n')
    stub.chmod(0o700)
    script = re.search(r"```sh\n(.*?)```", (REDIS / "README.md").read_text(), re.DOTALL)
    assert script is not None
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SHA": "ab12"}
    subprocess.run(["bash", "-euc", script[1]], cwd=REDIS, env=environment, check=True, timeout=30)
    lines = asked.read_text().splitlines()
    for node in (f"redis-cluster-{number}" for number in range(6)):
        told, kept = (line for line in lines if line.startswith(f"-h {node} "))
        assert told.startswith(f"-h {node} ACL SETUSER oncall reset on #ab12 +ping ")
        assert kept == f"-h {node} ACL SAVE"
