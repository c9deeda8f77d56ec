"""Trainings of every method, start and architecture through the whole pipeline, for the tests of it.

Every pair of (method and start, architecture), (method and start, precision) and (architecture, precision) occurs.
"""

import gc
from pathlib import Path

import numpy as np

from adaptx.data.reading import read_rows
from adaptx.execution.building import finished_model, head_name
from adaptx.formats.interface import Reading, TrainedHead
from adaptx.planning.framings import training_framing
from adaptx.planning.lineage import head_of
from adaptx.specs import (
    Attention,
    Best,
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Gate,
    Hidden,
    KeptHead,
    Lora,
    Mixture,
    Pooling,
    Sequential,
    Stack,
    Train,
    Uniform,
)
from adaptx.store.records import Scores
from adaptx.store.store import Store
from support import needs, tiny

FULL, LORA, WIDE_LORA, ADAPTER = (
    Full(),
    Lora(8, 16, dropout=0.1),
    Lora(12, 16, 0.0, ("query", "up", "down")),
    Bottleneck(4),
)
OTHER_ADAPTER = Bottleneck(2, "gelu")
FIRST = Hidden(pooling=Pooling.FIRST)
MIXTURE = Mixture((tiny.TOPIC, tiny.NLI), Uniform(), label="mixed")


def topic(model, method) -> Train:
    return tiny.train(model, tiny.TOPIC, method, setting=tiny.config(max_steps=2))


def few(model, method) -> Train:
    """Return an intermediate training with the target's labels in another order."""
    return tiny.train(model, tiny.NLI_TURNED, method, setting=tiny.config(max_steps=2))


def mixed(model, method) -> Train:
    """Return an intermediate training whose heads include the target's."""
    return tiny.train(model, MIXTURE, method, setting=tiny.config(max_steps=2))


# Name -> (method of the target training, function from a model to its start).
COMBINATIONS = {
    "full": (FULL, None),
    "full-continued": (FULL, lambda m: Sequential(topic(m, FULL))),
    "full-after-lora": (FULL, lambda m: Sequential(topic(m, LORA))),
    "lora": (LORA, None),
    "lora-continued": (LORA, lambda m: Sequential(few(m, LORA))),
    "lora-after-full": (LORA, lambda m: Sequential(few(m, FULL))),
    "lora-after-lora": (WIDE_LORA, lambda m: Sequential(topic(m, LORA))),
    "lora-after-bottleneck": (LORA, lambda m: Sequential(topic(m, ADAPTER))),
    "lora-stack": (LORA, lambda m: Stack((topic(m, LORA), few(m, LORA)))),
    "bottleneck": (ADAPTER, None),
    "bottleneck-continued": (ADAPTER, lambda m: Sequential(few(m, ADAPTER))),
    "bottleneck-after-full": (ADAPTER, lambda m: Sequential(topic(m, FULL))),
    "bottleneck-after-lora": (OTHER_ADAPTER, lambda m: Sequential(topic(m, LORA))),
    "bottleneck-stack": (ADAPTER, lambda m: Stack((topic(m, ADAPTER),))),
    "bottleneck-fuse": (ADAPTER, lambda m: Fuse((topic(m, ADAPTER), few(m, ADAPTER)))),
    "lora-after-mixture": (LORA, lambda m: Sequential(mixed(m, LORA))),
    "full-mixture": (FULL, None),
    "bottleneck-mixture-stack": (ADAPTER, lambda m: Stack((topic(m, ADAPTER),))),
    "lora-fuse": (LORA, lambda m: Fuse((topic(m, LORA), few(m, LORA)), Attention(rank=4))),
    "lora-gate": (LORA, lambda m: Fuse((topic(m, LORA), few(m, LORA)), Gate(width=4))),
    "bottleneck-gate": (ADAPTER, lambda m: Fuse((topic(m, ADAPTER), few(m, ADAPTER)), Gate())),
    "lora-over-adapters": (LORA, lambda m: Stack((topic(m, ADAPTER), few(m, ADAPTER), topic(m, LORA)))),
    "bottleneck-over-three": (OTHER_ADAPTER, lambda m: Stack((few(m, ADAPTER), topic(m, ADAPTER), topic(m, LORA)))),
}


def cases(models) -> dict[str, Train]:
    """Return every combination on both architectures; precision, head, framing and selection alternate."""
    found: dict[str, Train] = {}
    for number, (name, (method, start)) in enumerate(COMBINATIONS.items()):
        task = MIXTURE if "-mixture" in name and "after-mixture" not in name else tiny.NLI
        for offset, (architecture, model) in enumerate(models.items()):
            precision = ("fp32", "bf16")[(number + offset) % 2]
            selection = Best(every=2) if (number + offset) % 3 == 0 else tiny.config().selection
            begins = {} if start is None else {"start": start(model)}
            if start is not None and isinstance(begins["start"], Sequential) and precision == "bf16":
                has_head = task == tiny.NLI and head_of(begins["start"].stage, tiny.NLI) is not None
                begins |= {"head": KeptHead()} if has_head else {}
            setting = tiny.config(precision=precision, selection=selection, dropout=0.1)
            framing = FIRST if number % 4 == 1 else None
            found[f"{name}-{architecture}-{precision}"] = tiny.train(
                model, task, method, setting=setting, framing=framing, **begins
            )
    return found


def probabilities(backbone, head: TrainedHead, tokenizer, train: Train, shop) -> np.ndarray:
    """Return the probabilities for the two languages that were not trained on, as the evaluations compute them."""
    reading = Reading(
        tokenizer=tokenizer, framing=training_framing(train, tiny.NLI), max_length=train.config.max_length
    )
    evaluator = shop.evaluator(backbone, reading, train.config.precision)
    rows = []
    for language in tiny.LANGUAGES[1:]:
        examples = read_rows(tiny.NLI.rows_in(language), tiny.NLI.format, shop.sources)
        records = evaluator.predict(examples, tiny.NLI, head).records
        rows += [[record["probabilities"][label] for label in tiny.LABELS] for record in records]
    return np.array(rows, dtype=np.float32)


def evaluations(world) -> tuple[Evaluate, ...]:
    trains = filter(needs.at_hand, cases(world.models).values())
    targets = tuple(each for train in trains for each in tiny.everywhere(train))
    embedders = [model for architecture in world.models.values() for model in (architecture, topic(architecture, LORA))]
    return (*targets, *(Evaluate(model, tiny.TATOEBA, "xa") for model in embedders))


def reload(world_folder: str, folder: str) -> None:
    """Load every target in a new process, write its probabilities, and run the evaluations again."""
    world = tiny.known_world(Path(world_folder))
    gc.freeze()
    _, shop, summary = tiny.execute(world, Path(folder) / "store", evaluations(world), keep=True)
    assert summary.complete, summary.failed
    assert not [node.name for node in summary.finished if node.kind == "train"], "a stored training was trained again"
    found = {}
    for train in filter(needs.at_hand, cases(world.models).values()):
        model = finished_model(train, shop, train.config.precision)
        head = model.heads[head_name(train, tiny.NLI)]
        found[shop.fingerprint_of(train)] = probabilities(model.backbone, head, model.tokenizer, train, shop)
    np.savez(Path(folder) / "probabilities.npz", **found)


def scores(store: Store, fingerprint: str) -> Scores:
    return store.entries()[fingerprint].scores
