"""A worker: the process that carries out one group of stages after the other for a run, and tells it how they go."""

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import torch

from adaptx.errors import UserError, told
from adaptx.execution.execute import carry_out
from adaptx.execution.workshop import Workshop
from adaptx.training.progress import Progress

ADVANCE_SECONDS = 0.2
"""Between two reports of how far a stage is: a pipe that is read late must not hold up the training."""


def work(connection: Connection, shop: Workshop, threads: int, level: int) -> None:
    """A worker's life: groups come, what became of them goes back, until the pipe is closed.

    level: of adaptx's logger in the run, which the worker's records are sent to.
    """
    signal.signal(signal.SIGTERM, interrupt)
    # Ctrl-C goes to the whole group of processes: the one that began the others tells them, once.
    with contextlib.suppress(AttributeError, OSError):
        os.setpgrp()
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    torch.set_num_threads(threads)
    _log_to(connection, level)
    # What cannot be received or sent any more: the run has ended.
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        while True:
            group = connection.recv()
            progress = _PipeProgress(connection, group.nodes[0].name)
            failed = carry_out(group, shop, progress)
            progress.end()
            connection.send(("done", {key: _sendable(error) for key, error in failed.items()}))


class _Sending(QueueHandler):
    """Sends log records to the run, while that listens."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            cast(Connection, self.queue).send(("log", record))


def _log_to(connection: Connection, level: int) -> None:
    log = logging.getLogger("adaptx")
    log.setLevel(level)
    log.propagate = False
    log.addHandler(_Sending(cast(Any, connection)))


def interrupt(_number: int, _frame: object) -> None:
    """Once: what is left to do then is to clean up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_the_run() -> None:
    """Where the run itself is killed, its workers stop too, as on Ctrl-C: else they would train on, unseen."""
    run = multiprocessing.parent_process()
    assert run is not None
    wait([run.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _sendable(error: Exception) -> tuple[Exception, str]:
    """The error and its traceback as text, which does not go through a pipe with it; one that does not goes as text."""
    trace = "".join(traceback.format_exception(error))
    try:
        return pickle.loads(pickle.dumps(error)), trace
    except Exception:
        known = UserError if isinstance(error, UserError) else RuntimeError
        return known(told(error)), trace


class _PipeProgress:
    """A worker's progress, told to the run while that listens."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self._name = connection, name
        self._last, self._untold = 0.0, ()

    def start(self, name: str, total: int, unit: str) -> None:
        self._name = name
        self._send("start", name, total, unit)

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        self._untold = (done, loss, examples_per_second)
        now = time.monotonic()
        if now - self._last >= ADVANCE_SECONDS:
            self._last = now
            self.end()

    def note(self, text: str) -> None:
        self._send("note", f"{self._name}: {text}")

    def end(self) -> None:
        """Tell how far it has come, where that is not told yet."""
        if self._untold:
            self._send("advance", *self._untold)
            self._untold = ()

    def beside(self) -> Progress:
        return self

    def _send(self, *message: Any) -> None:
        # After a kill, a running training must still reach the point where it saves its state.
        with contextlib.suppress(OSError):
            self._connection.send(message)
