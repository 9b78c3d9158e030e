"""Who acts: as the journal, the top line and what we write into objects of the platform have it."""

from __future__ import annotations

import os
import platform
import pwd

from alphapulse_tui.text import clean


def actor_name() -> str:
    """The login, and the login behind sudo: ``root (ana by sudo)``; the number of a user whom the machine does not know by name."""
    try:
        login = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        login = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER", "")
    return clean(f"{login} ({behind} by sudo)" if behind and behind != login else login, 128)


def actor_at_host() -> str:
    """The same with the machine: ``ana@bastion-1``."""
    return clean(f"{actor_name()}@{platform.node() or 'localhost'}", 192)
