"""Identity of stages by their specs: what changes a result is in it, and what does not is not."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.identities import ANSWERS, BITEXT, NLI, key
from support.mutations import mutations

from adaptx.catalog import LAREQA, SIB200, SNLI, SQUAD_V2, WIKIPEDIA_MLM
from adaptx.planning.edits import Edits
from adaptx.planning.framings import evaluation_framing, training_framing
from adaptx.planning.identity import inputs_read
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
    Last,
    Lora,
    Mixture,
    ModelSpec,
    Proportional,
    Recipe,
    Retrieval,
    Rows,
    Sequential,
    Stack,
    Stage,
    Task,
    Temperature,
    Train,
    TrainConfig,
    Uniform,
    Weighted,
)

TEXT = dataclasses.replace(
    WIKIPEDIA_MLM, train=WIKIPEDIA_MLM.train[:2], development=WIKIPEDIA_MLM.development[:2], evaluation=()
)
TOPICS = dataclasses.replace(SIB200, evaluation=SIB200.evaluation[:2])
MODEL = ModelSpec("some/model", framing=Hidden(1))
LAST = TrainConfig(learning_rate=1e-3, epochs=2, head_learning_rate=1e-2, dropout=0.1)
BEST = TrainConfig(learning_rate=1e-3, max_steps=20, selection=Best(every=5, patience=2))
HIDDEN = Hidden(2)
LORA = Train(MODEL, SNLI, Lora(), LAST, framing=HIDDEN)
ADAPTER = Train(MODEL, SNLI, Bottleneck(), LAST, framing=HIDDEN, limit=20)
FUSE = Fuse((ADAPTER, dataclasses.replace(ADAPTER, limit=9)))
MIXTURE = Mixture((NLI, TOPICS, SQUAD_V2), Temperature(2.0))
TRAININGS = {
    "pretrained": dataclasses.replace(LORA, limit=7),
    "best": Train(MODEL, NLI, Lora(), BEST, Sequential(LORA), head=KeptHead(), framing=HIDDEN),
    "stack": Train(MODEL, NLI, Bottleneck(), LAST, Stack((ADAPTER,)), framing=HIDDEN),
    "fuse": Train(MODEL, NLI, Bottleneck(), LAST, FUSE, framing=HIDDEN),
    "mixture": Train(MODEL, MIXTURE, Lora(), BEST, framing=HIDDEN),
    "masked": Train(MODEL, Mixture((TEXT, NLI), Proportional(9)), Full(), LAST, framing=HIDDEN, limit=30),
    "dual encoder": Train(MODEL, ANSWERS, Lora(), BEST, framing=HIDDEN),
}
EVALUATIONS = {
    "bare": Evaluate(MODEL, BITEXT, "es", framing=HIDDEN),
    "pool": Evaluate(MODEL, ANSWERS, "ar", framing=HIDDEN),
    "retrieval": Evaluate(TRAININGS["dual encoder"], ANSWERS, "ar", limit=7),
    "of a mixture": Evaluate(TRAININGS["mixture"], TOPICS, TOPICS.languages[0]),
    "trained": Evaluate(TRAININGS["best"], NLI, "en", limit=5),
    "full": Evaluate(Train(MODEL, NLI, Full(), LAST, framing=HIDDEN), NLI, "en", precision="fp32"),
}
# What the stage at the end of a path does not read of its task.
TASK = r"task(\.tasks\[\d\])?"
NOT_READ_BY_TRAIN = rf"(.*\.)?{TASK}\.(name|evaluation|metrics|development|pool)\b.*"
READ_TO_SELECT = rf"{TASK}\.development\b.*"
NOT_READ_BY_EVALUATE = r"task\.((name|train|development|shuffled_by|metrics)\b|evaluation\[1\]).*"
# A bare checkpoint has one way of being read whatever family its spec claims.
SAME_FOR_EVALUATE = r"model\.family|task\.evaluation"


def not_read(path: str, stage: Stage) -> bool:
    if isinstance(stage, Evaluate):
        if re.fullmatch(NOT_READ_BY_EVALUATE, path) or re.fullmatch(SAME_FOR_EVALUATE, path):
            return True
        if not isinstance(stage.model, Train) or not path.startswith("model."):
            return False
        return not_read(path.removeprefix("model."), stage.model)
    own = isinstance(stage.config.selection, Best)
    if own and re.fullmatch(READ_TO_SELECT, path):
        return False
    return re.fullmatch(NOT_READ_BY_TRAIN, path) is not None


@pytest.mark.parametrize("name", [*TRAININGS, *EVALUATIONS])
def test_every_field_that_is_read_changes_the_fingerprint_and_no_other(name: str) -> None:
    stage = {**TRAININGS, **EVALUATIONS}[name]
    before = key(stage)
    tried = 0
    for mutation in mutations(stage):
        expected = not (mutation.outside or not_read(mutation.path, stage))
        # These evaluations are in fp32 whether or not they say so.
        expected = expected and not (mutation.path == "precision" and mutation.value.precision == "fp32")
        assert (key(mutation.value) != before) is expected, f"{mutation.path}: {mutation.owner}"
        tried += expected
    assert tried > 5


def test_how_a_limit_draws_is_identity_and_nothing_without_one() -> None:
    few, whole = dataclasses.replace(LORA, limit=7), LORA
    assert key(few) == key(dataclasses.replace(few, limit_seed=few.config.seed))
    assert key(few) != key(dataclasses.replace(few, limit_seed=few.config.seed + 1))
    assert key(whole) == key(dataclasses.replace(whole, limit_seed=99))

    def grouped(train: Train, group: str | None) -> Train:
        sets = tuple(dataclasses.replace(rows, parallel_group=group) for rows in train.task.train)
        return dataclasses.replace(train, task=dataclasses.replace(train.task, train=sets))

    assert key(grouped(few, None)) != key(grouped(few, "one")) == key(grouped(few, "two"))
    assert key(grouped(whole, None)) == key(grouped(whole, "one"))


def test_fusions_by_other_rules_are_other_trainings() -> None:
    rules = (Attention(), Attention(rank=4), Attention(regularisation=0.1), Gate(), Gate(width=4))
    found = {
        key(dataclasses.replace(TRAININGS["fuse"], start=dataclasses.replace(FUSE, mixing=rule))) for rule in rules
    }
    assert len(found) == len(rules)


def test_the_checkpoints_own_framing_counts_where_none_is_given() -> None:
    stage = dataclasses.replace(LORA, framing=None)
    other = dataclasses.replace(stage, model=dataclasses.replace(MODEL, framing=Hidden(5)))
    assert key(stage) != key(other)
    assert key(stage) == key(dataclasses.replace(stage, framing=Hidden(1))), "said or unsaid, it is the same work"
    bitext = Evaluate(MODEL, BITEXT, "es")
    assert key(bitext) != key(dataclasses.replace(bitext, model=dataclasses.replace(MODEL, embedding=Hidden(5))))
    assert evaluation_framing(Evaluate(stage, NLI, "en")) == Hidden(1)
    assert evaluation_framing(Evaluate(stage, BITEXT, "es")) == MODEL.embedding


def test_the_trainings_precision_is_the_evaluations_unless_given() -> None:
    bf16 = dataclasses.replace(LORA, config=dataclasses.replace(LAST, precision="bf16"))
    assert key(Evaluate(bf16, NLI, "en")) == key(Evaluate(bf16, NLI, "en", precision="bf16"))
    assert key(Evaluate(bf16, NLI, "en")) != key(Evaluate(bf16, NLI, "en", precision="fp32"))
    assert key(Evaluate(MODEL, BITEXT, "es")) == key(Evaluate(MODEL, BITEXT, "es", precision="fp32"))


def of_each_task(train: Train, edit) -> Train:
    """The training with every task of it, and of those it starts from, edited."""
    if isinstance(train.task, Mixture):
        task = dataclasses.replace(train.task, tasks=tuple(edit(each) for each in train.task.tasks))
    else:
        task = edit(train.task)
    start = train.start
    if isinstance(start, Sequential):
        start = Sequential(of_each_task(start.stage, edit))
    elif isinstance(start, Stack | Fuse):
        start = dataclasses.replace(start, stages=tuple(of_each_task(stage, edit) for stage in start.stages))
    return dataclasses.replace(train, task=task, start=start)


def of_rows(task: Task, **changes) -> Task:
    """The task with all its sets changed so."""
    kinds = ("train", "development", "evaluation", "pool")
    sets = {kind: tuple(dataclasses.replace(rows, **changes) for rows in getattr(task, kind)) for kind in kinds}
    return dataclasses.replace(task, **sets)


def in_faroese(rows: Rows) -> Rows:
    return dataclasses.replace(rows, config="fo", language="fo")


# What a person may add to a task without any training being run again.
NOT_TRAINED_ON = {
    "a name": lambda task: dataclasses.replace(task, name=f"{task.name}-new"),
    "a language": lambda task: dataclasses.replace(
        task, evaluation=(*task.evaluation, in_faroese((task.evaluation or task.train)[0]))
    ),
    "another set of languages": lambda task: dataclasses.replace(task, evaluation=task.evaluation[:1]),
    "a metric": lambda task: dataclasses.replace(task, metrics=(*task.metrics, "f1")),
    "a citation": lambda task: dataclasses.replace(task, citation="Somebody 2030"),
    "a licence": lambda task: dataclasses.replace(task, licence="other"),
    "a description": lambda task: dataclasses.replace(task, description="more"),
    "a kind": lambda task: dataclasses.replace(task, kind="other"),
    "expected counts": lambda task: of_rows(task, expected=12),
    "no expected counts": lambda task: of_rows(task, expected=None),
    "translated rows": lambda task: dataclasses.replace(task, translated=(in_faroese(task.train[0]),)),
}


@pytest.mark.parametrize("selection", [Last(), Best(every=5)])
@pytest.mark.parametrize("name", TRAININGS)
@given(edits=st.sets(st.sampled_from(sorted(NOT_TRAINED_ON)), min_size=1))
def test_what_is_not_trained_on_changes_no_training(name: str, selection, edits) -> None:
    train = TRAININGS[name]
    train = dataclasses.replace(train, config=dataclasses.replace(train.config, selection=selection))
    richer = train
    for edit in sorted(edits):
        richer = of_each_task(richer, NOT_TRAINED_ON[edit])
    assert key(richer) == key(train)


@pytest.mark.parametrize("edit", NOT_TRAINED_ON)
def test_what_is_not_trained_on_changes_no_evaluation_in_the_languages_there(edit: str) -> None:
    richer = NOT_TRAINED_ON[edit](NLI)
    assert richer != NLI
    train = Train(MODEL, NLI, Lora(), LAST)
    assert key(Evaluate(train, NLI, "en")) == key(Evaluate(train, richer, "en"))
    assert key(Evaluate(train, NLI, "en")) == key(Evaluate(dataclasses.replace(train, task=richer), richer, "en"))


def test_translated_rows_count_once_they_are_trained_on() -> None:
    richer = dataclasses.replace(NLI, translated=tuple(in_faroese(rows) for rows in NLI.train))
    assert key(Train(MODEL, richer, Lora(), LAST)) == key(Train(MODEL, NLI, Lora(), LAST))
    assert key(Train(MODEL, richer.with_translated("fo"), Lora(), LAST)) != key(Train(MODEL, NLI, Lora(), LAST))


# --- mixtures


MIXED = Train(MODEL, Mixture((NLI, TOPICS)), Lora(), LAST)
OTHER_MIXTURES = {
    "uniform": Mixture((NLI, TOPICS), Uniform()),
    "a cap": Mixture((NLI, TOPICS), Proportional(most=1000)),
    "another cap": Mixture((NLI, TOPICS), Proportional(most=1001)),
    "a temperature": Mixture((NLI, TOPICS), Temperature(2.0)),
    "weights": Mixture((NLI, TOPICS), Weighted((1.0, 2.0))),
    "other weights": Mixture((NLI, TOPICS), Weighted((2.0, 1.0))),
    "shared heads": Mixture((NLI, TOPICS), shared_heads=True),
    # What a step draws of a task depends on the task's place.
    "another order": Mixture((TOPICS, NLI)),
    "one more": Mixture((NLI, TOPICS, SQUAD_V2)),
    "another member": Mixture((NLI, SQUAD_V2)),
    "one task": NLI,
    "the other task": TOPICS,
}


def test_mixtures_of_other_tasks_order_sampling_or_heads_are_other_trainings() -> None:
    keys_found = {name: key(dataclasses.replace(MIXED, task=task)) for name, task in OTHER_MIXTURES.items()}
    assert len({key(MIXED), *keys_found.values()}) == 1 + len(OTHER_MIXTURES), keys_found


def test_a_mixtures_label_is_a_name_alone() -> None:
    labelled = Mixture((NLI, TOPICS), label="both")
    assert key(dataclasses.replace(MIXED, task=labelled)) == key(MIXED)


def test_whole_weights_are_what_their_floats_are() -> None:
    first, second = (dataclasses.replace(MIXED, task=Mixture((NLI, TOPICS), Weighted(w))) for w in ((1, 2), (1.0, 2.0)))
    assert key(first) == key(second)


def test_the_head_that_is_used_counts_and_its_tasks_name_does_not() -> None:
    """Both heads can answer; the evaluated task's name says which. A shared head is the same under both names."""
    left, right = (dataclasses.replace(NLI, name=name) for name in ("left", "right"))
    apart, shared = (Train(MODEL, Mixture((left, right), shared_heads=s), Lora(), LAST) for s in (False, True))
    assert key(Evaluate(apart, left, "en")) != key(Evaluate(apart, right, "en"))
    assert key(Evaluate(shared, left, "en")) == key(Evaluate(shared, right, "en"))
    renamed = of_each_task(apart, lambda task: dataclasses.replace(task, name=f"{task.name}-most"))
    assert key(Evaluate(renamed, dataclasses.replace(left, name="left-most"), "en")) == key(Evaluate(apart, left, "en"))


