"""Carry out a group of stages: choose the function for the kind of stage, and collect the errors of failed stages."""

import contextlib
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from adaptx.errors import is_fault, told
from adaptx.execution.evaluate import evaluating
from adaptx.execution.groups import StageGroup
from adaptx.execution.merge import execute_merge
from adaptx.execution.out_of_memory import memory_told
from adaptx.execution.train import execute_train
from adaptx.execution.workshop import Workshop
from adaptx.planning.plan import Node
from adaptx.specs import Evaluate, Merge, Stage, Train
from adaptx.store.claim import Busy, claimed
from adaptx.training.progress import SHOWN, Progress

_log = logging.getLogger(__name__)

Executor = Callable[[Workshop, Progress], AbstractContextManager[Callable[[Node], None]]]
"""A function that makes a context manager for one group. In its block, the context manager gives a function that
carries out one stage and stores the result."""


def _one_by_one(execute: Callable[[Node, Workshop, Progress], None]) -> Executor:
    return lambda shop, progress: contextlib.nullcontext(lambda node: execute(node, shop, progress))


EXECUTE: dict[type[Stage], Executor] = {
    Train: _one_by_one(execute_train),
    Merge: _one_by_one(execute_merge),
    Evaluate: evaluating,
}


def carry_out(group: StageGroup, shop: Workshop, progress: Progress) -> dict[str, Exception]:
    """Carry out the group's stages that are not in the store yet, and return the errors of failed ones by fingerprint.

    If one stage fails, the others still run. A stage that another run is working on fails with Busy at once.
    """
    with EXECUTE[group.kind](shop, progress) as execute:
        attempts = {node.fingerprint: _attempt(node, execute, shop, progress) for node in group.nodes}
    return {key: error for key, error in attempts.items() if error is not None}


def _attempt(node: Node, execute: Callable[[Node], None], shop: Workshop, progress: Progress) -> Exception | None:
    began = time.perf_counter()
    try:
        with claimed(shop.store.lock(node.fingerprint), node.name), memory_told():
            if not shop.is_done(node):
                _log.info("%s: started on %s", node.name, shop.device)
                progress.begin_stage(node.fingerprint)
                execute(node)
                progress.finish_stage(node.fingerprint)
                _log.info("%s: stored after %.1f s", node.name, time.perf_counter() - began)
            shop.store.finish_working(node.fingerprint)
    except Busy as busy:
        _log.debug("%s", busy)
        return busy
    except Exception as error:  # the libraries below raise errors of any kind
        trace = error if is_fault(error) else None
        _log.error("%s: failed: %s", node.name, told(error), exc_info=trace, extra=SHOWN)
        return error
    return None
