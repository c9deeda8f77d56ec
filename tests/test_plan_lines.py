"""A plan as a person reads it: a line per variant, seeds, what differs, rows as the file has them."""

import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import NLI, SNLI, TATOEBA, local_task
from adaptx.costs.row_counts import RowCounts
from adaptx.costs.stages import cost, rows_of
from adaptx.display.plan import plan_costs
from adaptx.display.plan_lines import Line, as_text, stage_lines
from adaptx.display.plan_variants import HEADINGS, variant_lines
from adaptx.planning.plan import Plan
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Evaluate, Lora, ModelSpec, Resources, Sequential, Train, TrainConfig
from adaptx.store.store import Store

TARGET = dataclasses.replace(NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in ("en", "ko")))
BITEXT = dataclasses.replace(TATOEBA, evaluation=TATOEBA.evaluation[:5])
LORA = Lora(rank=8)


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(fake_mirror(tmp_path / "data", TARGET, SNLI, BITEXT))


def lines_of(plan: Plan, store: Store) -> list[Line]:
    count = RowCounts(plan.identities.sources)
    return variant_lines(plan, plan.statuses(store), plan_costs(plan, store, Resources("cpu"), count), count)


def cells(line: Line) -> dict[str, str]:
    return dict(zip(HEADINGS, (line.name, *line.cells), strict=False))


def grid(model: ModelSpec, sources: Sources, seeds: tuple[int, ...] = (1, 2, 3, 5)) -> Plan:
    """Four seeds of a baseline at two rates, and of a transfer; a bare checkpoint."""
    groups = [everywhere(model, BITEXT)]
    for seed in seeds:
        groups += [everywhere(train(model, TARGET, LORA, seed=seed, learning_rate=r), TARGET) for r in (1e-3, 3e-4)]
        start = Sequential(train(model, SNLI, LORA, seed=seed))
        groups.append(everywhere(train(model, TARGET, LORA, start, seed=seed), TARGET))
    return planned(sources, *groups)


def test_a_line_is_a_variant_with_its_seeds_and_what_tells_it_from_its_namesakes(
    model: ModelSpec, sources: Sources, tmp_path: Path
) -> None:
    plan, store = grid(model, sources), Store(tmp_path / "store")
    found = [cells(line) for line in lines_of(plan, store)]
    assert [(each["stage"], each["seeds"], each["differs in"]) for each in found] == [
        ("tiny-bert (not trained)", "", ""),
        ("tiny-bert.nli.lora-r8", "1-3, 5", "learning_rate 0.001"),
        ("tiny-bert.nli.lora-r8", "1-3, 5", "learning_rate 0.0003"),
        ("tiny-bert.snli.lora-r8", "1-3, 5", ""),
        ("tiny-bert.nli.lora-r8.sequential-snli", "1-3, 5", ""),
    ]
    assert [each["scored on"] for each in found] == ["tatoeba in 5 languages", "nli en, ko", "nli en, ko", "",
                                                     "nli en, ko"]  # fmt: skip
    assert {each["status"] for each in found} == {"to do"}
    # Every stage is in one line: its seconds are in that line's.
    assert len(plan.nodes) == 5 + 4 * (2 * 3 + 1 + 3)


def test_a_line_says_how_many_of_its_stages_are_left(model: ModelSpec, sources: Sources, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(grid(model, sources, seeds=(1,)), store, sources)
    found = {cells(line)["stage"]: cells(line) for line in lines_of(grid(model, sources, seeds=(1, 2)), store)}
    assert found["tiny-bert (not trained)"]["status"] == "stored"
    assert found["tiny-bert (not trained)"]["time, about"] == ""
    # A training and two evaluations of seed 2.
    assert found["tiny-bert.nli.lora-r8.sequential-snli"]["status"] == "3 of 6 to do"


def test_columns_that_say_nothing_are_left_out() -> None:
    shown = as_text([Line("a", ("1", "", "to do"), "bold")], ("stage", "seeds", "differs in", "status"))
    assert shown.plain.splitlines() == [" stage  seeds  status", " a      1      to do"]


def test_rows_are_those_of_the_file_and_not_filled_up_to_whole_batches(model: ModelSpec, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("text,label\n" + "".join(f"text {n},{n % 2}\n" for n in range(11)))
    task = local_task("mine", Classification(("0", "1")), train={"en": tmp_path / "mine.csv"},
                      evaluation={"sw": tmp_path / "mine.csv"})  # fmt: skip
    sources = Sources(None)
    count = RowCounts(sources)
    three_epochs = Train(model, task, LORA, TrainConfig(1e-3, epochs=3, batch_size=8))
    evaluation = Evaluate(three_epochs, task, "sw")
    assert rows_of(three_epochs, count) == rows_of(evaluation, count) == 11
    assert rows_of(dataclasses.replace(three_epochs, limit=4), count) == 4
    assert cost(three_epochs) is None
    known = cost(three_epochs, count=count)
    assert known is not None
    # 33 examples are 5 steps of 8, as the training draws them.
    assert known.examples == 40
    scored = cost(evaluation, count=count)
    assert scored is not None
    assert scored.examples == 11
    plan, store = planned(sources, [evaluation]), Store(tmp_path / "store")
    (line,) = lines_of(plan, store)
    assert cells(line)["rows"] == "11"
    every = stage_lines(plan, plan.statuses(store), plan_costs(plan, store, Resources("cpu"), count), {}, count)
    assert [each.cells[1] for each in every] == ["11", "11"]


def test_a_mirror_with_a_part_of_a_set_is_counted_by_its_files(tmp_path: Path) -> None:
    (rows,) = SNLI.train
    file = tmp_path / f"{rows.address}.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"premise": ["a"] * 7}), file)
    count = RowCounts(Sources(tmp_path))
    assert count(rows, SNLI.format) == 7
    assert count(dataclasses.replace(rows, first=2, stop=99), SNLI.format) == 5
    assert count(dataclasses.replace(rows, first=1, stop=4), SNLI.format) == 3
    # Fewer are stated than the file has, because the set is a part of it.
    assert count(dataclasses.replace(rows, expected=6), SNLI.format) == 6
    # On the hub, the stated number holds.
    assert RowCounts(Sources(None))(rows, SNLI.format) == rows.expected == 549_367
