"""docker-compose.test.yml, as far as it can be proven without an engine: the schema, what it promises, and what it is started with."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from alphapulse_tui.config.load import load_profile
from alphapulse_tui.lab import postgres, redis, vault
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab
from tests import compose
from tests.compose import FILE, PORTS, VARIABLE, ComposeHandle
from tests.lab_handle import new_directory

SCHEMA = Path(__file__).resolve().parent.parent / "compose_schema" / "compose-spec.json"
PINNED = re.compile(r"(docker\.io|registry\.k8s\.io)/[a-z0-9/-]+:(v?\d[\w.-]*|RELEASE\.[\w-]+)")


@pytest.fixture(scope="module")
def file() -> dict[str, Any]:
    """The file with its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def place() -> Any:
    directory = new_directory()
    yield directory
    directory.remove()


def test_it_is_a_compose_file_and_the_schema_notices_one_that_is_not(file: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    assert [error.message for error in validator(schema).iter_errors(file)] == []
    wrong = {**file, "services": {**file["services"], "minio": {"image": 7, "potrs": []}}}
    assert len(list(validator(schema).iter_errors(wrong))) >= 1


def test_it_is_the_whole_platform(file: dict[str, Any]) -> None:
    expected = {"loopback", "postgres-primary", "postgres-replica-0", "minio", "prometheus", "alertmanager", "k3s"}
    expected |= {f"redis-cluster-{n}" for n in range(6)} | {f"vault-{n}" for n in range(3)}
    assert set(file["services"]) == expected


def test_images_are_pinned_and_every_server_has_a_health_check(file: dict[str, Any]) -> None:
    for name, service in file["services"].items():
        assert PINNED.fullmatch(service["image"]), service["image"]
        assert name == "loopback" or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_every_port_is_published_on_loopback_only_and_is_the_one_that_tests_use(file: dict[str, Any]) -> None:
    published = [port for service in file["services"].values() for port in service.get("ports", [])]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)
    assert sorted(int(port.split(":")[1]) for port in published) == sorted(PORTS.values())
    assert "host" not in [service.get("network_mode") for service in file["services"].values()]


def test_what_is_mounted_is_made_before(file: dict[str, Any], place: LabDirectory) -> None:
    compose.prepare(place)
    mounted = [
        volume
        for service in file["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith(("$", "."))
    ]
    mounted += [secret["file"] for secret in file["secrets"].values()]
    sources = {re.sub(r"\$\{" + VARIABLE + r"[^}]*\}", str(place.root), one).split(":")[0] for one in mounted}
    assert len(sources) > 10
    for source in sources:
        assert (FILE.parent / source).exists(), source
    used = {name for name in re.findall(r"(?<!\$)\$\{?(\w+)", FILE.read_text()) if name.isupper()}
    assert used == {VARIABLE}


def test_what_is_made_fits_the_ports_and_keeps_its_secrets(place: LabDirectory) -> None:
    lab: Lab = compose.prepare(place)
    assert {name: lab.ports[name] for name in PORTS} == PORTS
    configuration = (place.root / "redis" / "3" / "valkey.conf").read_text()
    assert "port 16382\n" in configuration
    assert "cluster-announce-ip 127.0.0.1" in configuration
    hcl = (place.root / "vault" / "1" / "vault.hcl").read_text()
    assert 'address = "0.0.0.0:18201"' in hcl
    assert 'leader_api_addr = "http://127.0.0.1:18200"' in hcl
    assert stat.S_IMODE((place.root / "secrets").stat().st_mode) == 0o700
    text = FILE.read_text() + place.profile.read_text()
    assert not [one for one in (place.root / "secrets").iterdir() if one.read_text().strip() in text]
    profile = load_profile("", str(place.profile)).profile
    assert profile.postgres is not None and profile.postgres.primary is not None
    assert profile.postgres.primary.port == 15432


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called docker that notes its words and where it was told the directory is."""
    folder, log = tmp_path / "bin", tmp_path / "docker.log"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$@ [${VARIABLE}]" >> {log}\n[ ! -e {tmp_path}/broken ] || {{ echo "no engine" >&2; exit 1; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


def test_it_is_filled_before_the_replica_starts_and_everything_goes_in_the_end(
    place: LabDirectory, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = []

    def note() -> None:
        filled.append(len(docker.read_text().splitlines()))
        # What k3s does meanwhile.
        (place.root / "kubernetes" / "admin.kubeconfig").write_text("admin")

    async def fill(lab: Lab) -> None:
        note()

    monkeypatch.setattr(compose, "fill", fill)
    compose.up(place)
    compose.down(place)
    said = docker.read_text().splitlines()
    assert [line.split(f"{FILE} ")[1] for line in said] == [
        f"up --detach --wait --scale postgres-replica-0=0 [{place.root}]",
        f"up --detach --wait [{place.root}]",
        f"down --volumes --timeout 5 [{place.root}]",
    ]
    assert filled == [1]
    assert (place.root / "kubernetes" / "oncall.kubeconfig").read_text() == "admin"


@pytest.mark.lab
@pytest.mark.long
async def test_the_filling_fills_real_servers_that_are_empty(place: LabDirectory) -> None:
    """The same servers, started bare instead of in containers."""
    place.prepare()
    lab = Lab(place)
    try:
        await postgres.create_primary(lab)
        specs = [postgres.primary_spec(lab), *(redis.node_spec(lab, n) for n in range(redis.NODES))]
        for spec in (*specs, *(vault.node_spec(lab, n) for n in range(vault.NODES))):
            await lab.supervisor.start(spec)
        await postgres.wait_ready(lab, postgres.PRIMARY)
        await asyncio.gather(*(redis.wait_answer(lab, n) for n in range(redis.NODES)))
        await asyncio.gather(*(vault.wait_health(lab, n, 501, 503) for n in range(vault.NODES)))
        await compose.fill(lab)
        connection = await postgres.connect(lab, "alphapulse_app")
        assert await connection.fetchval("SELECT count(*) FROM tenants") == 120
        await connection.close()
        assert [await redis.TARGET.healthy(lab), await vault.TARGET.healthy(lab)] == ["", ""]
    finally:
        await lab.close(1.0)
        place.release_shared_memory()


def test_an_engine_that_fails_and_one_that_is_missing_are_one_sentence(
    place: LabDirectory, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docker.parent / "broken").touch()
    with pytest.raises(LabError, match=r"^docker compose down ended with 1: no engine$"):
        compose.down(place)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match="ALPHAPULSE_LAB=compose needs docker on the PATH"):
        compose.down(place)


def test_the_containers_as_a_lab_have_their_ports_and_no_faults(place: LabDirectory) -> None:
    compose.prepare(place)
    handle = ComposeHandle(place)
    handle.wait("postgres", "vault")
    assert handle.ports["vault-2"] == 18202
    assert handle.mend() == []
    with pytest.raises(LabError, match="cannot be injected into containers"):
        handle.break_("vault-sealed-one")


def test_the_variable_points_the_tests_at_the_containers(tmp_path: Path, docker: Path) -> None:
    """A pytest of its own, with a docker that fails: it must have been asked."""
    (docker.parent / "broken").touch()
    test = tmp_path / "test_it.py"
    test.write_text("from tests.lab_handle import lab\n\ndef test_it(lab):\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(test)],
        cwd=FILE.parent, env={**os.environ, "ALPHAPULSE_LAB": "compose"}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "docker compose up ended with 1: no engine" in done.stdout
    assert docker.read_text().splitlines()[0].startswith("compose --file")
