"""The platform's database migrations (alembic): what made ``alphapulse_prod``, and what undoes it.

::

    versions/    the release that runs: tables, then the fees of trades (taken back only with loss)
    newer/       a revision of a release that this one does not know; it works
    broken/      a revision that fails half way, with something of it left behind

``alembic.ini`` is for people: ``PGHOST=... PGUSER=migrator alembic -c alembic.ini history``. The lab itself runs
``python -m alphapulse_tui.lab.migrations [--with newer|broken] upgrade head``. Where the server is and who logs in comes from libpq's variables
(PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSFILE), so no password is in a URL.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
HEAD = "b7e24c9d0f13"
"""The newest revision of the release that runs."""
FIRST = "8c1f0e5a7d21"
"""The first revision: it cannot be taken back."""
NEWER = "d51f7a3c6e08"
"""The revision of ``newer/``."""
