"""Row limits: seeded draws of whole clusters in proportion to labels, the same rows in parallel sets."""

import dataclasses
from collections import Counter
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptx.catalog import E5_MINI, TASKS
from adaptx.data.clusters import cluster_numbers
from adaptx.data.drawing import draw, in_proportion, lowest
from adaptx.data.examples import Examples
from adaptx.data.reading import read_pool, read_rows, read_training
from adaptx.errors import UserError
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Full, MultipleChoice, QuestionAnswering, Rows, Task, Train, TrainConfig

SHARED = Path(__file__).parents[2] / "shared" / "data" / "hub"
NLI = Classification(("entailment", "neutral", "contradiction"))
PAIR = (("text", "premise"), ("pair", "hypothesis"), ("label", "label"))


def rows_of(config: str, columns: tuple = PAIR, group: str | None = None, split: str = "test") -> Rows:
    return Rows(
        "owner/set",
        config,
        split,
        config,
        columns,
        label_names=NLI.labels,
        choice_keys=(),
        dropped_labels=(-1,),
        parallel_group=group,
    )


def write(folder: Path, rows: Rows, columns: dict[str, list]) -> Sources:
    file = folder / f"{rows.address}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)
    return Sources(folder)


def pairs(premises: list[str], labels: list[int]) -> dict[str, list]:
    return {"premise": premises, "hypothesis": [f"h{row}" for row in range(len(labels))], "label": labels}


# --- the draw itself

sizes_of_clusters = st.lists(st.integers(1, 6), min_size=1, max_size=40)


@given(sizes_of_clusters, st.integers(1, 120), st.integers(0, 5), st.randoms(use_true_random=False))
def test_a_draw_takes_whole_clusters_and_keeps_the_labels_proportions(sizes, most, seed, random) -> None:
    clusters = [number for number, size in enumerate(sizes) for _ in range(size)]
    random.shuffle(clusters)
    labels = [random.choice("abc") for _ in clusters]
    places = draw(range(len(clusters)), clusters, labels, most, seed)
    assert places == sorted(set(places)) == draw(range(len(clusters)), clusters, labels, most, seed)
    assert len(places) <= most
    assert (len(places) == len(clusters)) == (len(clusters) <= most)
    if len(clusters) <= most:
        return
    names = sorted(set(labels))
    room = dict(zip(names, in_proportion([labels.count(name) for name in names], most), strict=True))
    taken = Counter(labels[place] for place in places)
    assert all(taken[name] <= room[name] for name in names), "no label is over its share"
    assert 2 * len(places) >= most, "never nearly nothing"
    by_cluster = Counter(clusters[place] for place in places)
    whole = sum(count for number, count in by_cluster.items() if count == clusters.count(number))
    fitting = {
        number
        for number in set(clusters)
        if all(
            Counter(label for label, at in zip(labels, clusters, strict=True) if at == number)[n] <= room[n]
            for n in names
        )
    }
    if fitting == set(clusters) and 2 * whole >= most:
        assert whole == len(places), "clusters that fit are taken whole or not at all"


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=200), st.integers(1, 200), st.integers(0, 9))
def test_rows_without_clusters_fill_the_limit_in_proportion(labels, most, seed) -> None:
    places = draw(range(len(labels)), range(len(labels)), labels, most, seed)
    assert len(places) == min(most, len(labels))
    for label, count in Counter(labels).items():
        taken = sum(labels[place] == label for place in places)
        assert abs(taken - min(most, len(labels)) * count / len(labels)) < 1


def test_draws_are_the_same_everywhere_and_differ_by_seed() -> None:
    # Written down once: another machine, Python or NumPy must give the same.
    assert draw(range(100), range(100), [""] * 100, 8, 0) == [7, 10, 14, 17, 45, 52, 73, 95]
    assert draw(range(100), range(100), [""] * 100, 8, 1) == [1, 15, 21, 29, 35, 88, 97, 99]
    assert lowest(range(10), 3, 5) == [0, 4, 5]
    counts = Counter(place for seed in range(2_000) for place in draw(range(20), range(20), [""] * 20, 5, seed))
    assert 420 < min(counts.values()) <= max(counts.values()) < 580, "every row is as likely as any other"
    large = set(draw(range(1_000), range(1_000), [""] * 1_000, 200, 3))
    assert large > set(draw(range(1_000), range(1_000), [""] * 1_000, 50, 3)), "a smaller draw is part of a larger one"


def test_oversized_clusters_give_rows_singly() -> None:
    alone = draw(range(60), [row - row % 20 for row in range(60)], [""] * 60, 8, 0)
    assert len(alone) == 8, "a context of twenty questions does not fit whole into a limit of eight"
    one = ["x"] * 90 + ["y"] * 10
    found = draw(range(100), [0] * 90 + list(range(90, 100)), one, 20, 1)
    assert Counter(one[place] for place in found) == {"x": 18, "y": 2}, "one text for nearly all rows"


