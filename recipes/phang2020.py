"""Does English intermediate-task training improve zero-shot transfer? (Phang et al. 2020, arXiv:2005.13013)

    adaptx plan recipes/phang2020.py                             # full size: cost on each GPU type
    adaptx run recipes/phang2020.py --set ccg=DIR-OF-CCGBANK     # the ninth intermediate task needs your own licence
    adaptx run recipes/phang2020.py --size small --data DIR      # e5-mini, about a quarter of an hour on two CPU cores
    adaptx report recipes/phang2020.py --size small --data DIR --out phang2020-report

Hypotheses, from the paper's abstract. H1: an intermediate task raises XTREME's average, most of all sentence retrieval
(BUCC, Tatoeba), then question answering. H2: MNLI, SQuAD and HellaSwag are the best single ones. H3: multi-task
training adds a little. H4: neither masked language modelling beside the intermediate task nor its translations beat
plain English.

Factors: what is trained before the target (nothing; nine tasks; all of them; MNLI with masked language modelling;
MNLI with its translations), target task, seed. The report sets the published scores beside ours.

What the paper's text, as known here, leaves open, and what was chosen (`notes` repeats it in the report):
learning rate and length of the intermediate stage; the mixture's sampling rule; the share and text of masked language
modelling; which tasks are translated, by whom, into what; restarts.

Full size: XLM-R large, full fine-tuning, all of XTREME, three seeds; eight of the nine intermediate tasks without CCG.
Small size: e5-mini with LoRA, four of the nine intermediate tasks on a few hundred rows, one seed; three targets and
Tatoeba in the languages at hand. It shows the way; nothing of the paper is reproduced by it.
"""

from dataclasses import dataclass, replace
from typing import Literal

from adaptx import (
    Best,
    Evaluate,
    Full,
    Last,
    Lora,
    Method,
    Mixture,
    ModelSpec,
    Pretrained,
    Proportional,
    Recipe,
    Sequential,
    Start,
    Task,
    Train,
    TrainConfig,
    Weighted,
)
from adaptx.catalog import (
    ANLI_PLUS,
    BUCC,
    COMMONSENSEQA,
    COSMOSQA,
    E5_MINI,
    HELLASWAG,
    MLQA,
    MNLI,
    PANX,
    PAWSX,
    PHANG_2020,
    QQP,
    SQUAD,
    SQUAD_V2,
    TATOEBA,
    TYDIQA,
    UDPOS,
    XLMR_LARGE,
    XNLI,
    XQUAD,
    XTREME,
    ccg_task,
    ntrex_mlm,
    wikipedia_mlm,
)

SELECTED_ON = 500
CHOSEN = (
    "Left open by the paper's text as known here, and chosen: the intermediate stage has the targets' learning rate, "
    "batch and lengths, and two epochs.",
    "Chosen: the mixture of all intermediate tasks draws in proportion to rows, of which at most 100,000 a task count.",
    "Chosen: masked language modelling takes Wikipedia in XTREME's 40 languages, one example in five, beside MNLI.",
    "Chosen: of the translations MNLI's alone, the machine translations that XNLI publishes, all languages together.",
    "Chosen: three seeds, no restart is dropped.",
    "From the authors' XTREME scripts: learning rate 1e-5, batch 32 (question answering 16), epochs XNLI 2, PAWS-X 5, "
    "tagging 10, question answering 2, warm-up 10%, length 256 (question answering 384), the best English development "
    "score of every 1,000 steps, stopping after 30 without improvement. That score is of the first 500 development "
    "rows of what is trained on, as in jiant; XNLI's are therefore MNLI's.",
)


@dataclass(frozen=True)
class Size:
    """What the two sizes differ in. targets: task -> (epochs, further tasks that its training answers). rows: of an
    intermediate training and a target's; None: all there are. test_rows: a language.
    """

    model: ModelSpec
    method: Method
    seeds: tuple[int, ...]
    intermediates: tuple[Task, ...]
    masked: Task
    targets: dict[Task, tuple[float, tuple[Task, ...]]]
    retrieved: tuple[Task, ...]
    rate: float
    batches: tuple[int, int]
    lengths: tuple[int, int]
    rows: tuple[int | None, int | None]
    most_of_mixture: int
    test_rows: int | None = None


def selected_as_in_jiant(task: Task) -> Task:
    """The task with the first 500 English development rows of what it trains on; XNLI trains on MNLI."""
    (rows,) = MNLI.development if task == XNLI else task.development
    return replace(task, development=(replace(rows, stop=SELECTED_ON, expected=min(rows.expected or 0, SELECTED_ON)),))


def at_hand(task: Task, *languages: str) -> Task:
    """The task in those of its languages whose rows the small size has."""
    return replace(task, evaluation=tuple(task.rows_in(language) for language in languages))


