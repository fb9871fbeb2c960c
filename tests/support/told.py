"""A server that answers as it is told, faults included."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Seen(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ToldServer:
    """Gives its answers in turn, the last one for ever: `answer(status, headers, body)`; `seen` are the requests."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._answers: list[tuple[int, dict[str, str], bytes]] = []
        told = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self._body()
                headers = {name.lower(): value for name, value in self.headers.items()}
                told.seen.append(Seen(self.command, self.path, headers, body))
                status, extra, answer = told._answers.pop(0) if len(told._answers) > 1 else told._answers[0]
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {"content-length": str(len(answer)), **extra}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = _handle

            def _body(self) -> bytes:
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                pieces = []
                while size := int(self.rfile.readline(), 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(pieces)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"{}") -> None:
        """Status 0 hangs up instead of answering."""
        self._answers.append((status, headers or {}, body))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
