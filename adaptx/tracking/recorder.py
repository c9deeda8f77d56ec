"""The recorder with which a command records runs. The command never waits for it longer than a limited time."""

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from adaptx.planning.plan import Plan
from adaptx.store.store import Store
from adaptx.tracking.address import Address
from adaptx.tracking.markers import markers_of
from adaptx.tracking.process import FINISH, LIMITS, LOOK, Failure, Message, Request, Work
from adaptx.tracking.records import Record, Records

_log = logging.getLogger(__name__)

WAIT_SECONDS = 25.0
"""How long a command waits, at its end, for a server that does not answer."""
STEADY_SECONDS = 5.0
"""After `WAIT_SECONDS`, the command waits longer, as long as each next run is written within this time."""
FILE_SECONDS = 120.0
"""Like `WAIT_SECONDS`, but for a database file: another process may have locked it, and the machine may be busy."""
INTERRUPTED_SECONDS = 5.0
"""Like `WAIT_SECONDS`, but for a command that ends with an error or by Ctrl-C."""
SAFE = "all results are in the store, and the next `adaptx run` or `adaptx report` records what is missing"
TELL_SECONDS = 10.0
"""After this time, the user is told what the command is waiting for."""


class Recorder:
    """A context manager that lets another process record a plan's stored stages. It starts the process when needed.

    Only the first failure is reported, in one line. A failure never affects results.

    Args:
        tell: shows a line to the user.
        safe: the end of the line about a failure, such as `all results are in the store`.
    """

    def __init__(
        self,
        address: Address,
        store: Store,
        tell: Callable[[str], None],
        plan: Plan | None = None,
        experiment: str | None = None,
        safe: str = SAFE,
    ) -> None:
        assert plan is not None or experiment is not None
        self._address, self._store, self._plan, self._tell = address, store, plan, tell
        self._safe = safe
        self._experiment = experiment or (plan.recipe.name if plan is not None else "")
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._looking = self._warned = False
        self._wrote = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish(WAIT_SECONDS if self._address.scheme != "sqlite" else FILE_SECONDS)
            elif self._process is not None:
                self._finish(INTERRUPTED_SECONDS)
        finally:
            self._end()

    def look(self, *_: object) -> None:
        """Request that everything stored by now is recorded, and return at once. A later call reports a failure."""
        self._hear()
        if not self._looking:
            self._looking = self._ask(LOOK)

    def add(self, record: Record) -> None:
        """Request that an additional run is recorded."""
        self._ask(record)

    def _finish(self, seconds: float) -> None:
        if self._process is None and not self._is_behind():
            return
        began = time.monotonic()
        deadline = began + seconds
        told, wrote = False, self._wrote
        if not self._ask(FINISH):
            return
        assert self._connection is not None
        while True:
            if not self._connection.poll(max(0.0, deadline - time.monotonic())):
                self._warn(f"did not answer within {seconds:.0f} s")
                return
            if self._take() == "finished":
                return
            if self._wrote > wrote:
                wrote, now = self._wrote, time.monotonic()
                deadline = max(deadline, now + STEADY_SECONDS)
                if not told and now - began > TELL_SECONDS:
                    told = True
                    self._tell(
                        f"recording runs in MLflow at {self._address.shown}; press Ctrl-C to leave the rest to the "
                        "next command"
                    )

    def _is_behind(self) -> bool:
        """Return whether an earlier command left runs that are still to be recorded."""
        if self._plan is None:
            return False
        markers = markers_of(self._address, self._store, self._experiment)
        return bool(Records(self._plan, self._store).pending(markers))

    def _hear(self) -> None:
        while self._connection is not None and self._connection.poll():
            self._take()

    def _take(self) -> str:
        """Handle one message from the process and return its kind, such as `wrote`.

        If the process has ended unexpectedly, return `finished`.
        """
        assert self._connection is not None
        try:
            message: Message = self._connection.recv()
        except (EOFError, OSError):
            assert self._process is not None
            self._connection.close()
            self._connection = None
            self._warn(f"failed: the recording process ended with status {self._process.wait()}")
            return "finished"
        match message:
            case ("failed", Failure() as failure):
                self._warn(f"could not record {failure.run} ({failure.cause})", failure.details)
            case ("wrote", _):
                self._wrote += 1
            case ("note", text):
                self._tell(text)
            case ("finished", left) if left:
                self._warn(f"still lacks {left} runs, because another command is recording there")
            case _:
                self._looking = False
        return message[0]

    def _ask(self, request: Request) -> bool:
        """Send a request to the process, which is started if needed. Return whether it could be sent."""
        if self._process is None:
            self._start()
        if self._connection is None:
            return False
        try:
            self._connection.send(request)
        except OSError:
            self._take()
            return False
        return True

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        # The process receives its work before it imports anything, so that sending does not keep the command waiting.
        code = (
            f"import pickle; from multiprocessing.connection import Connection; c = Connection({theirs.fileno()}); "
            "work = c.recv_bytes(); from adaptx.tracking.process import main; main(c, pickle.loads(work))"
        )
        paths = os.pathsep.join(each or os.getcwd() for each in sys.path)
        # In a new session, Ctrl-C reaches only the command, which then gives this process a limited time to finish.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            env={**LIMITS, **os.environ, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()
        with contextlib.suppress(OSError):
            self._connection.send(Work(self._address, self._experiment, self._store.root, self._plan))

    def _warn(self, what: str, details: str = "") -> None:
        if not self._warned:
            self._warned = True
            text = f"MLflow at {self._address.shown} {what}; {self._safe}"
            _log.warning("%s", text, extra={"shown": True})
            self._tell(text)
            if details and os.environ.get("ADAPTX_DEBUG"):
                self._tell(details)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
