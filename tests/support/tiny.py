"""A tiny world: random encoders with real tokenizers, and a local mirror of tasks in three made-up languages.

Tasks are trained on the language `en`; `xa` and `xb` have other words for the same things. Everything is the same in
every process.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adaptx.catalog.models import from_config
from adaptx.planning.plan import Plan, make_plan
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Bitext,
    Classification,
    Evaluate,
    Hidden,
    Method,
    Mixture,
    ModelSpec,
    Pooling,
    Precision,
    Recipe,
    Resources,
    Rows,
    Stage,
    Task,
    Train,
    TrainConfig,
    evaluations,
)
from support import warm

HERE = Path(__file__).parents[1]
ARCHITECTURES = ("bert", "xlm-roberta")
LANGUAGES = ("en", "xa", "xb")
NUM_WORDS = 24
LAYERS, HIDDEN_SIZE, HEADS, POSITIONS = 2, 32, 4, 128
# At this size, a plain initialisation gives every token nearly the same vector, so texts could not be told apart.
INITIALISATION = 0.25
ONE_THREAD = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}

LABELS = ("entailment", "neutral", "contradiction")
TOPICS = ("sea", "city", "war")
_PAIR = (("text", "premise"), ("pair", "hypothesis"), ("label", "label"))
_TOPIC = (("text", "text"), ("label", "topic"))
_PARALLEL = (("query", "other"), ("candidate", "english"))


def rows(name: str, language: str, split: str, columns: Any, label_names: tuple[str, ...] = (), **more: Any) -> Rows:
    return Rows(f"tiny/{name}", language, split, language, columns, label_names=label_names, **more)


NLI = Task(
    "nli",
    Classification(LABELS),
    train=(rows("nli", "en", "train", _PAIR, LABELS),),
    development=(rows("nli", "en", "validation", _PAIR, LABELS),),
    evaluation=tuple(rows("nli", language, "test", _PAIR, LABELS) for language in LANGUAGES),
)
# The same labels in another order, on the same rows: heads are matched by the labels' names.
NLI_TURNED = Task(
    "nli-turned",
    Classification((LABELS[2], LABELS[0], LABELS[1])),
    NLI.train,
    development=(),
    evaluation=NLI.evaluation,
)
NLI_FEW = Task(
    "nli-few",
    NLI_TURNED.format,
    (rows("nli", "xa", "train", _PAIR, LABELS, stop=12),),
    development=(),
    evaluation=NLI.evaluation,
)
TOPIC = Task("topic", Classification(TOPICS), (rows("topic", "en", "train", _TOPIC),), development=(), evaluation=())
TATOEBA = Task("tatoeba", Bitext(), evaluation=(rows("tatoeba", "xa", "test", _PARALLEL),))


@dataclass(frozen=True)
class World:
    """The folder of the mirror and its models, with the model specs."""

    folder: Path
    models: dict[str, ModelSpec] = field(hash=False)

    @property
    def sources(self) -> Sources:
        return Sources(self.folder)

    @property
    def bert(self) -> ModelSpec:
        return self.models["bert"]


def make_world(folder: Path) -> World:
    """Write models and rows."""
    _write_rows(folder)
    for architecture in ARCHITECTURES:
        _write_model(folder / "models" / "tiny" / architecture, architecture)
    return known_world(folder)


def known_world(folder: Path) -> World:
    """Return the world that another process wrote."""
    return World(folder, {architecture: _model(folder, architecture) for architecture in ARCHITECTURES})


def config(**changes: Any) -> TrainConfig:
    """Return settings for a few quick steps. At this size they need a high learning rate to change anything."""
    return TrainConfig(**{"learning_rate": 5e-3, "max_steps": 3, "batch_size": 8, "dropout": 0.0, **changes})


def train(
    model: ModelSpec, task: Task | Mixture, method: Method, *, setting: TrainConfig | None = None, **more: Any
) -> Train:
    return Train(model, task, method, setting or config(), **more)


def everywhere(model: Train, task: Task = NLI, precision: Precision | None = None) -> tuple[Evaluate, ...]:
    """Return evaluations in the two languages that were not trained on."""
    return evaluations(model, task, LANGUAGES[1:], precision=precision)


def workshop(world: World, store: Path, stages: tuple[Evaluate, ...], resources: Resources | None = None) -> Any:
    """Return (plan, workshop) of the stages over a store."""
    from adaptx.execution.workshop import Workshop, choose_device
    from adaptx.store.store import Store

    given = resources or Resources("cpu")
    plan = make_plan(Recipe("tiny", stages), world.sources)
    return plan, Workshop(
        store=Store(store),
        sources=world.sources,
        fingerprint_of=plan.fingerprint_of,
        resources=given,
        device=choose_device(given),
    )


def execute(
    world: World, store: Path, stages: tuple[Evaluate, ...], resources: Resources | None = None, **more: Any
) -> Any:
    """Run the stages; return (plan, workshop, summary)."""
    from adaptx.execution.local import run
    from adaptx.training.progress import Silent

    plan, shop = workshop(world, store, stages, resources)
    return plan, shop, run(plan, shop, Silent(), **more)


def new_store(folder: Path, empty_database: Path) -> Path:
    """Make the folder of a store whose database has its tables, so that recording need not make them."""
    folder.mkdir()
    shutil.copyfile(empty_database, folder / "mlflow.db")
    return folder


def folder_of(plan: Plan, shop: Any, stage: Stage) -> Path:
    """Return the folder of a finished stage in the store."""
    entry = shop.store.find(plan.fingerprint_of(stage))
    assert entry is not None, f"{stage} is not stored"
    return entry.folder


def environment() -> dict[str, str]:
    """Return the environment of a new process: it finds these helpers and this checkout's package, and computes with
    one thread as the tests do.
    """
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent))), "COLUMNS": "200"}


def adaptx(*arguments: object, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run the command line in a new process, and check its exit status."""
    command = begin_adaptx(*arguments)
    try:
        out, err = command.communicate(timeout=300)
    finally:
        command.kill()
    ended = subprocess.CompletedProcess(arguments, command.wait(), out, err)
    assert check is None or ended.returncode == check, f"{ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended


