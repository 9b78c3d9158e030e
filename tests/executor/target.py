"""A real target, small: an HTTP server with a number that can be set, and workers that can be stopped.

It counts what it was told to change (``sends``), so a test sees how often something was really sent. ``/mode`` makes it slow (it applies
the change, then answers only when released), silent (applies and hangs up) or deaf (hangs up without applying).
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value = 1
        self.generation = 1
        self.sends = 0
        self.workers: dict[str, str] = {"w1": "a", "w2": "b", "w3": "c"}
        self.stubborn: list[str] = []
        self.mode = ""
        self.release = threading.Event()

    def shown(self) -> dict[str, object]:
        with self.lock:
            return {
                "value": self.value,
                "generation": self.generation,
                "sends": self.sends,
                "workers": dict(self.workers),
            }

    def change(self, body: dict[str, object]) -> tuple[int, dict[str, object]]:
        with self.lock:
            self.sends += 1
            if body.get("generation") not in (None, self.generation):
                return 409, {"error": f"generation is {self.generation}"}
            if "value" in body:
                self.value = int(str(body["value"]))
                self.generation += 1
            stop = body.get("stop")
            for key, identity in stop.items() if isinstance(stop, dict) else ():
                if self.workers.get(key) == identity and key not in self.stubborn:
                    del self.workers[key]
            return 200, {}


class Handler(BaseHTTPRequestHandler):
    state: State

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def answer(self, code: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.answer(200, self.state.shown())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        state = self.state
        if self.path == "/mode":
            with state.lock:
                for name, value in body.items():
                    setattr(state, name, value)
            self.answer(200, {})
        elif self.path == "/release":
            state.release.set()
            self.answer(200, {})
        elif state.mode == "deaf":
            self.close_connection = True
        else:
            code, said = state.change(body)
            if state.mode == "slow":
                state.release.wait(60)
            if state.mode == "silent":
                self.close_connection = True
            else:
                self.answer(code, said)


def leave_with_parent(server: ThreadingHTTPServer) -> None:
    sys.stdin.read()
    server.shutdown()


def main() -> None:
    Handler.state = State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=leave_with_parent, args=(server,), daemon=True).start()
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
