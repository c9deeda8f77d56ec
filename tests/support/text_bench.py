"""Language models of every architecture for the tiny world's rows, and prompts for those rows."""

from dataclasses import dataclass
from typing import Any

import torch

from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.catalog.models import from_config
from adaptx.data.examples import Examples
from adaptx.data.reading import read_rows
from adaptx.evaluation.evaluator import Evaluator
from adaptx.formats.interface import Reading, reading_of
from adaptx.formats.row_cache import RowCache
from adaptx.specs import Framing, ModelFamily, ModelSpec, Prompt, Rank, Task, Text
from adaptx.specs.architectures import architecture_of
from adaptx.training.gradients import Budget, Setting
from support import checkpoints, tiny

CPU = torch.device("cpu")
EVERY = tuple(
    name
    for name in checkpoints.KINDS
    if architecture_of(name).family is not ModelFamily.ENCODER and architecture_of(name).text_refused is None
)
"""Architectures that can read tasks as text."""
ARCHITECTURES = ("mt5", "qwen3", "llama")
"""One architecture per kind of tokenizer and family, for tests that do not depend on layers."""
WORDS = [tiny.word(language, index) for language in tiny.LANGUAGES[:2] for index in range(tiny.NUM_WORDS)]
LETTERS = list("abcdefghijklmnopqrstuvwxyz0123456789.?:,")

NLI_PROMPT = Prompt(
    "{text} question: {pair} answer:", (("entailment", "yes"), ("neutral", "maybe"), ("contradiction", "never"))
)
NLI_TEXT = Text(NLI_PROMPT, Rank(end=True))
TOPIC_TEXT = Text(Prompt("{text} topic:"), Rank(end=True))


@dataclass(frozen=True)
class Bench:
    """A language model of the tiny world, loaded."""

    spec: ModelSpec
    network: Any
    tokenizer: Any
    backbone: Any

    def reading(self, framing: Framing, max_length: int = 96) -> Reading:
        return reading_of(self.spec, self.tokenizer, framing, max_length)

    def evaluator(
        self, world: tiny.World, framing: Framing, max_length: int = 96, items: int | None = None
    ) -> Evaluator:
        setting = Setting(CPU, "fp32", Budget(None, items))
        return Evaluator(self.backbone, self.reading(framing, max_length), setting, RowCache(world.sources))


def add_models(world: tiny.World) -> dict[str, ModelSpec]:
    """Write a checkpoint of each architecture into the world's mirror."""
    found: dict[str, ModelSpec] = {}
    for architecture in EVERY:
        hub_id = f"tiny/text-{architecture}"
        folder = world.folder / "models" / hub_id
        if not folder.is_dir():
            checkpoints.write_checkpoint(folder, architecture, WORDS, LETTERS)
        found[architecture] = from_config(hub_id, folder / "config.json")
    return found


def bench(world: tiny.World, spec: ModelSpec) -> Bench:
    from adaptx.backbones.families import backbone_over

    network: Any = load_network(spec, world.sources)
    return Bench(spec, network, load_tokenizer(spec, world.sources), backbone_over(network).eval())


def rows_of(world: tiny.World, task: Task, language: str, count: int | None = None) -> Examples:
    return read_rows(task.rows_in(language), task.format, world.sources, count)


def plain_log_likelihood(network: Any, prompt: list[int], answer: list[int]) -> float:
    """Return the log-likelihood of one answer from the logits of the transformers model, in its own row."""
    with torch.no_grad():
        if network.config.is_encoder_decoder:
            start = [network.config.decoder_start_token_id, *answer[:-1]]
            logits = network(input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([start])).logits[0]
        else:
            logits = network(input_ids=torch.tensor([[*prompt, *answer[:-1]]])).logits[0, len(prompt) - 1 :]
    return float(logits.float().log_softmax(dim=-1)[range(len(answer)), answer].sum())
