"""The command line in new processes that start at once: a server that has imported the libraries forks them.

A new interpreter imports torch, transformers and peft for ten seconds before a command begins. The server has only
imported modules, so that its processes begin as new interpreters do.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODULES = (
    "adaptx.execution.worker",
    "adaptx.methods.peft_imported",
    "pyarrow.parquet",
    "transformers.models.bert.modeling_bert",
    "transformers.models.xlm_roberta.modeling_xlm_roberta",
)
MOST_BYTES = 1 << 17
"""Size of the largest request: a command with its environment."""


class Command:
    """A running `adaptx` command, with the methods of `subprocess.Popen` that the tests use."""

    def __init__(self, arguments: tuple[object, ...], environment: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self._said: tuple[str, str] | None = None
        self._files = [os.memfd_create(name) for name in ("out", "err")]
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.connect(_server_address())
        request = json.dumps([list(map(str, arguments)), str(Path.cwd()), dict(environment)]).encode()
        assert len(request) <= MOST_BYTES, "raise MOST_BYTES"
        socket.send_fds(self._connection, [request], self._files)
        self.pid = int(self._connection.recv(64))

    def poll(self) -> int | None:
        """Return the exit status, or None while the command runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.returncode = int(self._connection.recv(64))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once the command has ended."""
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("adaptx", timeout or 0.0)
        status = self.poll()
        assert status is not None
        return status

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end of the command, and return what it wrote to its output and its error output."""
        self.wait(timeout)
        if self._said is None:
            out, err = map(_whole, self._files)
            self._said = out, err
            self._connection.close()
        return self._said

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _whole(file: int) -> str:
    """Return all that was written to a file, and close it."""
    with os.fdopen(file, "rb") as written:
        written.seek(0)
        return written.read().decode()


@functools.cache
def _server_address() -> str:
    """Start the server of this process, and return the address of its socket."""
    from support import tiny

    folder = tempfile.TemporaryDirectory()
    address, log = (str(Path(folder.name) / name) for name in ("socket", "log"))
    code = f"from support import warm; warm.serve({address!r})"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=tiny.environment(), stdin=subprocess.PIPE, stdout=file, stderr=file
        )

    def end() -> None:
        # The server ends when its input does.
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        folder.cleanup()

    atexit.register(end)
    until = time.monotonic() + 300
    while not Path(address).exists():
        assert process.poll() is None, f"the server of commands ended: {Path(log).read_text()}"
        assert time.monotonic() < until, "the server of commands is not there after five minutes"
        time.sleep(0.02)
    return address


def serve(address: str) -> None:
    """Fork a process for each request, until the input ends."""
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(f"{address}.new")
        listening.listen()
        # Whoever sees the socket can connect.
        os.rename(f"{address}.new", address)
        while listening in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            if os.fork() == 0:
                break
            connection.close()
            _reap()
        else:
            return
    _guard(connection)


def _reap() -> None:
    """Take note of the guards that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _guard(connection: socket.socket) -> None:
    """Run the command in a process of its own, and tell its number and its exit status to who asked for it."""
    request, files, _, _ = socket.recv_fds(connection, MOST_BYTES, 2)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _run(*json.loads(request), files)
        return
    for file in files:
        os.close(file)
    connection.send(str(pid).encode())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        connection.send(str(status).encode())
    finally:
        os._exit(0)


def _run(arguments: list[str], folder: str, environment: dict[str, str], files: list[int]) -> Any:
    """Be that command from here on: its end is the end of the interpreter."""
    for stream, file in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
        os.dup2(file, stream)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["adaptx", *arguments]
    from adaptx.cli.app import main

    main()
