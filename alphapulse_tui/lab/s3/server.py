"""The S3 server as a program: ``python -m alphapulse_tui.lab.s3.server``; PORT and LAB_SECRETS come from the environment.

It is nice to the rest of the lab (nobody waits for it at a start), and makes the bucket before it listens. One thing beside S3: a PUT with
the metadata ``lab-last-modified`` (ISO 8601) is kept as of that moment, so that old backups can be old for everybody who looks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

from alphapulse_tui.lab.s3.identities import BUCKET, IDENTITIES, REGION
from alphapulse_tui.lab.s3.signature import Application, Environ, Signed

_ACCOUNT = "123456789012"
"""moto's own, whatever the key."""
AGED = "lab-last-modified"
_NICE = 10
_BUFFER_BYTES = 64 * 1024
"""What moto keeps of an object in memory; more goes to a temporary file (its own default is 5 MB an object)."""


class QuietHandler(MotoRequestHandler):
    """No line for each request: a lab ships WAL for hours."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing; errors are still told."""


def aged(application: Application) -> Application:
    """Let uploads say when they were made."""
    variable = f"HTTP_X_AMZ_META_{AGED.upper().replace('-', '_')}"

    def serve(environ: Environ, start_response: Any) -> Iterable[bytes]:
        answer = application(environ, start_response)
        moment = environ.get(variable, "")
        if moment and environ["REQUEST_METHOD"] == "PUT":
            bucket, _, key = unquote(environ["REQUEST_URI"].partition("?")[0]).lstrip("/").partition("/")
            stored = s3_backends[_ACCOUNT]["aws"].get_object(bucket, key)
            if stored is not None:
                stored.last_modified = datetime.fromisoformat(moment)
        return answer

    return serve


def main() -> None:
    """Serve until killed."""
    os.nice(_NICE)
    os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", str(_BUFFER_BYTES))
    folder = Path(os.environ["LAB_SECRETS"])
    secrets = {one.name: (folder / f"s3-{one.name}").read_text(encoding="utf-8").strip() for one in IDENTITIES}
    s3_backends[_ACCOUNT]["aws"].create_bucket(BUCKET, REGION)
    application = Signed(aged(create_backend_app("s3")), secrets)
    make_server(
        "127.0.0.1", int(os.environ["PORT"]), application, threaded=True, request_handler=QuietHandler
    ).serve_forever()


if __name__ == "__main__":
    main()
