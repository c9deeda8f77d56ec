"""A new runner is one class with the five methods of `Crew`: a made-up one runs a plan to the local run's store."""

from pathlib import Path

from support import tiny

from adaptx.execution.crew import Crew
from adaptx.execution.execute import carry_out
from adaptx.execution.groups import StageGroup
from adaptx.execution.local import run
from adaptx.execution.workshop import Workshop
from adaptx.specs import Full, Lora, Sequential
from adaptx.store.store import Store
from adaptx.training.progress import Silent


class LastFirst:
    """A crew that takes on three groups at once and ends the last of them first."""

    def __init__(self, shop: Workshop) -> None:
        self.shop, self.taken, self.most, self.closed = shop, list[StageGroup](), 0, False

    @property
    def has_room(self) -> bool:
        return len(self.taken) < 3

    @property
    def busy(self) -> bool:
        return bool(self.taken)

    def begin(self, group: StageGroup) -> None:
        self.taken.append(group)
        self.most = max(self.most, len(self.taken))

    def next_done(self, timeout_seconds: float | None = None) -> tuple[StageGroup, dict[str, Exception]] | None:
        group = self.taken.pop()
        return group, carry_out(group, self.shop, Silent())

    def close(self) -> None:
        self.closed = True


def stages(world):
    first = tiny.train(world.bert, tiny.TOPIC, Lora(2, 8))
    others = [
        tiny.train(world.bert, tiny.NLI, Lora(2, 8)),
        tiny.train(world.bert, tiny.NLI, Lora(2, 8), start=Sequential(first)),
        tiny.train(world.bert, tiny.NLI, Full()),
    ]
    return tuple(stage for train in others for stage in tiny.everywhere(train))


def content(store: Store) -> dict[str, bytes | object]:
    """What the store holds, less times and measures: modules and heads byte for byte, and every prediction."""
    found: dict[str, bytes | object] = {}
    for entry in store.entries().values():
        found[entry.folder.name] = entry.fingerprint
        for file in sorted(entry.folder.glob("*.safetensors")):
            found[f"{entry.folder.name}/{file.name}"] = file.read_bytes()
        if entry.kind == "evaluate":
            found[f"{entry.folder.name}/predictions"] = entry.scores.predictions
    for file in sorted(Path(store.root).glob("golds/*")):
        found[file.name] = file.read_bytes()
    return found


def test_a_made_up_crew_leaves_the_store_that_a_local_run_leaves(world, tmp_path) -> None:
    plan, alone, _ = tiny.execute(world, tmp_path / "alone", stages(world))
    _, shop = tiny.workshop(world, tmp_path / "together", stages(world))
    crew = LastFirst(shop)
    ours: Crew = crew
    summary = run(plan, shop, Silent(), crew=ours)
    assert summary.complete, summary.failed
    assert [node.name for node in summary.finished] != [node.name for node in plan.nodes]
    assert (crew.most, crew.closed) == (3, True)
    assert content(Store(shop.store.root)) == content(Store(alone.store.root))
    assert len(content(alone.store)) > 2 * len(plan.nodes)
