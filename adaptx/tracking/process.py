"""The process that writes runs to MLflow while a command goes on.

A process of its own, because MLflow's client waits and retries for minutes where a server is away, takes over 100 MB,
and prints addresses with their passwords. This one can be ended at any time: what it had not written yet is written
by the next command. Nothing it prints is seen; it tells what matters through the pipe, without secrets.
"""

import os
import re
import textwrap
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, cast

from filelock import FileLock, Timeout

from adaptx.planning.plan import Plan
from adaptx.store.store import Store
from adaptx.tracking.address import Address
from adaptx.tracking.markers import markers_of
from adaptx.tracking.records import Pending, Record, Records, RunKey
from adaptx.tracking.writer import Writer

RETRY_SECONDS = 20.0
"""Between two attempts to reach a server that failed, while the command goes on."""
LOCK_SECONDS = 20.0
LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""MLflow's own settings in this process, where the user has not chosen others: by default it tries for minutes."""

_NETWORK = re.compile(
    r"\[Errno -?\d+\] ([\w ]+)|(Read timed out|[Tt]imed out|Remote end closed connection|too many \d+ error responses)"
)

LOOK: Literal["look"] = "look"
FINISH: Literal["finish"] = "finish"
Request = Record | Literal["look", "finish"]
Message = tuple[Literal["wrote", "note", "failed", "looked", "finished"], Any]
"""wrote: a run's name. note: a line for the user. failed: a `Failure`. looked, finished: how many runs are left."""


@dataclass(frozen=True)
class Work:
    """The process's work: to record a plan's stored stages, if there is a plan, and the records that it is sent."""

    address: Address
    experiment: str
    root: Path
    plan: Plan | None


@dataclass(frozen=True)
class Failure:
    """Why a run could not be recorded. details: the traceback, for --debug."""

    run: str
    cause: str
    details: str


class Session:
    """Records what is pending, one run after the other."""

    def __init__(self, work: Work, tell: Callable[[Message], None]) -> None:
        self._address, self._tell = work.address, tell
        self._store = Store(work.root)
        self._records = Records(work.plan, self._store) if work.plan is not None else None
        self._markers = markers_of(work.address, self._store, work.experiment)
        self._writer = Writer(work.address, work.experiment, self._store.root, lambda text: tell(("note", text)))
        self._lock = FileLock(self._lock_file())
        self.more: list[Record] = []
        self.away = False

    def record(self) -> int:
        """Record what is stored by now; returns how many runs are left, because something failed.

        Afterwards `away` says whether the server failed, so that trying again at once would fail as well.
        """
        self.away = False
        tried: set[tuple[RunKey, str]] = set()
        left = 0
        while todo := [each for each in self._pending() if (each.key, each.stamp) not in tried]:
            for place, each in enumerate(todo):
                try:
                    with self._lock.acquire(timeout=LOCK_SECONDS):
                        wrote = self._write(each)
                except Timeout:
                    # Another command is recording; what it leaves is looked for again.
                    return len(todo) - place + left
                except Exception as error:  # whatever a tracking server or a file does, the results are safe
                    self._tell(("failed", self._failure(each.name, error)))
                    if _ends_all(error):
                        self.away = True
                        return len(todo) - place + left
                    tried.add((each.key, each.stamp))
                    left += 1
                else:
                    if not wrote:
                        break
                    tried.add((each.key, each.stamp))
                    self._tell(("wrote", each.name))
        return left

    def _pending(self) -> list[Pending | Record]:
        self._store.look_again()
        return [*(self._records.pending(self._markers) if self._records is not None else ()), *self.more]

    def _write(self, each: Pending | Record) -> bool:
        """Record one run; returns False where more than was thought is to be recorded."""
        if isinstance(each, Record):
            self._writer.write(each)
            self.more.remove(each)
            return True
        assert self._records is not None
        # Markers of an experiment that is gone for good count for nothing.
        if not self._markers.belong_to(self._writer.identity):
            return False
        # Another command over the same store may have recorded it since.
        if not self._markers.has(each.key.kind, each.key.fingerprint, each.stamp):
            self._writer.write(self._records.record(each))
            self._markers.add(each.key.kind, each.key.fingerprint, each.stamp)
        return True

    def _failure(self, name: str, error: Exception) -> Failure:
        details = "".join(traceback.format_exception(error))
        return Failure(name, self._address.clean(_cause(error)), self._address.clean(details))

    def _lock_file(self) -> Path:
        """Return where commands that record to one place take turns: beside a database, else in the store."""
        database = self._address.database
        file = database.with_name(f"{database.name}.lock") if database else self._markers.folder.parent / "lock"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file


def main(connection: Connection, work: Work) -> None:
    """Record as asked through the pipe until it is told to finish, or the command has ended."""
    status = 1
    try:
        _serve(connection, work)
        status = 0
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The command is gone: what is left is for the next one.
        status = 0
    finally:
        # MLflow's own handlers at exit may wait for a server.
        os._exit(status)


def _serve(connection: Connection, work: Work) -> None:
    session = Session(work, connection.send)
    left, tried = 0, 0.0
    while True:
        wait = max(0.0, tried + RETRY_SECONDS - time.monotonic()) if left else None
        request = cast(Request, connection.recv()) if connection.poll(wait) else LOOK
        if isinstance(request, Record):
            session.more.append(request)
        elif request == FINISH:
            left = session.record()
            if left and not session.away:
                left = session.record()
            connection.send(("finished", left))
            return
        else:
            # A server that has just failed is left alone for a while.
            if not left or time.monotonic() >= tried + RETRY_SECONDS:
                left, tried = session.record(), time.monotonic()
            connection.send(("looked", left))


def _cause(error: Exception) -> str:
    """Return an error in a few words: MLflow wraps what happened in every library's account of it."""
    if isinstance(error, OSError) or not (found := _NETWORK.search(str(error))):
        first = next(iter(str(error).splitlines()), "")
        return textwrap.shorten(f"{type(error).__name__}: {first}" if first else type(error).__name__, 200)
    return (found[1] or found[2]).strip()


def _ends_all(error: Exception) -> bool:
    """Return whether other runs would fail as well: the server is away, rather than refusing one run."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.get_http_status_code() in (401, 403, *range(500, 600))
    # Anything else is about one stage's files.
    library = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError | ImportError) or library in ("requests", "sqlalchemy")
