"""Which way of composing the knowledge of several intermediate tasks helps a target with few examples most?

    adaptx run recipes/composition.py --data DIR                      # e5-mini, planned at 15 minutes (100 GFLOP/s)
    adaptx run recipes/composition.py --data DIR --model DIR-OF-E5    # a full checkpoint
    adaptx report recipes/composition.py --data DIR --out composition-report

There are three English intermediate tasks (SNLI, SQuAD v1.1, Social IQa). Each is trained once with LoRA and once with
a bottleneck adapter. The target is natural-language inference with two hundred English examples (MNLI). It is scored in
English and in five languages that no target training reads: Indonesian, Korean, Aymara, Guarani and Quechua. Every
variant trains a target module and head on the same examples: from the checkpoint (the baseline), continuing one task or
the mixture of all three, over a stack of all three, mixing all three (attention, gate), or continuing a merge of all
three (average, TIES, DARE, searched weights).

The search for weights scores merged modules on MNLI's English development rows, with the head of SNLI. It therefore
sees English labels of the target task, as the target training does.
"""

from dataclasses import replace

from adaptx import (
    Attention, Bottleneck, Dare, Fuse, Gate, KeptHeadOf, Linear, Lora, LoraHub, Merge, Merged, MergeRule, Method,
    Mixture, ModelSpec, NoHead, Pretrained, Proportional, Recipe, Sequential, Stack, Start, Task, Ties, Train,
    TrainConfig, WeightSearch, evaluations,
)  # fmt: skip
from adaptx.catalog import E5_MINI, NLI, SNLI, SOCIALIQA, SQUAD

LORA, BOTTLENECK = Lora(), Bottleneck()
INTERMEDIATE = (SNLI, SQUAD, SOCIALIQA)
LANGUAGES = ("en", "id", "ko", "aym", "gn", "quy")
# The quickstart's learning rates, which were chosen on English development rows.
RATES = {LORA: 3e-3, BOTTLENECK: 1e-3}
TARGET_RATE, MIXING_RATE = 3e-3, 1e-3


def build(
    model: ModelSpec = E5_MINI,
    seed: int = 1,
    intermediate_rows: int = 1_500,
    longer_rows: int = 500,
    target_rows: int = 200,
    test_rows: int = 150,
    search_rows: int = 100,
    search_evaluations: int = 20,
) -> Recipe:
    """Return a recipe with seven intermediate trainings, sixteen targets and four merges, scored in six languages.

    Args:
        intermediate_rows: training rows of SNLI.
        longer_rows: training rows of SQuAD and of Social IQa, whose examples are several times as long, and of each
            task in the mixture.
        search_rows: English development rows on which the search scores a merge.
        search_evaluations: number of merges that the search tries.
    """

    base = TrainConfig(TARGET_RATE, epochs=4, batch_size=16, seed=seed, precision="bf16", max_length=256,
                       head_learning_rate=TARGET_RATE)  # fmt: skip

    def intermediate(task: Task | Mixture, method: Lora | Bottleneck) -> Train:
        rows = intermediate_rows if task == SNLI else longer_rows
        return Train(model, task, method, replace(base, learning_rate=RATES[method], epochs=1), limit=rows)

    def target(method: Method, start: Start) -> Train:
        rate = MIXING_RATE if isinstance(start, Fuse) else TARGET_RATE
        return Train(model, NLI, method, replace(base, learning_rate=rate), start, limit=target_rows)

    def merged(rule: MergeRule, head: NoHead | KeptHeadOf) -> Merged:
        return Merged(Merge(loras, rule, head))

    all_three = Mixture(INTERMEDIATE, Proportional(), label="multi")
    loras, adapters = (tuple(intermediate(task, method) for task in INTERMEDIATE) for method in (LORA, BOTTLENECK))
    search = WeightSearch(NLI, LoraHub(search_evaluations, seed=seed), search_rows)
    variants = [
        target(LORA, Pretrained()),
        *(target(LORA, Sequential(trained)) for trained in loras),
        target(LORA, Sequential(intermediate(all_three, LORA))),
        target(LORA, Stack(loras)),
        target(LORA, Fuse(loras, Attention(rank=16))),
        target(LORA, Fuse(loras, Gate())),
        *(target(LORA, merged(rule, NoHead())) for rule in (Linear(), Ties(), Dare(seed=seed))),
        target(LORA, merged(Linear(search), KeptHeadOf(0))),
        target(BOTTLENECK, Pretrained()),
        target(BOTTLENECK, Sequential(adapters[0])),
        target(BOTTLENECK, Stack(adapters)),
        target(BOTTLENECK, Fuse(adapters)),
    ]
    return Recipe(
        "composition",
        tuple(each for variant in variants for each in evaluations(variant, NLI, LANGUAGES, test_rows)),
        title=f"Three intermediate tasks before {target_rows} examples of NLI: which composition helps?",
        question="Which way of composing the knowledge of several intermediate tasks helps a target with few "
        "examples most?",
    )
