"""Build the wheel, install it into an empty environment, and run it there without any configuration. Run by ``make wheel``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Raise ``CalledProcessError`` for the first step that fails."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, str(ROOT)], check=True)
        (wheel,) = place.glob("*.whl")
        subprocess.run([sys.executable, "-m", "venv", str(place / "empty")], check=True)
        pip = place / "empty" / "bin" / "pip"
        subprocess.run([str(pip), "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True)
        alphapulse = str(place / "empty" / "bin" / "alphapulse")
        home = place / "home"
        home.mkdir()
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"}
        for arguments in (["--version"], ["config", "show"], ["runbook", "list"]):
            subprocess.run([alphapulse, *arguments], check=True, env=environment, cwd=folder, stdin=subprocess.DEVNULL)
        themes = next((place / "empty").glob("lib/python*/site-packages/alphapulse_tui/themes/cockpit.tcss"))
        shipped = themes.parent.parent / "deploy" / "privileges" / "kubernetes" / "oncall.yaml"
        assert shipped.is_file(), f"{shipped} is not in the wheel"
        print(f"{wheel.name} runs in an empty environment; its styles are at {themes.name}")


if __name__ == "__main__":
    main()