# --- pools


def test_a_pool_counts_where_it_is_ranked() -> None:
    larger = dataclasses.replace(ANSWERS, pool=LAREQA.pool[:3])
    turned = dataclasses.replace(ANSWERS, pool=ANSWERS.pool[::-1])
    queries = dataclasses.replace(ANSWERS, development=ANSWERS.evaluation[:1])
    last, best = (Train(MODEL, ANSWERS, Lora(), config) for config in (LAST, BEST))
    for other in (larger, turned):
        for model in (MODEL, last):
            assert key(Evaluate(model, other, "ar")) != key(Evaluate(model, ANSWERS, "ar"))
        assert key(Train(MODEL, other, Lora(), LAST)) == key(last)
        assert key(Train(MODEL, other, Lora(), BEST)) == key(best), "development pairs bring their own candidates"
        ranked = dataclasses.replace(other, development=queries.development)
        assert key(Train(MODEL, ranked, Lora(), BEST)) != key(Train(MODEL, queries, Lora(), BEST))
    assert inputs_read(Evaluate(MODEL, ANSWERS, "ar")) == (MODEL, ANSWERS.rows_in("ar"), *ANSWERS.pool)
    assert inputs_read(last) == (MODEL, *ANSWERS.train)
    assert inputs_read(best) == (MODEL, *ANSWERS.train, *ANSWERS.development)
    selected = inputs_read(Train(MODEL, queries, Lora(), BEST))
    assert selected == (MODEL, *queries.train, *queries.development, *queries.pool)


