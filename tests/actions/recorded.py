"""Vault nodes that answer from a record: for seals that cannot be had here (a KMS), and for silence after a send."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def recorded_nodes() -> Iterator[Callable[..., str]]:
    """A maker of nodes: it answers every GET with the given JSON (``health`` is the code of sys/health) and no PUT at all, and tells its address."""
    servers: list[http.server.ThreadingHTTPServer] = []
    end = threading.Event()

    def serve(status: dict[str, object], health: int = 200) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(status).encode()
                self.send_response(health if self.path.startswith("/v1/sys/health") else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self) -> None:
                end.wait(20)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    try:
        yield serve
    finally:
        end.set()
        for server in servers:
            server.shutdown()
            server.server_close()
