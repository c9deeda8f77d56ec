"""A tiny network, its tokenizer, and the ways in which formats run texts through it, for tests of single formats."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import adaptx.backbones.batching
from adaptx.backbones.batching import Encoding
from adaptx.backbones.encoder import Encoder
from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.backbones.own_tensors import load_language_model_head
from adaptx.data.examples import Examples
from adaptx.evaluation.evaluator import Evaluator
from adaptx.formats import behaviour
from adaptx.formats.interface import HeadBase, Items, JointLoss, Model, Reading, TrainedHead, embedded, take
from adaptx.formats.row_cache import RowCache
from adaptx.sources.sources import Sources
from adaptx.specs import Hidden, TaskFormat
from adaptx.training.gradients import Budget, Setting, backward_joint, backward_sum
from support import small_world

CPU = torch.device("cpu")
WHOLE = Budget(None, None)
ONE_ITEM = Budget(None, 1)
FEW_TOKENS = Budget(48, None)


@dataclass(frozen=True)
class Bench:
    """One checkpoint with one framing."""

    folder: str
    network: Any = field(repr=False)
    encoder: Encoder = field(repr=False)
    reading: Reading = field(repr=False)
    base: HeadBase = field(repr=False)

    def head(self, task_format: TaskFormat) -> TrainedHead | None:
        """Return a new head, equal at every call; None if the format has no head."""
        training = behaviour(task_format).training
        if training is None or training.new_head is None:
            return None
        with torch.random.fork_rng():
            torch.manual_seed(4)
            module = training.new_head(task_format, self.base).eval()
            # New linear heads are so small that all answers would be nearly equal.
            if isinstance(linear := getattr(module, "linear", None), nn.Linear):
                linear.weight.data *= 50
        return TrainedHead(module, task_format)

    def evaluator(self, budget: Budget = WHOLE, sources: Any = None, limit: int | None = None) -> Evaluator:
        return Evaluator(
            self.encoder, self.reading, Setting(CPU, "fp32", budget), RowCache(sources or Sources()), limit
        )

    def plain(self, *texts: Any) -> tuple[Any, Tensor]:
        """Return (the tokenizer's padded output, last hidden states [N, L, D]) of texts or pairs, without adaptx."""
        output = self.reading.tokenizer(*texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            return output, self.network(**output).last_hidden_state

    def states(self, ids: Sequence[int], types: Sequence[int] | None = None) -> Tensor:
        """Return the last hidden states [L, D] of one sequence alone."""
        more = {} if types is None else {"token_type_ids": torch.tensor([list(types)])}
        with torch.no_grad():
            return self.network(input_ids=torch.tensor([list(ids)]), **more).last_hidden_state[0]


def make(
    models: small_world.Models,
    architecture: str,
    max_length: int = 64,
    framing: Hidden | None = None,
    dropout: float = 0.0,
    headless: bool = False,
) -> Bench:
    spec = (models.headless if headless else models.specs)[architecture]
    sources = Sources(models.folder)
    network: Any = load_network(spec, sources, dropout)
    reading = Reading(tokenizer=load_tokenizer(spec, sources), framing=framing or Hidden(), max_length=max_length)
    base = HeadBase(
        network.config.hidden_size, dropout, network, lambda: load_language_model_head(spec, sources)
    )  # fmt: skip
    return Bench(spec.hub_id, network, Encoder(network), reading, base)


def examples(**columns: list[Any]) -> Examples:
    return Examples(rows=tuple(range(len(next(iter(columns.values()))))), columns=columns)


@contextmanager
def group_tokens(count: int) -> Iterator[None]:
    """Set the cost of a group: with 0, no token is padding; with many, all sequences share one group's pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(adaptx.backbones.batching.GROUP_TOKENS, "cpu", count)
        yield


def vectors(evaluator: Evaluator, encoded: Encoding) -> Tensor:
    """Return pooled vectors [sequences, D], as an evaluator reads them."""
    return evaluator.read(embedded(encoded), Model(evaluator.backbone, None, evaluator.reading, None))


def drawn_items(bench: Bench, rows: Examples, task_format: TaskFormat, seed: int = 7) -> Items:
    """Return all rows as one batch."""
    training = behaviour(task_format).training
    assert training is not None
    items = training.items(rows, task_format, bench.reading)
    every = range(len(items))
    return training.draw(items, every, task_format, bench.reading, seed) if training.draw else take(items, every)


def loss_and_gradients(
    bench: Bench, drawn: Items, task_format: TaskFormat, budget: Budget, share: float = 1.0, training: bool = False
) -> tuple[float, dict[str, Tensor]]:
    """Return the sums of a step over these items: the loss, and the gradient of every parameter that has one.

    training: whether dropout is on.
    """
    model = nn.ModuleDict({"backbone": bench.encoder})
    head = bench.head(task_format)
    if head is not None:
        model["head"] = head.module
    model.train(training)
    model.zero_grad(set_to_none=True)
    loss, framing, setting = behaviour(task_format).training, bench.reading.framing, Setting(CPU, "fp32", budget)
    assert loss is not None
    if isinstance(loss.loss, JointLoss):
        value = backward_joint(loss.loss, bench.encoder, drawn, task_format, framing, share, setting)
    else:
        assert head is not None
        value = backward_sum(loss.loss, bench.encoder, head.module, drawn, framing, share, setting)
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    model.eval()
    return value.item(), found


def close(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    """Check that gradients belong to the same parameters and have the same values, and that some are far from zero."""
    assert found.keys() == wanted.keys()
    assert max(value.abs().max().item() for value in wanted.values()) > 1e-2
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, atol=tolerance, rtol=tolerance, msg=f"the gradient of {name}")
