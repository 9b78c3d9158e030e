"""``python -m alphapulse_tui.executor``: what the cockpit starts beside itself."""

from __future__ import annotations

import sys

from alphapulse_tui.executor.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
