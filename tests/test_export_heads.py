"""Heads of every format in exported folders: in the library's own class if it has their shape, else by predict.py."""

import dataclasses
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from support import small_world, tiny
from support.outside import outside

from adaptx.backbones.batching import Encoding, collate, encode_texts
from adaptx.catalog import HELLASWAG, LAREQA, NTREX_MLM, PAWSX, SIB200, SQUAD, UDPOS
from adaptx.data.examples import Examples
from adaptx.execution.building import FinishedModel, finished_model
from adaptx.execution.serving import predict_examples
from adaptx.exporting.export import export_stage
from adaptx.exporting.holding import Library
from adaptx.exporting.library_heads import AUTO_CLASSES
from adaptx.exporting.own_model import CODE_FILE
from adaptx.formats.interface import Reading, reading_of
from adaptx.formats.masked_language_model import LanguageModelHead
from adaptx.formats.question_answering import windows
from adaptx.formats.tagging import SentenceParts, words_stand_alone
from adaptx.planning.framings import training_framing
from adaptx.specs import Classification, Hidden, Lora, Pooling, QuestionAnswering, Task, Train
from adaptx.store.store import Store, read_json

LENGTH = 64
WORDS = small_world.WORDS
SENTENCES = [" ".join(WORDS[:5]), "glass", " ".join([*WORDS[3:9], small_world.DROPPED_CHARACTER, "tree"])]
ROWS: dict[str, list[list[Any]]] = {
    "hellaswag": [["tree sea", "", "stone", "river wolf", "bread"], ["night", "house?", "iron", "bird snow"]],
    "udpos": [[sentence.split(" ")] for sentence in SENTENCES],
    "squad": [["tree wolf?", " ".join(WORDS)], ["sea?", "river wolf bread."]],
    "ntrex_mlm": [[" ".join(WORDS[:6])], ["snow glass"]],
    "lareqa": [[" ".join(WORDS[2:7])], ["iron"]],
    "pawsx": [["tree sea", "stone"], ["glass", ""], ["", "iron snow"], [" ".join(WORDS * 8), "river wolf"]],
    "sib200": [["tree sea, stone."], ["iron"], [""], [" ".join(WORDS * 8)]],
}
KINDS = {"hellaswag": "choice", "udpos": "tagging", "squad": "span"}
ROLES = {"pawsx": ("text", "pair"), "sib200": ("text",), "udpos": ("tokens",), "squad": ("question", "context")}
LIBRARY, OWN = "a class of the library", "a class of ours"
# An inner layer is what no class of the library reads; texts begin with a prefix in some.
CASES: dict[str, tuple[Task, Hidden | None, str, str | None]] = {
    "choices": (HELLASWAG, Hidden(prefix="sea "), "bert", OWN),
    "choices-first": (HELLASWAG, Hidden(pooling=Pooling.FIRST), "xlm-roberta", LIBRARY),
    "tags": (UDPOS, Hidden(prefix="sea "), "bert", LIBRARY),
    "tags-xlmr": (UDPOS, None, "xlm-roberta", LIBRARY),
    "tags-inner": (UDPOS, Hidden(layer=1), "xlm-roberta", OWN),
    "spans": (SQUAD, None, "bert", LIBRARY),
    "spans-xlmr": (SQUAD, Hidden(prefix="sea "), "xlm-roberta", LIBRARY),
    "masked": (NTREX_MLM, None, "bert", LIBRARY),
    "masked-xlmr": (NTREX_MLM, None, "xlm-roberta", LIBRARY),
    "retrieval": (LAREQA, Hidden(prefix="sea "), "xlm-roberta", None),
    "choices-mt5": (HELLASWAG, None, "mt5", OWN),
    "tags-qwen3": (UDPOS, None, "qwen3", LIBRARY),
    "spans-llama": (SQUAD, None, "llama", LIBRARY),
    "spans-mbart": (SQUAD, None, "mbart", OWN),
    "tags-gemma2": (UDPOS, None, "gemma2", OWN),
    "retrieval-bloom": (LAREQA, None, "bloom", None),
    "tags-modernbert": (UDPOS, None, "modernbert", OWN),
    "masked-modernbert": (NTREX_MLM, None, "modernbert", OWN),
    "masked-rembert": (NTREX_MLM, None, "rembert", OWN),
    "pairs": (PAWSX, Hidden(pooling=Pooling.FIRST, prefix="sea "), "bert", LIBRARY),
    "pairs-mean": (PAWSX, None, "xlm-roberta", OWN),
    "pairs-qwen3": (PAWSX, None, "qwen3", OWN),
    "texts-mt5": (SIB200, Hidden(layer=1), "mt5", OWN),
}
PIPELINES: dict[str, tuple[str, dict[str, Any]]] = {
    "pawsx": ("text-classification", {"truncation": True}),
    "sib200": ("text-classification", {"truncation": True}),
    "udpos": ("token-classification", {"aggregation_strategy": "first"}),
    "squad": ("question-answering", {"max_seq_len": LENGTH, "max_answer_len": 30, "align_to_words": False}),
}
"""Task -> the pipeline and its options, as the model card names them."""
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
        task = CASES[name][0]
        stages = small_world.evaluations(train, train.task)
        plan, shop = tiny.workshop(world, store, stages)
        entry = shop.store.find(plan.fingerprint_of(train))
        finished = finished_model(train, shop, "fp32")
        logits = _here(finished, train, ROWS[task.name])
        for library, holder in ((Library.TRANSFORMERS, CASES[name][3]), (Library.PEFT, None)):
            folder = tmp_path / f"{name}-{library.value}"
            written = export_stage(Store(store), world.sources, entry.folder.name, library, folder)
            assert ("predict.py" in written.files) == (holder is None)
            assert (CODE_FILE in written.files) == (holder is OWN)
            if holder is not None:
                check_class(folder, holder, train.task)
            piped = None
            job = {"folder": str(folder), "library": library.value, "base": train.model.hub_id, "ids": [],
                   "rows": ROWS[task.name]}  # fmt: skip
            wanted = [(every if holder and task.name in ("squad", "ntrex_mlm") else own) for every, own in logits]
            if holder is not None:
                spaced = not words_stand_alone(finished.tokenizer)
                job |= {"auto_class": AUTO_CLASSES[type(task.format)], "own": holder is OWN,
                        "kind": KINDS.get(task.name, "text"), "spaced": spaced}  # fmt: skip
                if task.name == "udpos":
                    # A word that the tokenizer drops has no token of its own outside of adaptx.
                    job["rows"], wanted = job["rows"][:2], wanted[:2]
                piped = _piped(job, train, shop)
            jobs.append(job)
            expected.append((f"{name} to {library.value}", wanted, piped))
    for found, (name, wanted, piped) in zip(outside(jobs, tmp_path), expected, strict=True):
        assert found["wrongly_loaded"] == [], name
        if piped is not None:
            task = CASES[name.partition(" ")[0]][0].name
            assert answers(task, found["piped"]) == piped, name
            assert answers(task, found["piped_together"]) == piped, name
        assert len(found["logits"]) == len(wanted), name
        for theirs, ours in zip(found["logits"], wanted, strict=True):
            torch.testing.assert_close(
                torch.tensor(theirs), ours, atol=1e-5, rtol=1e-5, msg=lambda text, n=name: f"{n}: {text}"
            )


