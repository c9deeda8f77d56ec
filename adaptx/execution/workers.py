"""Several processes that carry out groups of stages at the same time, with one store.

On a CPU, the threads are divided among the processes. With CUDA, each process has one GPU.
"""

import contextlib
import logging
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from adaptx.errors import OutOfMemory, UserError
from adaptx.execution.groups import StageGroup
from adaptx.execution.worker import interrupt, work
from adaptx.execution.workshop import Workshop
from adaptx.profiling.processes import KILLED, context_for
from adaptx.training.progress import SHOWN, Progress

_log = logging.getLogger(__name__)

ON_A_GPU = ("adaptx.execution.worker",)
ON_A_CPU = (*ON_A_GPU, "adaptx.methods.peft_imported")
"""Modules that the server imports, which forks the workers. Each worker on a CPU starts several seconds sooner."""


@dataclass(kw_only=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    shop: Workshop
    progress: Progress
    group: StageGroup | None = None


class Workers:
    """A crew of `number` processes. Each process starts when it is first needed, and is kept for later groups.

    As long as the crew exists, SIGTERM interrupts this process as Ctrl-C does. This process then stops the workers, and
    waits until they have saved their states.
    """

    def __init__(self, shop: Workshop, progress: Progress, number: int) -> None:
        self._shop = shop
        modules = ON_A_CPU if shop.device.type == "cpu" else ON_A_GPU
        self._context = context_for("forkserver", modules)
        self._threads = max(1, torch.get_num_threads() // number)
        shops = [replace(shop, device=device, workers=number) for device in worker_devices(shop, number)]
        names = (f"worker {place}" for place in range(1, number + 1))
        self._idle = deque((name, each, progress.beside()) for name, each in zip(names, shops, strict=True))
        self._kept: list[_Worker] = []
        self._handler = signal.signal(signal.SIGTERM, interrupt) if _handles_signals() else None

    @property
    def has_room(self) -> bool:
        return bool(self._idle) or any(worker.group is None for worker in self._kept)

    @property
    def busy(self) -> bool:
        return any(worker.group is not None for worker in self._kept)

    def begin(self, group: StageGroup) -> None:
        for worker in [each for each in self._kept if each.group is None]:
            try:
                worker.connection.send(group)
            except OSError:
                # The worker's process ended while it was idle.
                self._remove_ended(worker)
            else:
                worker.group = group
                return
        worker = self._started()
        worker.group = group
        # If the worker has already ended, `next_done` finds out.
        with contextlib.suppress(OSError):
            worker.connection.send(group)

    def next_done(self, timeout_seconds: float | None = None) -> tuple[StageGroup, dict[str, Exception]] | None:
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            ready = wait([worker.connection for worker in self._kept if worker.group is not None], left)
            if not ready:
                return None
            for worker in [each for each in self._kept if each.connection in ready]:
                group = worker.group
                assert group is not None
                try:
                    told, *values = worker.connection.recv()
                except (EOFError, OSError):
                    worker.progress.end()
                    return group, self._errors_of_lost_stages(worker, group)
                if told == "done":
                    worker.group = None
                    worker.progress.end()
                    self._shop.store.look_again()
                    return group, {key: _received(*sent) for key, sent in values[0].items()}
                if told == "log":
                    (record,) = values
                    logging.getLogger(record.name).handle(record)
                else:
                    getattr(worker.progress, told)(*values)

    def close(self) -> None:
        for worker in self._kept:
            if worker.group is not None:
                worker.process.terminate()
            # Closing the pipe ends workers that wait for a group, or to send something.
            worker.connection.close()
        try:
            for worker in self._kept:
                worker.process.join()
        finally:
            # A second Ctrl-C interrupts `join` above, and the workers are killed.
            for worker in self._kept:
                worker.process.kill()
            if self._handler is not None:
                signal.signal(signal.SIGTERM, self._handler)

    def _started(self) -> _Worker:
        name, shop, progress = self._idle.popleft()
        connection, theirs = self._context.Pipe()
        arguments = (theirs, shop, self._threads, logging.getLogger("adaptx").getEffectiveLevel())
        process = self._context.Process(target=work, name=name, args=arguments, daemon=True)
        process.start()
        _log.info("%s: process %s started on %s", name, process.pid, shop.device)
        # The worker has its own copy. With this one closed, reading fails once the worker ends.
        theirs.close()
        worker = _Worker(process=process, connection=connection, shop=shop, progress=progress)
        self._kept.append(worker)
        return worker

    def _remove_ended(self, worker: _Worker) -> None:
        worker.process.join()
        worker.connection.close()
        self._kept.remove(worker)
        self._idle.append((worker.process.name, worker.shop, worker.progress))

    def _errors_of_lost_stages(self, worker: _Worker, group: StageGroup) -> dict[str, Exception]:
        self._remove_ended(worker)
        status = worker.process.exitcode
        _log.warning("%s: its process ended with status %s", worker.process.name, status, extra=SHOWN)
        error: Exception = RuntimeError(f"its process ended with status {status}")
        if status == KILLED:
            error = OutOfMemory("the system killed its process, probably because memory ran out; try fewer --workers")
        store = self._shop.store
        store.look_again()
        lost: dict[str, Exception] = {}
        for node in group.nodes:
            if not node.is_done(store.find(node.fingerprint)):
                lost[node.fingerprint] = error
        return lost


def worker_devices(shop: Workshop, number: int) -> list[torch.device]:
    """Return the device of each worker.

    Raises:
        UserError: several workers would share one GPU.
    """
    device = shop.device
    if number == 1 or device.type == "cpu":
        return [device] * number
    if str(device) != "cuda":
        remedy = ", or --device cuda to use all GPUs" if device.type == "cuda" else ""
        raise UserError(f"--workers {number}: {device} is one device; use --workers 1{remedy}")
    if number > torch.cuda.device_count():
        raise UserError(
            f"--workers {number}: each worker needs one GPU, and torch finds {torch.cuda.device_count()}; use at most "
            f"--workers {torch.cuda.device_count()}"
        )
    return [torch.device("cuda", index) for index in range(number)]


def _handles_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


class _RemoteTraceback(Exception):
    pass


def _received(error: Exception, told: str) -> Exception:
    error.__cause__ = _RemoteTraceback(f"in a worker\n{told}")
    return error