SIZES = {
    "full": Size(
        XLMR_LARGE,
        Full(),
        (1, 2, 3),
        (ANLI_PLUS, MNLI, QQP, SQUAD, SQUAD_V2, HELLASWAG, COSMOSQA, COMMONSENSEQA),
        wikipedia_mlm(),
        {XNLI: (2, ()), PAWSX: (5, ()), UDPOS: (10, ()), PANX: (10, ()), XQUAD: (2, (MLQA,)), TYDIQA: (2, ())},
        (BUCC, TATOEBA),
        1e-5,
        (32, 16),
        (256, 384),
        (None, None),
        100_000,
    ),
    # Rate and batch are the quickstart's, which were chosen on English development rows.
    "small": Size(
        E5_MINI,
        Lora(),
        (1,),
        (MNLI, SQUAD, HELLASWAG, COMMONSENSEQA),
        ntrex_mlm("en", "de", "id", "ko", "sw", "tr"),
        {
            at_hand(XNLI, "en", "de", "es", "ur"): (4, ()),
            at_hand(UDPOS, "en", "de", "fi", "id", "ko", "ta"): (3, ()),
            at_hand(TYDIQA, "en", "fi", "id", "ko", "sw"): (1, ()),
        },
        (at_hand(TATOEBA, "es", "id", "ta", "tr", "ur", "zh"),),
        3e-3,
        (16, 16),
        (128, 256),
        (400, 200),
        100,
        60,
    ),
}


def build(
    size: Literal["full", "small"] = "full",
    model: ModelSpec | None = None,
    seeds: tuple[int, ...] | None = None,
    ccg: str = "",
) -> Recipe:
    """ccg: a folder with CCGbank or tagged files (`adaptx.catalog.ccg_task`); without it that task is left out."""
    chosen = SIZES[size]
    checkpoint = model or chosen.model
    singles = (*chosen.intermediates, *((ccg_task(ccg),) if ccg else ()))

    def train(task: Task | Mixture, seed: int, stage: int, epochs: float, start: Start) -> Train:
        long = any(rows.column("context") for rows in task.train)
        selects = size == "full" and stage == 1
        config = TrainConfig(
            learning_rate=chosen.rate,
            epochs=epochs,
            batch_size=chosen.batches[long],
            seed=seed,
            precision="bf16",
            max_length=chosen.lengths[long],
            selection=Best(1_000, patience=30) if selects else Last(),
        )
        return Train(checkpoint, task, chosen.method, config, start, limit=chosen.rows[stage])

    def intermediates(seed: int) -> list[Train]:
        epochs = 2 if size == "full" else 1
        together = Mixture(singles, Proportional(most=chosen.most_of_mixture), label="multi")
        masked = Mixture((MNLI, chosen.masked), Weighted((4, 1)), label="mnli_mlm")
        # Wikipedia's rows are not counted here: of each member at most so many as MNLI has.
        beside = replace(train(masked, seed, 0, epochs, Pretrained()), limit=chosen.rows[0] or MNLI.train[0].expected)
        plain = [train(task, seed, 0, epochs, Pretrained()) for task in (*singles, together)]
        translated = replace(XNLI.with_translated(), name="mnli_translated")
        # As many examples as MNLI has in English alone, so that languages differ and the amount does not.
        more = replace(train(translated, seed, 0, epochs, Pretrained()), limit=MNLI.train[0].expected)
        return [*plain, beside, *([more] if size == "full" else [])]

    targets = {
        selected_as_in_jiant(task) if size == "full" else task: trained for task, trained in chosen.targets.items()
    }
    evaluations: list[Evaluate] = []
    for seed in seeds or chosen.seeds:
        before = intermediates(seed)
        trained = [
            (train(task, seed, 1, epochs, start), measured)
            for task, (epochs, further) in targets.items()
            for start in (Pretrained(), *map(Sequential, before))
            for measured in (task, *further)
        ]
        evaluations += [
            Evaluate(each, task, language, limit=chosen.test_rows)
            for each, task in trained
            for language in task.languages
        ]
        evaluations += [
            Evaluate(each, task, language, precision="bf16", limit=chosen.test_rows)
            for task in chosen.retrieved
            for each in (checkpoint, *before)
            for language in task.languages
        ]
    notes = CHOSEN if size == "full" else ("Size: small. Nothing of the paper is reproduced by it.",)
    left_out = () if ccg or size == "small" else ("CCG is left out: CCGbank needs its own licence (--set ccg=DIR).",)
    return Recipe(
        f"phang2020-{size}",
        tuple(evaluations),
        title="English intermediate-task training before XTREME",
        question="Does English intermediate-task training improve zero-shot transfer, as Phang et al. 2020 found?",
        notes=(*notes, *left_out),
        suites=(XTREME,),
        published=PHANG_2020,
    )
