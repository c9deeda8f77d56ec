"""A real MLflow server on loopback, and a proxy in front of it that can refuse, hang or fail."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SERVER = "import sys, uvicorn; uvicorn.run('mlflow.server.fastapi_app:app', port=int(sys.argv[1]), log_level='error')"
PATIENCE_SECONDS = 120


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextlib.contextmanager
def mlflow_server(folder: Path, database: Path) -> Generator[int]:
    """Start a server in its own process and yield its port. It stores artifacts, as `mlflow server` does."""
    port = free_port()
    environment = {
        **os.environ,
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{database}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": (folder / "artifacts").as_uri(),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], env=environment, stdout=log, stderr=log)
    try:
        answers(f"http://127.0.0.1:{port}/health", process)
        yield port
    finally:
        process.kill()
        process.wait()


def answers(address: str, process: subprocess.Popen[Any]) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"the server ended with status {process.returncode}"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"no answer from {address}")


class Door:
    """A proxy that passes requests on to a server while it is open.

    hanging: callers wait for ever. failing: every request is answered with 503, after this many seconds. dies_after:
    number of further requests that are passed on; then the proxy closes in the middle of an answer.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self.port = free_port()
        self.hanging = False
        self.failing: float | None = None
        self.dies_after: int | None = None
        self.passed = 0
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Pass requests on, whatever the proxy did before."""
        self.shut()
        self.hanging, self.failing, self.dies_after = False, None, None
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", self.port), type("Handler", (_Handler,), {"door": self}))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def shut(self) -> None:
        """Refuse connections."""
        self._released.set()
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if self.hanging:
            self._released.wait()
            return
        if self.failing is not None:
            self._released.wait(self.failing)
            handler.send_error(503)
            return
        self.passed += 1
        connection = http.client.HTTPConnection("127.0.0.1", self._to, timeout=PATIENCE_SECONDS)
        headers = {key: value for key, value in handler.headers.items() if key.lower() != "host"}
        connection.request(handler.command, handler.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                # The server has handled the request, but the caller gets no answer.
                self.shut()
                return
        handler.send_response(answer.status)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Content-Type", answer.getheader("Content-Type") or "text/plain")
        handler.end_headers()
        handler.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 50


class _Handler(BaseHTTPRequestHandler):
    door: Door

    def do_POST(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.door.pass_on(self)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

    def log_message(self, *_: object) -> None:
        pass
