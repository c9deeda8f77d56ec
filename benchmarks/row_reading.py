"""Measure what it saves to read, check and tokenise the rows of a recipe once per run, instead of once per stage.

    python benchmarks/row_reading.py [--rounds 5] [--data DIR] [--out FILE]
    python benchmarks/row_reading.py --smoke      # one round over few variants: only checks that it runs

The benchmark goes through the stages of the quickstart recipe in the order of a run: all rows are checked first, then
each training reads and tokenises its rows, and each evaluation the rows of its language. No model runs. The two ways
take turns within one process, so that a busy moment of the machine affects both.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from tqdm import tqdm

from adaptx.execution.checking import check_rows
from adaptx.execution.groups import StageGroup, grouped
from adaptx.execution.workshop import Workshop
from adaptx.formats import behaviour
from adaptx.formats.interface import reading_of
from adaptx.formats.row_cache import MOST_BYTES, RowCache
from adaptx.planning.framings import evaluation_framing, training_framing
from adaptx.planning.plan import Node, Plan, make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Resources, Stage, Train
from adaptx.store.store import Store

RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.py"
MAX_LENGTH = 128


def prepare(stage: Stage, tokenizer: Any, cache: RowCache) -> int:
    """Read and tokenise the rows of a stage; return the number of tokens."""
    if isinstance(stage, Train):
        tokens = 0
        for task in stage.tasks:
            training = behaviour(task.format, framing := training_framing(stage, task)).training
            assert training is not None
            examples = cache.training(task, stage.limit, stage.draw_seed)
            reading = reading_of(stage.model, tokenizer, framing, stage.config.max_length)
            items = cache.items(training, examples, task.format, reading)
            tokens += sum(items.encoded.lengths)
        return tokens
    assert isinstance(stage, Evaluate)
    task, framing = stage.task, evaluation_framing(stage)
    reading = reading_of(stage.checkpoint, tokenizer, framing, MAX_LENGTH)
    examples = cache.rows(task.rows_in(stage.language), task.format, stage.limit)
    inputs = cache.inputs(behaviour(task.format, framing), examples, task.format, reading)
    return sum(sum(one.items.encoded.lengths) for one in inputs.passes)


def prepare_group(group: StageGroup, cache: RowCache) -> int:
    """Prepare stages that share a model. In both ways its tokenizer is loaded at most once for them."""
    stage = group.nodes[0].stage
    tokenizer = cache.tokenizer(stage.checkpoint if isinstance(stage, Evaluate) else stage.model)
    return sum(prepare(node.stage, tokenizer, cache) for node in group.nodes)


def timed(nodes: list[Node], plan: Plan, sources: Sources, most_bytes: int) -> tuple[float, int, int]:
    """Return the processor seconds for all stages' rows, their tokens, and the bytes held at the end."""
    shop = Workshop(
        store=Store(Path("unused")),
        sources=sources,
        fingerprint_of=plan.fingerprint_of,
        resources=Resources("cpu"),
        device=torch.device("cpu"),
    )
    shop.rows.most_bytes = most_bytes
    began = time.process_time()
    check_rows(nodes, shop)
    tokens = sum(prepare_group(group, shop.rows) for group in grouped(nodes))
    return time.process_time() - began, tokens, shop.rows.held_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="times that each way is measured (default 5)")
    parser.add_argument("--data", default="sample", help="a local mirror of the hub (default: the packaged rows)")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--smoke", action="store_true", help="one round over a sixth of the stages")
    given = parser.parse_args()
    sources = Sources(given.data)
    plan = make_plan(load_recipe(RECIPE), sources)
    nodes = plan.nodes[::6] if given.smoke else list(plan.nodes)
    seconds: dict[str, list[float]] = {"read for each stage": [], "read once": []}
    tokens: set[int] = set()
    held = 0
    for _ in tqdm(range(1 if given.smoke else given.rounds), desc="rounds", disable=None):
        for name, most_bytes in zip(seconds, (0, MOST_BYTES), strict=True):
            took, read, held = timed(nodes, plan, sources, most_bytes)
            seconds[name].append(took)
            tokens.add(read)
    (read,) = tokens
    ratios = [before / after for before, after in zip(*seconds.values(), strict=True)]
    lines = [
        f"{len(nodes)} stages of {RECIPE.name}, {read:,} tokens. {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, transformers {transformers.__version__}.",
        "",
        "| rows are | median processor seconds | least | most |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {statistics.median(t):.2f} | {min(t):.2f} | {max(t):.2f} |" for name, t in seconds.items()),
        "",
        f"Ratio within a round: median {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}). "
        f"Held at the end: {held / 2**20:.0f} MiB by its own estimate, of at most {MOST_BYTES >> 20} MiB.",
    ]
    print("\n".join(lines))
    if given.out:
        head = "# Rows read once per run\n\n`" + " ".join(["python", *sys.argv]) + "`\n\n"
        given.out.write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