def begin_adaptx(*arguments: object) -> warm.Command:
    """Start the command line in a new process, which has imported the libraries."""
    return warm.Command(arguments, environment())


def adaptx_command(*arguments: object) -> list[str]:
    """Return the words that start the command line in a new interpreter."""
    return [sys.executable, "-c", "import adaptx.cli.app; adaptx.cli.app.main()", *map(str, arguments)]


def word(language: str, index: int) -> str:
    """Return a word that can be pronounced and differs between languages."""
    onset, vowel = {"en": ("bdfgkl", "aeio"), "xa": ("mnprst", "aeiu"), "xb": ("vzhjwc", "aiou")}[language]
    return f"{onset[index % 6]}{vowel[index // 6]}{onset[(index + index // 6) % 6]}{vowel[(index + 1) % 4]}"


def _sentence(language: str, indices: list[int]) -> str:
    return " ".join(word(language, index) for index in indices)


def _write_rows(folder: Path) -> None:
    for language in LANGUAGES:
        for split, count in (("train", 60), ("validation", 24), ("test", 30)):
            _write(folder / f"tiny/nli/{language}/{split}", _nli(language, random.Random(split), count))
    _write(folder / "tiny/topic/en/train", _topics(random.Random("topic"), 48))
    meanings = [random.Random(row).sample(range(NUM_WORDS), 3 + row % 4) for row in range(40)]
    parallel = {
        "other": [_sentence("xa", m) for m in meanings],
        "english": [_sentence("en", m) for m in meanings],
    }
    _write(folder / "tiny/tatoeba/xa/test", parallel)


def _nli(language: str, draw: random.Random, count: int) -> dict[str, list[Any]]:
    """Return rows of NLI.

    An entailed hypothesis is a part of the premise, a contradicted one is a part after word 0, a neutral one has other
    words.
    """
    table: dict[str, list[Any]] = {"premise": [], "hypothesis": [], "label": []}
    for row in range(count):
        premise = draw.sample(range(1, NUM_WORDS), draw.randint(4, 12))
        part = premise[: draw.randint(2, len(premise))]
        others = draw.sample([index for index in range(1, NUM_WORDS) if index not in premise], 3)
        hypothesis = (part, others, [0, *part])[row % 3]
        table["premise"].append(_sentence(language, premise))
        table["hypothesis"].append(_sentence(language, hypothesis))
        table["label"].append(row % 3)
    return table


def _topics(draw: random.Random, count: int) -> dict[str, list[Any]]:
    span = NUM_WORDS // 3
    indices = [draw.sample(range(row % 3 * span, (row % 3 + 1) * span), draw.randint(3, 8)) for row in range(count)]
    return {
        "text": [_sentence("en", each) for each in indices],
        "topic": [TOPICS[row % 3] for row in range(count)],
    }