def test_a_label_that_fills_up_early_does_not_keep_the_others_out() -> None:
    # The first cluster holds one label alone; all others hold that label, too.
    clusters = [0] * 16 + [16 + row // 3 for row in range(96)]
    labels = ["a"] * 16 + ["a", "b", "c"] * 32
    for seed in range(40):
        found = Counter(labels[place] for place in draw(range(112), clusters, labels, 36, seed))
        assert len(found) == 3, seed


# --- clusters


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=60))
def test_equal_texts_are_one_cluster_and_blank_ones_are_not(texts) -> None:
    rows = [3 * place for place in range(len(texts))]
    numbers = cluster_numbers(texts, rows, parallel=False)
    assert numbers == [rows[texts.index(text)] for text in texts]
    assert cluster_numbers(["", "", None, " "], [0, 1, 2, 3], parallel=False) == [0, 1, 2, 3]
    assert cluster_numbers(["", "", None, " "], [0, 1, 2, 3], parallel=True) == [0, 1, 2, 3]


@given(st.integers(40, 60), st.integers(1, 4), st.data())
def test_blocks_of_one_size_do_not_depend_on_how_texts_read_in_a_language(count, size, data) -> None:
    distinct = [f"premise {number}" for number in range(count) for _ in range(size)]
    again = data.draw(st.integers(0, count - 2))
    far = data.draw(st.integers(0, count - 1))
    translated = [text.replace(f"premise {again + 1}", f"premise {again}") for text in distinct]
    translated[far * size : far * size + size] = ["premise 0"] * size
    rows = range(len(distinct))
    expected = [row - row % size for row in rows]
    assert cluster_numbers(distinct, rows, True) == cluster_numbers(translated, rows, True) == expected


def test_contexts_of_any_number_of_questions_are_clusters_of_parallel_sets() -> None:
    texts = ["a", "a", "a", "b", "c", "c", "c", "c", "c", "a", "a"]
    assert cluster_numbers(texts, range(11), True) == [0, 0, 0, 3, 4, 4, 4, 4, 4, 9, 9]


# --- rows


def test_a_sorted_file_gives_no_constant_model_everything(tmp_path) -> None:
    labels = [0] * 100 + [1] * 100 + [2] * 100
    rows = rows_of("en")
    sources = write(tmp_path, rows, pairs([f"p{row}" for row in range(300)], labels))
    found = read_rows(rows, NLI, sources, 48)
    assert Counter(found.columns["label"]) == dict.fromkeys(NLI.labels, 16)
    assert list(found.rows) == sorted(found.rows)
    assert found.columns["pair"] == [f"h{row}" for row in found.rows]
    trained = read_training(Task("t", NLI, train=(rows,)), sources, 48, seed=3)
    assert Counter(trained.columns["label"]) == dict.fromkeys(NLI.labels, 16)
    assert trained.rows != read_training(Task("t", NLI, train=(rows,)), sources, 48, seed=4).rows
    assert trained.rows == read_training(Task("t", NLI, train=(rows,)), sources, 48, seed=3).rows


def test_filters_and_slices_come_before_the_draw(tmp_path) -> None:
    labels = [-1 if row % 4 == 0 else row % 3 for row in range(200)]
    rows = dataclasses.replace(rows_of("en"), first=30, stop=90)
    sources = write(tmp_path, rows, pairs([f"p{row}" for row in range(200)], labels))
    allowed = [row for row in range(200) if labels[row] != -1][30:90]
    found = read_rows(rows, NLI, sources, 21)
    assert set(found.rows) <= set(allowed)
    assert len(found) == 21
    assert [each.reason for each in found.left_out] == ["no gold label (-1)"]


@given(
    st.lists(st.integers(1, 5), min_size=8, max_size=25) | st.integers(8, 25).map(lambda count: [3] * count),
    st.integers(2, 60),
    st.data(),
)
def test_parallel_sets_give_the_same_rows(tmp_path_factory, sizes, limit, data) -> None:
    folder = tmp_path_factory.mktemp("parallel")
    clusters = [number for number, size in enumerate(sizes) for _ in range(size)]
    labels = [data.draw(st.integers(-1, 2)) for _ in clusters]
    if set(labels) == {-1}:
        labels[0] = 0
    # In the second language two premises, not next to each other, read alike.
    one, other = data.draw(st.integers(0, 2)), data.draw(st.integers(5, len(sizes) - 1))
    languages = {"xa": clusters, "xb": [one if number == other else number for number in clusters]}
    found: dict[str, Examples] = {}
    for language, premises in languages.items():
        rows = rows_of(language, group="g")
        found[language] = read_rows(rows, NLI, write(folder, rows, pairs([f"p{n}" for n in premises], labels)), limit)
    assert found["xa"].rows == found["xb"].rows
    assert found["xa"].clusters == found["xb"].clusters, "the report resamples them together, too"


