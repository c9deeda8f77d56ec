"""Retrieval ranks a pool by cosine and knows every right candidate; aligned sentences find one another (Tatoeba)."""

import dataclasses
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from support import format_bench, small_world
from torch.nn import functional

from adaptx.data.reading import read_pool, read_rows
from adaptx.evaluation.evaluator import Evaluator, scores
from adaptx.formats.retrieval import RANKED
from adaptx.metrics import METRICS
from adaptx.sources.sources import Sources
from adaptx.specs import Bitext, CandidateText, Hidden, Retrieval, Rows, Task

WORDS = small_world.WORDS
each_architecture = pytest.mark.parametrize("architecture", small_world.ARCHITECTURES)
PASSAGE_COLUMNS = (
    ("id", "id"), ("passage", "context"), ("sentence_breaks", "breaks"), ("answer_starts", "answers.answer_start"),
)  # fmt: skip


def rows(language: str, split: str, *columns: tuple[str, str]) -> Rows:
    return Rows("tiny/retrieval", language, split, language, columns)


PASSAGES = Task(
    "passages",
    Retrieval(),
    evaluation=tuple(rows(language, "test", ("query", "question"), ("gold", "id")) for language in ("en", "xa")),
    pool=tuple(rows(language, "test", *PASSAGE_COLUMNS) for language in ("en", "xa")),
    metrics=("map_at_20",),
)
ENTITIES = Task(
    "entities",
    Retrieval(),
    evaluation=(rows("xb", "mentions", ("query", "mention"), ("gold", "entity")),),
    pool=(rows("xb", "entities", ("id", "entity"), ("candidate", "description")),),
    metrics=("mewslix_map_at_20",),
)


def passage_rows(language: str) -> list[dict[str, Any]]:
    """Passages of two sentences; questions 0 and 1 ask of one passage, and question 2 has answers in both sentences."""
    draw, found = random.Random(language), []
    for number in range(8):
        first, second = (f"{small_world.sentence(draw, 2, 4)}." for _ in range(2))
        if number == 1:
            context, breaks = found[0]["context"], found[0]["breaks"]
        else:
            context = f"{first} {second}"
            breaks = [[0, len(first)], [len(first) + 1, len(context)]]
        starts = [breaks[number % 2][0]] if number != 2 else [0, breaks[1][0]]
        found.append({"id": f"q{number}", "question": f"{small_world.sentence(draw, 1, 3)}?", "context": context,
                      "breaks": breaks, "answers": {"text": ["x"] * len(starts), "answer_start": starts}})  # fmt: skip
    return found


