"""The recipes that come with adaptx: each plans with no data at hand, and names only rows that are there."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from support import questions
from support.questions import imported

from adaptx.errors import UserError
from adaptx.planning.plan import make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.planning.tuning import searches
from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.tables.contrasts import contrast_answer
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Merge, Mixture, Rows, Sequential, Train

ROOT = Path(__file__).parents[1]
HUB = ROOT.parent / "shared" / "data" / "hub"
INDEX = HUB / "INDEX.tsv"


def sets_of_the_mirror() -> set[str]:
    if not INDEX.is_file():
        pytest.skip("the mirror of real rows (shared/data/hub) is not beside this checkout")
    lines = INDEX.read_text(encoding="utf-8").splitlines()[1:]
    return {"/".join(line.split("\t")[:3]) for line in lines}


@pytest.mark.usefixtures("plans_with_adapters")
@pytest.mark.parametrize("name", ["decoder_sample", "every_task", "quickstart", "xtreme_sample"])
def test_a_recipe_plans_with_no_data_at_hand(name: str) -> None:
    recipe = load_recipe(ROOT / "recipes" / f"{name}.py")
    plan = make_plan(recipe, Sources(None))
    fingerprints = {node.fingerprint for node in plan.nodes}
    assert all(plan.fingerprint_of(evaluate) in fingerprints for evaluate in recipe.evaluations)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"mirror": "no/such/folder"},
            r"mirror='no/such/folder' is not a folder, .* name the local mirror in ADAPTX_DATA",
        ),
        ({"tasks": ("xnly",)}, r"xnly"),
    ],
)
def test_every_task_refuses_what_is_not_there(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        imported("every_task").build(**options)


@pytest.mark.parametrize("file", sorted((ROOT / "recipes").glob("*.py")), ids=lambda file: file.stem)
def test_a_recipe_is_read_on_one_page(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 100


def test_xtreme_sample_names_rows_of_the_mirror_alone() -> None:
    there = sets_of_the_mirror()
    recipe = load_recipe(ROOT / "recipes" / "xtreme_sample.py")
    plan = make_plan(recipe, Sources(None))
    read = [rows for node in plan.nodes for rows in _rows(node.stage)]
    assert not {rows.address for rows in read} - there


def test_xtreme_sample_scores_every_language_of_its_tasks_that_the_mirror_has() -> None:
    there = sets_of_the_mirror()
    module = imported("xtreme_sample")
    suites = {task.name: task for suite in (module.XTREME, module.XTREME_R) for task in suite.tasks}
    for name, languages in module.LANGUAGES.items():
        split = "validation" if name == "mlqa" else None
        at_hand = {
            rows.language
            for rows in suites[name].evaluation
            if f"{rows.hub_id}/{rows.config}/{split or rows.split}" in there
        }
        if name == "tydiqa":
            # One table holds all languages; two of the nine are not in the mirror's.
            at_hand -= {"bn", "te"}
        assert set(languages) == at_hand, name


def test_xtreme_sample_compares_three_intermediate_tasks_and_their_mixture() -> None:
    recipe = load_recipe(ROOT / "recipes" / "xtreme_sample.py")
    started = {
        evaluate.model.start.stage.task.name
        for evaluate in recipe.evaluations
        if isinstance(evaluate.model, Train) and isinstance(evaluate.model.start, Sequential)
    }
    assert started == {"mnli", "squad", "hellaswag", "multi"}
    mixtures = [e.model.start.stage.task for e in recipe.evaluations
                if isinstance(e.model, Train) and isinstance(e.model.start, Sequential)
                and isinstance(e.model.start.stage.task, Mixture)]  # fmt: skip
    assert {task.name for task in mixtures[0].tasks} == started - {"multi"}


QUESTIONS = tuple(questions.COUNTS)
SIZES = questions.SIZES


@pytest.mark.usefixtures("plans_with_adapters")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_plans_in_every_size(name: str, size: str) -> None:
    recipe = load_recipe(ROOT / "recipes" / f"{name}.py", {"size": size})
    assert recipe.name == f"{name.replace('_', '-')}-{size}"
    plan = make_plan(recipe, Sources(None))
    assert questions.counts(plan) == questions.COUNTS[name][SIZES.index(size)]
    assert recipe.smoke is (size == "small")
    assert bool(plan.later) is any(len(tuning.tuned.grid) > 1 for tuning in plan.tunings)
    if size != "small":
        assert recipe.primary_comparisons == "contrasts"
        for contrast in recipe.contrasts:
            assert {train_of(each).config.seed for each in contrast.evaluations if trained(each)} == {1, 2, 3, 4, 5}


@pytest.mark.usefixtures("plans_with_adapters")
@pytest.mark.parametrize("name", ["model_size", "peft_tradeoff", "scale_1b_7b"])
def test_intermediate_tasks_of_a_full_size_that_are_compared_have_equally_many_rows(name: str) -> None:
    chosen = imported(name).SIZES["full"]
    amounts = chosen.intermediates if name == "peft_tradeoff" else chosen.before
    assert len(amounts) >= 2
    assert len({amount["limit"] for amount in amounts.values()}) == 1
    for task, amount in amounts.items():
        assert sum(rows.expected for rows in task.train) >= amount["limit"], task.name


def test_the_arms_of_the_reproduction_read_as_many_examples_as_mnli() -> None:
    chosen = imported("phang2020").SIZES["full"]
    before = {task.name: (task, amount) for task, amount in chosen.before(chosen.singles).items()}
    rows = {name: sum(each.expected for each in task.train) for name, (task, _) in before.items() if name != "mnli_mlm"}
    of_mnli = 2 * rows["mnli"]
    assert of_mnli == 785_404
    assert before["multi"][1]["max_steps"] * chosen.passage_sizes[0] == pytest.approx(of_mnli, abs=16)
    assert before["mnli_mlm"][1]["max_steps"] * chosen.sentence_sizes[0] == pytest.approx(of_mnli, abs=32)
    assert 2 * rows["mnli_shuffled"] == of_mnli
    assert 2 * rows["mnli_translated"] == pytest.approx(of_mnli, abs=15)
    limits = [amount["limit"] for name, (_, amount) in before.items() if name.endswith("_equal")]
    assert limits == [rows["commonsenseqa"]] * (len(chosen.singles) - 1)


def trained(evaluate: Evaluate) -> bool:
    return isinstance(evaluate.model, Train)


def train_of(evaluate: Evaluate) -> Train:
    assert isinstance(evaluate.model, Train)
    return evaluate.model


@pytest.mark.usefixtures("plans_with_adapters")
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_sides_of_a_medium_question_have_searches_of_one_size(name: str) -> None:
    tunings = searches(load_recipe(ROOT / "recipes" / f"{name}.py", {"size": "medium"}).evaluations)
    assert len(tunings) >= 2
    assert len({(len(tuned.grid), len(tuned.evaluations)) for tuned in tunings}) == 1
    for tuned in tunings:
        for evaluate in tuned.evaluations:
            assert train_of(evaluate).config.seed == 101, "no reported training has the seed of a search"
            assert set(evaluate.task.languages) <= set(evaluate.task.source_languages)


@pytest.mark.usefixtures("plans_with_adapters")
@pytest.mark.parametrize("name", QUESTIONS)
def test_no_row_of_a_set_is_in_an_intermediate_task_and_in_a_medium_target(name: str) -> None:
    recipe = load_recipe(ROOT / "recipes" / f"{name}.py", {"size": "medium"})
    for evaluate in recipe.evaluations:
        if isinstance(evaluate.model, Train):
            first = [rows for stage in evaluate.model.inputs for rows in train_rows(stage)]
            for one, other in product(first, evaluate.model.task.train):
                ends = [(rows.first, rows.stop or 10**9) for rows in (one, other)]
                apart = one.address != other.address or ends[0][1] <= ends[1][0] or ends[1][1] <= ends[0][0]
                assert apart, f"{one.address}: {ends}"


def train_rows(stage: Train | Merge) -> tuple[Rows, ...]:
    return stage.task.train if isinstance(stage, Train) else tuple(r for each in stage.stages for r in each.task.train)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_states_hypotheses_factors_and_sizes(name: str) -> None:
    text = " ".join((imported(name).__doc__ or "").split())
    for words in (
        "Hypotheses",
        "H1",
        "Factors",
        "seed",
        "Full size: ",
        "Medium size: ",
        "Small size: ",
        f"adaptx plan recipes/{name}.py",
    ):
        assert words in text, words


@pytest.mark.usefixtures("plans_with_adapters")
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_questions_page_says_what_the_recipe_and_planning_say(name: str) -> None:
    written = (questions.PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert written == questions.page(name), "write it anew: PYTHONPATH=tests python -m support.questions"
    assert (questions.ROOT / "docs" / "results" / f"{name}.md").is_file()


def test_a_questions_page_reads_the_sentences_of_the_report() -> None:
    known = ContrastResult(
        name="NLI after SNLI",
        metric="accuracy",
        difference=0.04,
        by_seed=(0.03, 0.04, 0.05),
        corrected_low=0.01,
        corrected_high=0.07,
        holm_p=0.01,
        corrected_detectable=0.03,
    )
    lost = replace(known, difference=-0.04, corrected_low=-0.07, corrected_high=-0.01, corrected_detectable=0.05)
    undecided = replace(known, difference=0.01, corrected_low=-0.02, corrected_high=0.04, holm_p=0.4)
    page = "\n\n".join(f"**{sentence}**" for sentence in contrast_answer((known, lost, undecided), primary=True))
    read = [questions.short(found) for found in questions.PRIMARY.finditer(page)]
    assert read == [
        "NLI after SNLI: +4.0 [+1.0, +7.0], a gain",
        "NLI after SNLI: −4.0 [−7.0, −1.0], a loss",
        "NLI after SNLI: +1.0 [−2.0, +4.0], undecided (a difference of 3.0 would have been found)",
    ]


@pytest.mark.usefixtures("plans_with_adapters")
@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("size", SIZES[1:])
def test_a_smaller_question_reads_rows_of_the_mirror_alone(name: str, size: str) -> None:
    there = sets_of_the_mirror()
    plan = make_plan(load_recipe(ROOT / "recipes" / f"{name}.py", {"size": size}), Sources(None))
    read = [
        rows for node in (*plan.nodes, *plan.later) if not isinstance(node.stage, Merge) for rows in _rows(node.stage)
    ]
    assert not {rows.address for rows in read} - there


@pytest.mark.usefixtures("plans_with_adapters")
def test_small_questions_share_their_trainings() -> None:
    prints = {
        name: {
            node.fingerprint
            for node in make_plan(load_recipe(ROOT / "recipes" / f"{name}.py", {"size": "small"}), Sources(None)).nodes
            if node.kind == "train"
        }
        for name in ("phang2020", "sub1b_gap")
    }
    # Three single tasks, their mixture, and NLI alone and after each of them.
    assert len(prints["phang2020"] & prints["sub1b_gap"]) == 9


# A plan of 9,600 stages, of which most wait for searches, takes 8.4 million. Its line about power takes a third of them
# (benchmarks/planning.py has the seconds).
CALLS_PER_STAGE = 1_000
COUNTING = """
import cProfile, sys
from adaptx.cli.app import app
profile = cProfile.Profile()
profile.runcall(app, sys.argv[1:], standalone_mode=False)
print("calls", sum(entry.callcount for entry in profile.getstats()), file=sys.stderr)
heavy = {"torch", "transformers", "datasets", "mlflow", "pandas"}
print("libraries", *sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("name", ["phang2020", "model_size", "scale_1b_7b"])
def test_the_largest_plans_are_printed_in_few_calls_and_without_torch(name: str, tmp_path: Path) -> None:
    """In a process of its own, with an empty store and cache. Seconds are benchmarks/planning.py's to measure."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    arguments = ["plan", str(ROOT / "recipes" / f"{name}.py"), "--store", str(tmp_path / "store")]
    ended = subprocess.run(
        [sys.executable, "-c", COUNTING, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    planned = re.findall(r"(\d+)(?: more)? trainings, (\d+)(?: more)? evaluations", ended.stdout)
    counted = tuple(sum(map(int, each)) for each in zip(*planned, strict=True))
    assert counted == questions.COUNTS[name][0]
    calls, libraries = ended.stderr.splitlines()[-2:]
    assert int(calls.split()[1]) < CALLS_PER_STAGE * sum(counted)
    assert libraries == "libraries"


def _rows(stage: Train | Evaluate):
    if isinstance(stage, Train):
        return stage.task.train
    return (stage.task.rows_in(stage.language), *stage.task.pool)


def test_the_reproduction_selects_on_jiant_s_development_rows() -> None:
    plan = questions.planned("phang2020", "full")
    trained = {node.stage.task.name: node.stage.task for node in plan.nodes if isinstance(node.stage, Train)}
    (rows,) = trained["xnli"].development
    assert (rows.address, rows.first, rows.stop) == ("nyu-mll/glue/mnli/validation_matched", 0, 500)
    for task in ("pawsx", "udpos", "xquad"):
        assert [each.stop for each in trained[task].development] == [500]
