"""Which way of composing the knowledge of several intermediate tasks helps a target with few examples most?

    adaptx run recipes/composition.py --data DIR                      # e5-mini, planned at 15 minutes (100 GFLOP/s)
    adaptx run recipes/composition.py --data DIR --model DIR-OF-E5    # a full checkpoint
    adaptx report recipes/composition.py --data DIR --out composition-report

Three English intermediate tasks (SNLI, SQuAD v1.1, Social IQa), each trained once with LoRA and once with a bottleneck
adapter. The target is natural-language inference with two hundred English examples (MNLI), scored in Indonesian,
Korean, Aymara, Guarani and Quechua, which it is never trained in. Every variant trains a target module and head on the
same examples: alone (the baseline), continuing one task or the mixture of all, over the stack of all, mixing all
(attention, gate), and continuing a merge of all (average, TIES, DARE, searched weights).

The search scores merged modules with the head of SNLI on MNLI's English development rows, so it sees labels of the
target task in English, as the target's own training does.
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
# As the quickstart's, which were chosen on English development rows.
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
    """Seven intermediate and sixteen target trainings, four merges; every target is scored in six languages.

    Args:
        intermediate_rows: of SNLI.
        longer_rows: of SQuAD and of Social IQa, whose examples are several times as long, and of each task in the
            mixture.
        search_rows, search_evaluations: English development rows a merge is scored on, and how many merges are tried.
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
