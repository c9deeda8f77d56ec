"""The one training loop, for every method, start and task.

A batch is `batch_size` examples drawn at random, sorted by length inside, cut into micro-batches and packed into rows;
the loss is normalised over the whole batch, so the result does not depend on the cutting (dropout apart).
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.batching import Encoded, collate, micro_batches
from adaptx.backbones.encoder import TransferModel, trainable
from adaptx.backbones.fast_dropout import FastDropout
from adaptx.backbones.sites import Key
from adaptx.checkpoints import Checkpoints, deferred_interrupt
from adaptx.formats import classification
from adaptx.methods.module import capture, restore
from adaptx.progress import Progress
from adaptx.specs import Best, Hidden, Resources, Schedule, TrainConfig

MAX_EPOCH = 1_000_003
# Rows of 64 tokens hold two or three sentence pairs: wide enough to pack well, narrow enough that attention across
# neighbours, which is computed and masked, stays a small share. `benchmarks/training.py --ablate` compares others.
ROW_TOKENS = 64
CPU_MICRO_BATCH_TOKENS = 4_096
ACCELERATOR_MICRO_BATCH_TOKENS = 16_384


@dataclass(frozen=True)
class TrainingSet:
    """Encoded examples with their gold ids, and how the backbone is read."""

    encoded: Encoded
    gold_ids: list[int]
    framing: Hidden

    def __len__(self) -> int:
        return len(self.encoded)


@dataclass
class History:
    """What a training has gone through: one entry a step, one a scoring on development rows."""

    steps: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    development: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    seconds: float = 0.0
    tokens: int = 0


@dataclass(frozen=True)
class Outcome:
    """The weights a training ends with are in the model; this is how it got there.

    selected_step: the step whose weights were kept, counted from 1.
    """

    history: History
    selected_step: int


class Training:
    """One training of a model whose trainable parameters are set: `run` trains it to the end, or on from a checkpoint.

    own: the module's live parameters. extra_loss: added once a step (fusion's regularisation). score: the
    development score that `Best` selects by.
    """

    def __init__(
        self,
        model: TransferModel,
        own: dict[Key, nn.Parameter],
        head: nn.Module,
        data: TrainingSet,
        config: TrainConfig,
        resources: Resources,
        device: torch.device,
        extra_loss: Callable[[], Tensor] | None = None,
        score: Callable[[], float] | None = None,
    ) -> None:
        self.model, self.own, self.head, self.data, self.config = model, own, head, data, config
        self.device, self.extra_loss, self.score = device, extra_loss, score
        self.num_steps = num_steps(config, len(data))
        self.parameters = trainable(model)
        self.optimizer = torch.optim.AdamW(
            _groups(own, head, config), betas=config.betas, eps=config.epsilon, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, learning_rate_factor(config, self.num_steps))
        self.history = History()
        self.step = 0
        self.best: _Best | None = None
        self.budget = {"tokens": micro_batch_tokens(resources, device), "examples": resources.micro_batch_size}

    def run(self, progress: Progress, checkpoints: Checkpoints | None = None) -> Outcome:
        """Train to the last step or until patience ends; an interruption leaves a checkpoint behind."""
        if checkpoints is not None and (state := checkpoints.load(self.device, progress)) is not None:
            self._restore(state)
        resumed_at, began, done_before = time.perf_counter(), self.step, self.history.seconds
        self.model.train()
        with deferred_interrupt() as interrupted:
            while self.step < self.num_steps and not self._out_of_patience():
                loss, learning_rate = self._one_step()
                elapsed = time.perf_counter() - resumed_at
                self.history.seconds = done_before + elapsed
                self.history.steps.append(
                    {"step": self.step, "loss": loss, "learning_rate": learning_rate, "seconds": self.history.seconds}
                )
                progress.advance(self.step, loss, (self.step - began) * self.config.batch_size / elapsed)
                self._score_if_due(progress)
                # Asked once: a signal between two askings would end the run without a checkpoint.
                stop = interrupted()
                if checkpoints is not None and (stop or checkpoints.due()):
                    checkpoints.save(self._state(), self.device)
                if stop:
                    raise KeyboardInterrupt
        self.model.eval()
        if self.best is not None:
            restore(self.own, self.best.module)
            self.head.load_state_dict(self.best.head)
            return Outcome(self.history, self.best.step)
        return Outcome(self.history, self.step)

    def _one_step(self) -> tuple[float, float]:
        """One optimiser step; returns the batch's mean loss and the learning rate it was taken with."""
        config = self.config
        indices = batch_indices(self.step, len(self.data), config.batch_size, config.seed)
        lengths = [len(self.data.encoded.ids[index]) for index in indices]
        total = torch.zeros((), device=self.device)
        for group in micro_batches(lengths, self.budget["tokens"], self.budget["examples"], ROW_TOKENS):
            rows = [[indices[position] for position in row] for row in group]
            batch = collate(self.data.encoded, rows, self.device)
            gold_N = torch.tensor([self.data.gold_ids[index] for row in rows for index in row], device=self.device)
            with FastDropout(), autocast(self.device, config.precision):
                logits_NC = classification.logits(self.model.backbone, self.head, batch, self.data.framing)
            loss = classification.loss_sum(logits_NC, gold_N) / len(indices)
            loss.backward()
            total += loss.detach()
        if self.extra_loss is not None:
            extra = self.extra_loss()
            extra.backward()
            total += extra.detach()
        torch.nn.utils.clip_grad_norm_(self.parameters, config.max_gradient_norm)
        learning_rate = self.optimizer.param_groups[0]["lr"]
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.history.tokens += sum(lengths)
        self.step += 1
        return total.item(), learning_rate

    def _score_if_due(self, progress: Progress) -> None:
        selection = self.config.selection
        if not isinstance(selection, Best) or (self.step % selection.every and self.step != self.num_steps):
            return
        assert self.score is not None
        self.model.eval()
        score = self.score()
        self.model.train()
        self.history.development.append({"step": self.step, "score": score})
        progress.note(f"step {self.step}: development score {score:.4f}")
        # The earliest of equal scores is kept.
        if self.best is None or score > self.best.score:
            self.best = _Best(self.step, score, capture(self.own), _copy(self.head.state_dict()))

    def _out_of_patience(self) -> bool:
        selection = self.config.selection
        if not isinstance(selection, Best) or selection.patience is None or self.best is None:
            return False
        since = [entry for entry in self.history.development if entry["step"] > self.best.step]
        return len(since) >= selection.patience

    def _state(self) -> dict[str, Any]:
        best = self.best
        return {
            "step": self.step,
            "module": [parameter.detach() for parameter in self.own.values()],
            "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": vars(self.history),
            "best": None if best is None else [best.step, best.score, list(best.module.values()), best.head],
            "budget": self.budget,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        restore(self.own, dict(zip(self.own, state["module"], strict=True)))
        self.head.load_state_dict(state["head"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = History(**state["history"])
        self.budget = state["budget"]
        if state["best"] is not None:
            step, score, module, head = state["best"]
            self.best = _Best(step, score, dict(zip(self.own, module, strict=True)), head)


@dataclass(frozen=True)
class _Best:
    step: int
    score: float
    module: dict[Key, Tensor]
    head: dict[str, Tensor]


def num_steps(config: TrainConfig, num_examples: int) -> int:
    """Optimiser steps of the budget; an epoch's last batch is filled up from the next epoch's order."""
    if config.max_steps is not None:
        return config.max_steps
    assert config.epochs is not None
    return max(1, math.ceil(num_examples * config.epochs / config.batch_size))


def batch_indices(step: int, num_examples: int, batch_size: int, seed: int) -> list[int]:
    """The examples of a step's batch (step from 0): consecutive pieces of one random order after another.

    It depends on nothing but its arguments, so a resumed training needs no sampler state beyond the step.
    """
    return [
        index
        for epoch, first, last in _pieces(step * batch_size, batch_size, num_examples)
        for index in _order(epoch, num_examples, seed)[first:last].tolist()
    ]


def _pieces(position: int, count: int, num_examples: int) -> Iterator[tuple[int, int, int]]:
    """(epoch, first, last) slices that cover `count` positions of the endless stream from `position` on."""
    while count:
        epoch, first = divmod(position, num_examples)
        taken = min(count, num_examples - first)
        yield epoch, first, first + taken
        position, count = position + taken, count - taken


@lru_cache(maxsize=4)
def _order(epoch: int, num_examples: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed * MAX_EPOCH + epoch)
    return torch.randperm(num_examples, generator=generator)


def learning_rate_factor(config: TrainConfig, num_steps: int) -> Callable[[int], float]:
    """Step -> share of the peak learning rate: linear warm-up, then the schedule down to zero."""
    warmup = round(config.warmup * num_steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1, num_steps - warmup)
        match config.schedule:
            case Schedule.CONSTANT:
                return 1.0
            case Schedule.LINEAR:
                return max(0.0, 1.0 - progress)
            case Schedule.COSINE:
                return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))

    return factor


def micro_batch_tokens(resources: Resources, device: torch.device) -> int | None:
    """The token budget of one forward pass: given, else the device's; none where only examples were given."""
    if resources.micro_batch_tokens is not None or resources.micro_batch_size is not None:
        return resources.micro_batch_tokens
    return CPU_MICRO_BATCH_TOKENS if device.type == "cpu" else ACCELERATOR_MICRO_BATCH_TOKENS


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Matrix products in bf16 under `bf16`. Ours per stage, since accelerate's precision is one a process."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _groups(own: dict[Key, nn.Parameter], head: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Module and head, each with and without weight decay (biases and norms are vectors, and go without)."""
    head_rate = config.head_learning_rate or config.learning_rate
    groups: list[dict[str, Any]] = []
    for parameters, rate in ((list(own.values()), config.learning_rate), (list(head.parameters()), head_rate)):
        for decay, chosen in (
            (config.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return groups


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