def entity_rows() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    draw = random.Random("entities")
    entities = [{"entity": f"Q{n}", "description": f"{small_world.sentence(draw, 2, 5)} {n}"} for n in range(30)]
    mentions = [{"mention": small_world.sentence(draw, 1, 4), "entity": f"Q{n}"} for n in (29, 3, 29, 0)]
    return mentions, entities


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Sources:
    folder: Path = tmp_path_factory.mktemp("rows")
    mentions, entities = entity_rows()
    tables = {"en/test": passage_rows("en"), "xa/test": passage_rows("xa"), "xb/mentions": mentions,
              "xb/entities": entities}  # fmt: skip
    for name, table in tables.items():
        path = folder / "tiny/retrieval" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(table), path)
    return Sources(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> small_world.Models:
    return small_world.make_models(tmp_path_factory.mktemp("models"))


def embedded(bench: format_bench.Bench, *sides: list[str]) -> torch.Tensor:
    """Unit vectors, as anyone would compute them."""
    output, hidden = bench.plain(*sides)
    mask = output["attention_mask"].unsqueeze(-1)
    return functional.normalize((hidden * mask).sum(dim=1) / mask.sum(dim=1), dim=-1)


def candidates() -> list[tuple[str, str, set[str]]]:
    """(sentence, passage, questions that it answers) of each distinct sentence of the passages, both languages."""
    found: dict[tuple[str, str], set[str]] = {}
    for language in ("en", "xa"):
        for row in passage_rows(language):
            for start, stop in row["breaks"]:
                right = found.setdefault((row["context"][start:stop], row["context"]), set())
                if any(start <= at < stop for at in row["answers"]["answer_start"]):
                    right.add(row["id"])
    return [(sentence, passage, right) for (sentence, passage), right in found.items()]


def sides(read_as: CandidateText, sentences: list[str], passages: list[str]) -> list[list[str]]:
    """What a candidate's tokens are made of: two texts, or as in evaluate_retrieval.py one."""
    if read_as is CandidateText.PAIR:
        return [sentences, passages]
    return [[(one + two).replace("\n", "").strip() for one, two in zip(sentences, passages, strict=True)]]


@each_architecture
@pytest.mark.parametrize("language", ["en", "xa"])
@pytest.mark.parametrize("read_as", CandidateText)
def test_passages_are_ranked_by_their_sentences_in_every_language(models, sources, architecture, language, read_as):
    bench = format_bench.make(models, architecture, 128)
    examples = read_rows(PASSAGES.rows_in(language), PASSAGES.format, sources)
    task = dataclasses.replace(PASSAGES, format=Retrieval(ranked_as=read_as))
    found = bench.evaluator(sources=sources).predict(examples, task, None)
    every = candidates()
    pool = read_pool(PASSAGES, sources).columns
    by_text = {pair: name for name, *pair in zip(pool["id"], pool["candidate"], pool["candidate_context"], strict=True)
               for pair in [tuple(pair)]}  # fmt: skip
    names = [by_text[sentence, passage] for sentence, passage, _ in every]
    assert len(names) == len(pool["id"]) == found.details["candidates"] > RANKED
    vectors = embedded(bench, *sides(read_as, [sentence for sentence, _, _ in every], [text for _, text, _ in every]))
    cosines = embedded(bench, examples.columns["query"]) @ vectors.T
    assert found.predictions == [[names[place] for place in each.topk(RANKED).indices.tolist()] for each in cosines]
    wanted = [
        {names[place] for place, (_, _, right) in enumerate(every) if f"q{number}" in right} for number in range(8)
    ]
    assert [set(each) for each in found.golds] == wanted
    # Both languages answer, and the third question is answered by both sentences of its passages.
    assert [len(each) for each in found.golds] == [2, 2, 4, 2, 2, 2, 2, 2]
    assert len({str(each) for each in found.predictions}) > 4


@each_architecture
def test_entities_are_ranked_by_their_descriptions(models, sources, architecture):
    bench = format_bench.make(models, architecture, 128)
    examples = read_rows(ENTITIES.rows_in("xb"), ENTITIES.format, sources)
    found = bench.evaluator(sources=sources).predict(examples, ENTITIES, None)
    mentions, entities = entity_rows()
    cosines = (
        embedded(bench, [each["mention"] for each in mentions])
        @ embedded(bench, [each["description"] for each in entities]).T
    )
    assert found.predictions == [[f"Q{place}" for place in each.topk(RANKED).indices.tolist()] for each in cosines]
    assert found.golds == [["Q29"], ["Q3"], ["Q29"], ["Q0"]]
    ranks = [(-each).argsort().tolist().index(int(row["entity"][1:])) + 1 for each, row in
             zip(cosines, mentions, strict=True)]  # fmt: skip
    value = scores(ENTITIES, found, "xb")["mewslix_map_at_20"]
    assert value == pytest.approx(sum(1 / rank for rank in ranks if rank <= 20) / 4)
    assert value == METRICS["mewslix_map_at_20"].score(found.predictions, found.golds, "xb")


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_under_a_limit_the_right_candidates_stay_in_the_pool(models, sources, limit):
    bench = format_bench.make(models, "bert", 128)
    examples = read_rows(ENTITIES.rows_in("xb"), ENTITIES.format, sources, limit)
    found = bench.evaluator(sources=sources, limit=limit).predict(examples, ENTITIES, None)
    drawn = set(read_pool(ENTITIES, sources, limit).columns["id"])
    right = [f"Q{(29, 3, 29, 0)[row]}" for row in examples.rows]
    assert len(drawn) == limit
    assert {name for ranked in found.predictions for name in ranked} == drawn | set(right)
    assert found.golds == [[name] for name in right]
    whole = bench.evaluator(sources=sources).predict(examples, ENTITIES, None)
    assert found.golds == whole.golds
    # Among fewer candidates the order stays as it is.
    for few, many in zip(found.predictions, whole.predictions, strict=True):
        kept = set(many) & set(few)
        assert [name for name in few if name in kept] == [name for name in many if name in kept]

    of_passages = read_rows(PASSAGES.rows_in("en"), PASSAGES.format, sources, limit)
    limited = bench.evaluator(sources=sources, limit=limit).predict(of_passages, PASSAGES, None)
    everything = bench.evaluator(sources=sources).predict(of_passages, PASSAGES, None)
    assert limited.golds == everything.golds
    assert all(limited.golds)
    assert limited.details["candidates"] < everything.details["candidates"]


@each_architecture
def test_development_rows_are_ranked_among_their_own_candidates(models, architecture):
    bench = format_bench.make(models, architecture, 128)
    queries, sentences = ["tree", "sea stone", "wolf?"], ["bird snow.", "night.", "bird snow."]
    contexts = ["glass\nstone", "glass\nstone", "glass\nstone"]
    development = format_bench.examples(query=queries, candidate=sentences, candidate_context=contexts)
    found = bench.evaluator().predict(development, PASSAGES, None)
    texts = sides(CandidateText.JOINED, sentences[:2], contexts[:2])
    assert texts == [["bird snow.glassstone", "night.glassstone"]]
    cosines = embedded(bench, queries) @ embedded(bench, *texts).T
    first = found.golds[0][0]
    second = found.golds[1][0]
    assert found.golds == [[first], [second], [first]]
    assert first != second
    assert found.predictions == [[first, second] if each[0] > each[1] else [second, first] for each in cosines]
    assert found.details == {"candidates": 2}


@pytest.mark.parametrize("limit", [None, 2])
@pytest.mark.parametrize(("task", "language"), [(PASSAGES, "en"), (ENTITIES, "xb")], ids=["passages", "entities"])
def test_queries_without_labels_are_ranked_all_the_same(models, sources, task, language, limit):
    bench = format_bench.make(models, "bert", 128)
    labelled = read_rows(task.rows_in(language), task.format, sources)
    unlabelled = format_bench.examples(query=labelled.columns["query"])
    found = bench.evaluator(sources=sources, limit=limit).predict(unlabelled, task, None)
    assert found.golds is None
    pool = read_pool(task, sources, limit).columns["id"]
    assert found.details == {"candidates": len(pool)}
    if limit is None:
        with_labels = bench.evaluator(sources=sources).predict(labelled, task, None)
        assert found.predictions == with_labels.predictions
    else:
        assert [set(each) for each in found.predictions] == [set(pool)] * len(unlabelled)


def test_a_pool_is_embedded_once_for_all_languages_but_anew_for_other_ones(models, sources, monkeypatch):
    bench = format_bench.make(models, "bert", 128)
    memory: dict[object, torch.Tensor] = {}
    sizes: list[int] = []
    read = Evaluator.read
    monkeypatch.setattr(
        Evaluator, "read", lambda self, one, model: sizes.append(len(one.items)) or read(self, one, model)
    )

    def predict(task: Task, language: str, limit: int | None = None) -> None:
        evaluator = bench.evaluator(sources=sources, limit=limit)
        evaluator.memory = memory
        evaluator.predict(read_rows(task.rows_in(language), task.format, sources, limit), task, None)

    pool = len(candidates())
    predict(PASSAGES, "en")
    predict(PASSAGES, "xa")
    assert sorted(sizes) == [8, 8, pool]
    sizes.clear()
    predict(ENTITIES, "xb")
    assert sorted(sizes) == [4, 30]
    sizes.clear()
    predict(PASSAGES, "en", limit=1)
    assert len(sizes) == 2, "under a limit the pool is another"


@each_architecture
@pytest.mark.parametrize("centred", [False, True])
def test_aligned_sentences_find_their_nearest_one(models, architecture, centred):
    bench = format_bench.make(models, architecture, 128, Hidden(layer=1, centred=centred))
    draw = random.Random("aligned")
    queries, targets = ([small_world.sentence(draw, 2, 6) for _ in range(25)] for _ in range(2))
    task = Task("aligned", Bitext())
    found = bench.evaluator().predict(format_bench.examples(query=queries, candidate=targets), task, None)
    sides = []
    for texts in (queries, targets):
        output = bench.reading.tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            hidden = bench.network(**output, output_hidden_states=True).hidden_states[1]
        mask = output["attention_mask"].unsqueeze(-1)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        sides.append(functional.normalize(mean - mean.mean(dim=0) if centred else mean, dim=-1))
    assert found.predictions == (sides[0] @ sides[1].T).argmax(dim=1).tolist()
    assert found.golds == list(range(25))
    assert found.inputs.texts == targets
    assert len(set(found.predictions)) > 5


def test_a_sentence_finds_itself_and_of_equal_ones_the_first(models):
    bench = format_bench.make(models, "bert", 128)
    texts = ["tree sea", "stone wolf", "tree sea", "night"]
    found = bench.evaluator().predict(format_bench.examples(query=texts, candidate=texts), Task("same", Bitext()), None)
    assert found.predictions == [0, 1, 0, 3]
