"""What ``vault`` and ``bao`` would use: address, CA and token, from variables, token helper or token file.

The order is the command line tools' own: variable, token helper, ``~/.vault-token``. ``VAULT_*`` is asked before
``BAO_*``. A helper is a program: it is run only when the token is needed, without a terminal and with a time limit.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from alphapulse_tui.config.paths import home_folder, there
from alphapulse_tui.config.secret import Credential, read_secret_file
from alphapulse_tui.config.settings import VaultTarget
from alphapulse_tui.errors import CredentialError
from alphapulse_tui.plain_file import read_plain
from alphapulse_tui.text import clean

HELPER_TIMEOUT = 5.0
"""Seconds that a token helper may take: it may open a keyring, it may not ask a person."""

_HELPER_LINE = re.compile(r'^\s*token_helper\s*=\s*"((?:[^"\\]|\\.)+)"', re.MULTILINE)
_LARGEST_FILE = 64 * 1024
"""Bytes of the file that names the token helper; of a larger one the rest is not read."""
_HELPER_CONFIGS = (("VAULT_CONFIG_PATH", ".vault"), ("BAO_CONFIG_PATH", ".bao"))


def variable(suffix: str) -> tuple[str, str]:
    """The value and name of ``VAULT_<suffix>``, else ``BAO_<suffix>``; both empty when neither is set."""
    for name in (f"VAULT_{suffix}", f"BAO_{suffix}"):
        if os.environ.get(name):
            return os.environ[name], name
    return "", ""


def token(target: VaultTarget) -> Credential | None:
    """The token that the engineer has, or none: unsealing and the seal panel need none.

    Its expiry is known to the server only (``auth/token/lookup-self``). Raises ``CredentialError`` when a token file may
    not be used.
    """
    what = "Vault token"
    if target.token_file:
        return _from_file(Path(target.token_file), what)
    _, name = variable("TOKEN")
    if name:
        return Credential(what, f"environment variable {name}", lambda: os.environ.get(name, "").strip())
    helper, place = _helper()
    if helper:
        address = target.nodes[0].address
        return Credential(what, f"token helper {clean(helper)} ({place})", lambda: _ask_helper(helper, address))
    named = os.environ.get("BAO_TOKEN_PATH", "")
    file = Path(named) if named else home_folder() / ".vault-token"
    return _from_file(file, what) if there(file) else None


def _from_file(file: Path, what: str) -> Credential:
    read_secret_file(file, "token file")  # so that a refusal is said now, not at the first request
    return Credential(what, f"token file {clean(file)}", lambda: read_secret_file(file, "token file").strip())


def _helper() -> tuple[str, str]:
    """The token helper's path and the file that names it; both empty when none is configured."""
    for name, usual in _HELPER_CONFIGS:
        file = Path(os.environ.get(name) or home_folder() / usual)
        try:
            match = _HELPER_LINE.search(read_plain(file, _LARGEST_FILE).decode("utf-8", "replace"))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            continue
        except OSError as error:
            raise CredentialError(f"{clean(file)} cannot be read: {clean(error.strerror or error)}") from None
        if match:
            return re.sub(r"\\(.)", r"\1", match[1]), clean(file)
    return "", ""


def _ask_helper(helper: str, address: str) -> str:
    """Run the helper's ``get``; what it prints is the token, what it says on stderr is shown when it fails."""
    shown = f"token helper {clean(helper)}"
    environment = {**os.environ, "VAULT_ADDR": address, "BAO_ADDR": address}
    try:
        process = subprocess.Popen(
            [helper, "get"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # no terminal: a helper that prompts fails instead of writing over the screen
        )
    except OSError as error:
        raise CredentialError(f"{shown} cannot be run: {clean(error.strerror or error)}") from None
    with process:
        try:
            out, err = process.communicate(timeout=HELPER_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children too: they hold the pipes
            raise CredentialError(f"{shown} did not answer within {HELPER_TIMEOUT:g} s") from None
    if process.returncode:
        said = clean(err.decode("utf-8", "replace").strip(), 200)
        raise CredentialError(f"{shown} failed with code {process.returncode}: {said or 'it says nothing'}")
    return out.decode("utf-8", "replace").strip()
