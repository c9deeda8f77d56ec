"""A format made up here, added as docs/development.md says, goes through the pipeline: trained, scored, reported.

The spec, the behaviour and the metric stand where a new format's files would; `added` is the lines in the package's
own files. If a further place has to know a format, this test fails.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from support import tiny
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import encode_texts
from adaptx.catalog.local import local_task
from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.exporting.export import export_stage
from adaptx.exporting.holding import Library
from adaptx.formats import FORMATS
from adaptx.formats.heads import LinearHead
from adaptx.formats.interface import (
    Answers,
    Format,
    FormatTraining,
    HeadBase,
    Inputs,
    Items,
    Model,
    Pass,
    Piece,
    Predictions,
    Reading,
    SummedLoss,
    one_sequence_each,
)
from adaptx.metrics import METRICS
from adaptx.metrics.metric import Floats, Metric, mean, one_each
from adaptx.report import write_report
from adaptx.specs import Evaluate, Hidden, Lora, ModelFamily, Task, TaskFormat, checked, plain
from adaptx.specs.checked import spec
from adaptx.specs.formats.facts import AsText, NotAsText, Roles, Row
from adaptx.specs.formats.rows import no_text
from adaptx.specs.ranges import Positive


# specs/formats/rating.py
@spec
class Rating:
    """A number for a text. Roles: `text` and `rating`. within: an answer that is so near is right."""

    within: Positive = 0.5

    labels: ClassVar[tuple[str, ...]] = ()
    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("text", "rating")),)
    text_roles: ClassVar[tuple[str, ...]] = ("text",)
    list_roles: ClassVar[tuple[str, ...]] = ()
    gold_roles: ClassVar[tuple[str, ...]] = ("rating",)
    shared_roles: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ("nearness",)
    default_metrics: ClassVar[tuple[str, ...]] = ("nearness",)
    is_trained: ClassVar[bool] = True
    embeds: ClassVar[bool] = False
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = False
    texts_per_row: ClassVar[int] = 1
    sequences_per_item: ClassVar[int] = 1
    as_text: ClassVar[AsText | NotAsText] = NotAsText("numbers are not written here")
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {}

    def roles_in(self, use: str, passages: bool) -> Roles:
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        try:
            float(row.get("rating", 0))
        except ValueError:
            return f"rating is {row['rating']!r}, not a number; correct the row"
        return no_text(row, "text")

    def classes(self, answer: Any) -> list[str]:
        return [str(answer)]


# formats/rating.py
def items(examples: Examples, _format: Rating, reading: Reading) -> Items:
    encoded = encode_texts(reading.tokenizer, examples.columns["text"], None, "", reading.max_length)
    return one_sequence_each(encoded, [float(rating) for rating in examples.columns["rating"]])


def new_head(_format: Rating, base: HeadBase) -> nn.Module:
    return LinearHead(base.hidden_size, 1, base.dropout)


def loss_sum(backbone: Backbone, head: nn.Module, piece: Piece, framing: Hidden) -> Tensor:
    rating_N = head(backbone.pooled(piece.batch, framing)).squeeze(-1)
    return nn.functional.mse_loss(rating_N, torch.tensor(piece.targets), reduction="sum")


def encode(examples: Examples, _format: Rating, reading: Reading) -> Inputs:
    texts = examples.columns["text"]
    encoded = encode_texts(reading.tokenizer, texts, None, "", reading.max_length)
    return Inputs((Pass(one_sequence_each(encoded, [None] * len(encoded)), rating),), [encoded], texts)


def rating(model: Model, piece: Piece) -> Tensor:
    assert model.head is not None
    return model.head(model.backbone.pooled(piece.batch, model.reading.hidden)).squeeze(-1)


def decode(answers: Answers) -> Predictions:
    ratings: list[float] = answers.values[0].tolist()
    labelled = answers.examples.columns.get("rating")
    golds = None if labelled is None else [float(each) for each in labelled]
    return Predictions(predictions=ratings, golds=golds, rows=answers.examples.rows, inputs=answers.inputs)


RATING = Format(encode, decode, FormatTraining(items, SummedLoss(loss_sum), new_head))


# metrics/nearness.py
def _statistics(predictions: Any, golds: Any, _language: str) -> Floats:
    return one_each([float(abs(one - other) < 0.5) for one, other in zip(predictions, golds, strict=True)])


NEARNESS = Metric(name="nearness", statistics=_statistics, value=mean, source="made up")


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a new format adds to files that are there: the union, the dict of formats and that of metrics."""
    # specs/formats/__init__.py: `| Rating` in TaskFormat, which Task's field and a stored spec's names follow.
    monkeypatch.setitem(Task.__annotations__, "format", TaskFormat | Rating)
    monkeypatch.setitem(plain._TYPES, "Rating", Rating)
    monkeypatch.setitem(FORMATS, Rating, RATING)
    monkeypatch.setitem(METRICS, NEARNESS.name, NEARNESS)
    checked._fields_with_kinds.cache_clear()
    yield
    checked._fields_with_kinds.cache_clear()


def write_rows(file: Path, language: str, count: int) -> str:
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["text", "rating"])
        rows.writerows(
            [[tiny.word(language, 7 * row % 24) + " " + tiny.word(language, row), row % 3] for row in range(count)]
        )
    return str(file)


@pytest.mark.usefixtures("added")
def test_a_made_up_format_is_trained_scored_and_reported(tmp_path: Path) -> None:
    world = tiny.make_world(tmp_path)
    files = {language: write_rows(tmp_path / f"{language}.csv", language, 24) for language in ("en", "xa")}
    task = local_task("ratings", Rating(), train={"en": files["en"]}, evaluation=files)
    assert task.metrics == ("nearness",)
    trained = tiny.train(world.bert, task, Lora(4))
    stages = tuple(Evaluate(trained, task, language) for language in files)
    plan, shop, summary = tiny.execute(world, tmp_path / "store", stages)
    assert summary.complete, summary.failed
    report = write_report(plan, shop.store, tmp_path / "out")
    page = report.html.read_text()
    assert "ratings" in page
    assert "nearness" in page
    for language in files:
        stored = shop.store.find(plan.fingerprint_of(Evaluate(trained, task, language)))
        assert len(set(stored.scores.predictions)) == 24
    folder = shop.store.find(plan.fingerprint_of(trained)).folder
    with pytest.raises(UserError, match="exported folders do not support rows of Rating tasks"):
        export_stage(shop.store, world.sources, folder.name, Library.PEFT, tmp_path / "exported")
