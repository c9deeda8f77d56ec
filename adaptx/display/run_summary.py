"""Sentences about the stages that a run carried out."""

from collections.abc import Sequence

from adaptx.display.durations import duration
from adaptx.planning.plan import Node

KINDS = {"train": "training", "merge": "merge", "evaluate": "evaluation"}


def stages_run(finished: Sequence[Node], elsewhere: Sequence[Node], seconds: float) -> str:
    """Return `14 stages run in 11 min (6 trainings, 8 evaluations)`. elsewhere: stages that another run carried out."""
    by_others = f", {len(elsewhere)} by another run" if elsewhere else ""
    if not finished:
        return f"0 stages run{by_others}"
    counts = {word: sum(node.kind == kind for node in finished) for kind, word in KINDS.items()}
    kinds = ", ".join(f"{count} {word}{'s' * (count > 1)}" for word, count in counts.items() if count)
    return f"{len(finished)} stage{'s' * (len(finished) > 1)} run in {duration(seconds)} ({kinds}){by_others}"