def _piped(job: dict[str, Any], train: Train, shop: Any) -> list[Any] | None:
    """What a pipeline shall answer to the job's rows, which it gets as its inputs; None: there is no pipeline."""
    from transformers.pipelines import SUPPORTED_TASKS

    task = train.tasks[0]
    name, options = PIPELINES.get(task.name, ("", {}))
    # An empty second text is none to a pipeline, and a space that is a token of its own is a word.
    rows = [row for row in job["rows"] if task.name != "pawsx" or all(row)]
    if name not in SUPPORTED_TASKS or (task.name == "udpos" and job["spaced"]):
        return None
    columns = {role: [row[place] for row in rows] for place, role in enumerate(ROLES[task.name])}
    predicted = predict_examples(train, task, shop, Examples(rows=tuple(range(len(rows))), columns=columns))
    inputs: list[Any] = [
        " ".join(row[0]) if task.name == "udpos" else dict(zip(("text", "text_pair"), row, strict=False))
        for row in rows
    ]
    if task.name == "squad":
        inputs = [{"question": row[0], "context": row[1]} for row in rows]
    job["pipeline"] = [name, options, inputs]
    if task.name == "udpos":
        return [[tag for tag, _ in groupby(tags)] for tags in predicted.predictions]
    return predicted.predictions


def answers(task: str, found: list[Any]) -> list[Any]:
    """What a pipeline said, as adaptx' predictions are."""
    if task == "udpos":
        return [[group["entity_group"] for group in groups] for groups in found]
    if task == "squad":
        return [each["answer"].strip() for each in found]
    return [(each[0] if isinstance(each, list) else each)["label"] for each in found]


def check_class(folder: Path, holder: str, task: Task) -> None:
    """The folder names its class, and the labels where there are such."""
    config = read_json(folder / "config.json")
    assert config["architectures"][0].endswith(AUTO_CLASSES[type(task.format)].removeprefix("AutoModel"))
    assert (config["model_type"] == "adaptx") == (holder is OWN)
    labels = getattr(task.format, "labels", None)
    if labels:
        assert config["id2label"] == {str(number): label for number, label in enumerate(labels)}
    assert not (folder / "head.safetensors").exists()


def _here(finished: FinishedModel, train: Train, rows: list[list[Any]]) -> list[Any]:
    """adaptx' logits of each row: of every token, and those that the task's head is read for."""
    framing = training_framing(train, train.tasks[0])
    reading = reading_of(train.model, finished.tokenizer, framing, LENGTH)
    head = next(iter(finished.heads.values())).module if finished.heads else None
    logits = list[Any]()
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
            elif isinstance(train.tasks[0].format, Classification):
                wanted = head(vectors)[0]
            else:
                wanted = _scores(head, every[places] if places is not None else every)
            every = _scores(head, every) if head is not None else every
        logits.append((every, wanted))
    return logits


def _scores(head: Any, states: torch.Tensor) -> torch.Tensor:
    """Logits of states; masked words' are over the vocabulary."""
    found = head(states)
    if not isinstance(head, LanguageModelHead):
        return found
    return found @ head.output.weight_VD.T + head.output.bias_V


def _encoded(task: Task, row: list[Any], reading: Reading) -> tuple[Encoding, list[int] | None]:
    """A row as adaptx' own format reads it, and the tokens whose logits count."""
    tokenizer, prefix = reading.tokenizer, reading.framing.prefix
    match task.name:
        case "hellaswag":
            text, question, *choices = row
            second = [f"{question} {choice}" if question else choice for choice in choices]
            return encode_texts(tokenizer, [text] * len(choices), second, prefix, LENGTH), None
        case "udpos":
            pieces = SentenceParts([row[0]], reading)
            return pieces.encoded, pieces.first_tokens[0]
        case "squad":
            examples = Examples(rows=(0,), columns={"question": [row[0]], "context": [row[1]]})
            assert isinstance(task.format, QuestionAnswering)
            return windows(examples, task.format, reading).encoded, None
        case _:
            second = [row[1]] if len(row) > 1 else None
            return encode_texts(tokenizer, [row[0]], second, prefix, LENGTH), None
