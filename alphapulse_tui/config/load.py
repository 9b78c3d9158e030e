"""From a profile's name to its settings: which file, which profile, and where each value came from.

A broken profile does not keep another one from opening, because the one that is needed at 3 a.m. is seldom the one that
somebody edited last. Without any file a profile is made of what the environment offers; it counts as production, since
nobody said that it is not.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alphapulse_tui.config import paths
from alphapulse_tui.config.complete import complete_profile
from alphapulse_tui.config.decode import Problem, decode_settings, dotted, sound, suggestion
from alphapulse_tui.config.discover import discovered_targets
from alphapulse_tui.config.lines import KeyPath, key_lines, nearest_line
from alphapulse_tui.config.settings import Profile, Settings
from alphapulse_tui.errors import ConfigError
from alphapulse_tui.plain_file import PATIENCE, read_soon
from alphapulse_tui.runbook.names import procedure_names
from alphapulse_tui.text import clean

DISCOVERED = "default"
"""The name and environment of the profile that is made of what the environment offers."""

LAB = "lab"
"""The profile that a running lab brings with it."""

_LONG_NUMBER = re.compile(r"\d[\d_]{4000,}")

LARGEST_FILE = 1024 * 1024
"""Bytes; a larger file is not the profile file."""


@dataclass(frozen=True, slots=True)
class LoadedProfile:
    """A profile, complete, with the origin of every value."""

    profile: Profile
    file: Path | None
    """The file it stands in, or none when it was made of the environment."""
    origins: Mapping[KeyPath, str]
    """Path within the profile (``("redis", "nodes", 0, "port")``) to where the value came from, in words."""
    notices: tuple[str, ...] = ()
    """Sentences that a person should see but that keep nothing from working."""

    def origin(self, path: KeyPath) -> str:
        """Where the value at ``path`` came from; ``default`` for what nobody set."""
        return self.origins.get(path, "default")


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """A file as it was read: the settings that are sound, and everything that is wrong."""

    file: Path
    settings: Settings
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def place(self, path: KeyPath) -> str:
        """``file line N`` of a key, or of the table around it."""
        line = nearest_line(self.lines, path)
        return f"{clean(self.file)} line {line}" if line else clean(self.file)

    def sentences(self, path: KeyPath = ()) -> list[str]:
        """Every problem inside or around ``path``, each one a sentence with file, line and key, in the order of lines."""
        near = [p for p in self.problems if p.path[: len(path)] == path or path[: len(p.path)] == p.path]
        near.sort(key=lambda problem: nearest_line(self.lines, problem.path) or 0)
        return [f"{self.place(problem.path)}: {problem.sentence}" for problem in near]


def load_profile(name: str = "", config: str = "") -> LoadedProfile:
    """The profile ``name`` (empty: the default one) of the file ``config`` (empty: the user's own).

    Raises ``ConfigError``: one sentence with file, line and key, and what to do.
    """
    file = chosen_file(config)
    if file is None:
        return _load_without_file(name)
    content = read_profile_file(file)
    if (
        name == LAB
        and LAB not in content.settings.profiles
        and sound(content.problems, ("profiles", LAB))
        and not config
    ):
        return _load_lab()
    wanted = name or _default_name(content)
    if wanted not in content.settings.profiles and sound(content.problems, ("profiles", wanted)):
        hint = suggestion(clean(wanted), content.settings.profiles)
        raise ConfigError(f'{clean(file)} has no profile "{clean(wanted)}"{hint}')
    return _load_from(content, wanted)


def chosen_file(config: str) -> Path | None:
    """The profile file to read: ``--config``, ``ALPHAPULSE_CONFIG``, the user's own; none when there is none.

    Raises ``ConfigError`` when a file that was named is not there, or nobody can know.
    """
    file, by = named_file(config)
    if paths.there(file):
        return file
    if not by:
        return None
    raise ConfigError(f"{by} names {clean(file)}, which does not exist; `alphapulse config init` makes a file")


def named_file(config: str) -> tuple[Path, str]:
    """Where the profile file should be, and what names it there: empty when it is the user's own place.

    Raises ``ConfigError`` when it starts at the home folder (``~``, ``~ana``) of nobody.
    """
    named = config or os.environ.get(paths.CONFIG_VARIABLE, "")
    if not named:
        return paths.config_file(), ""
    by = "--config" if config else f"environment variable {paths.CONFIG_VARIABLE}"
    try:
        return Path(named).expanduser().absolute(), by
    except RuntimeError:
        raise ConfigError(
            f"{by} names {clean(named, 300)}, but there is no such home folder; write the path out"
        ) from None


def read_profile_file(file: Path) -> ProfileFile:
    """Read and check ``file``; raises ``ConfigError`` when it cannot be read or is no TOML, else collects problems."""
    try:
        content = read_soon(file, LARGEST_FILE, PATIENCE)
    except OSError as error:
        raise ConfigError(f"{clean(file)} cannot be read: {clean(error.strerror or error)}") from None
    if len(content) > LARGEST_FILE:
        raise ConfigError(f"{clean(file)} is larger than 1 MiB: it is not a profile file")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{clean(file)} line {line}: not UTF-8 text; save the file as UTF-8") from None
    text = text.replace("\r\n", "\n")
    try:
        raw = tomllib.loads(text)
        lines = key_lines(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_error(file, text, str(error))) from None
    except ValueError:  # int() takes no number of more digits
        number = _LONG_NUMBER.search(text)
        line = text.count("\n", 0, number.start() if number else 0) + 1
        raise ConfigError(f"{clean(file)} line {line}: a number of thousands of digits is none that is meant") from None
    except RecursionError:
        raise ConfigError(f"{clean(file)} is nested too deeply to be a profile file") from None
    settings, problems = decode_settings(raw)
    return ProfileFile(file, settings, lines, (*problems, *_unknown_procedures(settings)))


def _unknown_procedures(settings: Settings) -> list[Problem]:
    """Alerts that would open a procedure that there is not, neither among ours nor among the user's own."""
    known = procedure_names(paths.procedures_folder())
    found = []
    for name, profile in settings.profiles.items():
        for alert, procedure in profile.alerts.items():
            if procedure and procedure not in known:
                path: KeyPath = ("profiles", name, "alerts", alert)
                text = f"{dotted(path)} names a procedure that is not there{suggestion(clean(procedure, 80), known)}"
                found.append(Problem(path, text))
    return found


def _syntax_error(file: Path, text: str, said: str) -> str:
    """tomllib's message with its place turned into ours: ``file line 3: not TOML: expected "=" after a key``."""
    reason, _, place = said.partition(" (at ")
    line = place.removeprefix("line ").split(",")[0]
    number = line if line.isdigit() else str(text.count("\n") + 1)
    return f"{clean(file)} line {number}: not TOML: {clean(reason[:1].lower() + reason[1:], 200)}"


def _default_name(content: ProfileFile) -> str:
    """The profile to open when none is asked for; raises ``ConfigError`` when the file does not tell."""
    names = list(content.settings.profiles)
    broken = {str(p.path[1]) for p in content.problems if len(p.path) > 1 and p.path[0] == "profiles"}
    if content.settings.default_profile:
        return content.settings.default_profile
    if len({*names, *broken}) == 1:
        return (names or list(broken))[0]
    if not names and not broken:
        raise ConfigError(f"{clean(content.file)} has no [profiles.NAME]; `alphapulse config init` shows how one looks")
    shown = ", ".join(clean(name) for name in names)
    raise ConfigError(f"{clean(content.file)} has several profiles and no default_profile; use --profile: {shown}")


def _load_from(content: ProfileFile, name: str) -> LoadedProfile:
    path: KeyPath = ("profiles", name)
    ours = content.sentences(path)
    if ours:
        more = f" (and {len(ours) - 1} more: `alphapulse config validate`)" if len(ours) > 1 else ""
        raise ConfigError(ours[0] + more)
    origins = {
        key[2:]: f"{clean(content.file)} line {line}"
        for key, line in content.lines.items()
        if key[:2] == path and key[2:]
    }
    profile, filled = complete_profile(content.settings.profiles[name], name, content.file.parent)
    notices = content.sentences()
    return LoadedProfile(profile, content.file, {**filled, **origins}, tuple(notices))


def _load_lab() -> LoadedProfile:
    """The lab's own profile; raises ``ConfigError`` when no lab of this user is running."""
    file = paths.lab_config_file()
    try:
        ours = file.stat().st_uid == os.getuid()
    except OSError:
        raise ConfigError(f"no lab is running ({clean(file)} is not there); `alphapulse lab up` starts one") from None
    if not ours:
        # The folder is in the shared temporary directory: somebody else's file could name servers of theirs.
        raise ConfigError(f"{clean(file)} belongs to another user; `alphapulse lab up` starts a lab of your own")
    content = read_profile_file(file)
    if LAB not in content.settings.profiles and sound(content.problems, ("profiles", LAB)):
        raise ConfigError(f'{clean(file)} has no profile "{LAB}"; `alphapulse lab up` writes it anew')
    return _load_from(content, LAB)


def _load_without_file(name: str) -> LoadedProfile:
    """The lab's profile, or one made of the environment; raises ``ConfigError`` for any other name."""
    if name == LAB:
        return _load_lab()
    usual = clean(paths.config_file())
    if name and name != DISCOVERED:
        raise ConfigError(f'no profile "{clean(name)}": there is no {usual}; `alphapulse config init` makes it')
    raw, origins = discovered_targets()
    settings, problems = decode_settings({"profiles": {DISCOVERED: {"production": True, **raw}}})
    for problem in problems:
        raise ConfigError(f"{_origin_of(problem.path[2:], origins)} cannot be used: {problem.sentence}")
    profile, filled = complete_profile(settings.profiles[DISCOVERED], DISCOVERED, Path.cwd())
    origins["production",] = "nobody said that it is not"
    what = ", ".join(raw) or "nothing"
    notice = f"no configuration file ({usual}); discovered: {what}; `alphapulse config init` makes a file"
    return LoadedProfile(profile, None, {**filled, **origins}, (notice,))


def _origin_of(path: KeyPath, origins: Mapping[KeyPath, Any]) -> str:
    return str(next((origins[path[:length]] for length in range(len(path), 0, -1) if path[:length] in origins), path))
