"""A cache of a run's rows: each set is read, checked and tokenised once for all stages, as far as memory allows.

A grid reads few sets many times, because every variant is scored on the same languages. Cached examples are found by
their rows (with the digest of their file), format and limit, and cached tokens also by the way in which the model reads
texts. All variants share them, whatever their method.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from adaptx.backbones.loading import load_tokenizer
from adaptx.data.examples import Examples
from adaptx.data.reading import read_pool, read_rows, read_training
from adaptx.formats.interface import Format, FormatTraining, Inputs, Items, Pass, Reading
from adaptx.sources.sources import Sources
from adaptx.specs import ModelSpec, Rows, Task, TaskFormat

T = TypeVar("T")
MOST_BYTES = 512 << 20
TOKENIZER_BYTES = 32 << 20
"""Assumed size of a tokenizer. Its vocabulary is not held in Python objects, so it cannot be measured."""
SAMPLED = 64
"""Number of values of a long list that are measured. The others are assumed to have the same average size."""


class RowCache:
    """A cache of the sets that were used last. The sum of their estimated sizes is at most `most_bytes`.

    A set that is larger than `most_bytes` is not kept, but read each time. Callers must not change what the methods
    return, because the next stage gets the same object.
    """

    def __init__(self, sources: Sources, most_bytes: int = MOST_BYTES) -> None:
        self.sources, self.most_bytes = sources, most_bytes
        self.held_bytes = 0
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        # id() of the examples in the cache -> their key. The key of their tokens is built on it.
        self._key_of: dict[int, Hashable] = {}

    def rows(self, rows: Rows, task_format: TaskFormat, limit: int | None = None) -> Examples:
        """Return the examples of a set, as `read_rows` does."""
        key = (rows, task_format, limit, self.sources.rows(rows))
        return self._cached_examples(key, lambda: read_rows(rows, task_format, self.sources, limit))

    def training(self, task: Task, limit: int | None, seed: int) -> Examples:
        """Return a task's training examples, as `read_training` does. The seed matters only if there is a limit."""
        key = (
            "training",
            task.train,
            task.format,
            task.shuffled_by,
            limit,
            seed if limit is not None else None,
            self._places(task.train),
        )
        return self._cached_examples(key, lambda: read_training(task, self.sources, limit, seed))

    def pool(self, task: Task, limit: int | None, wanted: Collection[str] = ()) -> Examples:
        """Return a task's candidates, as `read_pool` does. `wanted` adds candidates that a limit would leave out."""
        chosen = frozenset(wanted) if limit is not None else None
        key = ("pool", task.pool, task.format, limit, chosen, self._places(task.pool))
        return self._cached_examples(key, lambda: read_pool(task, self.sources, limit, wanted))

    def items(self, training: FormatTraining, examples: Examples, task_format: TaskFormat, reading: Reading) -> Items:
        make = training.items
        return self._cached_tokens(examples, (make, task_format, reading), lambda: make(examples, task_format, reading))

    def inputs(self, behaviour: Format, examples: Examples, task_format: TaskFormat, reading: Reading) -> Inputs:
        make = behaviour.encode
        return self._cached_tokens(examples, (make, task_format, reading), lambda: make(examples, task_format, reading))

    def candidates(self, behaviour: Format, pool: Examples, task_format: TaskFormat, reading: Reading) -> Pass:
        make = behaviour.encode_pool
        assert make is not None
        return self._cached_tokens(pool, (make, task_format, reading), lambda: make(pool, task_format, reading))

    def tokenizer(self, model: ModelSpec) -> Any:
        """Return a checkpoint's tokenizer. It is cached, because cached tokens are shared only between `Reading`s that
        hold the same tokenizer object.
        """
        key = ("tokenizer", model, self.sources.model(model))
        return self._cached(key, lambda: load_tokenizer(model, self.sources), lambda _: TOKENIZER_BYTES)

    def clear(self) -> None:
        self._held.clear()
        self._key_of.clear()
        self.held_bytes = 0

    def _places(self, sets: Sequence[Rows]) -> Hashable:
        return tuple(self.sources.rows(rows) for rows in sets)

    def _cached_examples(self, key: Hashable, make: Callable[[], Examples]) -> Examples:
        found = self._cached(key, make)
        if key in self._held:
            # `_cached_tokens` needs the key of the examples.
            self._key_of[id(found)] = key
        return found

    def _cached_tokens(self, examples: Examples, how: Hashable, make: Callable[[], T]) -> T:
        """Return the tokens that `make` computes from examples. They are cached if the examples are in the cache."""
        key = self._key_of.get(id(examples))
        return make() if key is None else self._cached((key, how), make)

    def _cached(self, key: Hashable, make: Callable[[], T], size_of: Callable[[T], int] | None = None) -> T:
        """Return the cached value of a key, or make it and cache it unless it exceeds `most_bytes`.

        The least recently used values are removed if the cache is then too large.
        """
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key][0]
        value = make()
        size = (size_of or held_bytes)(value)
        if size <= self.most_bytes:
            self._held[key] = value, size
            self.held_bytes += size
        while self.held_bytes > self.most_bytes:
            _, (oldest, freed) = self._held.popitem(last=False)
            self.held_bytes -= freed
            # Python may give the id() of a freed object to a new one.
            self._key_of.pop(id(oldest), None)
        return value


def held_bytes(value: Any, seen: set[int] | None = None) -> int:
    """Estimate the memory in bytes that a value holds. Long lists are estimated from a sample of their values.

    seen: id() of the objects already counted. An object that occurs twice counts once.
    """
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        held: list[Any] = list(value.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    elif is_dataclass(value):
        held = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, list | tuple):
        whole: Sequence[Any] = value  # pyright: ignore[reportUnknownVariableType]
        held = list(whole[:: max(1, len(whole) // SAMPLED)])
        seen.add(id(whole))
        return size + int(sum(held_bytes(each, seen) for each in held) * len(whole) / max(1, len(held)))
    else:
        return size
    seen.add(id(value))  # pyright: ignore[reportUnknownArgumentType]
    return size + sum(held_bytes(each, seen) for each in held)
