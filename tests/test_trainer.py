"""What differs between the training loop and Hugging Face's Trainer, and what does not: docs/training.md's table."""

import inspect
import math
import re
from collections import Counter
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import torch
from support import checkpoints, tiny
from support.text_bench import LETTERS, WORDS
from torch import nn

from adaptx.methods.full import attach
from adaptx.specs import Full, Schedule, TrainConfig
from adaptx.specs.sites import sites_of
from adaptx.training.optimisation import decays, learning_rate_factor
from adaptx.training.sampling import batch_indices

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
STEPS = 40


def trainer_of(folder: Path, network: nn.Module, rows: Any = None, **settings: Any) -> Any:
    from transformers import Trainer, TrainingArguments

    settings = {"use_cpu": True, "report_to": [], "disable_tqdm": True, "save_strategy": "no", **settings}
    return Trainer(network, TrainingArguments(str(folder), **settings), train_dataset=rows)


def warm_up(share: float) -> dict[str, float]:
    """A share of the steps, as the version of transformers takes it."""
    from transformers import TrainingArguments

    has_ratio = "warmup_ratio" in inspect.signature(TrainingArguments).parameters
    return {"warmup_ratio" if has_ratio else "warmup_steps": share}


@pytest.mark.parametrize("architecture", sorted(checkpoints.KINDS))
def test_weight_decay_reaches_the_same_parameters(architecture: str, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel, Trainer

    checkpoints.write_checkpoint(tmp_path, architecture, WORDS, LETTERS)
    network = AutoModel.from_config(AutoConfig.from_pretrained(tmp_path))
    own = attach(network, sites_of(network), Full(), "module")
    assert len(own) == len(list(network.parameters()))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    ours = {names[id(parameter)] for key, parameter in own.items() if decays(key, parameter)}
    theirs = set(Trainer.get_decay_parameter_names(None, network))
    assert ours == theirs & set(names.values())
    if architecture in ("t5", "mt5", "umt5"):
        assert any("relative_attention_bias" in name for name in names.values())
        assert not any("relative_attention_bias" in name for name in ours)


SCHEDULES = {Schedule.LINEAR: "linear", Schedule.COSINE: "cosine", Schedule.CONSTANT: "constant_with_warmup"}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_after_warm_up_are_the_same_and_during_it_begin_a_step_later(
    schedule: Schedule, share: float, tmp_path: Path
) -> None:
    trainer = trainer_of(tmp_path, nn.Linear(2, 2), lr_scheduler_type=SCHEDULES[schedule], **warm_up(share))
    optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=1.0)
    theirs = trainer.create_scheduler(STEPS, optimizer)
    ours = learning_rate_factor(TrainConfig(1.0, max_steps=STEPS, schedule=schedule, warmup=share), STEPS)
    steps = math.ceil(share * STEPS)
    assert trainer.args.get_warmup_steps(STEPS) == steps == round(share * STEPS)
    for step in range(STEPS):
        (rate,) = theirs.get_last_lr()
        if step < steps:
            assert rate == pytest.approx(step / steps)
            assert ours(step) == pytest.approx((step + 1) / (steps + 1))
        else:
            assert ours(step) == pytest.approx(rate)
        optimizer.step()
        theirs.step()


def test_warm_up_steps_are_rounded_here_and_rounded_up_there(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, nn.Linear(2, 2), **warm_up(0.1))
    ours = learning_rate_factor(TrainConfig(1.0, max_steps=13, warmup=0.1), 13)
    assert trainer.args.get_warmup_steps(13) == 2
    assert (ours(0), ours(1)) == (0.5, 1.0)


class Recording(nn.Module):
    """A model of one weight that remembers which rows it saw in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[list[int]] = []

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        self.seen.append(x.tolist())
        return {"loss": (self.weight * labels).mean()}


def test_epochs_and_shuffling(tmp_path: Path) -> None:
    rows = [{"x": number, "labels": 0.5} for number in range(10)]
    network = Recording()
    trainer_of(tmp_path, network, rows, num_train_epochs=2, per_device_train_batch_size=4, seed=3).train()
    assert [len(step) for step in network.seen] == [4, 4, 2, 4, 4, 2]
    first, second = ([row for step in part for row in step] for part in (network.seen[:3], network.seen[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second

    config = TrainConfig(1e-3, epochs=2, batch_size=4, seed=3)
    assert config.num_steps(10) == 5
    ours = [batch_indices(step, 10, 4, 3) for step in range(5)]
    assert [len(step) for step in ours] == [4] * 5
    stream = [row for step in ours for row in step]
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert stream[:10] != stream[10:]
    assert Counter(stream) == dict.fromkeys(range(10), 2)


def test_the_table_names_the_defaults_of_both() -> None:
    from transformers import TrainingArguments

    theirs = {field.name: field.default for field in fields(TrainingArguments)}
    ours = {field.name: field.default for field in fields(TrainConfig) if field.default is not MISSING}
    table = {
        cells[0]: cells[1:]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 3
    }
    for row, mine, other in (
        ("weight decay", "weight_decay", "weight_decay"),
        ("gradient norm", "max_gradient_norm", "max_grad_norm"),
        ("epsilon", "epsilon", "adam_epsilon"),
        ("batch", "batch_size", "per_device_train_batch_size"),
    ):
        for cell, value in zip(table[row], (ours[mine], theirs[other]), strict=True):
            assert re.search(rf"(?<![\d.]){re.escape(f'{value:g}')}(?![\d.]*\d)", cell), (row, cell, value)
    assert tiny.config().betas == (theirs["adam_beta1"], theirs["adam_beta2"])
