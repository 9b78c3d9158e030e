"""Building a server: a tiny Go program stands for the big ones; the way is the same."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import zipfile
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest

from alphapulse_tui.lab.errors import CommandFailedError, ServerMissingError
from alphapulse_tui.lab.servers import SERVERS, Progress, Server, ensure
from alphapulse_tui.lab.servers.locate import built_path
from tests.waiting import until

MAIN = 'package main\n\nvar Version = "none"\n\nfunc main() { println("hello " + Version) }\n'


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.invalid/hello\n\ngo 1.26\n")
    (module / "go.sum").write_text("")
    (module / "main.go").write_text(MAIN)
    stamps = ("main.Version=1.2.3",)
    server = Server("lab-hello", str(module), "example.invalid/hello", "1.2.3", (1, 2), stamps=stamps)
    monkeypatch.setitem(SERVERS, "lab-hello", server)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def said_by(program: Path) -> str:
    return subprocess.run([program], capture_output=True, text=True, check=True).stderr


def folders(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_dir()) if cache.exists() else []


async def test_a_server_is_built_once_with_its_stamp_and_found_again_without_go(
    hello: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Progress] = []
    # Settings of the machine that would break or change the build.
    monkeypatch.setenv("GOFLAGS", "-mod=vendor -no-such-flag")
    monkeypatch.setenv("GOWORK", "/nowhere/go.work")
    monkeypatch.setenv("GOOS", "plan9")
    paths = await ensure(["lab-hello"], steps.append, cache)
    assert said_by(paths["lab-hello"]) == "hello 1.2.3\n"
    assert folders(cache) == [built_path(hello, cache).parent.name]
    assert {"downloading", "compiling", "ready"} == {step.phase for step in steps}

    monkeypatch.setenv("PATH", "/nowhere")
    again: list[Progress] = []
    assert await ensure(["lab-hello"], again.append, cache) == paths
    assert [step.phase for step in again] == ["ready"]


async def test_two_builders_at_once_build_once(hello: Server, cache: Path) -> None:
    phases: tuple[list[str], list[str]] = ([], [])

    def build(said: list[str]) -> Awaitable[dict[str, Path]]:
        return ensure(["lab-hello"], lambda step: said.append(step.phase), cache)

    both = await asyncio.gather(*map(build, phases))
    assert both[0] == both[1]
    compiled = [phase for phase in phases if "compiling" in phase]
    waited = [phase for phase in phases if "waiting" in phase]
    assert len(compiled) == len(waited) == 1
    assert compiled != waited
    assert folders(cache) == [built_path(hello, cache).parent.name]


async def test_what_cannot_be_compiled_is_one_sentence_and_leaves_nothing(hello: Server, cache: Path) -> None:
    (hello.folder / "main.go").write_text("package main\n\nfunc main() { no_such_thing() }\n")
    with pytest.raises(CommandFailedError, match=r"lab-hello 1\.2\.3 could not be built .*no_such_thing") as failed:
        await ensure(["lab-hello"], lambda step: None, cache)
    assert "\n" not in str(failed.value)
    assert folders(cache) == []


async def test_an_interrupted_build_leaves_nothing_and_the_next_one_works(hello: Server, cache: Path) -> None:
    begun = asyncio.Event()
    building = asyncio.create_task(ensure(["lab-hello"], lambda step: begun.set(), cache))
    await begun.wait()
    await until(lambda: folders(cache), 10, "the build's folder")
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert folders(cache) == []
    assert (await ensure(["lab-hello"], lambda step: None, cache))["lab-hello"].exists()


@pytest.fixture
def borrowing(hello: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The server needs a module from a proxy, which is a folder; returns the module's archive there, which go.sum knows."""
    name, proxy = "example.invalid/greeting", tmp_path / "proxy"
    place = proxy / name / "@v"
    place.mkdir(parents=True)
    (place / "list").write_text("v1.0.0\n")
    (place / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (place / "v1.0.0.mod").write_text(f"module {name}\n\ngo 1.26\n")
    with zipfile.ZipFile(place / "v1.0.0.zip", "w") as archive:
        archive.writestr(f"{name}@v1.0.0/go.mod", f"module {name}\n\ngo 1.26\n")
        archive.writestr(f"{name}@v1.0.0/greeting.go", 'package greeting\n\nconst Word = "hello "\n')
    main = MAIN.replace("\n\n", f'\n\nimport "{name}"\n\n', 1).replace('"hello "', "greeting.Word")
    (hello.folder / "main.go").write_text(main)
    for variable, value in {
        "GOPROXY": proxy.as_uri(),
        "GONOSUMDB": "*",
        "GOMODCACHE": str(tmp_path / "modules"),
    }.items():
        monkeypatch.setenv(variable, value)
    tidy = {**os.environ, "GOTOOLCHAIN": "local", "GOMODCACHE": str(tmp_path / "first")}
    subprocess.run(["go", "mod", "tidy"], cwd=hello.folder, env=tidy, check=True, capture_output=True)
    yield place / "v1.0.0.zip"
    # Go makes the folders of its module cache read-only; a user who is not root could not remove them.
    for folder in [folder for folder in tmp_path.rglob("*") if folder.is_dir()]:
        folder.chmod(0o755)


def test_a_half_downloaded_module_is_one_sentence_and_the_next_build_works(
    hello: Server, borrowing: Path, cache: Path
) -> None:
    whole = borrowing.read_bytes()
    borrowing.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        CommandFailedError, match=r"not a valid zip file.*a module came by half: `go clean -modcache`"
    ) as half:
        asyncio.run(ensure(["lab-hello"], lambda step: None, cache))
    assert "\n" not in str(half.value)
    assert folders(cache) == []
    borrowing.write_bytes(whole)
    assert said_by(asyncio.run(ensure(["lab-hello"], lambda step: None, cache))["lab-hello"]) == "hello 1.2.3\n"


async def test_what_a_killed_builder_left_is_cleared_away(hello: Server, cache: Path) -> None:
    left = cache / ".building-dead"
    left.mkdir(parents=True)
    (left / "lab-hello").write_text("half")
    await ensure(["lab-hello"], lambda step: None, cache)
    assert not left.exists()


async def test_another_go_sum_is_another_server(hello: Server, cache: Path) -> None:
    before = built_path(hello, cache)
    (hello.folder / "go.sum").write_text("example.invalid/other v1.0.0 h1:AAAA=\n")
    assert built_path(hello, cache) != before


async def test_without_go_nothing_is_made(hello: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerMissingError, match="install Go"):
        await ensure(["lab-hello"], lambda step: None, cache)
    assert folders(cache) == []


async def test_a_cache_that_cannot_be_made_is_named(hello: Server, tmp_path: Path) -> None:
    assert shutil.which("go")
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerMissingError, match="cannot be made: Not a directory"):
        await ensure(["lab-hello"], lambda step: None, tmp_path / "file" / "servers")
