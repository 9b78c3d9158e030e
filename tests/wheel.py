"""Build the wheel, install it into an empty environment, and run it there without any configuration. Run by ``make wheel``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _either(uv: list[str], pip: list[str]) -> None:
    """Fast by uv, or by pip where only pip's own settings lead to the packages, as in the Makefile."""
    if subprocess.run([sys.executable, "-m", "uv", *uv], check=False).returncode:
        subprocess.run([sys.executable, "-m", "pip", *pip], check=True)


def main() -> None:
    """Raise ``CalledProcessError`` for the first step that fails."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        python = str(place / "empty" / "bin" / "python")
        _either(
            ["build", "-q", "--wheel", "-o", folder, str(ROOT)],
            ["wheel", "-q", "--no-deps", "-w", folder, str(ROOT)],
        )
        (wheel,) = place.glob("*.whl")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "empty")], check=True)
        what = ["install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)]
        _either(["pip", *what, "--python", python], ["--python", python, *what])
        alphapulse = str(place / "empty" / "bin" / "alphapulse")
        home = place / "home"
        home.mkdir()
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"}
        for arguments in (["--version"], ["config", "show"], ["runbook", "list"]):
            subprocess.run([alphapulse, *arguments], check=True, env=environment, cwd=folder, stdin=subprocess.DEVNULL)
        themes = next((place / "empty").glob("lib/python*/site-packages/alphapulse_tui/themes/cockpit.tcss"))
        shipped = themes.parent.parent
        for file in (
            "deploy/privileges/kubernetes/oncall.yaml",
            "deploy/privileges/postgres/50-oncall.sql",
            "lab/migrations/alembic.ini",
            "lab/migrations/newer/settlements.py",
        ):
            assert (shipped / file).is_file(), f"{file} is not in the wheel"
        print(f"{wheel.name} runs in an empty environment; its styles are at {themes.name}")


if __name__ == "__main__":
    main()
