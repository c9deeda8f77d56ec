"""Multiple choice with any number of choices equals questions scored one by one; classification, texts one by one."""

import pytest
import torch
from support import format_bench, small_world
from torch.nn import functional

from adaptx.specs import Classification, Hidden, MultipleChoice, Pooling, Task

FORMAT = MultipleChoice()
TASK = Task("chosen", FORMAT)
TEXTS = ["tree sea stone", "river", "wolf bread night house iron", "bird snow"]
QUESTIONS = ["sea?", "", "night wolf?", "tree?"]
CHOICES = [
    ["wolf", "iron bird"],
    ["snow", "glass glass glass", "tree", "night house", "x"],
    ["stone", "sea river wolf bread", "bird"],
    ["house", "glass"],
]
LABELS = [1, 4, 0, 1]
each_architecture = pytest.mark.parametrize("architecture", small_world.ARCHITECTURES)
each_pooling = pytest.mark.parametrize("pooling", [Pooling.FIRST, Pooling.LAST, Pooling.MEAN])


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> small_world.Models:
    return small_world.make_models(tmp_path_factory.mktemp("models"))


def rows(questions: bool = True, labels: bool = True):
    more = {"question": QUESTIONS} if questions else {}
    return format_bench.examples(
        text=TEXTS, choices=CHOICES, **more, **({"label": LABELS} if labels else {})
    )  # fmt: skip


def pooled(bench, first: list[str], second: list[str] | None, pooling: Pooling, prefix: str = "") -> torch.Tensor:
    """Vectors of one padded batch, as anyone would compute them."""
    sides = [[prefix + text for text in side] for side in (first, second) if side is not None]
    output, hidden = bench.plain(*sides)
    if pooling is Pooling.FIRST:
        return hidden[:, 0]
    mask = output["attention_mask"].unsqueeze(-1)
    if pooling is Pooling.LAST:
        return hidden[torch.arange(len(hidden)), mask.sum(dim=(1, 2)) - 1]
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1)


def one_by_one(bench, pooling: Pooling, questions: bool, prefix: str) -> list[torch.Tensor]:
    """Logits of each question's choices."""
    head, found = bench.head(FORMAT), []
    for text, question, choices in zip(TEXTS, QUESTIONS, CHOICES, strict=True):
        second = [f"{question} {choice}" if question and questions else choice for choice in choices]
        found.append(head.module(pooled(bench, [text] * len(choices), second, pooling, prefix)).squeeze(-1))
    return found


@each_architecture
@each_pooling
@pytest.mark.parametrize("questions", [True, False])
@pytest.mark.parametrize("prefix", ["", "query: "])
def test_questions_with_different_numbers_of_choices(models, architecture, pooling, questions, prefix):
    bench = format_bench.make(models, architecture, 128, Hidden(pooling=pooling, prefix=prefix))
    logits = one_by_one(bench, pooling, questions, prefix)
    found = bench.evaluator().predict(rows(questions), TASK, bench.head(FORMAT))
    for record, each in zip(found.records, logits, strict=True):
        assert record["probabilities"] == pytest.approx(each.softmax(dim=-1).tolist(), abs=1e-5)
    assert found.predictions == [int(each.argmax()) for each in logits]
    assert len(set(found.predictions)) > 1
    assert found.golds == LABELS
    drawn = format_bench.drawn_items(bench, rows(questions), FORMAT)
    assert [len(members) for members in drawn.members] == [len(each) for each in CHOICES]
    loss, _ = format_bench.loss_and_gradients(bench, drawn, FORMAT, format_bench.WHOLE)
    wanted = [functional.cross_entropy(each, torch.tensor(label)) for each, label in zip(logits, LABELS, strict=True)]
    assert loss == pytest.approx(torch.stack(wanted).mean().item(), abs=1e-5)


def test_the_order_of_choices_moves_with_their_probabilities(models):
    bench = format_bench.make(models, "bert", 128)
    head, evaluator = bench.head(FORMAT), bench.evaluator()
    forth = evaluator.predict(rows(), TASK, head).records
    turned = format_bench.examples(text=TEXTS, question=QUESTIONS, choices=[each[::-1] for each in CHOICES])
    back = evaluator.predict(turned, TASK, head)
    assert back.golds is None
    for one, other in zip(forth, back.records, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"][::-1], abs=1e-5)


def test_of_equal_choices_the_first_is_taken(models):
    bench = format_bench.make(models, "bert", 128)
    alike = format_bench.examples(text=TEXTS[:1], choices=[["wolf", "wolf", "wolf"]])
    found = bench.evaluator().predict(alike, TASK, bench.head(FORMAT))
    assert found.predictions == [0]
    assert found.records[0]["probabilities"] == pytest.approx([1 / 3] * 3, abs=1e-6)


@each_architecture
@each_pooling
@pytest.mark.parametrize("pairs", [True, False])
def test_classification_is_that_of_a_plain_padded_batch(models, architecture, pooling, pairs):
    bench = format_bench.make(models, architecture, 128, Hidden(pooling=pooling))
    task_format = Classification(("yes", "no", "perhaps"))
    second = [each[0] for each in CHOICES] if pairs else None
    columns = {"text": TEXTS, **({"pair": second} if second else {})}
    gold = ["no", "yes", "perhaps", "yes"]
    labelled = format_bench.examples(**columns, label=gold)
    head = bench.head(task_format)
    logits = head.module(pooled(bench, TEXTS, second, pooling))
    found = bench.evaluator().predict(labelled, Task("classified", task_format), head)
    shares = logits.softmax(dim=-1).tolist()
    for record, share in zip(found.records, shares, strict=True):
        assert record["probabilities"] == pytest.approx(dict(zip(task_format.labels, share, strict=True)), abs=1e-5)
    assert found.predictions == [task_format.labels[int(each.argmax())] for each in logits]
    assert found.golds == gold
    drawn = format_bench.drawn_items(bench, labelled, task_format)
    loss, _ = format_bench.loss_and_gradients(bench, drawn, task_format, format_bench.WHOLE)
    wanted = functional.cross_entropy(logits, torch.tensor([task_format.labels.index(label) for label in gold]))
    assert loss == pytest.approx(wanted.item(), abs=1e-5)
