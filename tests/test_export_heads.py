"""Heads of every format in exported folders: in the library's own class if it has their shape, else by predict.py."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import small_world
import tiny
import torch
from outside import outside

from adaptx.backbones.batching import Encoded, collate, encode_texts
from adaptx.catalog import HELLASWAG, LAREQA, NTREX_MLM, SQUAD, UDPOS
from adaptx.data.examples import Examples
from adaptx.execution.building import Finished, finished_model
from adaptx.exporting.export import export_stage
from adaptx.exporting.holding import Library
from adaptx.formats.interface import Reading, reading_of
from adaptx.formats.masked_language_model import LanguageModelHead
from adaptx.formats.question_answering import windows
from adaptx.formats.tagging import Pieces
from adaptx.framings import training_framing
from adaptx.specs import Hidden, Lora, QuestionAnswering, Task, Train
from adaptx.store import Store, read_json

LENGTH = 64
WORDS = small_world.WORDS
SENTENCES = [" ".join(WORDS[:5]), "glass", " ".join([*WORDS[3:9], small_world.DROPPED_CHARACTER, "tree"])]
ROWS: dict[str, list[list[Any]]] = {
    "hellaswag": [["tree sea", "", "stone", "river wolf", "bread"], ["night", "house?", "iron", "bird snow"]],
    "udpos": [[sentence.split(" ")] for sentence in SENTENCES],
    "squad": [["tree wolf?", " ".join(WORDS)], ["sea?", "river wolf bread."]],
    "ntrex_mlm": [[" ".join(WORDS[:6])], ["snow glass"]],
    "lareqa": [[" ".join(WORDS[2:7])], ["iron"]],
}
# An inner layer is what no class of the library reads; texts begin with a prefix in some.
CASES: dict[str, tuple[Task, Hidden | None, str, str | None]] = {
    "choices": (HELLASWAG, Hidden(prefix="sea "), "bert", None),
    "tags": (UDPOS, Hidden(prefix="sea "), "bert", "AutoModelForTokenClassification"),
    "tags-xlmr": (UDPOS, None, "xlm-roberta", "AutoModelForTokenClassification"),
    "tags-inner": (UDPOS, Hidden(layer=1), "xlm-roberta", None),
    "spans": (SQUAD, None, "bert", "AutoModelForQuestionAnswering"),
    "spans-xlmr": (SQUAD, Hidden(prefix="sea "), "xlm-roberta", "AutoModelForQuestionAnswering"),
    "masked": (NTREX_MLM, None, "bert", "AutoModelForMaskedLM"),
    "masked-xlmr": (NTREX_MLM, None, "xlm-roberta", "AutoModelForMaskedLM"),
    "retrieval": (LAREQA, Hidden(prefix="sea "), "xlm-roberta", None),
    # Networks of other families have their scores over the vocabulary, and no class that holds these heads.
    "choices-mt5": (HELLASWAG, None, "mt5", None),
    "tags-qwen3": (UDPOS, Hidden(prefix="sea "), "qwen3", None),
    "spans-llama": (SQUAD, None, "llama", None),
    "spans-mbart": (SQUAD, None, "mbart", None),
    "tags-gemma2": (UDPOS, None, "gemma2", None),
    "retrieval-bloom": (LAREQA, None, "bloom", None),
    "tags-modernbert": (UDPOS, None, "modernbert", None),
    "masked-modernbert": (NTREX_MLM, None, "modernbert", None),
    "masked-rembert": (NTREX_MLM, None, "rembert", None),
}
OTHERS = sorted({architecture for *_, architecture, _ in CASES.values()} - set(tiny.ARCHITECTURES))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Any, Path, dict[str, Train]]:
    """World, store and trainings by case."""
    models = small_world.make_models(tmp_path_factory.mktemp("models"), OTHERS)
    mirror = tmp_path_factory.mktemp("mirror")
    tasks = [_one_language(task) for task, *_ in CASES.values()]
    small_world.mirror(mirror, dict.fromkeys(tasks))
    world = small_world.world(mirror, models)
    setting = tiny.config(max_steps=2, batch_size=4, max_length=LENGTH, learning_rate=2e-2)
    trains = {
        name: Train(models.specs[architecture], task, Lora(4, 8), setting, framing=framing, limit=8)
        for (name, (_, framing, architecture, _)), task in zip(CASES.items(), tasks, strict=True)
    }
    store = tmp_path_factory.mktemp("store")
    stages = tuple(stage for train in trains.values() for stage in small_world.evaluations(train, train.task))
    _, _, summary = tiny.execute(world, store, stages)
    assert summary.complete, summary.failed
    return world, store, trains


def _one_language(task: Task) -> Task:
    return dataclasses.replace(task, evaluation=task.evaluation[:1])


def test_heads_answer_the_same_without_adaptx(trained, tmp_path):
    """To 1e-5 in fp32: the class's logits or predict.py's, from a transformers and a peft folder."""
    world, store, trains = trained
    jobs, expected = list[dict[str, Any]](), list[Any]()
    for name, train in trains.items():
        task, _, _, auto_class = CASES[name]
        stages = small_world.evaluations(train, train.task)
        plan, shop = tiny.workshop(world, store, stages)
        entry = shop.store.find(plan.fingerprint_of(train))
        finished = finished_model(train, shop, "fp32")
        ids, logits = _here(finished, train, ROWS[task.name])
        for library, whole in ((Library.TRANSFORMERS, auto_class), (Library.PEFT, None)):
            folder = tmp_path / f"{name}-{library.value}"
            written = export_stage(Store(store), world.sources, entry.folder.name, library, folder)
            assert ("predict.py" in written.files) == (whole is None)
            if whole is not None:
                check_class(folder, whole, train.task)
            read = ids if CASES[name][2] in tiny.ARCHITECTURES else []
            jobs.append({"folder": str(folder), "library": library.value, "base": train.model.hub_id, "ids": read,
                         "rows": ROWS[task.name], "auto_class": whole})  # fmt: skip
            expected.append((f"{name} to {library.value}", ids, logits, whole))
    for found, (name, _, logits, whole) in zip(outside(jobs, tmp_path), expected, strict=True):
        assert len(found["logits"]) == len(logits), name
        for theirs, (every, wanted) in zip(found["logits"], logits, strict=True):
            torch.testing.assert_close(
                torch.tensor(theirs),
                every if whole else wanted,
                atol=1e-5,
                rtol=1e-5,
                msg=lambda text, n=name: f"{n}: {text}",
            )


def check_class(folder: Path, auto_class: str, task: Task) -> None:
    """The folder names its class, and the labels where there are such."""
    config = read_json(folder / "config.json")
    assert config["architectures"][0].endswith(auto_class.removeprefix("AutoModel"))
    labels = getattr(task.format, "labels", None)
    if labels:
        assert config["id2label"] == {str(number): label for number, label in enumerate(labels)}
    assert not (folder / "head.safetensors").exists()


def _here(finished: Finished, train: Train, rows: list[list[Any]]) -> tuple[list[Any], list[Any]]:
    """Token ids of each row, and adaptx' logits: of every token, and those that the task's head is read for."""
    framing = training_framing(train, train.tasks[0])
    reading = reading_of(train.model, finished.tokenizer, framing, LENGTH)
    head = next(iter(finished.heads.values())).module if finished.heads else None
    ids, logits = list[Any](), list[Any]()
    for row in rows:
        encoded, places = _encoded(train.tasks[0], row, reading)
        with torch.no_grad():
            batches = [collate(encoded, [index], torch.device("cpu")) for index in range(len(encoded))]
            vectors = torch.cat([finished.backbone.pooled(batch, framing) for batch in batches])
            every = finished.backbone.hidden(batches[0], framing.layer)[: len(encoded.ids[0])]
            if head is None:
                wanted = vectors[0]
            elif train.tasks[0].name == "hellaswag":
                wanted = head(vectors).squeeze(-1)
            else:
                wanted = _scores(head, every[places] if places is not None else every)
            every = _scores(head, every) if head is not None else every
        logits.append((every, wanted))
        kinds = {"token_type_ids": encoded.types[0]} if encoded.types is not None else {}
        ids.append({"input_ids": encoded.ids[0], **kinds})
    return ids, logits


def _scores(head: Any, states: torch.Tensor) -> torch.Tensor:
    """Logits of states; masked words' are over the vocabulary."""
    found = head(states)
    if not isinstance(head, LanguageModelHead):
        return found
    return found @ head.output.weight_VD.T + head.output.bias_V


def _encoded(task: Task, row: list[Any], reading: Reading) -> tuple[Encoded, list[int] | None]:
    """A row as adaptx' own format reads it, and the tokens whose logits count."""
    tokenizer, prefix = reading.tokenizer, reading.framing.prefix
    match task.name:
        case "hellaswag":
            text, question, *choices = row
            second = [f"{question} {choice}" if question else choice for choice in choices]
            return encode_texts(tokenizer, [text] * len(choices), second, prefix, LENGTH), None
        case "udpos":
            pieces = Pieces([row[0]], reading)
            return pieces.encoded, pieces.first_tokens[0]
        case "squad":
            examples = Examples((0,), {"question": [row[0]], "context": [row[1]]})
            assert isinstance(task.format, QuestionAnswering)
            return windows(examples, task.format, reading).encoded, None
        case _:
            return encode_texts(tokenizer, [row[0]], None, prefix, LENGTH), None
