"""A worker process, which carries out groups of stages for a run and reports its progress."""

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
"""Minimum time between two progress reports, so that a full pipe does not slow down the training."""


def work(connection: Connection, shop: Workshop, threads: int, level: int) -> None:
    """Carry out the groups of stages that arrive through the pipe, and send back their errors, until the pipe closes.

    threads: number of CPU threads that torch uses. level: the run's log level. Log records go through the pipe, too.
    """
    signal.signal(signal.SIGTERM, interrupt)
    # Ctrl-C interrupts every process of the terminal's process group. Workers leave that group, so that only the run is
    # interrupted, and the run then tells each worker once.
    with contextlib.suppress(AttributeError, OSError):
        os.setpgrp()
    # Otherwise this worker would go on, unseen, if the run is killed.
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    torch.set_num_threads(threads)
    _log_to(connection, level)
    # These errors mean that the pipe is closed, because the run has ended.
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        while True:
            group = connection.recv()
            progress = _ProgressToPipe(connection, group.nodes[0].name)
            failed = carry_out(group, shop, progress)
            progress.end()
            connection.send(("done", {key: _sendable(error) for key, error in failed.items()}))


class _HandlerToPipe(QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            cast(Connection, self.queue).send(("log", record))


def _log_to(connection: Connection, level: int) -> None:
    log = logging.getLogger("adaptx")
    log.setLevel(level)
    log.propagate = False
    log.addHandler(_HandlerToPipe(cast(Any, connection)))


def interrupt(_number: int, _frame: object) -> None:
    """Raise KeyboardInterrupt on SIGTERM. A second SIGTERM is ignored, so that it does not interrupt the clean-up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_the_run() -> None:
    run = multiprocessing.parent_process()
    assert run is not None
    wait([run.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _sendable(error: Exception) -> tuple[Exception, str]:
    trace = "".join(traceback.format_exception(error))  # pickling an error drops its traceback
    try:
        return pickle.loads(pickle.dumps(error)), trace
    except Exception:
        known = UserError if isinstance(error, UserError) else RuntimeError
        return known(told(error)), trace


class _ProgressToPipe:
    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self._name = connection, name
        self._last, self._untold = 0.0, ()

    def begin_stage(self, fingerprint: str) -> None:
        self._send("begin_stage", fingerprint)

    def finish_stage(self, fingerprint: str) -> None:
        self._send("finish_stage", fingerprint)

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
        if self._untold:
            self._send("advance", *self._untold)
            self._untold = ()

    def beside(self) -> Progress:
        return self

    def _send(self, *message: Any) -> None:
        # After a kill, a running training must still reach the point where it saves its state.
        with contextlib.suppress(OSError):
            self._connection.send(message)