def test_parallel_sets_of_different_length_are_drawn_alike_where_they_can_be(tmp_path) -> None:
    premises, labels = [f"p{row // 3}" for row in range(150)], [row % 3 for row in range(150)]
    whole, short = rows_of("xa", group="g"), rows_of("xb", group="g")
    write(tmp_path, whole, pairs(premises, labels))
    missing = [-1 if row in (4, 77) else label for row, label in enumerate(labels)]
    sources = write(tmp_path, short, pairs(premises[:140], missing[:140]))
    drawn = [set(read_rows(rows, NLI, sources, 60).rows) for rows in (whole, short)]
    assert len(drawn[0] & drawn[1]) >= 50, "most rows are the same"


def test_training_sets_of_several_languages_are_drawn_apart_unless_they_are_parallel(tmp_path) -> None:
    table = pairs([f"p{row}" for row in range(90)], [row % 3 for row in range(90)])

    def drawn(group: str | None) -> list[set[int]]:
        sets = tuple(rows_of(language, group=group, split="train") for language in ("xa", "xb"))
        sources = write(tmp_path, sets[0], table)
        write(tmp_path, sets[1], table)
        examples = read_training(Task("t", NLI, train=sets), sources, 40, seed=1)
        return [{row for row, at in zip(examples.rows, examples.languages, strict=True) if at == language}
                for language in ("xa", "xb")]  # fmt: skip

    one, other = drawn("g")
    assert one == other
    one, other = drawn(None)
    assert one != other


def test_questions_come_with_their_context_and_in_proportion_to_answerable_ones(tmp_path) -> None:
    contexts = [f"context {row // 4}" for row in range(80)]
    table = {
        "question": [f"q{row}" for row in range(80)],
        "context": contexts,
        "answers": [["context"] if row < 60 else [] for row in range(80)],
    }
    rows = Rows("owner/qa", "en", "test", "en", tuple((role, role) for role in table))
    found = read_rows(rows, QuestionAnswering(unanswerable=True), write(tmp_path, rows, table), 16)
    assert [len(list(group)) for _, group in groupby(found.columns["context"])] == [4] * 4
    assert sum(not answers for answers in found.columns["answers"]) == 4


def test_a_column_may_say_what_rows_share(tmp_path) -> None:
    table = {
        "text": [f"t{row}" for row in range(30)],
        "choices": [["a", "b"]] * 30,
        "label": [0, 1] * 15,
        "document": [f"d{row // 5}" for row in range(30)],
    }
    columns = (*((role, role) for role in ("text", "choices", "label")), ("cluster", "document"))
    rows = Rows("owner/mc", "en", "test", "en", columns)
    found = read_rows(rows, MultipleChoice(), write(tmp_path, rows, table), 10)
    assert len(found) <= 10
    assert set(Counter(found.clusters).values()) == {5}


def test_a_training_draws_by_its_seed_unless_a_recipe_fixes_it() -> None:
    config = TrainConfig(learning_rate=1e-3, max_steps=1, seed=7)
    train = Train(E5_MINI, TASKS["snli"], Full(), config, limit=10)
    assert train.draw_seed == 7
    assert dataclasses.replace(train, limit_seed=2).draw_seed == 2
    with pytest.raises(UserError, match=r"limit_seed=-1"):
        dataclasses.replace(train, limit_seed=-1)


# --- the catalog's rows


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the mirror beside the checkout")
@pytest.mark.parametrize("name", ["xnli", "xnli_more", "americas_nli", "xquad", "xcopa", "sib200", "lareqa"])
def test_parallel_sets_of_the_catalog_give_the_same_whole_clusters(name: str) -> None:
    task, sources = TASKS[name], Sources(SHARED)
    found: list[Examples] = []
    for rows in task.evaluation[:12]:
        try:
            found.append(read_rows(rows, task.format, sources, 100))
        except UserError:
            continue
    if not found:
        pytest.skip("not in the mirror")
    assert len({(each.rows, each.clusters) for each in found}) == 1
    assert 90 <= len(found[0]) <= 100
    everything = read_rows(task.rows_in(found[0].languages[0]), task.format, sources)
    sizes, drawn = Counter(everything.clusters), Counter(found[0].clusters)
    assert all(sizes[number] == count for number, count in drawn.items())
    if "label" in everything.columns:
        for label, count in Counter(everything.columns["label"]).items():
            share = found[0].columns["label"].count(label)
            assert abs(share - len(found[0]) * count / len(everything)) <= 3


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the mirror beside the checkout")
def test_limited_queries_find_their_passages_in_a_limited_pool() -> None:
    task, sources = TASKS["lareqa"], Sources(SHARED)
    columns = (("id", "id"), ("passage", "context"), ("answer_starts", "answers.answer_start"))
    pool_sets = (dataclasses.replace(each, columns=columns) for each in task.pool if each.language in ("en", "de"))
    task = dataclasses.replace(task, pool=tuple(pool_sets))
    queries = read_rows(task.rows_in("de"), task.format, sources, 30)
    pool = read_pool(task, sources, 30, [name for names in queries.columns["gold"] for name in names])
    assert {name for names in queries.columns["gold"] for name in names} <= {
        name for names in pool.columns["answers"] for name in names
    }
    assert len(set(pool.columns["candidate_context"])) <= 2 * len(set(queries.clusters)), "the same passages are drawn"