def _write(path: Path, table: dict[str, list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path.with_name(f"{path.name}.parquet"))


def _model(folder: Path, architecture: str) -> ModelSpec:
    import dataclasses

    hub_id = f"tiny/{architecture}"
    spec = from_config(hub_id, folder / "models" / hub_id / "config.json")
    return dataclasses.replace(spec, embedding=Hidden(layer=1, pooling=Pooling.MEAN, centred=True))


def _write_model(folder: Path, architecture: str) -> None:
    """Write BERT with WordPiece and token types, or XLM-R with Unigram and positions after the padding id."""
    import torch
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    tokenizer = (_word_piece if architecture == "bert" else _unigram)()
    tokenizer.save_pretrained(folder)
    shared = {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN_SIZE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * HIDDEN_SIZE,
        "initializer_range": INITIALISATION,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.random.fork_rng():
        torch.manual_seed(17)
        network: Any
        if architecture == "bert":
            network = BertModel(BertConfig(max_position_embeddings=POSITIONS, **shared), add_pooling_layer=False)
        else:
            extra = {"max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
            network = XLMRobertaModel(XLMRobertaConfig(**extra, **shared), add_pooling_layer=False)
        # Initial norms and biases would hide that they were lost.
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.1 * torch.randn_like(parameter)
    network.save_pretrained(folder)
    settings = json.loads((folder / "config.json").read_text())
    assert settings["model_type"] == architecture


def _word_piece() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    # `xb` is spelled out in letters, like a language that the vocabulary serves badly.
    words = [word(language, index) for language in LANGUAGES[:2] for index in range(NUM_WORDS)]
    letters = [prefix + letter for letter in "abcdefghijklmnoprstuvwz" for prefix in ("", "##")]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys([*special, *words, *letters]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def _unigram() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = [f"▁{word(language, index)}" for language in LANGUAGES[:2] for index in range(NUM_WORDS)]
    letters = list("▁abcdefghijklmnoprstuvwz")
    pieces = [(token, 0.0) for token in special] + [(token, -4.0) for token in words] + [(t, -6.0) for t in letters]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "bos_token": "<s>",
             "eos_token": "</s>"}  # fmt: skip
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **names)


def bare(world: World, architecture: str, dropout: float | None = None) -> Any:
    """Return the checkpoint's network in evaluation mode."""
    from adaptx.backbones.loading import load_network

    return load_network(world.models[architecture], world.sources, dropout)


def encoded(world: World, architecture: str) -> Any:
    """Return encoded sentences of many lengths, single and in pairs."""
    from adaptx.backbones.batching import encode_texts
    from adaptx.backbones.loading import load_tokenizer

    tokenizer = load_tokenizer(world.models[architecture], world.sources)
    draw = random.Random("batch")
    texts = [_sentence("en", draw.choices(range(NUM_WORDS), k=length)) for length in (1, 14, 2, 5, 3, 8, 2, 4)]
    return encode_texts(tokenizer, texts, texts[::-1], "", POSITIONS)


def token_batch(world: World, architecture: str, device: Any = None) -> Any:
    """Return all of `encoded` as one batch."""
    import torch

    from adaptx.backbones.batching import collate

    sequences = encoded(world, architecture)
    return collate(sequences, range(len(sequences)), device or torch.device("cpu"))


def hidden_states(network: Any, batch: Any) -> Any:
    """Return the last layer's hidden states, without gradient."""
    import torch

    from adaptx.backbones.encoder import Encoder

    with torch.no_grad():
        return Encoder(network).hidden(batch)


def shake(parameters: Any, seed: int = 5, scale: float = 0.2) -> None:
    """Change the values of parameters, as training would."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            parameter += scale * torch.randn(parameter.shape, generator=generator)


def begin(
    world: World,
    train: Train,
    store: Path,
    resources: Resources | None = None,
    extra: Callable[[Any], Any] | None = None,
    score: Callable[[], float] | None = None,
) -> tuple[Any, Any]:
    """Return a training that is ready to run, and its new model. The stages that it starts from must be in the store.

    extra: function from the new model to a term that is added to the loss of each step.
    """
    from adaptx.execution.train import begin_training

    _, shop = workshop(world, store, (Evaluate(train, TATOEBA, "xa"),), resources or Resources("cpu"))
    prepared = begin_training(train, shop)
    training, fresh = prepared.loop, prepared.model
    if extra is not None:
        training.extra_loss = extra(fresh)
    if score is not None:
        training.score = score
    return training, fresh
