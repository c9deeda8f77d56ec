"""Find the trainings of a plan that will not fit into a device's memory, and options with which they fit."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from adaptx.costs.room import fits, halvings, needed_bytes
from adaptx.costs.stages import longest_peak_bytes
from adaptx.planning.plan import Node
from adaptx.specs import Resources, Train

FEWEST_TOKENS = 64
"""Tokens in the smallest micro-batch that is suggested. It holds one short sequence, so less would save nothing."""


@dataclass(frozen=True)
class TooLarge:
    """A training that does not fit into memory. remedies: options that make it fit, like `--micro-batch-tokens 512`."""

    node: Node
    needed_bytes: int
    remedies: tuple[str, ...]


def too_large(nodes: Iterable[Node], resources: Resources, memory_bytes: int) -> list[TooLarge]:
    """Return the trainings whose predicted peak exceeds `memory_bytes`. Trainings without a prediction are skipped.

    The prediction assumes that all texts have the training's maximum length.
    """
    found: list[TooLarge] = []
    for node in nodes:
        needed = _needed_on_device(node.stage, resources) if isinstance(node.stage, Train) else None
        if needed is not None and not fits(needed, memory_bytes):
            assert isinstance(node.stage, Train)
            found.append(TooLarge(node, needed, tuple(_remedies(node.stage, resources, memory_bytes))))
    return found


def unpredicted(nodes: Iterable[Node], resources: Resources) -> list[Node]:
    """Return the trainings without a memory prediction."""
    return [
        node for node in nodes if isinstance(node.stage, Train) and longest_peak_bytes(node.stage, resources) is None
    ]


def _needed_on_device(train: Train, resources: Resources) -> int | None:
    peak = longest_peak_bytes(train, resources)
    return None if peak is None else needed_bytes(peak, resources.device_type)


def _remedies(train: Train, resources: Resources, memory_bytes: int) -> Iterator[str]:
    # These options do not change the result: the largest micro-batch that fits, first without, then with gradient
    # checkpointing.
    batch_size, longest = train.config.batch_size, train.config.max_length
    for gradient_checkpointing in dict.fromkeys((resources.gradient_checkpointing, True)):
        words = "--gradient-checkpointing" if gradient_checkpointing and not resources.gradient_checkpointing else ""
        for tokens in halvings(resources.largest_micro_batch(batch_size, batch_size * longest, longest), FEWEST_TOKENS):
            changed = replace(resources, micro_batch_tokens=tokens, gradient_checkpointing=gradient_checkpointing)
            needed = _needed_on_device(train, changed)
            if needed is not None and fits(needed, memory_bytes):
                yield " ".join(filter(None, (words, f"--micro-batch-tokens {tokens}")))
                break
