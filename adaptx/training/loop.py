"""The training loop, shared by all methods, starts, tasks and mixtures.

A batch is `batch_size` items drawn at random. It is sorted by length, cut into micro-batches and packed into rows. The
loss is normalised over the whole batch, so apart from dropout the result does not depend on the micro-batch size.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.backbone import TransferModel, trainable
from adaptx.backbones.finite import first_not_finite
from adaptx.errors import NotFinite
from adaptx.formats.interface import AnswerLoss, FormatTraining, Items, JointLoss, Reading, SummedLoss, take
from adaptx.methods.module import capture, restore
from adaptx.methods.quantised import without_notes
from adaptx.specs import Best, Sampling, TaskFormat, TrainConfig
from adaptx.specs.sites import Key
from adaptx.store.record_json import from_json, to_json
from adaptx.store.records import DevelopmentScore, TrainingStep
from adaptx.training.gradients import (
    Budget,
    Setting,
    backward_answers,
    backward_joint,
    backward_sum,
)
from adaptx.training.optimisation import learning_rate_factor, parameter_groups
from adaptx.training.progress import Progress, noting
from adaptx.training.resume import SavedStates, deferred_interrupt
from adaptx.training.sampling import MAX_EPOCH, Sampler

_log = logging.getLogger(__name__)

HeadStates = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class TrainingTask:
    """One task of a training: its items, its format's training functions, and its head's name.

    head: None if the task is answered in text and therefore has no head.
    """

    items: Items
    format: TaskFormat
    training: FormatTraining
    head: str | None
    reading: Reading


@dataclass
class History:
    """The course of a training: one entry per step, and one per evaluation on development rows.

    seconds, tokens: totals since the training began, including the time before it was resumed.
    """

    steps: list[TrainingStep] = field(default_factory=list[TrainingStep])
    development: list[DevelopmentScore] = field(default_factory=list[DevelopmentScore])
    seconds: float = 0.0
    tokens: int = 0


@dataclass(frozen=True)
class Outcome:
    """The result of a training, without the weights, which are in the model.

    selected_step: the step whose weights were kept, counted from 1. was_resumed: whether the training began from a
    saved state.
    """

    history: History
    selected_step: int
    was_resumed: bool


class Training:
    """One training of a model. `run` trains to the end, from the start or from a saved state.

    model: the backbone and the tasks' heads. Only parameters with `requires_grad` are trained. own: the parameters of
    the trained module. parts: the task, or the tasks of a mixture in order. sampling: how a mixture draws from its
    tasks; None for a single task. extra_loss: returns a term that is added to each step's loss (fusion's
    regularisation). score: returns the score on development rows, by which `Best` selects a step.
    """

    def __init__(
        self,
        model: TransferModel,
        own: dict[Key, nn.Parameter],
        parts: Sequence[TrainingTask],
        config: TrainConfig,
        setting: Setting,
        sampling: Sampling | None = None,
        extra_loss: Callable[[], Tensor] | None = None,
        score: Callable[[], float] | None = None,
    ) -> None:
        self.model, self.own, self.parts, self.config = model, own, tuple(parts), config
        self.setting, self.device, self.extra_loss, self.score = setting, setting.device, extra_loss, score
        self.sampler = Sampler([len(part.items) for part in parts], config, sampling)
        self.num_steps = self.sampler.num_steps
        self.parameters = trainable(model)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(own, list(model.heads.parameters()), config),
            betas=config.betas,
            eps=config.epsilon,
            fused=True,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, learning_rate_factor(config, self.num_steps))
        self.history = History()
        self.step = 0
        self.best: _BestWeights | None = None

    def run(self, progress: Progress, saved: SavedStates | None = None) -> Outcome:
        """Train to the last step, or until the score has not improved for `patience` evaluations.

        progress: shows steps and notes. saved: where the training's state is saved and read again; None: the training
        cannot be resumed.

        Raises:
            NotFinite: a loss, gradient, weight or development output is NaN or infinite.
            KeyboardInterrupt: a signal arrived. If `saved` is given, the state was saved first.
        """
        if saved is not None and (state := saved.load(self.device, progress)) is not None:
            self._restore(state)
        resumed_at, began, done_before = time.perf_counter(), self.step, self.history.seconds
        self.model.train()
        with deferred_interrupt() as interrupted, without_notes():
            while self.step < self.num_steps and not self._out_of_patience():
                loss, learning_rate = self._one_step()
                elapsed = time.perf_counter() - resumed_at
                self.history.seconds = done_before + elapsed
                self.history.steps.append(TrainingStep(self.step, loss, learning_rate, self.history.seconds))
                _log.debug("step %d of %d: loss %.4g", self.step, self.num_steps, loss)
                progress.advance(self.step, loss, (self.step - began) * self.config.batch_size / elapsed)
                self._score_if_due(progress)
                # Read once: a signal between two reads would end the run without a saved state.
                stop = interrupted()
                if saved is not None and (stop or saved.due()):
                    saved.save(self._state(), self.device, progress)
                if stop:
                    raise KeyboardInterrupt
        self.model.eval()
        self._check_weights()
        if self.best is not None:
            restore(self.own, self.best.module)
            self._load_heads(self.best.heads)
            return Outcome(self.history, self.best.step, began > 0)
        return Outcome(self.history, self.step, began > 0)

    def has_moved(self, parameter: nn.Parameter) -> bool:
        """Return whether any optimiser step has changed this parameter.

        Parameters above the hidden states in use never change, such as those of layer 12 with `Hidden(layer=8)`.
        """
        return parameter in self.optimizer.state

    def _one_step(self) -> tuple[float, float]:
        config = self.config
        total = torch.zeros((), device=self.device)
        for number, indices in self.sampler.batch(self.step):
            part = self.parts[number]
            drawn = self._draw(part, indices)
            total += self._backward(part, drawn, len(indices) / config.batch_size)
            self.history.tokens += sum(drawn.tokens(item) for item in range(len(drawn)))
        if self.extra_loss is not None:
            extra = self.extra_loss()
            extra.backward()
            total += extra.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, config.max_gradient_norm)
        learning_rate = self.optimizer.param_groups[0]["lr"]
        # The step's only transfer from the device: each transfer would wait for all computations before it.
        loss, gradient_norm = torch.stack([total, norm.to(total.device)]).tolist()
        if not math.isfinite(loss) or not math.isfinite(gradient_norm):
            raise NotFinite(
                self._not_finite_message(self.step + 1, f"the loss is {loss} and the gradient's norm {gradient_norm}")
            )
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss, learning_rate

    def _not_finite_message(self, step: int, what: str) -> str:
        rate = self.config.peak_rates[0] * learning_rate_factor(self.config, self.num_steps)(step - 1)
        return (
            f"step {step} of {self.num_steps}, at learning rate {rate:.3g}: {what}. The training failed and "
            "is not kept. Lower TrainConfig(learning_rate=...), lengthen its warmup, or train with precision='fp32'. "
            "If it fails at the first step, check the rows and the model from which the training starts"
        )

    def _check_weights(self) -> None:
        # Only the last step needs this check: after an earlier step, the next step's loss would show NaN.
        name = first_not_finite([*self.own.items(), *self.model.heads.named_parameters()])
        if name is not None:
            raise NotFinite(self._not_finite_message(self.step, f"the step left weights that are not finite ({name})"))

    def _draw(self, part: TrainingTask, indices: Sequence[int]) -> Items:
        if part.training.draw is None:
            return take(part.items, indices)
        seed = self.config.seed * MAX_EPOCH + self.step
        return part.training.draw(part.items, indices, part.format, part.reading, seed)

    def _backward(self, part: TrainingTask, drawn: Items, share: float) -> Tensor:
        backbone, loss = self.model.backbone, part.training.loss
        match loss:
            case SummedLoss():
                assert part.head is not None
                head = self.model.heads[part.head]
                return backward_sum(loss, backbone, head, drawn, part.reading.hidden, share, self.setting)
            case AnswerLoss():
                return backward_answers(loss, backbone, drawn, share, self.setting)
            case JointLoss():
                framing = part.reading.hidden
                return backward_joint(loss, backbone, drawn, part.format, framing, share, self.setting)

    def _score_if_due(self, progress: Progress) -> None:
        selection = self.config.selection
        if not isinstance(selection, Best) or (self.step % selection.every and self.step != self.num_steps):
            return
        assert self.score is not None
        self.model.eval()
        try:
            score = self.score()
        except NotFinite as error:
            raise NotFinite(
                self._not_finite_message(self.step, f"scoring on development rows failed: {error}")
            ) from error
        self.model.train()
        self.history.development.append(DevelopmentScore(self.step, score))
        noting(progress, _log)(f"step {self.step}: development score {score:.4f}")
        # Of equal scores, the earliest step is kept.
        if self.best is None or score > self.best.score:
            self.best = _BestWeights(self.step, score, capture(self.own), self._head_states())

    def _out_of_patience(self) -> bool:
        selection = self.config.selection
        if not isinstance(selection, Best) or selection.patience is None or self.best is None:
            return False
        since = [entry for entry in self.history.development if entry.step > self.best.step]
        return len(since) >= selection.patience

    def _state(self) -> dict[str, Any]:
        best = self.best
        return {
            "step": self.step,
            "module": [parameter.detach() for parameter in self.own.values()],
            "heads": self._head_states(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": to_json(self.history),
            "best": None if best is None else [best.step, best.score, list(best.module.values()), best.heads],
            "budget": vars(self.setting.budget),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        restore(self.own, dict(zip(self.own, state["module"], strict=True)))
        self._load_heads(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = _read_history(state["history"])
        self.setting = replace(self.setting, budget=Budget(**state["budget"]))
        if state["best"] is not None:
            step, score, module, heads = state["best"]
            self.best = _BestWeights(step, score, dict(zip(self.own, module, strict=True)), heads)

    def _head_states(self) -> HeadStates:
        return {
            name: {key: tensor.detach().to("cpu", copy=True) for key, tensor in head.state_dict().items()}
            for name, head in self.model.heads.items()
        }

    def _load_heads(self, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, state in states.items():
            self.model.heads[name].load_state_dict(state)


def _read_history(saved: dict[str, Any]) -> History:
    steps = [from_json(TrainingStep, each) for each in saved["steps"]]
    development = [from_json(DevelopmentScore, each) for each in saved["development"]]
    return History(steps, development, saved["seconds"], saved["tokens"])


@dataclass(frozen=True)
class _BestWeights:
    step: int
    score: float
    module: dict[Key, Tensor]
    heads: HeadStates