def test_a_dual_encoder_is_read_as_it_was_trained() -> None:
    embedding = Hidden(layer=1, prefix="query: ", centred=True)
    model = dataclasses.replace(MODEL, embedding=embedding)
    train = Train(model, ANSWERS, Lora(), LAST)
    # The layers above an earlier one would not train, and nothing is known to be centred.
    read = dataclasses.replace(embedding, layer=None, centred=False)
    assert training_framing(train, ANSWERS) == evaluation_framing(Evaluate(train, ANSWERS, "ar")) == read
    assert key(train) == key(dataclasses.replace(train, framing=read))
    assert evaluation_framing(Evaluate(train, BITEXT, "es")) == embedding
    assert evaluation_framing(Evaluate(model, ANSWERS, "ar")) == embedding
    both = Train(model, Mixture((NLI, ANSWERS)), Lora(), LAST)
    assert [training_framing(both, task) for task in both.tasks] == [model.framing, read]
    assert evaluation_framing(Evaluate(both, ANSWERS, "ar")) == read
    assert evaluation_framing(Evaluate(both, NLI, "en")) == model.framing
    cooler = dataclasses.replace(ANSWERS, format=Retrieval(temperature=0.1))
    assert key(dataclasses.replace(train, task=cooler)) != key(train)


def test_development_rows_and_the_metric_count_only_where_they_select() -> None:
    fewer = dataclasses.replace(NLI, development=())
    assert key(Train(MODEL, NLI, Lora(), LAST)) == key(Train(MODEL, fewer, Lora(), LAST))
    assert key(Train(MODEL, NLI, Lora(), BEST)) != key(Train(MODEL, fewer, Lora(), BEST))
    other = dataclasses.replace(NLI, metrics=("f1", "accuracy"))
    assert key(Train(MODEL, NLI, Lora(), LAST)) == key(Train(MODEL, other, Lora(), LAST))
    assert key(Train(MODEL, NLI, Lora(), BEST)) != key(Train(MODEL, other, Lora(), BEST))
    assert inputs_read(Train(MODEL, NLI, Lora(), LAST)) == (MODEL, *NLI.train)
    assert inputs_read(Train(MODEL, NLI, Lora(), BEST)) == (MODEL, *NLI.train, *NLI.development)


def test_32_and_32_point_0_are_one_training() -> None:
    assert key(dataclasses.replace(LORA, method=Lora(alpha=32))) == key(
        dataclasses.replace(LORA, method=Lora(alpha=32.0))
    )


@given(st.integers(1, 50), st.integers(1, 50))
def test_the_limit_is_identity(first: int, second: int) -> None:
    recipe = Recipe("limits", (Evaluate(LORA, NLI, "en"),))
    small, other = (Edits(limit).recipe(recipe).evaluations[0] for limit in (first, second))
    assert (key(small) == key(other)) is (first == second)
    assert (key(small.model) == key(other.model)) is (first == second)
    assert key(small.model) != key(LORA)
