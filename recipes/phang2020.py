"""Does English intermediate-task training improve zero-shot transfer? (Phang et al. 2020, arXiv:2005.13013)

    adaptx plan recipes/phang2020.py                             # full size: cost on each GPU type
    adaptx run recipes/phang2020.py --set ccg=DIR-OF-CCGBANK     # the ninth intermediate task needs your own licence
    adaptx run recipes/phang2020.py --size small --data DIR      # e5-mini, about a quarter of an hour on two CPU cores
    adaptx report recipes/phang2020.py --size small --data DIR --out phang2020-report

Hypotheses, from the paper's abstract. H1: an intermediate task raises XTREME's average, most of all sentence retrieval
(BUCC, Tatoeba), then question answering. H2: MNLI, SQuAD and HellaSwag are the best single tasks. H3: multi-task
training adds a little. H4: masked language modelling or translations next to the intermediate task add nothing.

Factors: what is trained before the target (nothing; nine tasks; all of them; MNLI with masked language modelling; MNLI
with its translations), target task, seed. The report shows the published scores next to ours. Its notes list the
choices that the paper's text leaves open.

Full size: XLM-R large, full fine-tuning, all of XTREME, three seeds; eight of the nine intermediate tasks without CCG.
Small size: e5-mini with LoRA, four of the nine intermediate tasks on few rows, three targets and Tatoeba, one seed.
"""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Literal

from adaptx import (
    Best, Full, Last, Lora, Mixture, ModelSpec, Pretrained, Proportional, Recipe, Sequential, Start, Task, Train,
    TrainConfig, Weighted, evaluations,
)  # fmt: skip
from adaptx.catalog import (
    ANLI_PLUS, BUCC, COMMONSENSEQA, COSMOSQA, E5_MINI, HELLASWAG, MLQA, MNLI, PANX, PAWSX, PHANG_2020, QQP, SQUAD,
    SQUAD_V2, TATOEBA, TYDIQA, UDPOS, XLMR_LARGE, XNLI, XQUAD, XTREME, ccg_task, ntrex_mlm, wikipedia_mlm,
)  # fmt: skip

NOTES = (
    "Chosen: the intermediate stage has the targets' learning rate, batch and lengths, and two epochs; their mixture "
    "draws in proportion to rows, at most 100,000 per task; masked language modelling reads Wikipedia in XTREME's 40 "
    "languages, one example in five; MNLI's translations are XNLI's, all languages together; no restart is dropped.",
    "From the authors' XTREME scripts: learning rate 1e-5, batch 32 (question answering 16), epochs XNLI 2, PAWS-X 5, "
    "tagging 10, question answering 2, warm-up 10%, length 256 (question answering 384), the best English development "
    "score of every 1,000 steps, on 500 rows as in jiant (XNLI's are MNLI's), stopping after 30 without improvement.",
)
SIZES = {
    # more_rows: masked language modelling and translations read as many rows as MNLI, so that amounts are equal.
    "full": SimpleNamespace(
        model=XLMR_LARGE, method=Full(), seeds=(1, 2, 3), selection=Best(1_000, patience=30), notes=NOTES,
        config=TrainConfig(1e-5, epochs=2, batch_size=32, precision="bf16", max_length=256),
        passage_config=TrainConfig(1e-5, epochs=2, batch_size=16, precision="bf16", max_length=384),
        intermediates=(ANLI_PLUS, MNLI, QQP, SQUAD, SQUAD_V2, HELLASWAG, COSMOSQA, COMMONSENSEQA),
        intermediate_rows=None, rows_of_each_in_mixture=100_000, more_rows=MNLI.train[0].expected,
        masked=wikipedia_mlm(), translated=(replace(XNLI.with_translated(), name="mnli_translated"),),
        target_epochs={XNLI.selected_on(500, MNLI): 2, PAWSX.selected_on(500): 5, UDPOS.selected_on(500): 10,
                       PANX.selected_on(500): 10, XQUAD.selected_on(500): 2, TYDIQA.selected_on(500): 2},
        target_rows=None, retrieved=(BUCC, TATOEBA), test_rows=None,
    ),
    # The learning rate and batch size are the quickstart's, which were chosen on English development rows.
    "small": SimpleNamespace(
        model=E5_MINI, method=Lora(), seeds=(1,), selection=Last(), notes=("Size: small. It reproduces nothing.",),
        config=TrainConfig(3e-3, epochs=1, batch_size=16, precision="bf16", max_length=128),
        passage_config=TrainConfig(3e-3, epochs=1, batch_size=16, precision="bf16", max_length=256),
        intermediates=(MNLI, SQUAD, HELLASWAG, COMMONSENSEQA), intermediate_rows=400, rows_of_each_in_mixture=100,
        masked=ntrex_mlm("en", "de", "id", "ko", "sw", "tr"), more_rows=400, translated=(),
        target_epochs={XNLI.in_languages("en", "de", "es", "ur"): 4,
                       UDPOS.in_languages("en", "de", "fi", "id", "ko", "ta"): 3,
                       TYDIQA.in_languages("en", "fi", "id", "ko", "sw"): 1},
        target_rows=200, retrieved=(TATOEBA.in_languages("es", "id", "ta", "tr", "ur", "zh"),), test_rows=60,
    ),
}  # fmt: skip


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None,
    ccg: str = "",
) -> Recipe:  # fmt: skip
    """Return the recipe. ccg: a folder of CCGbank or tagged files (`adaptx.catalog.ccg_task`); without it, no CCG."""
    chosen = SIZES[size]
    singles = (*chosen.intermediates, *((ccg_task(ccg),) if ccg else ()))
    together = Mixture(singles, Proportional(most=chosen.rows_of_each_in_mixture), label="multi")
    masked = Mixture((MNLI, chosen.masked), Weighted((4, 1)), label="mnli_mlm")

    def train(seed: int, task: Task | Mixture, rows: int | None, start: Start, **more) -> Train:
        config = replace(chosen.passage_config if task.reads_passages else chosen.config, seed=seed, **more)
        return Train(model or chosen.model, task, chosen.method, config, start, limit=rows)

    measured = []
    for seed in seeds or chosen.seeds:
        before = [train(seed, task, chosen.intermediate_rows, Pretrained()) for task in (*singles, together)]
        before += [train(seed, task, chosen.more_rows, Pretrained()) for task in (masked, *chosen.translated)]
        for (task, epochs), start in product(chosen.target_epochs.items(), (Pretrained(), *map(Sequential, before))):
            trained = train(seed, task, chosen.target_rows, start, epochs=epochs, selection=chosen.selection)
            # A model that was trained on XQuAD's English rows is also evaluated on MLQA.
            for answered in (task, MLQA) if task.name == XQUAD.name else (task,):
                measured += evaluations(trained, answered, limit=chosen.test_rows)
        for task, embedder in product(chosen.retrieved, (model or chosen.model, *before)):
            measured += evaluations(embedder, task, limit=chosen.test_rows, precision="bf16")
    left_out = () if ccg or size == "small" else ("CCG is left out: CCGbank needs its own licence (--set ccg=DIR).",)
    return Recipe(
        f"phang2020-{size}", tuple(measured), suites=(XTREME,), published=PHANG_2020, notes=(*chosen.notes, *left_out),
        title="English intermediate-task training before XTREME",
        question="Does English intermediate-task training improve zero-shot transfer, as Phang et al. 2020 found?",
    )  # fmt: skip
