"""The process that writes runs to MLflow while a command works.

MLflow's client has a process of its own because it waits for minutes if a server is unreachable, takes over 100 MB of
memory, and prints addresses with their passwords. The process's output is discarded. It reports through a pipe, without
secrets. It can be killed at any time: the next command writes what is missing.
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
"""Time between two attempts to reach a server that failed, while the command still works."""
LOCK_SECONDS = 20.0
"""How long the process waits to write a run while another command is recording to the same place."""
LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""MLflow's settings in this process, unless the user has set others. By default, MLflow retries for minutes."""

_NETWORK = re.compile(
    r"\[Errno -?\d+\] ([\w ]+)|(Read timed out|[Tt]imed out|Remote end closed connection|too many \d+ error responses)"
)

LOOK: Literal["look"] = "look"
"""Request to record what has been stored by now."""
FINISH: Literal["finish"] = "finish"
"""Request to record what has been stored by now, and then to end."""
Request = Record | Literal["look", "finish"]
Message = tuple[Literal["wrote", "note", "failed", "looked", "finished"], Any]
"""The kind of a message and its content. The content is the run's name for `wrote`, a line for the user for `note`, a
`Failure` for `failed`, and the number of runs that are still not recorded for `looked` and `finished`.
"""


@dataclass(frozen=True)
class Work:
    """What the process records: the stored stages of a plan, and every record sent through the pipe.

    root: the store's folder. plan: None if there are only records from the pipe.
    """

    address: Address
    experiment: str
    root: Path
    plan: Plan | None


@dataclass(frozen=True)
class Failure:
    """The reason why a run could not be recorded. details: the traceback, which `--debug` shows."""

    run: str
    cause: str
    details: str


class Session:
    """A session that records all pending runs, one after the other.

    Attributes:
        more: records from the pipe that are not written yet.
        away: whether the last attempt failed because the server is unreachable.
    """

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
        """Record everything that is stored by now. Return the number of runs that could not be recorded.

        If the server is unreachable, stop and set `away`.
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
                    # Another command is recording. Whatever it does not record is found by the next look.
                    return len(todo) - place + left
                except Exception as error:  # no fault of a server or a file may end the command: results are stored
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
        """Record one run, unless another command has recorded it in the meantime.

        Return False, without recording, if the markers belonged to an experiment that no longer exists. They are then
        deleted, and the caller must list the pending runs again.
        """
        if isinstance(each, Record):
            self._writer.write(each)
            self.more.remove(each)
            return True
        assert self._records is not None
        # Markers of an experiment that no longer exists are invalid.
        if not self._markers.belong_to(self._writer.identity):
            return False
        # Another command on the same store may have recorded the run in the meantime.
        if not self._markers.has(each.key.kind, each.key.fingerprint, each.stamp):
            self._writer.write(self._records.record(each))
            self._markers.add(each.key.kind, each.key.fingerprint, each.stamp)
        return True

    def _failure(self, name: str, error: Exception) -> Failure:
        details = "".join(traceback.format_exception(error))
        return Failure(name, self._address.clean(_cause(error)), self._address.clean(details))

    def _lock_file(self) -> Path:
        """Return the file whose lock lets only one command record at a time. It is next to the database file, or in the
        store.
        """
        database = self._address.database
        file = database.with_name(f"{database.name}.lock") if database else self._markers.folder.parent / "lock"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file


def main(connection: Connection, work: Work) -> None:
    """Record what the command requests through the pipe, until it requests the end or ends itself."""
    status = 1
    try:
        _serve(connection, work)
        status = 0
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The command has ended. The next command records what is left.
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
            # Do not contact a server again right after it has failed.
            if not left or time.monotonic() >= tried + RETRY_SECONDS:
                left, tried = session.record(), time.monotonic()
            connection.send(("looked", left))


def _cause(error: Exception) -> str:
    """Describe an error in a few words. MLflow's own message repeats the errors of all libraries involved."""
    if isinstance(error, OSError) or not (found := _NETWORK.search(str(error))):
        first = next(iter(str(error).splitlines()), "")
        return textwrap.shorten(f"{type(error).__name__}: {first}" if first else type(error).__name__, 200)
    return (found[1] or found[2]).strip()


def _ends_all(error: Exception) -> bool:
    """Return whether recording any other run would fail too: the server is unreachable, or refuses every run."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.get_http_status_code() in (401, 403, *range(500, 600))
    # Any other error concerns the files of one stage.
    library = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError | ImportError) or library in ("requests", "sqlalchemy")
